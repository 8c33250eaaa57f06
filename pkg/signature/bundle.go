// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// maxEntries is the number of log entries, and of timestamps, that a bundle may have.
const maxEntries = 32

// sigstoreBundle is an item in the form of a sigstore bundle.
type sigstoreBundle struct {
	*bundle.Bundle
	certificate   *x509.Certificate
	envelope      *dsse.Envelope
	message       *protocommon.MessageSignature
	predicateType string
	stamped       bool
}

// readBundle reads a sigstore bundle.
func readBundle(raw []byte) (*item, error) {
	if err := wellFormed(raw, maxSmall); err != nil {
		return nil, fmt.Errorf("the bundle %w", err)
	}
	pb := &protobundle.Bundle{}
	if err := protojson.Unmarshal(raw, pb); err != nil {
		if bytes.Contains(raw, []byte(`"base64Signature"`)) {
			return nil, errors.New("it is in cosign's old bundle format; cosign v2 writes sigstore bundles with --new-bundle-format")
		}
		return nil, fmt.Errorf("it is no sigstore bundle: %w", err)
	}
	if err := checkEntries(pb); err != nil {
		return nil, err
	}
	b := &sigstoreBundle{stamped: len(pb.GetVerificationMaterial().GetTimestampVerificationData().GetRfc3161Timestamps()) > 0}
	var err error
	if b.Bundle, err = bundle.NewBundle(pb); err != nil {
		return nil, err
	}
	i := &item{format: b}
	if err := b.readSigner(i); err != nil {
		return nil, err
	}
	return i, b.readContent(i, pb)
}

// checkEntries bounds what the library's readers recurse into or loop over.
func checkEntries(pb *protobundle.Bundle) error {
	m := pb.GetVerificationMaterial()
	if n := len(m.GetTlogEntries()); n > maxEntries {
		return fmt.Errorf("the bundle has %d log entries, more than %d", n, maxEntries)
	}
	if n := len(m.GetTimestampVerificationData().GetRfc3161Timestamps()); n > maxEntries {
		return fmt.Errorf("the bundle has %d timestamps, more than %d", n, maxEntries)
	}
	for _, e := range m.GetTlogEntries() {
		if err := checkEntry(e); err != nil {
			return err
		}
	}
	for _, c := range append(m.GetX509CertificateChain().GetCertificates(), m.GetCertificate()) {
		if len(c.GetRawBytes()) > maxCertificate {
			return fmt.Errorf("the bundle's certificate has more than %d bytes", maxCertificate)
		}
	}
	return nil
}

func checkEntry(e *protorekor.TransparencyLogEntry) error {
	if len(e.GetCanonicalizedBody()) == 0 {
		return errors.New("the bundle's log entry has no body")
	}
	if err := wellFormed(e.GetCanonicalizedBody(), maxSmall); err != nil {
		return fmt.Errorf("the bundle's log entry %w", err)
	}
	return nil
}

// readSigner reads whom the bundle names.
func (b *sigstoreBundle) readSigner(i *item) error {
	content, err := b.VerificationContent()
	if err != nil {
		return err
	}
	if c := content.Certificate(); c != nil {
		b.certificate = c
		return i.readCertificate(c)
	}
	if k := content.PublicKey(); k != nil {
		i.found.Signer.Key = keyHint(k.Hint())
		return nil
	}
	return errors.New("the bundle names neither a certificate nor a key")
}

// keyHint writes cosign's hint, the hash of the key, the way that fingerprints are written.
func keyHint(hint string) string {
	if b, err := base64.StdEncoding.DecodeString(hint); err == nil && len(b) == sha256.Size {
		return "sha256:" + hex.EncodeToString(b)
	}
	return shorten(hint, maxValue)
}

