// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/sigstore/rekor/pkg/generated/models"
	rekortypes "github.com/sigstore/rekor/pkg/types"
	"github.com/sigstore/rekor/pkg/types/dsse"
	"github.com/sigstore/rekor/pkg/types/hashedrekord"
	rekorutil "github.com/sigstore/rekor/pkg/util"
)

// Log says where a signature is logged.
type Log int

// The logs.
const (
	NoLog Log = iota
	LogV1
	LogV2
)

// Signer is who signs: a key, or a certificate's holder.
type Signer struct {
	Key *Key
	// Cert is nil for a key. Chain are the certificates above it, as cosign keeps them
	// beside signatures of the tag format.
	Cert  *x509.Certificate
	Chain []*x509.Certificate
}

// Signer signs with the key alone.
func (k *Key) Signer() Signer { return Signer{Key: k} }

// Keyless is the holder of the claims, with a key and a certificate made now.
func (s *Stack) Keyless(claims Claims) Signer {
	s.t.Helper()
	k := NewKey(s.t, ECDSA)
	return Signer{Key: k, Cert: s.Issue(k.Private.Public(), claims), Chain: []*x509.Certificate{s.Intermediate, s.Root}}
}

// pem is the certificate, or the public key.
func (s Signer) pem() []byte {
	if s.Cert != nil {
		return CertificatesPEM(s.Cert)
	}
	return s.Key.PublicPEM
}

// SignOptions say what a signature is made of. The zero value is the bare signature.
type SignOptions struct {
	Log Log
	TSA bool
	// Annotations are the claims that cosign signs with the option -a (tag format's
	// signatures).
	Annotations map[string]any
	// DockerReference is what the payload calls the image; empty: its own repository.
	DockerReference string
}

// Media types and annotations of the tag format.
const (
	SimpleSigningType = "application/vnd.dev.cosign.simplesigning.v1+json"
	DSSEType          = "application/vnd.dsse.envelope.v1+json"
	InTotoType        = "application/vnd.in-toto+json"

	SignatureAnnotation   = "dev.cosignproject.cosign/signature"
	CertificateAnnotation = "dev.sigstore.cosign/certificate"
	ChainAnnotation       = "dev.sigstore.cosign/chain"
	BundleAnnotation      = "dev.sigstore.cosign/bundle"
	TimestampAnnotation   = "dev.sigstore.cosign/rfc3161timestamp"
)

// TagItem is a layer of the image at a tag sha256-HEX.sig or sha256-HEX.att.
type TagItem struct {
	Payload     []byte
	MediaType   string
	Annotations map[string]string
}

// TagSignature signs an image as `cosign sign` of version 2 does.
func (s *Stack) TagSignature(image name.Digest, by Signer, o SignOptions) *TagItem {
	s.t.Helper()
	ref := o.DockerReference
	if ref == "" {
		ref = image.Repository.Name()
	}
	payload := s.json(map[string]any{
		"critical": map[string]any{
			"identity": map[string]any{"docker-reference": ref},
			"image":    map[string]any{"docker-manifest-digest": image.DigestStr()},
			"type":     "cosign container image signature",
		},
		"optional": o.Annotations,
	})
	return s.TagPayload(payload, by, o)
}

// TagPayload is TagSignature of any payload.
func (s *Stack) TagPayload(payload []byte, by Signer, o SignOptions) *TagItem {
	s.t.Helper()
	sig := s.sign(by, payload)
	item := &TagItem{Payload: payload, MediaType: SimpleSigningType, Annotations: map[string]string{
		SignatureAnnotation: base64.StdEncoding.EncodeToString(sig),
	}}
	s.complete(item, by, o, sig, func() models.LogEntryAnon { return s.LogV1(s.hashedRekord(by, payload, sig)) })
	return item
}

// TagAttestation signs a statement (see Statement) as `cosign attest` of version 2 does.
func (s *Stack) TagAttestation(statement []byte, by Signer, o SignOptions) *TagItem {
	s.t.Helper()
	envelope := s.json(envelope{
		PayloadType: InTotoType, Payload: statement, Signatures: []envelopeSignature{{Sig: s.sign(by, pae(InTotoType, statement))}},
	})
	predicateType := struct{ PredicateType string }{}
	_ = json.Unmarshal(statement, &predicateType) // hostile statements have none
	item := &TagItem{Payload: envelope, MediaType: DSSEType, Annotations: map[string]string{
		SignatureAnnotation: "", "predicateType": predicateType.PredicateType,
	}}
	s.complete(item, by, o, envelope, func() models.LogEntryAnon { return s.LogV1(s.dsseEntry(by, envelope)) })
	return item
}

