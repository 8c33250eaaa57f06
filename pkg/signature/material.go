// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/x509"
	"time"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// keyMaterial is a trusted root whose one key is the authority's, whatever the hint.
type keyMaterial struct {
	root.TrustedMaterial
	key root.TimeConstrainedVerifier
}

func (m keyMaterial) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return m.key, nil
}

// keyEntity is a bundle with a certificate that is about the authority's own key: the
// certificate itself then says nothing.
type keyEntity struct {
	*bundle.Bundle
	certificate *x509.Certificate
}

func (e keyEntity) VerificationContent() (verify.VerificationContent, error) {
	return keyContent{&bundle.PublicKey{}, e.certificate}, nil
}

// keyContent is a key's, with the certificate that may stand for it in a log entry.
type keyContent struct {
	key         *bundle.PublicKey
	certificate *x509.Certificate
}

func (c keyContent) CompareKey(key any, m root.TrustedMaterial) bool {
	if x, ok := key.(*x509.Certificate); ok {
		return c.certificate.Equal(x)
	}
	return c.key.CompareKey(key, m)
}

func (c keyContent) ValidAtTime(t time.Time, m root.TrustedMaterial) bool {
	return c.key.ValidAtTime(t, m)
}
func (c keyContent) Certificate() *x509.Certificate      { return nil }
func (c keyContent) Intermediates() []*x509.Certificate  { return nil }
func (c keyContent) PublicKey() verify.PublicKeyProvider { return c.key }

// clockMaterial judges certificates by a given clock.
type clockMaterial struct {
	root.TrustedMaterial
	now time.Time
}

func (m clockMaterial) FulcioCertificateAuthorities() []root.CertificateAuthority {
	var out []root.CertificateAuthority
	for _, ca := range m.TrustedMaterial.FulcioCertificateAuthorities() {
		out = append(out, clockAuthority{ca, m.now})
	}
	return out
}

type clockAuthority struct {
	root.CertificateAuthority
	now time.Time
}

func (a clockAuthority) Verify(c *x509.Certificate, _ time.Time) ([][]*x509.Certificate, error) {
	return a.CertificateAuthority.Verify(c, a.now)
}
