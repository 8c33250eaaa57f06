// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"crypto"
	"fmt"
	"net/http"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/gate"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/signature"
)

const (
	// maxBundle bounds a file of --bundle.
	maxBundle = 16 << 20
	// maxBundles bounds their number.
	maxBundles = 100
)

// readBundles reads the files of --bundle before anything is examined.
func readBundles(paths []string) ([]gate.Bundle, error) {
	if len(paths) > maxBundles {
		return nil, fmt.Errorf("--bundle is given %d times; at most %d bundles are read", len(paths), maxBundles)
	}
	var bundles []gate.Bundle
	for _, path := range paths {
		data, err := readRegular(path, maxBundle)
		if err != nil {
			return nil, fmt.Errorf("--bundle %s: %w", path, err)
		}
		bundles = append(bundles, gate.Bundle{Name: path, Data: data})
	}
	return bundles, nil
}

// signatureAdapter makes a gate.Signatures of package signature's.
type signatureAdapter struct {
	verifier *signature.Verifier
	images   image.Options
}

func (a *app) signatures(pol *policy.Policy, images image.Options, transport http.RoundTripper, cacheDir string, offline bool, p *progress) *signatureAdapter {
	return &signatureAdapter{images: images, verifier: signature.New(signature.Options{
		Getenv: a.keyVariables(pol), Transport: transport, CacheDir: cacheDir, Offline: offline, Progress: p.detail,
	})}
}

// keyVariables reads the variables that the policy names as holding a public key, and no other.
func (a *app) keyVariables(pol *policy.Policy) func(string) string {
	named := map[string]bool{}
	for _, authority := range pol.Authorities {
		if authority.Key != nil && authority.Key.Env != "" {
			named[authority.Key.Env] = true
		}
	}
	return func(name string) string {
		if !named[name] {
			return ""
		}
		return a.env.Get(name)
	}
}

// ahead begins to fetch what is signed of the image while its configuration is still on
// its way; nil where no rule asks for that. What comes of it is Verify's to say.
func (v *signatureAdapter) ahead(pol *policy.Policy) func(ctx context.Context, repository, digest string) {
	asked := slices.ContainsFunc(pol.RulesOf(policy.GroupSignatures, policy.GroupAttestations), func(r policy.Rule) bool {
		return r.Signatures != nil && r.Signatures.Of == policy.SignedImage || r.Attestations != nil && r.Attestations.Of == policy.SignedImage
	})
	if !asked {
		return nil
	}
	var once sync.Once // the image is the first that is opened
	return func(ctx context.Context, repository, digest string) {
		once.Do(func() { go v.fetch(ctx, repository, digest) })
	}
}

// fetch fetches what is signed about a digest. It says nothing of what goes wrong, panics
// included: Verify meets that again.
func (v *signatureAdapter) fetch(ctx context.Context, repository, digest string) {
	defer func() { _ = recover() }()
	store, done := v.repository(ctx, repository)
	defer done()
	v.verifier.Prefetch(ctx, signature.Target{
		Reference: repository, Store: store, Digests: []evidence.SignedDigest{{Digest: digest, Kind: evidence.SignedIndex}},
	})
}

// Verify implements gate.Signatures.
func (v *signatureAdapter) Verify(ctx context.Context, t gate.SignedTarget, authorities []policy.Authority) *evidence.Signatures {
	target := signature.Target{Reference: t.Reference, Digests: slices.Clone(t.Digests), KeepPredicate: t.KeepPredicate}
	for _, b := range t.Bundles {
		target.Bundles = append(target.Bundles, signature.DetachedBundle{Name: b.Name, Data: b.Data})
	}
	var unhashed error
	if t.Image == nil {
		store, done := v.repository(ctx, t.Reference)
		defer done()
		target.Store = store
	} else {
		if beside := t.Image.Attachments(); beside != nil {
			target.Store = beside
		}
		unhashed = addArchive(ctx, &target, t.Image)
	}
	s := v.verifier.Verify(ctx, target, toAuthorities(authorities))
	if unhashed != nil {
		_, what, hint := explain(unhashed)
		s.Problems = append(s.Problems, evidence.Problem{Area: evidence.AreaImage, What: what, Message: unhashed.Error(), Hint: hint})
	}
	return s
}

