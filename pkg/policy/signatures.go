// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// Signed says whose signatures a rule is about.
type Signed string

// Image is the default.
const (
	SignedImage Signed = "image"
	SignedBase  Signed = "base"
)

// RepositoryName says which repositories what was signed must name.
type RepositoryName string

// The repositories: of where the image is and where it goes, as far as there are, or of
// where it is only, for images that are signed in a staging registry.
const (
	RepositoryMatch  RepositoryName = "match"
	RepositorySource RepositoryName = "source"
)

// Signers is what rules about signatures and attestations have in common.
type Signers struct {
	// Of is the image or its base.
	Of Signed
	// Authorities are those of whom Min different ones must have signed.
	Authorities []string
	Min         int
	// MaxAge is the greatest age of the signature, by a verified time; 0 is any.
	MaxAge time.Duration `json:",omitempty"`
	// Repository says which repositories what was signed must name; empty is any.
	Repository RepositoryName `json:",omitempty"`
}

// SignatureRule is about signatures.
type SignatureRule struct {
	Signers
}

func signatureGroup() group {
	return group{
		name: GroupSignatures, about: "Signatures of the image, or of its base.",
		keys: func(p *parser, r *Rule) []key {
			r.Signatures = &SignatureRule{}
			return p.signersKeys(&r.Signatures.Signers)
		},
		check: func(p *parser, v value, r *Rule) { p.checkSigners(v, r.Signatures.Signers) },
		title: func(r *Rule) string {
			return "The " + r.Signatures.thing() + " is signed by " + r.Signatures.who() + r.Signatures.age()
		},
		remediation: func(r *Rule) string {
			return "Sign the " + r.Signatures.thing() + " by its digest with cosign, as " + r.Signatures.who() + "."
		},
	}
}

func (p *parser) signersKeys(s *Signers) []key {
	s.Of, s.Min = SignedImage, 1
	return []key{
		enumKey(p, "of", "What must be signed: image (the default) or base.", &s.Of, unchanged(string(SignedImage)), SignedImage, SignedBase),
		p.authoritiesKeyOf(&s.Authorities, "Who must have signed: any of these authorities.").must(),
		p.countKey("min", "How many different authorities of them, each by another signer; default 1.", &s.Min, higher),
		p.durationKey("max-age", "The greatest age, by the time that a timestamp authority or the transparency log vouches for.", &s.MaxAge, lower),
		enumKey(p, "repository", "What was signed names the repository that the image is in and, where it is given, that of its destination (match), or only the former (source).",
			&s.Repository, towardsFrom("", "", "source", "match"), RepositoryMatch, RepositorySource),
	}
}

func (p *parser) checkSigners(v value, s Signers) {
	n := child(v.node, "min")
	switch {
	case n == nil || len(s.Authorities) == 0:
	case n.Value == "0":
		p.report(p.place(n), v.path+".min", "", "min must be at least 1")
	case s.Min > len(s.Authorities):
		p.report(p.place(n), v.path+".min", "", "min is more than there are authorities: the rule names %d", len(s.Authorities))
	}
}

func (s Signers) thing() string {
	if s.Of == SignedBase {
		return "base image"
	}
	return "image"
}

func (s Signers) who() string {
	if s.Min > 1 {
		return fmt.Sprintf("%d of %s", s.Min, strings.Join(s.Authorities, ", "))
	}
	return wording.Or(s.Authorities)
}

func (s Signers) age() string {
	if s.MaxAge == 0 {
		return ""
	}
	return ", at most " + days(s.MaxAge) + " ago"
}

// laxness says of a rule's authorities what the policy does not demand of their
// signatures; it is part of the rule's title. Empty where all is demanded.
func (p *parser) laxness(r *Rule) string {
	var parts []string
	for _, name := range r.signers().Authorities {
		a := p.authorities[name].authority
		if a == nil {
			continue
		}
		var without []string
		if a.LogOptional {
			without = append(without, "the transparency log")
		}
		if a.Keyless != nil && a.Keyless.SCTOptional {
			without = append(without, "certificate transparency")
		}
		if len(without) > 0 {
			parts = append(parts, name+" without "+strings.Join(without, " and "))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// signers are who must have signed for the rule; no authorities where it does not ask.
func (r Rule) signers() Signers {
	switch {
	case r.Signatures != nil:
		return r.Signatures.Signers
	case r.Attestations != nil:
		return r.Attestations.Signers
	case r.Base != nil:
		return Signers{Of: SignedBase, Authorities: r.Base.SignedBy, Min: 1}
	default:
		return Signers{}
	}
}

// AuthoritiesOf are the authorities that rules name for the image or its base, in the
// order of the policy; none where no rule asks for signatures.
func (p *Policy) AuthoritiesOf(of Signed) []Authority {
	named := map[string]bool{}
	for _, r := range p.Rules {
		if s := r.signers(); s.Of == of {
			for _, name := range s.Authorities {
				named[name] = true
			}
		}
	}
	var out []Authority
	for _, a := range p.Authorities {
		if named[a.Name] {
			out = append(out, a)
		}
	}
	return out
}

// AsksPredicate says whether a rule looks into predicates of the type.
func (p *Policy) AsksPredicate(of Signed, predicateType string) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		a := r.Attestations
		return a != nil && a.Of == of && a.AsksContent() && slices.Contains(a.PredicateTypes, predicateType)
	})
}

// AttestationRegoRules are the attestation rules with Rego modules, of the policy and of
// all its per-image sections.
func (p *Policy) AttestationRegoRules() []Rule { return p.everyRule(hasAttestationRego) }

// AttestationRegoOf are those of the policy itself that are about the image, or its base.
func (p *Policy) AttestationRegoOf(of Signed) []Rule {
	return slices.DeleteFunc(slices.Clone(p.Rules), func(r Rule) bool { return !hasAttestationRego(r) || r.Attestations.Of != of })
}

func hasAttestationRego(r Rule) bool { return r.Attestations != nil && len(r.Attestations.Rego) > 0 }
