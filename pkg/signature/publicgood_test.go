// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/x509"
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/data"
	"github.com/sigstore/sigstore-go/pkg/verify"
)

// What the public good instance has issued, from the library's own test data.
func TestPublicGoodInstance(t *testing.T) {
	trusted, err := data.TrustedRoot(t, "public-good.json").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	const workflow = "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/"
	authority := func(branch, repository string) Authority {
		return Authority{Name: "sigstore-js", Keyless: &Keyless{
			TrustedRoot: &TrustedRoot{Name: "public-good.json", JSON: trusted},
			Identities: []Identity{{Issuer: "https://token.actions.githubusercontent.com", Subject: workflow + branch,
				Extensions:       map[string]string{"sourceRepositoryURI": repository, "runnerEnvironment": "github-hosted"},
				ExtensionsRegExp: map[string]string{"sourceRepositoryRef": `refs/heads/(main|release-\d+)`}}},
		}}
	}
	s, state := prepared(t, Options{Offline: true}, authority("main", "https://github.com/sigstore/sigstore-js"))
	if s == nil {
		t.Fatal(state.Problem)
	}
	signed := data.Bundle(t, "sigstore.js@2.0.0-provenance.sigstore.json")
	verifies(t, s, signed)
	content, err := signed.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := certificate.SummarizeCertificate(content.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	if ok, why := s.recognises(cert); !ok {
		t.Error(why)
	}
	for want, a := range map[string]Authority{
		"has the subject":             authority("dev", "https://github.com/sigstore/sigstore-js"),
		"has the sourceRepositoryURI": authority("main", "https://github.com/sigstore/sigstore"),
	} {
		s, _ := prepared(t, Options{Offline: true}, a)
		if ok, why := s.recognises(cert); ok || !strings.Contains(why, want) {
			t.Errorf("%t %s", ok, why)
		}
	}
}

func verifies(t *testing.T, s *signer, b *bundle.Bundle) {
	t.Helper()
	v, err := verify.NewVerifier(s.material, verify.WithSignedCertificateTimestamps(1), verify.WithTransparencyLog(1), verify.WithObserverTimestamps(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(b, verify.NewPolicy(verify.WithoutArtifactUnsafe(), verify.WithoutIdentitiesUnsafe())); err != nil {
		t.Fatal(err)
	}
}

// The same trust anchors, in PEM form.
func TestPublicGoodInstanceInPEMForm(t *testing.T) {
	trusted := data.TrustedRoot(t, "public-good.json")
	var r TrustedRoot
	for _, a := range trusted.FulcioCertificateAuthorities() {
		f := a.(*root.FulcioCertificateAuthority)
		for _, c := range append([]*x509.Certificate{f.Root}, f.Intermediates...) {
			r.CA = append(r.CA, trustCert{Certificate: c}.pem()...)
		}
	}
	for _, l := range trusted.RekorLogs() {
		r.Rekor = append(r.Rekor, trustPEM(t, l.PublicKey)...)
	}
	for _, l := range trusted.CTLogs() {
		r.CTLog = append(r.CTLog, trustPEM(t, l.PublicKey)...)
	}
	s, state := prepared(t, Options{}, keyless(&r))
	if s == nil {
		t.Fatal(state.Problem)
	}
	verifies(t, s, data.Bundle(t, "sigstore.js@2.0.0-provenance.sigstore.json"))
}
