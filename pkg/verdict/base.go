// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

const (
	claimFix = "say what the image is built on: by --base or --dockerfile, or in the image by BuildKit's provenance or the annotation org.opencontainers.image.base.name"
	// skew is by how much the clocks of builder and gate may differ.
	skew = time.Hour
)

// base judges what the image is built on. Every base rule demands a claim that the
// layers prove; what the rule says comes on top.
func (s *subject) base(r policy.BaseRule) judgement {
	j := judgement{noun: "violation", examined: 1, gaps: s.open(RuleImage, RuleIntegrity)}
	b := s.evidence.Base
	switch {
	case b == nil || len(b.Claims) == 0 && b.Lineage != evidence.LineageUnknown:
		j.examined = 0
		if len(j.gaps.rules) == 0 {
			j.violations = []Violation{{ID: FactLineage, Message: "the image names no base image", Fix: claimFix}}
		}
		return j
	case b.Lineage == evidence.LineageScratch:
		s.scratch(r, *b, &j)
		return j
	}
	s.lineage(*b, &j)
	if b.Reference != "" {
		s.named(r, *b, &j)
	}
	if b.Lineage == evidence.LineageProven {
		s.age(r, *b, &j)
		s.current(r, *b, &j)
		j.met = fmt.Sprintf("built on %s: %s", b.Reference, cmp.Or(b.Reason, "proven by its layers"))
		if b.Reference != "" {
			s.baseSigned(r, &j)
		}
	}
	for i := range j.violations {
		j.violations[i].Line = fromLine(*b)
	}
	return j
}

// fromLine is the line of the FROM where that is the claim which was followed.
func fromLine(b evidence.Base) int {
	for _, c := range b.Claims {
		if c.Source == b.Source && c.Source == evidence.ClaimDockerfile {
			return c.Line
		}
	}
	return 0
}

// lineage tells apart: not proven, not asked, and could not be checked.
func (s *subject) lineage(b evidence.Base, j *judgement) {
	name, reason := cmp.Or(b.Reference, "the base image"), cmp.Or(wording.ShortDigests(b.Reason), "no reason is given")
	switch b.Lineage {
	case evidence.LineageProven:
		if b.Reference == "" {
			j.undecided = "it is not known which image the base is"
		}
		if n := len(s.evidence.Layers); b.Layers < 1 || b.Layers > n {
			j.gaps.rules = append(j.gaps.rules, s.open(RuleLimits, RuleScan).rules...)
			j.undecided = fmt.Sprintf("%d layers of %s are said to be the image's, which has %d", b.Layers, name, n)
		}
	case evidence.LineageDisproven:
		j.violations = append(j.violations, Violation{ID: FactLineage, Fix: cmp.Or(b.Hint, claimFix),
			Message: fmt.Sprintf("the image is not built on %s: %s", name, reason)})
	case evidence.LineageNotApproved:
		j.violations = append(j.violations, Violation{ID: FactLineage, Fix: cmp.Or(b.Hint, claimFix),
			Message: fmt.Sprintf("the image is not shown to be built on %s: %s", name, reason)})
	default:
		message := fmt.Sprintf("could not check whether the image is built on %s: %s", name, reason)
		j.undecided = message
		j.gaps.problems = append(j.gaps.problems, evidence.Problem{Area: evidence.AreaImage, What: name, Message: message, Hint: b.Hint})
	}
}

// named judges what the claim says by itself.
func (s *subject) named(r policy.BaseRule, b evidence.Base, j *judgement) {
	s.approved(r, b, j)
	if r.Pinned && !b.Pinned {
		fix := "name the base by digest"
		if b.Digest != "" && !isLocal(b.Reference) {
			fix = fmt.Sprintf("FROM %s@%s", b.Reference, b.Digest)
		}
		j.violations = append(j.violations, Violation{ID: "pinned", Message: fmt.Sprintf("the base %s is not pinned by digest", b.Reference), Fix: fix})
	}
	// What is at hand is not whatever is latest.
	if r.LatestForbidden && !isLocal(b.Reference) && (strings.HasSuffix(b.Reference, ":latest") || !hasTag(b.Reference) && !b.Pinned) {
		j.violations = append(j.violations, Violation{ID: "latest", Message: fmt.Sprintf("the base %s is whatever is latest", b.Reference),
			Fix: "name a version of the base image, or a digest without a tag"})
	}
}