// readContent reads what is signed. Only the signed statement says what kind it is:
// annotations and artifact types can be anybody's.
func (b *sigstoreBundle) readContent(i *item, pb *protobundle.Bundle) error {
	if b.message = pb.GetMessageSignature(); b.message != nil {
		i.found.Kind = evidence.KindSignature
		if b.message.GetMessageDigest().GetAlgorithm() == protocommon.HashAlgorithm_SHA2_256 {
			i.about = []string{"sha256:" + hex.EncodeToString(b.message.GetMessageDigest().GetDigest())}
		}
		return nil
	}
	e := pb.GetDsseEnvelope()
	switch n := len(e.GetSignatures()); {
	case e.GetPayloadType() != payloadInToto:
		return fmt.Errorf("the envelope's payload is of the type %s, not %s", quoted(e.GetPayloadType()), payloadInToto)
	case n != 1:
		return fmt.Errorf("the envelope has %d signatures, not one", n)
	}
	if err := i.readStatement(e.GetPayload()); err != nil {
		return err
	}
	content, err := b.Envelope()
	if err != nil {
		return err
	}
	b.envelope, b.predicateType = content.RawEnvelope(), i.found.PredicateType
	i.found.Kind = evidence.KindAttestation
	if b.predicateType == evidence.PredicateSignature {
		i.found.Kind = evidence.KindSignature
	}
	return nil
}

func (b *sigstoreBundle) madeWith(key signature.Verifier) bool {
	if b.certificate != nil && !sameKey(key, b.certificate) {
		return false
	}
	if b.envelope != nil {
		return envelopeBy(b.envelope, key)
	}
	return key.VerifySignature(bytes.NewReader(b.message.GetSignature()), strings.NewReader(""),
		options.WithDigest(b.message.GetMessageDigest().GetDigest())) == nil
}

// verify asks sigstore-go. Of the ways to prove a time, the best that the bundle has.
func (b *sigstoreBundle) verify(_ context.Context, s *signer, d demand, digest v1.Hash) (proof, error) {
	raw, err := hex.DecodeString(digest.Hex)
	if err != nil || digest.Algorithm != "sha256" || len(raw) != sha256.Size {
		return proof{}, errors.New("only SHA-256 digests can be verified")
	}
	if d.log && len(b.GetVerificationMaterial().GetTlogEntries()) == 0 {
		return proof{}, errNoEntry
	}
	policy, err := b.policy(s, d)
	if err != nil {
		return proof{}, err
	}
	for _, way := range b.ways(s, d) {
		var res *verify.VerificationResult
		if res, err = b.try(s, d, way, verify.NewPolicy(verify.WithArtifactDigest(digest.Algorithm, raw), policy...)); err == nil {
			return b.proof(res, d)
		}
	}
	return proof{}, err
}

// policy is whom the bundle must be by.
func (b *sigstoreBundle) policy(s *signer, d demand) ([]verify.PolicyOption, error) {
	switch {
	case d.key != nil:
		return []verify.PolicyOption{verify.WithKey()}, nil
	case s.authority.Keyless == nil || len(s.identities) == 0:
		return nil, errors.New("the authority has no identities")
	case d.anyone:
		return []verify.PolicyOption{verify.WithoutIdentitiesUnsafe()}, nil
	}
	var out []verify.PolicyOption
	for _, id := range s.identities {
		san, err := verify.NewSANMatcher(id.Subject, whole(id.SubjectRegExp))
		if err != nil {
			return nil, err
		}
		if d.anyIssuer {
			id.Issuer, id.IssuerRegExp = "", anything
		}
		issuer, err := verify.NewIssuerMatcher(id.Issuer, whole(id.IssuerRegExp))
		if err != nil {
			return nil, err
		}
		// Extensions are compared by recognises: the library takes "" for anything.
		ci, err := verify.NewCertificateIdentity(san, issuer, certificate.Extensions{})
		if err != nil {
			return nil, err
		}
		out = append(out, verify.WithCertificateIdentity(ci))
	}
	return out, nil
}

// way is one way to prove the time of a signature. The log is demanded besides.
type way struct {
	options []verify.VerifierOption
	// clock: by the real clock, for nothing proves a time.
	clock bool
}

