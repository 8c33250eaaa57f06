// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

func (l *legacy) madeWith(key signature.Verifier) bool {
	if l.envelope != nil {
		return envelopeBy(l.envelope, key)
	}
	b, err := base64.StdEncoding.DecodeString(l.signature)
	return err == nil && key.VerifySignature(bytes.NewReader(b), bytes.NewReader(l.payload)) == nil
}

// envelopeBy says whether one of an envelope's signatures is by the key.
func envelopeBy(e *dsse.Envelope, key signature.Verifier) bool {
	b, err := e.DecodeB64Payload()
	if err != nil {
		return false
	}
	signed := dsse.PAE(e.PayloadType, b)
	for _, s := range e.Signatures {
		sig, err := base64.StdEncoding.DecodeString(s.Sig)
		if err == nil && key.VerifySignature(bytes.NewReader(sig), bytes.NewReader(signed)) == nil {
			return true
		}
	}
	return false
}

// verify asks cosign. A certificate beside a signature by a key says nothing, unless it is
// the key's own: then it stands in the log entry in place of the key.
func (l *legacy) verify(ctx context.Context, s *signer, d demand, digest v1.Hash) (proof, error) {
	if d.key == nil {
		return l.verifyWith(ctx, s, d, digest, true)
	}
	p, err := l.verifyWith(ctx, s, d, digest, false)
	if err != nil && l.certificate != nil && sameKey(d.key, l.parsed) {
		return l.verifyWith(ctx, s, d, digest, true)
	}
	return p, err
}

func (l *legacy) verifyWith(ctx context.Context, s *signer, d demand, digest v1.Hash, certified bool) (proof, error) {
	stamp := l.stamp(s.material)
	if d.timestamp && stamp == nil {
		return proof{}, errNoTimestamp
	}
	sig, err := l.entity(certified, stamp != nil)
	if err != nil {
		return proof{}, err
	}
	opts, err := l.checkOpts(s, d, stamp != nil)
	if err != nil {
		return proof{}, err
	}
	check := cosign.VerifyImageSignature
	if l.envelope != nil {
		check = cosign.VerifyBlobAttestation
	}
	logged, err := check(ctx, sig, digest, opts)
	if err != nil {
		return proof{}, err
	}
	p := proof{logged: logged && d.log && l.entry != nil}
	if d.log && !p.logged {
		return proof{}, errNoEntry
	}
	if stamp != nil {
		p.times = append(p.times, verifiedTime{stamp.Time, sourceTSA})
	}
	if p.logged {
		p.times = append(p.times, verifiedTime{time.Unix(l.entry.Payload.IntegratedTime, 0).UTC(), sourceLog})
	}
	if d.key != nil {
		return p, nil
	}
	return p, l.validAt(s, p.times, d.now)
}

// checkOpts is the one place that makes cosign's options, which accept everything where
// they are empty: no claims verifier is no digest, no identities are anybody.
func (l *legacy) checkOpts(s *signer, d demand, stamped bool) (*cosign.CheckOpts, error) {
	o := &cosign.CheckOpts{
		ClaimVerifier:       cosign.SimpleClaimVerifier,
		SigVerifier:         d.key,
		TrustedMaterial:     s.material,
		Identities:          []cosign.Identity{{Issuer: "nobody", Subject: "nobody"}},
		Offline:             true,
		IgnoreTlog:          !d.log,
		UseSignedTimestamps: stamped,
		MaxWorkers:          1,
	}
	if l.envelope != nil {
		o.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
	}
	if d.key == nil {
		if s.authority.Keyless == nil || len(s.identities) == 0 {
			return nil, errors.New("the authority has no identities")
		}
		o.IgnoreSCT = s.authority.Keyless.SCTOptional
		o.Identities = cosignIdentities(s, d)
	}
	if o.TrustedMaterial == nil || len(o.Identities) == 0 {
		return nil, errors.New("the authority has no trust anchors")
	}
	return o, nil
}

// anything is what the libraries are asked for where recognises alone decides.
const anything = "(?s).*"

func cosignIdentities(s *signer, d demand) []cosign.Identity {
	if d.anyone {
		return []cosign.Identity{{IssuerRegExp: anything, SubjectRegExp: anything}}
	}
	var out []cosign.Identity
	for _, id := range s.identities {
		if d.anyIssuer {
			id.Issuer, id.IssuerRegExp = "", anything
		}
		out = append(out, cosign.Identity{Issuer: id.Issuer, IssuerRegExp: whole(id.IssuerRegExp), Subject: id.Subject, SubjectRegExp: whole(id.SubjectRegExp)})
	}
	return out
}

// whole makes a regular expression match the whole value only.
func whole(re string) string {
	if re == "" {
		return ""
	}
	return `^(?:` + re + `)$`
}

// entity is what cosign reads, of bytes that are in memory.
func (l *legacy) entity(certified, stamped bool) (oci.Signature, error) {
	var opts []static.Option
	if l.entry != nil {
		opts = append(opts, static.WithBundle(l.entry))
	}
	if stamped {
		opts = append(opts, static.WithRFC3161Timestamp(l.timestamp))
	}
	if certified && l.certificate != nil {
		opts = append(opts, static.WithCertChain(l.certificate, l.chain))
	}
	if l.envelope != nil {
		return static.NewAttestation(l.payload, opts...)
	}
	return static.NewSignature(l.payload, l.signature, opts...)
}

// stamp is the verified time of a timestamp authority, nil for none. cosign's own
// function panics at those of unknown authorities.
func (l *legacy) stamp(m root.TrustedMaterial) *root.Timestamp {
	if l.timestamp == nil {
		return nil
	}
	stamped := l.payload
	if l.envelope == nil {
		b, err := base64.StdEncoding.DecodeString(l.signature)
		if err != nil {
			return nil
		}
		stamped = b
	}
	times, _, err := verify.VerifySignedTimestamp(&stampedBytes{stamp: l.timestamp.SignedRFC3161Timestamp, content: stamped}, m)
	if err != nil || len(times) == 0 || times[0] == nil || times[0].Time.IsZero() {
		return nil
	}
	return times[0]
}

// stampedBytes is as much of a signed entity as has to do with timestamps.
type stampedBytes struct {
	verify.BaseSignedEntity
	stamp, content []byte
}

func (s *stampedBytes) Timestamps() ([][]byte, error)                           { return [][]byte{s.stamp}, nil }
func (s *stampedBytes) SignatureContent() (verify.SignatureContent, error)      { return s, nil }
func (s *stampedBytes) Signature() []byte                                       { return s.content }
func (s *stampedBytes) EnvelopeContent() verify.EnvelopeContent                 { return nil }
func (s *stampedBytes) MessageSignatureContent() verify.MessageSignatureContent { return nil }

// validAt verifies the certificate's chain at every verified time. cosign does so at the
// time when the certificate was issued, and believes intermediates that had expired when
// it was used (CVE-2026-24122).
func (l *legacy) validAt(s *signer, times []verifiedTime, now time.Time) error {
	if l.parsed == nil {
		return errors.New("no certificate found on signature")
	}
	if len(times) == 0 {
		return chainAt(s.material, l.parsed, now, false)
	}
	for _, t := range times {
		if err := chainAt(s.material, l.parsed, t.at, true); err != nil {
			return err
		}
	}
	return nil
}

// sameKey says whether a certificate is of the key.
func sameKey(key signature.Verifier, c *x509.Certificate) bool {
	pub, err := key.PublicKey()
	return err == nil && c != nil && cryptoutils.EqualKeys(pub, c.PublicKey) == nil
}
