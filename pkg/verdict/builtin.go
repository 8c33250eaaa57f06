// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// The ids of the built-in outcomes, in the order of a report.
const (
	RuleImage            = "image"
	RulePlatforms        = "platforms"
	RuleIntegrity        = "integrity"
	RuleLimits           = "limits"
	RuleDatabase         = "database"
	RuleCoverageOS       = "coverage.os"
	RuleCoveragePackages = "coverage.packages"
	RuleCoverageFiles    = "coverage.files"
	RuleCoverageSecrets  = "coverage.secrets"
	RuleScan             = "scan"
)

// GroupBuiltin is the Group of the outcomes that every policy has. They cannot be
// waived, and none of them is ever a warning.
const GroupBuiltin = "built-in"

// check is what a built-in outcome found.
type check struct {
	rule, title string
	summary     string // of a pass
	examined    int
	problems    []evidence.Problem
	// accepted are problems that the policy accepts by name.
	accepted []evidence.Problem
	// skip says why it was not examined.
	skip string
}

func (s *subject) builtins() []Outcome {
	checks := []check{
		s.image(), s.platforms(), s.integrity(), s.limits(), s.database(),
		s.coverageOS(), s.coveragePackages(), s.coverageFiles(), s.scan(),
	}
	if s.policy.Coverage.CoversSecrets() {
		checks = append(checks, s.coverageSecrets())
	}
	checks = s.scoped(checks)
	outcomes := make([]Outcome, 0, len(checks))
	for _, c := range checks {
		outcomes = append(outcomes, c.outcome())
	}
	return outcomes
}

func (c check) outcome() Outcome {
	o := Outcome{
		Rule: c.rule, Group: GroupBuiltin, Title: c.title, Action: policy.ActionFail,
		Result: Pass, Summary: c.summary, Examined: c.examined,
		Violations: []Violation{}, Waived: []Waived{},
		Problems: append(append([]evidence.Problem{}, c.problems...), c.accepted...),
	}
	switch {
	case c.skip != "" && len(c.problems) == 0:
		o.Result, o.Summary = Skip, c.skip
	case len(c.problems) == 1:
		o.Result, o.Summary = Error, cmp.Or(c.problems[0].Message, "a problem without a reason")
	case len(c.problems) > 1:
		o.Result, o.Summary = Error, fmt.Sprintf("%d problems", len(c.problems))
	case len(c.accepted) == 1:
		o.Summary = "accepted by policy: " + c.accepted[0].Message
	case len(c.accepted) > 1:
		o.Summary = fmt.Sprintf("accepted by policy: %d problems", len(c.accepted))
	}
	return o
}

func (s *subject) problems(areas ...evidence.Area) []evidence.Problem {
	var ps []evidence.Problem
	for _, p := range s.evidence.Problems {
		for _, a := range areas {
			if p.Area == a {
				ps = append(ps, p)
			}
		}
	}
	return ps
}

func (s *subject) image() check {
	c := check{rule: RuleImage, title: "The image was resolved and opened", examined: 1, problems: s.problems(evidence.AreaImage)}
	if s.unscanned {
		// Where there is no scan all problems stand here, so that none is lost.
		c.problems = s.problemsBut(evidence.AreaPlatform, evidence.AreaLimit)
	}
	id := s.evidence.Subject.Digest
	if id == "" {
		id = s.evidence.Subject.ImageID
	}
	c.summary = id
	if id == "" && len(c.problems) == 0 {
		c.problems = append(c.problems, evidence.Problem{Area: evidence.AreaImage, What: s.evidence.Subject.Reference, Message: "the image is not known by any digest"})
	}
	return c
}

func (s *subject) platforms() check {
	c := check{rule: RulePlatforms, title: "Every required platform was examined", examined: 1, problems: s.problems(evidence.AreaPlatform)}
	c.summary = s.evidence.Subject.Platform.String()
	if c.summary == "" {
		c.summary = "the image names no platform"
	}
	return c
}

// integrity is an error for a layer that was not read to its end even where
// nobody complained: what was not read was not examined.
func (s *subject) integrity() check {
	c := check{
		rule: RuleIntegrity, title: "Every byte matches its digest",
		examined: len(s.evidence.Layers), problems: s.problems(evidence.AreaIntegrity),
	}
	how := map[evidence.Verification]int{}
	for i, l := range s.evidence.Layers {
		switch l.Verification {
		case evidence.LayerVerified, evidence.LayerOnDaemonsWord:
			how[l.Verification]++
		default:
			what := cmp.Or(l.DiffID, l.Digest)
			said := func(p evidence.Problem) bool { return what != "" && strings.Contains(p.What, what) }
			if slices.ContainsFunc(c.problems, said) {
				continue
			}
			c.problems = append(c.problems, evidence.Problem{
				Area: evidence.AreaIntegrity, What: what,
				Message: fmt.Sprintf("layer %d of %d was not read to its end", i+1, len(s.evidence.Layers)),
			})
		}
	}
	c.summary = wording.Count(how[evidence.LayerVerified], "layer") + " verified"
	for _, k := range [...]evidence.Verification{evidence.LayerOnDaemonsWord} {
		if how[k] > 0 {
			c.summary += fmt.Sprintf(", %d %s", how[k], k)
		}
	}
	return c
}

func (s *subject) limits() check {
	return check{
		rule: RuleLimits, title: "No limit on size, count or time was reached",
		summary: "none reached", examined: 1, problems: s.problems(evidence.AreaLimit),
	}
}

// scan also takes the problems of areas that it does not know, so that none is lost.
func (s *subject) scan() check {
	c := check{
		rule: RuleScan, title: "The scan came to its end",
		summary: "complete", examined: 1, problems: s.problems(evidence.AreaScan),
	}
	for _, p := range s.evidence.Problems {
		switch p.Area {
		case evidence.AreaImage, evidence.AreaPlatform, evidence.AreaIntegrity, evidence.AreaLimit, evidence.AreaOS,
			evidence.AreaPackages, evidence.AreaFile, evidence.AreaDatabase, evidence.AreaScan:
		default:
			c.problems = append(c.problems, p)
		}
	}
	return c
}
