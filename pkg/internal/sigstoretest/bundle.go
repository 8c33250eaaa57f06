// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"crypto"
	"encoding/pem"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protodsse "github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	tiles "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	"github.com/sigstore/rekor/pkg/generated/models"
	"github.com/sigstore/rekor/pkg/tle"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
	"google.golang.org/protobuf/encoding/protojson"
)

// BundleType is the media type of bundles.
const BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"

// Bundle signs a statement as cosign 3 does; a signature is SignatureStatement. Alter
// it freely, and write it with JSON.
func (s *Stack) Bundle(statement []byte, by Signer, o SignOptions) *protobundle.Bundle {
	s.t.Helper()
	message := pae(InTotoType, statement)
	sig := s.sign(by, message)
	b := s.newBundle(by)
	b.Content = &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &protodsse.Envelope{
		Payload: statement, PayloadType: InTotoType, Signatures: []*protodsse.Signature{{Sig: sig}},
	}}
	s.vouch(b, by, o, message, sig, func() []byte {
		return s.dsseEntry(by, s.json(envelope{PayloadType: InTotoType, Payload: statement, Signatures: []envelopeSignature{{Sig: sig}}}))
	})
	return b
}

// BlobBundle signs a file's bytes as `cosign sign-blob` does.
func (s *Stack) BlobBundle(file []byte, by Signer, o SignOptions) *protobundle.Bundle {
	s.t.Helper()
	sig := s.sign(by, file)
	b := s.newBundle(by)
	algorithms := map[crypto.Hash]protocommon.HashAlgorithm{
		0: protocommon.HashAlgorithm_SHA2_256, crypto.SHA256: protocommon.HashAlgorithm_SHA2_256,
		crypto.SHA384: protocommon.HashAlgorithm_SHA2_384, crypto.SHA512: protocommon.HashAlgorithm_SHA2_512,
	}
	b.Content = &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
		MessageDigest: &protocommon.HashOutput{Algorithm: algorithms[by.Key.Hash], Digest: by.Key.digest(file)}, Signature: sig,
	}}
	s.vouch(b, by, o, file, sig, func() []byte { return s.hashedRekord(by, file, sig) })
	return b
}

func (s *Stack) newBundle(by Signer) *protobundle.Bundle {
	m := &protobundle.VerificationMaterial{Content: &protobundle.VerificationMaterial_PublicKey{
		PublicKey: &protocommon.PublicKeyIdentifier{Hint: by.Key.Hint()},
	}}
	if by.Cert != nil {
		m.Content = &protobundle.VerificationMaterial_Certificate{Certificate: &protocommon.X509Certificate{RawBytes: by.Cert.Raw}}
	}
	return &protobundle.Bundle{MediaType: BundleType, VerificationMaterial: m}
}

// vouch adds the log's and the timestamp authority's word.
func (s *Stack) vouch(b *protobundle.Bundle, by Signer, o SignOptions, message, sig []byte, proposed func() []byte) {
	s.t.Helper()
	switch o.Log {
	case LogV1:
		b.VerificationMaterial.TlogEntries = []*protorekor.TransparencyLogEntry{s.Entry(s.LogV1(proposed()))}
	case LogV2:
		b.VerificationMaterial.TlogEntries = []*protorekor.TransparencyLogEntry{s.LogV2(s.requestV2(by, message, sig))}
	}
	if o.TSA {
		b.VerificationMaterial.TimestampVerificationData = &protobundle.TimestampVerificationData{
			Rfc3161Timestamps: []*protocommon.RFC3161SignedTimestamp{{SignedTimestamp: s.Timestamp(sig)}},
		}
	}
}

// Entry is an entry of Rekor v1 in the form that bundles keep.
func (s *Stack) Entry(e models.LogEntryAnon) *protorekor.TransparencyLogEntry {
	s.t.Helper()
	out, err := tle.GenerateTransparencyLogEntry(e)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// requestV2 is what clients send to the Rekor v2.
func (s *Stack) requestV2(by Signer, message, sig []byte) *tiles.HashedRekordRequestV002 {
	s.t.Helper()
	details, err := signature.GetDefaultAlgorithmDetails(by.Key.Private.Public(), options.WithED25519ph())
	if err != nil {
		s.t.Fatal(err)
	}
	v := &tiles.Verifier{KeyDetails: details.GetSignatureAlgorithm()}
	block, _ := pem.Decode(by.pem())
	if by.Cert != nil {
		v.Verifier = &tiles.Verifier_X509Certificate{X509Certificate: &protocommon.X509Certificate{RawBytes: block.Bytes}}
	} else {
		v.Verifier = &tiles.Verifier_PublicKey{PublicKey: &tiles.PublicKey{RawBytes: block.Bytes}}
	}
	return &tiles.HashedRekordRequestV002{Digest: by.Key.digest(message), Signature: &tiles.Signature{Content: sig, Verifier: v}}
}

// JSON writes a bundle as clients do.
func (s *Stack) JSON(b *protobundle.Bundle) []byte {
	s.t.Helper()
	out, err := protojson.Marshal(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}