// addArchive adds the digest of the archive that holds an image. Only detached bundles
// can be about that.
func addArchive(ctx context.Context, target *signature.Target, img *image.Image) error {
	if len(target.Bundles) == 0 {
		return nil
	}
	digest, err := img.ArchiveDigest(ctx)
	if err == nil && digest != "" {
		target.Digests = append(target.Digests, evidence.SignedDigest{Digest: digest, Kind: evidence.SignedArchive})
	}
	return err
}

// repository gives access to a repository. One that cannot be reached answers every
// question with the reason.
func (v *signatureAdapter) repository(ctx context.Context, name string) (store signature.Store, done func()) {
	a, err := image.OpenAttachments(ctx, name, v.images)
	if err != nil {
		return unreachable{err}, func() {}
	}
	return a, func() { _ = a.Close() } // only read
}

// unreachable is a signature.Store that cannot be asked.
type unreachable struct{ err error }

func (u unreachable) Manifest(context.Context, string) ([]byte, bool, error) {
	return nil, false, u.err
}

func (u unreachable) Blob(context.Context, v1.Hash, int64) ([]byte, error) { return nil, u.err }

func (u unreachable) Referrers(context.Context, v1.Hash) ([]v1.Descriptor, error) { return nil, u.err }

// toAuthorities translates authorities of a policy.
func toAuthorities(list []policy.Authority) []signature.Authority {
	var out []signature.Authority
	for _, a := range list {
		out = append(out, signature.Authority{
			Name: a.Name, Key: toKey(a.Key), Keyless: toKeyless(a.Keyless), LogOptional: a.LogOptional, TimestampRequired: a.TimestampRequired,
		})
	}
	return out
}

func toKey(k *policy.AuthorityKey) *signature.Key {
	if k == nil {
		return nil
	}
	out := &signature.Key{Env: k.Env, KMS: k.KMS, Hash: hashOf(k.HashAlgorithm), TrustedRoot: toTrustedRoot(k.TrustedRoot)}
	switch {
	case k.File != nil:
		out.PEM = k.File.Data
	case k.Data != "":
		out.PEM = []byte(k.Data)
	}
	return out
}

// hashOf is 0 for sha256, and for what the policy's parser would have refused.
func hashOf(name string) crypto.Hash {
	switch name {
	case "sha384":
		return crypto.SHA384
	case "sha512":
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

func toKeyless(k *policy.Keyless) *signature.Keyless {
	if k == nil {
		return nil
	}
	out := &signature.Keyless{TrustedRoot: toTrustedRoot(k.TrustedRoot), SCTOptional: k.SCTOptional}
	for _, id := range k.Identities {
		out.Identities = append(out.Identities, signature.Identity{
			Issuer: id.Issuer, IssuerRegExp: id.IssuerRegExp, Subject: id.Subject, SubjectRegExp: id.SubjectRegExp,
			Extensions: id.Extensions, ExtensionsRegExp: id.ExtensionsRegExp,
		})
	}
	return out
}

func toTrustedRoot(r *policy.TrustedRoot) *signature.TrustedRoot {
	if r == nil {
		return nil
	}
	out := &signature.TrustedRoot{CA: dataOf(r.CA), TSA: dataOf(r.TSA), Rekor: dataOf(r.Rekor), CTLog: dataOf(r.CTLog)}
	switch {
	case r.File != nil:
		out.Name, out.JSON = r.File.Path, r.File.Data
	case r.Data != "":
		out.Name, out.JSON = "the policy's trusted root", []byte(r.Data)
	}
	if r.TUF != nil {
		out.TUF = &signature.TUF{Mirror: r.TUF.Mirror, Root: dataOf(r.TUF.Root)}
	}
	return out
}

func dataOf(f *policy.File) []byte {
	if f == nil {
		return nil
	}
	return f.Data
}
