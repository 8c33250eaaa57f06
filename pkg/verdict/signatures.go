// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// signatures judges who has signed.
func (s *subject) signatures(rule policy.Rule) judgement {
	return s.signedBy(rule, demand{Signers: rule.Signatures.Signers, kind: evidence.KindSignature})
}

// signedBy judges a rule about the image, or about its base once it is known which
// image that is.
func (s *subject) signedBy(rule policy.Rule, d demand) judgement {
	var j judgement
	switch d.Of {
	case policy.SignedImage:
		j = s.signed(s.signedImage(), d)
	case policy.SignedBase:
		if before := s.knowBase(rule); before != nil {
			j = *before
		} else {
			j = s.signed(s.signedBase(), d)
		}
	default:
		j.undecided = noDemand
	}
	own := s.open(RuleImage, RuleIntegrity)
	j.gaps.rules, j.gaps.problems = append(j.gaps.rules, own.rules...), append(j.gaps.problems, own.problems...)
	return j
}

func (s *subject) signedImage() artifact {
	sub := s.evidence.Subject
	a := artifact{
		thing: "the image", signatures: s.evidence.Signatures, digests: nonEmpty(sub.Digest, sub.IndexDigest),
		archived: sub.Source == evidence.SourceDockerArchive || sub.Source == evidence.SourceOCIArchive,
		registry: sub.Source == evidence.SourceRegistry,
	}
	if a.registry {
		a.source = sub.Name
	}
	a.destination = sub.Destination
	return a
}

func (s *subject) signedBase() artifact {
	b := s.evidence.Base
	local := isLocal(b.Reference)
	a := artifact{
		thing: "the base image " + b.Reference, isBase: true, signatures: b.Signatures, digests: nonEmpty(b.Digest, b.ManifestDigest),
		archived: local, registry: !local,
	}
	if !local {
		a.source = b.Reference
	}
	return a
}

func nonEmpty(digests ...string) []string {
	var out []string
	for _, d := range digests {
		if d != "" {
			out = append(out, d)
		}
	}
	return out
}

// knowBase is the judgement where it is not known which image the base is: then there
// are no signatures to look at. It is nil where that is proven.
func (s *subject) knowBase(rule policy.Rule) *judgement {
	j := judgement{noun: "violation"}
	b := s.evidence.Base
	open := func(message, hint string) *judgement {
		u := undecidedBy(j, evidence.Problem{Area: evidence.AreaImage, What: "base image", Message: message, Hint: hint})
		return &u
	}
	if b == nil || len(b.Claims) == 0 && b.Lineage != evidence.LineageUnknown {
		return open("the image names no base image, so it is not known whose signatures to look for", claimFix)
	}
	name, reason := cmp.Or(b.Reference, "the base image"), cmp.Or(wording.ShortDigests(b.Reason), "no reason is given")
	switch b.Lineage {
	case evidence.LineageProven:
		if b.Reference == "" {
			return open("it is not known which image the base is, so it is not known whose signatures to look for", claimFix)
		}
		if n := len(s.evidence.Layers); b.Layers < 1 || b.Layers > n {
			return open(fmt.Sprintf("%d layers of %s are said to be the image's, which has %d", b.Layers, name, n), "")
		}
		return nil
	case evidence.LineageDisproven:
		return open(fmt.Sprintf("the image names %s as its base and is not built on it (%s): its signatures say nothing about this image", name, reason), cmp.Or(b.Hint, claimFix))
	case evidence.LineageNotApproved:
		return open(fmt.Sprintf("the image is not shown to be built on %s (%s), so its signatures were not looked for", name, reason), cmp.Or(b.Hint, claimFix))
	case evidence.LineageScratch:
		return s.scratchSigned(rule, j)
	default:
		return open(fmt.Sprintf("could not check whether the image is built on %s (%s), so its signatures say nothing yet", name, reason), b.Hint)
	}
}

// scratchSigned is for an image that is said to have no base. Only a base rule of the
// same weight that allows this, and finds it to be so, makes the rule inapplicable.
func (s *subject) scratchSigned(rule policy.Rule, j judgement) *judgement {
	allowed := false
	for i, r := range s.policy.Rules {
		if r.Base == nil || !r.Base.ScratchAllowed || r.Action != policy.ActionFail || s.policy.EnforcedLevel(rule.Level) && !s.policy.EnforcedLevel(r.Level) {
			continue
		}
		allowed = true
		o := s.baseRules[i]
		switch {
		case o.Action != policy.ActionFail:
		case o.Result == Pass:
			j.skip = "built from scratch: there is no base image to be signed"
			return &j
		case o.Result == Skip:
			j.skip = o.Summary
			return &j
		}
	}
	if allowed {
		u := undecidedBy(j, evidence.Problem{Area: evidence.AreaImage, What: "base image", Message: "it is not shown that the image is built from scratch, so it is not known whose signatures to look for"})
		return &u
	}
	j.examined = 1
	j.violations = []Violation{{ID: "scratch", Message: "the image is built from scratch, without a base image that could be signed", Fix: "build FROM a signed base image, or let a rule under base with action fail say `scratch: allowed`"}}
	return &j
}

// factSignedBy is the Violation.ID of a base that none of the authorities of its rule signed.
const factSignedBy = "signed-by"

// baseSigned adds to the judgement of a base rule whether one of its authorities has
// signed the base.
func (s *subject) baseSigned(r policy.BaseRule, j *judgement) {
	if len(r.SignedBy) == 0 {
		return
	}
	own := s.signed(s.signedBase(), demand{Signers: policy.Signers{Of: policy.SignedBase, Authorities: r.SignedBy, Min: 1}, kind: evidence.KindSignature})
	for _, v := range own.violations {
		v.ID = factSignedBy
		j.violations = append(j.violations, v)
	}
	j.gaps.problems = append(j.gaps.problems, own.gaps.problems...)
	j.undecided = cmp.Or(j.undecided, own.undecided)
	if own.met != "" {
		j.met += "; " + own.met
	}
}
