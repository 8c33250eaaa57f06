// SPDX-License-Identifier: Apache-2.0

// Package signature verifies signatures and attestations of images with cosign's and
// sigstore's libraries: whom a policy names as an authority, and what hangs on an
// image, go in; what each authority says about each item comes out as evidence.
//
// It never calls what those libraries do in goroutines of their own, and runs each
// item inside of its own recover: what a registry holds is written by strangers.
package signature

import (
	"context"
	"crypto"
	"net/http"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Options say how signatures are verified. The zero value reads no environment,
// contacts no host but key management services, and keeps nothing.
type Options struct {
	// Getenv reads the variables that authorities name. Nil: none is set.
	Getenv func(string) string
	// Transport is for TUF repositories. Nil: they cannot be reached.
	Transport http.RoundTripper
	// CacheDir is the directory below which TUF metadata are kept, in tuf/; empty: nowhere.
	CacheDir string
	// Offline uses only what CacheDir holds, and refuses keys in a KMS.
	Offline bool
	// Now is the real clock: certificates without a verified time are judged by it, and
	// TUF metadata. Nil: time.Now.
	Now func() time.Time
	// Progress receives one line for what takes long; may be nil.
	Progress func(string)
	Limits   Limits
}

// Limits bound what a registry may make this program read. Zero fields take the default.
type Limits struct {
	// MaxItems is the number of signatures and attestations per digest. Default 200.
	MaxItems int
	// MaxBundle is the size of one of them in bytes. Default 16 MiB.
	MaxBundle int64
	// MaxTotal is the size of all of one artifact in bytes. Default 128 MiB.
	MaxTotal int64
}

// Store is what a registry, or a layout, holds besides images.
type Store interface {
	// Manifest returns the manifest at a tag or digest; found is false where it certainly
	// does not exist. The bytes of a digest match it.
	Manifest(ctx context.Context, id string) (raw []byte, found bool, err error)
	// Blob returns a blob of at most limit bytes; its bytes match the digest.
	Blob(ctx context.Context, digest v1.Hash, limit int64) ([]byte, error)
	// Referrers lists the manifests whose subject is the digest.
	Referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, error)
}

// Target is one artifact.
type Target struct {
	// Reference is where it is: see evidence.Signatures.
	Reference string
	// Digests are those that a signature may be about.
	Digests []evidence.SignedDigest
	// Store holds its signatures. Nil: its source holds none.
	Store Store
	// Bundles are detached ones.
	Bundles []DetachedBundle
	// KeepPredicate says which verified predicates are put into the evidence, by their type; nil: none.
	KeepPredicate func(predicateType string) bool
}

// DetachedBundle is a sigstore bundle in a file.
type DetachedBundle struct {
	Name string
	Data []byte
}

// Authority is whose signatures count. Exactly one of Key and Keyless is set.
type Authority struct {
	Name    string
	Key     *Key
	Keyless *Keyless
	// LogOptional accepts signatures without an entry in the transparency log.
	LogOptional bool
	// TimestampRequired demands the word of a timestamp authority.
	TimestampRequired bool
}

// Key is a public key. Exactly one of PEM, Env and KMS is set.
type Key struct {
	PEM []byte
	// Env is the name of an environment variable that holds it in PEM form.
	Env string
	// KMS is a URI of one of the schemes awskms, azurekms, gcpkms, hashivault.
	KMS string
	// Hash is SHA-256, SHA-384 or SHA-512; 0 is SHA-256.
	Hash crypto.Hash
	// TrustedRoot has the keys of logs and timestamp authorities. Nil: the public good
	// instance, asked for only if the authority needs a log or timestamps.
	TrustedRoot *TrustedRoot
}

// Keyless are certificates for identities.
type Keyless struct {
	// Identities are those of whom any will do; at least one.
	Identities []Identity
	// TrustedRoot is nil for the public good instance.
	TrustedRoot *TrustedRoot
	// SCTOptional accepts certificates without a certificate transparency log's word.
	SCTOptional bool
}

// Identity is whom a certificate must name. The issuer is an OIDC issuer or, for
// certificates that name none, the distinguished name of the authority that issued them
// ("CN=Issuing CA,O=Example", as RFC 2253 writes it). Issuer or IssuerRegExp, and Subject or
// SubjectRegExp, are set; regular expressions match the whole value.
type Identity struct {
	Issuer, IssuerRegExp, Subject, SubjectRegExp string
	// Extensions and ExtensionsRegExp are by Fulcio's names in lower camel case.
	Extensions, ExtensionsRegExp map[string]string
}

// TrustedRoot is where trust anchors are from: JSON, TUF, or any of the PEM fields.
type TrustedRoot struct {
	// Name is how messages call it: the file's name.
	Name string
	// JSON is a trusted_root.json.
	JSON []byte
	TUF  *TUF
	// CA are certificates of an own authority, TSA of timestamp authorities; Rekor and
	// CTLog are public keys of logs; all in PEM form.
	CA, TSA, Rekor, CTLog []byte
}

// TUF is an own TUF repository.
type TUF struct {
	Mirror string
	// Root is the root.json that trust begins with.
	Root []byte
}

// Verifier verifies. It keeps what it fetched: several platforms of one image share
// the signatures of their index.
type Verifier struct {
	opts     Options
	roots    roots
	fetched  fetched
	requests chan struct{}
}

// New makes a Verifier.
func New(opts Options) *Verifier {
	return &Verifier{opts: opts, requests: make(chan struct{}, maxRequests)}
}
