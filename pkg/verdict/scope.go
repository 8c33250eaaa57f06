// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// NotExamined begins the summary of a `skip` at which nobody looked.
const NotExamined = "not examined: "

const endedRun = NotExamined + "failed signatures ended the run"

// ScopeGroups are the groups of rules that are decided without a scan of the image: those
// of ScopeSignatures.
func ScopeGroups() []policy.Group {
	return []policy.Group{policy.GroupSignatures, policy.GroupAttestations, policy.GroupBase}
}

func inScope(r policy.Rule) bool { return slices.Contains(ScopeGroups(), r.Group) }

// unscanned says that no layer was read.
func (in Input) unscanned() bool { return in.Scope == ScopeSignatures || in.FailFast }

// outOfScope are the problems of a scope that leaves nothing to decide.
func outOfScope(in Input, pols []*policy.Policy) []evidence.Problem {
	switch in.Scope {
	case "":
		return nil
	case ScopeSignatures:
	default:
		return []evidence.Problem{{Area: evidence.AreaScan, Message: fmt.Sprintf("the scope %q is not understood by this version", in.Scope)}}
	}
	for _, p := range pols {
		if !slices.ContainsFunc(p.Rules, inScope) {
			return []evidence.Problem{{
				Area: evidence.AreaScan, What: p.Source, Message: "the policy has no rule about signatures, attestations or the base image, so there is nothing to verify",
				Hint: "add rules under signatures, attestations or base",
			}}
		}
	}
	return nil
}

// scoped leaves out the built-in outcomes that nobody asked for, and says of those that
// a run ended before that they were not examined.
func (s *subject) scoped(checks []check) []check {
	if !s.unscanned {
		return checks
	}
	var out []check
	for _, c := range checks {
		switch {
		case slices.Contains([]string{RuleImage, RulePlatforms, RuleLimits}, c.rule):
			out = append(out, c)
		case s.scope != ScopeSignatures:
			out = append(out, check{rule: c.rule, title: c.title, skip: endedRun})
		}
	}
	return out
}

// problemsBut are the problems of all other areas.
func (s *subject) problemsBut(areas ...evidence.Area) []evidence.Problem {
	var ps []evidence.Problem
	for _, p := range s.evidence.Problems {
		if !slices.Contains(areas, p.Area) {
			ps = append(ps, p)
		}
	}
	return ps
}