func (s *subject) approved(r policy.BaseRule, b evidence.Base, j *judgement) {
	if len(r.Images) == 0 {
		return
	}
	var digests []string
	for _, d := range []string{b.Digest, b.ManifestDigest} {
		if d != "" && b.Lineage == evidence.LineageProven {
			digests = append(digests, d)
		}
	}
	ok, onTag := r.Approves(b.Reference, digests, b.Current != nil && *b.Current)
	switch {
	case ok:
	case onTag && b.Lineage != evidence.LineageProven:
		// What the tag is worth is for the lineage to say.
	case onTag && b.Current == nil:
		j.undecided = fmt.Sprintf("could not check what %s is now", b.Reference)
	case onTag:
		j.violations = append(j.violations, Violation{ID: "images", Fix: "build on what the tag is now, or approve the repository without a tag, or the digest",
			Message: fmt.Sprintf("the base is %s@%s, which is not what that tag is now, so it is not shown to be approved", b.Reference, b.Digest)})
	case isLocal(b.Reference):
		j.violations = append(j.violations, Violation{ID: "images", Fix: "name the base as its registry does, or approve it by digest",
			Message: fmt.Sprintf("the base %s is not approved: what a local image is called proves nothing", b.Reference)})
	default:
		j.violations = append(j.violations, Violation{ID: "images", Fix: "build FROM one of: " + strings.Join(r.Images, ", "),
			Message: fmt.Sprintf("the base %s is not approved", b.Reference)})
	}
}

func (s *subject) age(r policy.BaseRule, b evidence.Base, j *judgement) {
	if r.MaxAge == 0 {
		return
	}
	v := Violation{ID: "max-age", Fix: fmt.Sprintf("build on a newer %s", b.Reference)}
	if isLocal(b.Reference) {
		v.Fix = "build on a newer base image"
	}
	switch {
	case b.Created == nil:
		v.Message = fmt.Sprintf("the base %s has no creation date, so its age is not known", b.Reference)
		v.Fix = "use a base image whose configuration has a creation date"
	case b.Created.After(s.time.Add(skew)):
		v.Message = fmt.Sprintf("the base %s says that it was made on %s, which is yet to come", b.Reference, wording.Date(*b.Created))
	case s.time.Sub(*b.Created) > r.MaxAge:
		v.Message = fmt.Sprintf("the base %s was made on %s, %s ago; at most %s is allowed",
			b.Reference, wording.Date(*b.Created), wording.Age(s.time.Sub(*b.Created)), wording.Age(r.MaxAge))
	default:
		return
	}
	j.violations = append(j.violations, v)
}

func (s *subject) current(r policy.BaseRule, b evidence.Base, j *judgement) {
	if !r.CurrentRequired {
		return
	}
	switch {
	case b.Current != nil && *b.Current:
	case b.Current != nil:
		j.violations = append(j.violations, Violation{ID: "current", Fix: fmt.Sprintf("build again on %s as it is now", b.Reference),
			Message: fmt.Sprintf("the tag of the base %s has moved on since the build", b.Reference)})
	case isLocal(b.Reference):
		j.violations = append(j.violations, Violation{ID: "current", Fix: "name the base as its registry does, with its tag",
			Message: fmt.Sprintf("the base %s is a local image, so that nobody can see whether there is a newer one", b.Reference)})
	case !hasTag(b.Reference):
		j.violations = append(j.violations, Violation{ID: "current", Fix: "name the base as NAME:TAG@DIGEST",
			Message: fmt.Sprintf("the base %s is named without a tag, so that nobody can see whether there is a newer one", b.Reference)})
	default:
		j.undecided = fmt.Sprintf("could not check what %s is now", b.Reference)
	}
}

// isLocal tells what --base read from a file or daemon from what a registry names.
func isLocal(reference string) bool {
	transport, _, _ := strings.Cut(reference, ":")
	return archive(evidence.Source(transport)) || transport == string(evidence.SourceDockerDaemon) ||
		strings.HasPrefix(reference, "/") || strings.HasPrefix(reference, ".")
}

func hasTag(reference string) bool {
	return strings.LastIndexByte(reference, ':') > strings.LastIndexByte(reference, '/')
}

// scratch judges an image that is said to have no base. Nothing can prove that, but a
// distribution inside disproves it.
func (s *subject) scratch(r policy.BaseRule, b evidence.Base, j *judgement) {
	unsure := s.open(RuleLimits, RuleScan)
	j.gaps.rules, j.gaps.problems = append(j.gaps.rules, unsure.rules...), append(j.gaps.problems, unsure.problems...)
	line := fromLine(b)
	switch os := s.evidence.Coverage.OS; {
	case !r.ScratchAllowed:
		j.violations = []Violation{{ID: "scratch", Line: line, Message: "the image is built from scratch, without a base image", Fix: "build FROM an approved base image"}}
	case s.unscanned:
		j.skip = NotExamined + "whether the image is built from scratch shows only in its layers"
	case os.Family != "":
		j.violations = []Violation{{ID: FactLineage, Line: line, Fix: claimFix,
			Message: fmt.Sprintf("the image is said to be built from scratch, but holds %s: what it is built on is not shown", strings.TrimSpace(os.Family+" "+os.Release))}}
	default:
		j.met = "built from scratch: " + cmp.Or(b.Reason, "no base image")
	}
}