func (b *sigstoreBundle) ways(s *signer, d demand) []way {
	var base []verify.VerifierOption
	if d.key == nil && !s.authority.Keyless.SCTOptional {
		base = append(base, verify.WithSignedCertificateTimestamps(1))
	}
	with := func(clock bool, o verify.VerifierOption) way {
		return way{append(base[:len(base):len(base)], o), clock}
	}
	if d.timestamp {
		return []way{with(false, verify.WithSignedTimestamps(1))}
	}
	var out []way
	switch {
	case d.log:
		// The log's time (Rekor v1), or a timestamp authority's (Rekor v2 has none).
		out = append(out, with(false, verify.WithObserverTimestamps(1)))
	case b.stamped:
		out = append(out, with(false, verify.WithSignedTimestamps(1)))
	}
	switch {
	case d.key != nil:
		out = append(out, with(false, verify.WithNoObserverTimestamps()))
	case !d.log:
		out = append(out, with(true, verify.WithCurrentTime()))
	}
	return out
}

func (b *sigstoreBundle) try(s *signer, d demand, w way, policy verify.PolicyBuilder) (*verify.VerificationResult, error) {
	var material root.TrustedMaterial = s.material
	var entity verify.SignedEntity = b.Bundle
	switch {
	case d.key != nil:
		material = keyMaterial{s.material, root.NewExpiringKey(d.key, time.Time{}, time.Time{})}
		if b.certificate != nil {
			entity = keyEntity{b.Bundle, b.certificate}
		}
	case w.clock:
		material = clockMaterial{s.material, d.now}
	}
	opts := w.options
	switch {
	case d.log && d.key != nil && b.certificate != nil && b.loggedInV2():
		if _, err := verify.VerifyTlogEntry(b.Bundle, s.material, 1, false); err != nil {
			return nil, err
		}
	case d.log:
		opts = append(opts[:len(opts):len(opts)], verify.WithTransparencyLog(1))
	}
	v, err := verify.NewVerifier(material, opts...)
	if err != nil {
		return nil, err
	}
	res, err := v.Verify(entity, policy)
	if err == nil && res == nil {
		err = errors.New("the library gave no result")
	}
	if err != nil && b.certificate != nil && strings.Contains(err.Error(), "leaf certificate verification failed") {
		return nil, b.explain(s, w, d, err)
	}
	return res, err
}

// loggedInV2 says whether an entry is of a Rekor v2. Those are compared with the whole
// verification material: where that is a certificate, the key alone is another's entry.
func (b *sigstoreBundle) loggedInV2() bool {
	entries, err := b.TlogEntries()
	return err == nil && slices.ContainsFunc(entries, func(e *tlog.Entry) bool { return e.IsRekorV2() })
}

// explain says why a certificate's chain does not hold.
func (b *sigstoreBundle) explain(s *signer, w way, d demand, err error) error {
	if w.clock {
		return cmp.Or(chainAt(s.material, b.certificate, d.now, false), err)
	}
	if times, _, e := verify.VerifySignedTimestamp(b.Bundle, s.material); e == nil {
		for _, t := range times {
			if err := chainAt(s.material, b.certificate, t.Time, true); err != nil {
				return err
			}
		}
	}
	if issued := chainAt(s.material, b.certificate, b.certificate.NotBefore, true); issued != nil {
		return issued
	}
	return err
}

// proof is what a result proves, if it is of the statement that was read here.
func (b *sigstoreBundle) proof(res *verify.VerificationResult, d demand) (proof, error) {
	switch {
	case b.envelope != nil && res.Statement.GetPredicateType() != b.predicateType:
		return proof{}, errors.New("the library sees another predicate type than this program")
	case b.envelope == nil && res.Statement != nil:
		return proof{}, errors.New("the library sees a statement where there is none")
	case d.key == nil && (res.Signature == nil || res.Signature.Certificate == nil):
		return proof{}, errors.New("no certificate found on signature")
	}
	p := proof{logged: d.log}
	for _, t := range res.VerifiedTimestamps {
		switch t.Type {
		case "TimestampAuthority":
			p.times = append(p.times, verifiedTime{t.Timestamp.UTC(), sourceTSA})
		case "Tlog":
			p.times = append(p.times, verifiedTime{t.Timestamp.UTC(), sourceLog})
		}
	}
	return p, nil
}
