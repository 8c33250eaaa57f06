// SPDX-License-Identifier: Apache-2.0

package evidence

import "time"

// Signatures are the signatures and attestations of one artifact, the image or its
// base, and what became of each under the policy's authorities.
type Signatures struct {
	// Reference is where they were looked for: a repository with registry, or the path
	// of a layout or archive.
	Reference string `json:"reference"`
	// Digests are those that signatures were looked for: a signature on an index covers
	// its platforms.
	Digests []SignedDigest `json:"digests"`
	// Authorities are those that were asked, by name in order.
	Authorities []AuthorityState `json:"authorities"`
	// Items are everything that was found, valid or not, in an order that depends on
	// their bytes only.
	Items []Signature `json:"items"`
	// Problems are the reasons why there may be items that nobody has seen. "Unsigned" is
	// certain only where there is none.
	Problems []Problem `json:"problems"`
}

// SignedDigest is a digest that can be signed for the artifact.
type SignedDigest struct {
	Digest string     `json:"digest"`
	Kind   SignedKind `json:"kind"`
}

// SignedKind says what a signed digest is the digest of.
type SignedKind string

// The kinds.
const (
	// SignedIndex is the outermost index that the image's manifest is in.
	SignedIndex SignedKind = "index"
	// SignedManifest is the image's own manifest.
	SignedManifest SignedKind = "manifest"
	// SignedArchive is the file that holds the image; detached bundles are about that.
	SignedArchive SignedKind = "archive"
)

// AuthorityState is one authority as far as it concerns everything that it verifies.
type AuthorityState struct {
	Name string `json:"name"`
	// Signer describes whom it stands for: "key sha256:…", "keyless: ISSUER SUBJECT".
	Signer string `json:"signer,omitempty"`
	// TrustRoot says where its trust anchors are from; empty where it has none.
	TrustRoot string `json:"trustRoot,omitempty"`
	// Problem says why it could not be made ready (key, trusted root, KMS): then it
	// verified nothing, and a rule that depends on it cannot be decided. Hint says what
	// to do.
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint,omitempty"`
}

// PredicateSignature is the type of statements that are signatures of an image as such.
const PredicateSignature = "https://sigstore.dev/cosign/sign/v1"

// SignatureKind tells signatures from attestations.
type SignatureKind string

// The kinds. The zero value is neither.
const (
	// KindSignature: a signature of the image as such.
	KindSignature SignatureKind = "signature"
	// KindAttestation: a signed statement with a predicate.
	KindAttestation SignatureKind = "attestation"
	// KindUnreadable: something that should be one of them and cannot be read.
	KindUnreadable SignatureKind = "unreadable"
)

// SignatureFormat says how a signature is kept.
type SignatureFormat string

// The formats.
const (
	// FormatTag: a layer of the image at the tag sha256-HEX.sig or sha256-HEX.att.
	FormatTag SignatureFormat = "tag"
	// FormatReferrer: the same, as a referrer (cosign's experimental OCI 1.1 mode).
	FormatReferrer SignatureFormat = "referrer"
	// FormatBundle: a sigstore bundle as a referrer, by the API or the fallback tag.
	FormatBundle SignatureFormat = "bundle"
	// FormatDetached: a sigstore bundle in a file that the caller named.
	FormatDetached SignatureFormat = "detached"
)

// Signature is one signature or attestation. What it says about itself is believed
// only where a check verified it.
type Signature struct {
	Kind   SignatureKind   `json:"kind"`
	Format SignatureFormat `json:"format"`
	// Digest is the digest that it hangs on: one of Signatures.Digests.
	Digest string `json:"digest"`
	// Place is where it was found: "sha256-….sig, layer 1", a referrer's digest, a path.
	Place string `json:"place"`
	// PredicateType is that of the signed statement, which a signature in a bundle has too
	// (https://sigstore.dev/cosign/sign/v1); empty for one in the tag format.
	PredicateType string `json:"predicateType,omitempty"`
	// Repositories are the names that the signed payload gives the artifact; bundles of
	// signatures have none.
	Repositories []string `json:"repositories,omitempty"`
	// Signer is whom the certificate or hint names.
	Signer Signer `json:"signer"`
	// Checks are what each authority says, in the order of Signatures.Authorities. An
	// authority that could not be made ready has none.
	Checks []SignatureCheck `json:"checks"`
	// Predicate is that of an attestation which an authority verified, as JSON values;
	// nil where no rule asks about its content, or none verified it.
	Predicate any `json:"predicate,omitempty"`
	// Rego is what the Rego modules of attestation rules say about it, by rule in order.
	Rego []CustomResult `json:"rego,omitempty"`
	// Problem says why it cannot be read.
	Problem string `json:"problem,omitempty"`
}

// Signer is whom a signature names as its signer.
type Signer struct {
	// Issuer and Subject are those of a certificate: the OIDC issuer (where it names none,
	// the distinguished name of whoever issued it), and the first subject alternative name.
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	// Extensions are Fulcio's certificate extensions, by the names of its OID registry
	// in lower camel case: sourceRepositoryURI, buildTrigger, …
	Extensions map[string]string `json:"extensions,omitempty"`
	// Key is the fingerprint of a public key ("sha256:…", of its DER form), or the hint
	// that a bundle gives.
	Key string `json:"key,omitempty"`
}

// CheckResult is what an authority says about one signature.
type CheckResult string

// The results. The zero value is none of them and verifies nothing.
const (
	// CheckVerified: it is by the authority, and about the digest.
	CheckVerified CheckResult = "verified"
	// CheckOtherSigner: it may well be valid, but somebody else made it.
	CheckOtherSigner CheckResult = "other signer"
	// CheckInvalid: it is about another artifact, altered, expired, not in the log, …
	CheckInvalid CheckResult = "invalid"
)

// SignatureCheck is what one authority says about one signature.
type SignatureCheck struct {
	Authority string      `json:"authority"`
	Result    CheckResult `json:"result"`
	// Reason is one line; empty where it is verified.
	Reason string `json:"reason,omitempty"`
	// Time is when it was signed, as a timestamp authority or the transparency log
	// vouches (TimeSource: "timestamp authority", "transparency log"); nil where neither does.
	Time       *time.Time `json:"time,omitempty"`
	TimeSource string     `json:"timeSource,omitempty"`
	// Logged is true where an entry of the transparency log was verified.
	Logged bool `json:"logged,omitempty"`
}
