// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"fmt"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// Signatures verify signatures and attestations.
type Signatures interface {
	// Verify looks for everything that is signed about the target, and has each of the
	// authorities look at it. What goes wrong is in the result, which is never nil. It
	// reads nothing of the target's image that a scan writes.
	Verify(ctx context.Context, t SignedTarget, authorities []policy.Authority) *evidence.Signatures
}

// SignedTarget is what signatures are about.
type SignedTarget struct {
	// Reference is where the signatures are looked for: "registry.example.com/app" for a
	// repository; the path for a layout or archive.
	Reference string
	Digests   []evidence.SignedDigest
	// Image gives access to the layout or archive that holds it; nil for a repository.
	Image *image.Image
	// Bundles are detached ones.
	Bundles []Bundle
	// KeepPredicate says which types of predicates rules ask about.
	KeepPredicate func(predicateType string) bool
}

// Bundle is a file with a detached sigstore bundle.
type Bundle struct {
	Name string
	Data []byte
}

// checkScope refuses a request for a part of the policy that is empty.
func checkScope(req Request) error {
	if req.Scope == "" || len(req.Policy.RulesOf(verdict.ScopeGroups()...)) > 0 {
		return nil
	}
	return &UsageError{Message: "the policy has no rule about signatures, attestations or the base image, so there is nothing to verify",
		Hint: "add rules under signatures, attestations or base, or run `ocigate check`"}
}

// inScope refuses images for which that part of the policy is empty.
func (x *examination) inScope() error {
	if x.req.Scope == "" {
		return nil
	}
	for _, img := range x.images {
		rules := policyFor(img, x.req).Rules
		if !slices.ContainsFunc(rules, func(r policy.Rule) bool { return slices.Contains(verdict.ScopeGroups(), r.Group) }) {
			return &UsageError{Message: "the policy has no rule about signatures, attestations or the base image for " + redact(x.req.Reference) + ", so there is nothing to verify",
				Hint: "the names of the image, --destination included, choose the sections of the policy"}
		}
	}
	return nil
}

// verifyImage begins to verify what is signed of an image. The result waits for it.
func (l *lookout) verifyImage(img *image.Image) func() *evidence.Signatures {
	g, req := l.gate, l.req
	pol := policyFor(img, req)
	authorities := pol.AuthoritiesOf(policy.SignedImage)
	if g.Signatures == nil || len(authorities) == 0 {
		return func() *evidence.Signatures { return nil }
	}
	t := targetOf(img)
	t.Bundles = req.Bundles
	own := subject(img, req)
	return later(l, func(ctx context.Context) *evidence.Signatures {
		return g.verify(ctx, t, policy.SignedImage, pol, own, req)
	}, unknownSignatures(t))
}

// targetOf is what can be signed of an image, and where that is looked for.
func targetOf(img *image.Image) SignedTarget {
	s := img.Subject
	t := SignedTarget{Reference: s.Reference, Image: img, Digests: digestsOf(s.IndexDigest, s.Digest)}
	if s.Source == evidence.SourceRegistry {
		t.Reference, t.Image = repositoryOf(s.Name), nil
	}
	return t
}

// digestsOf are the digests of an index and of a manifest in it, as far as there are.
func digestsOf(index, manifest string) []evidence.SignedDigest {
	digests := []evidence.SignedDigest{}
	if index != "" && index != manifest {
		digests = append(digests, evidence.SignedDigest{Digest: index, Kind: evidence.SignedIndex})
	}
	if manifest != "" {
		digests = append(digests, evidence.SignedDigest{Digest: manifest, Kind: evidence.SignedManifest})
	}
	return digests
}

// repositoryOf is a name without tag and digest.
func repositoryOf(reference string) string {
	repository, err := image.Repository(reference)
	if err != nil {
		return reference // which nobody finds
	}
	return repository
}

// verify verifies what is signed of a target, and has Rego modules look at it. own is
// the image under judgement.
func (g *Gate) verify(ctx context.Context, t SignedTarget, of policy.Signed, pol *policy.Policy, own evidence.Subject, req Request) *evidence.Signatures {
	t.KeepPredicate = func(predicateType string) bool { return pol.AsksPredicate(of, predicateType) }
	unknown := unknownSignatures(t)
	return attempt(ctx, func(ctx context.Context) *evidence.Signatures {
		s := g.Signatures.Verify(ctx, t, pol.AuthoritiesOf(of))
		if s == nil {
			return unknown("nobody says what was found")
		}
		if rules := pol.AttestationRegoOf(of); len(rules) > 0 && g.Custom != nil {
			g.Custom.EvaluateAttestations(ctx, rules, own, s, req.EffectiveTime.UTC())
		}
		return s
	}, unknown)
}

// unknownSignatures is for a target at which nobody could look.
func unknownSignatures(t SignedTarget) func(reason string) *evidence.Signatures {
	return func(reason string) *evidence.Signatures {
		return &evidence.Signatures{
			Reference: t.Reference, Digests: append([]evidence.SignedDigest{}, t.Digests...), Authorities: []evidence.AuthorityState{}, Items: []evidence.Signature{},
			Problems: []evidence.Problem{{Area: evidence.AreaImage, What: t.Reference, Message: "could not look for signatures: " + reason}},
		}
	}
}

// verifyBase verifies what is signed of a base image that was looked up; nil for any
// other, and where no rule asks for it.
func (g *Gate) verifyBase(ctx context.Context, b evidence.Base, own evidence.Subject, pol *policy.Policy, req Request) *evidence.Signatures {
	seen := b.Lineage == evidence.LineageProven || b.Lineage == evidence.LineageDisproven
	if g.Signatures == nil || len(pol.AuthoritiesOf(policy.SignedBase)) == 0 || b.Digest == "" || !seen {
		return nil
	}
	if b.Source != evidence.ClaimFlag || !image.IsLocalBase(req.Base) {
		t := SignedTarget{Reference: repositoryOf(b.Reference), Digests: digestsOf(b.Digest, b.ManifestDigest)}
		return g.verify(ctx, t, policy.SignedBase, pol, own, req)
	}
	// What is at hand was closed again.
	set, err := g.Images.Open(ctx, req.Base)
	if err != nil {
		return unknownSignatures(SignedTarget{Reference: b.Reference})(fmt.Sprintf("open the base image once more: %v", err))
	}
	defer set.Close()
	i := slices.IndexFunc(set.Images, func(i *image.Image) bool { return i.Subject.Digest == b.ManifestDigest })
	if i < 0 || set.Digest != b.Digest {
		return unknownSignatures(SignedTarget{Reference: b.Reference})("the base image was changed meanwhile")
	}
	t := targetOf(set.Images[i])
	t.Reference = b.Reference
	return g.verify(ctx, t, policy.SignedBase, pol, own, req)
}