// complete adds what vouches for a signature: certificate, log entry, timestamp of the
// given bytes.
func (s *Stack) complete(item *TagItem, by Signer, o SignOptions, stamped []byte, log func() models.LogEntryAnon) {
	s.t.Helper()
	if by.Cert != nil {
		item.Annotations[CertificateAnnotation] = string(CertificatesPEM(by.Cert))
		item.Annotations[ChainAnnotation] = string(CertificatesPEM(by.Chain...))
	}
	switch o.Log {
	case LogV1:
		item.Annotations[BundleAnnotation] = string(s.json(rekorBundle(log())))
	case LogV2:
		s.t.Fatal("the tag format has no entries of Rekor v2")
	}
	if o.TSA {
		item.Annotations[TimestampAnnotation] = string(s.json(map[string]any{"SignedRFC3161Timestamp": s.Timestamp(stamped)}))
	}
}

// rekorBundle is the annotation that keeps a log entry with a signature.
func rekorBundle(e models.LogEntryAnon) map[string]any {
	return map[string]any{
		"SignedEntryTimestamp": e.Verification.SignedEntryTimestamp,
		"Payload":              map[string]any{"body": e.Body, "integratedTime": *e.IntegratedTime, "logIndex": *e.LogIndex, "logID": *e.LogID},
	}
}

type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     []byte              `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string `json:"keyid"`
	Sig   []byte `json:"sig"`
}

// pae is what DSSE signs.
func pae(payloadType string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
}

// Statement is an in-toto statement about a digest.
func Statement(image name.Digest, predicateType string, predicate any) []byte {
	algorithm, hexDigest := splitDigest(image.DigestStr())
	b, err := json.Marshal(map[string]any{
		"_type":         "https://in-toto.io/Statement/v1",
		"subject":       []any{map[string]any{"name": image.Repository.Name(), "digest": map[string]string{algorithm: hexDigest}}},
		"predicateType": predicateType, "predicate": predicate,
	})
	if err != nil {
		panic(fmt.Sprintf("a predicate that no test has: %v", err))
	}
	return b
}

// SignaturePredicate is the predicate type of a bundle that is a signature.
const SignaturePredicate = "https://sigstore.dev/cosign/sign/v1"

// SignatureStatement is what `cosign sign` of version 3 signs.
func SignatureStatement(image name.Digest) []byte {
	return Statement(image, SignaturePredicate, map[string]any{})
}

// hashedRekord is the proposed entry about a message's signature.
func (s *Stack) hashedRekord(by Signer, message, sig []byte) []byte {
	s.t.Helper()
	e, err := hashedrekord.New().CreateProposedEntry(context.Background(), "", rekortypes.ArtifactProperties{
		PKIFormat: "x509", PublicKeyBytes: [][]byte{by.pem()}, SignatureBytes: sig,
		ArtifactHash: rekorutil.PrefixSHA(hex.EncodeToString(by.Key.digest(message))),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.json(e)
}

// dsseEntry is the proposed entry about an envelope.
func (s *Stack) dsseEntry(by Signer, envelope []byte) []byte {
	s.t.Helper()
	e, err := dsse.New().CreateProposedEntry(context.Background(), "", rekortypes.ArtifactProperties{
		ArtifactBytes: envelope, PublicKeyBytes: [][]byte{by.pem()},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.json(e)
}

func (s *Stack) sign(by Signer, message []byte) []byte {
	s.t.Helper()
	sig, err := by.Key.Sign(message)
	if err != nil {
		s.t.Fatal(err)
	}
	return sig
}

func (s *Stack) json(v any) []byte {
	s.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// Clone is a copy that can be altered.
func (i *TagItem) Clone() *TagItem {
	c := *i
	c.Payload, c.Annotations = append([]byte(nil), i.Payload...), maps.Clone(i.Annotations)
	return &c
}
