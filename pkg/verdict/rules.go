// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// judgement is what a rule found on one subject, before waivers and numbers.
type judgement struct {
	noun       string // of what the rule counts
	examined   int
	max        int
	violations []Violation
	// pending are violations in their grace period.
	pending []Violation
	// warnings are violations that only warn, whatever the rule's action.
	warnings []Violation
	// gaps are the reasons why there may be violations that nobody has seen.
	gaps gaps
	// undecided says that the rule could not be evaluated at all, and skip that it
	// does not apply.
	undecided, skip string
	// met is the summary of a pass without violations.
	met string
}

// gaps are built-in outcomes that are errors, and problems of the rule's own.
type gaps struct {
	rules    []string
	problems []evidence.Problem
}

func (s *subject) decide(r policy.Rule) Outcome {
	o := Outcome{
		Rule: r.ID, Group: string(r.Group), Title: r.Title, Action: r.EffectiveAt(s.time), Source: r.Source, Position: r.Position,
		Remediation: r.Remediation, Violations: []Violation{}, Waived: []Waived{}, Problems: []evidence.Problem{},
		Enforced: s.policy.EnforcedLevel(r.Level),
	}
	if r.Action != policy.ActionWarn && r.From.After(s.time) {
		o.From = &r.From
	}
	var j judgement
	switch {
	case s.failFast && !inScope(r):
		j.skip = endedRun
	case r.Vulnerabilities != nil:
		j = s.vulnerabilities(*r.Vulnerabilities)
	case r.Secrets != nil:
		j = s.secrets(*r.Secrets)
	case r.Config != nil:
		j = s.config(*r.Config)
	case r.Base != nil:
		j = s.base(*r.Base)
	case r.Files != nil:
		j = s.files(*r.Files)
	case r.Layers != nil:
		j = s.layers(*r.Layers)
	case r.Packages != nil:
		j = s.packages(*r.Packages)
	case r.Licences != nil:
		j = s.licences(*r.Licences)
	case r.Reference != nil:
		j = s.referenceRule(*r.Reference)
	case r.Runtime != nil:
		j = s.runtime(*r.Runtime)
	case r.Signatures != nil:
		j = s.signatures(r)
	case r.Attestations != nil:
		j = s.attestations(r)
	case r.Custom != nil:
		j = s.custom(r.ID, *r.Custom)
	default:
		j.undecided = fmt.Sprintf("a rule of the group %q is not understood by this version", r.Group)
	}
	return s.settle(o, j, r.Level)
}

// settle turns a judgement into a result. A violation beyond what is tolerated is
// certain and stays a failure whatever else is unknown; a pass is one only if
// nothing is unknown.
func (s *subject) settle(o Outcome, j judgement, level int) Outcome {
	o.Examined, o.Max = j.examined, max(0, j.max)
	o.Problems = append(o.Problems, j.gaps.problems...)
	s.sort(&o, &o.Violations, level, j.violations)
	s.sort(&o, &o.Warnings, level, j.warnings)
	s.sort(&o, &o.Pending, level, j.pending)
	waived := ""
	if n := len(o.Waived); n > 0 {
		waived = fmt.Sprintf("; %d waived", n)
	}
	switch {
	case len(o.Violations) > o.Max:
		o.Result = Fail
		if o.Action == policy.ActionWarn {
			o.Result = Warn
		}
		o.Summary = tally(o.Violations, j) + waived
		if o.From != nil {
			o.Summary += "; fails from " + wording.Date(*o.From)
		}
	case j.undecided != "":
		o.Result, o.Summary = Error, "not decided: "+j.undecided
	case len(j.gaps.rules)+len(j.gaps.problems) > 0:
		o.Result, o.Summary = Error, "not decided: "+j.gaps.String()
	case j.skip != "":
		o.Result, o.Summary = Skip, j.skip
	case len(o.Warnings) > 0:
		j.noun = "warning"
		o.Result, o.Summary = Warn, tally(o.Warnings, j)+waived
	case len(o.Violations) > 0:
		o.Result, o.Summary = Pass, tally(o.Violations, j)+waived
	case len(o.Waived) == 1:
		o.Result, o.Summary = Pass, "the only violation is waived"
	case len(o.Waived) > 1:
		o.Result, o.Summary = Pass, fmt.Sprintf("all %d violations are waived", len(o.Waived))
	default:
		o.Result, o.Summary = Pass, j.met
	}
	o.Summary += inGrace(o.Pending)
	return o
}

// sort puts those violations that are waived with the waived ones, the rest into counted.
func (s *subject) sort(o *Outcome, counted *[]Violation, level int, vs []Violation) {
	s.locate(vs)
	rest := vs[:0]
	for i := range vs {
		v := &vs[i]
		if st := s.excused(level, v); st != nil {
			o.Waived = append(o.Waived, Waived{Violation: *v, Waiver: "vex:" + st.Source, VEX: st})
		} else if e, drift := s.waive(o, level, v); e != nil {
			o.Waived = append(o.Waived, Waived{Violation: *v, Waiver: e.ID, Drift: drift})
		} else if len(rest) == i {
			rest = vs[:i+1] // most rules have no waiver: nothing to move
		} else {
			rest = append(rest, *v)
		}
	}
	if len(rest) > 0 {
		*counted = rest
	}
}

// tally is "3 vulnerabilities (1 critical, 2 high)", with what is tolerated where that is not none.
func tally(vs []Violation, j judgement) string {
	if len(vs) == 1 && vs[0].Finding == nil {
		return vs[0].Message
	}
	var bySeverity [evidence.SeverityCritical + 1]int
	rated := 0
	for i := range vs {
		if f := vs[i].Finding; f != nil {
			rated++
			bySeverity[severityOf(f)]++
		}
	}
	var parts []string
	for _, sev := range evidence.Severities() {
		if n := bySeverity[sev]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, sev))
		}
	}
	s := wording.Count(len(vs), j.noun)
	switch {
	case len(parts) == 0:
	case len(parts) == 1 && rated == len(vs): // "3 high vulnerabilities"
		s = wording.Count(len(vs), strings.TrimLeft(parts[0], "0123456789 ")+" "+j.noun)
	default:
		s += " (" + strings.Join(parts, ", ") + ")"
	}
	if j.max > 0 {
		s += fmt.Sprintf(", at most %d tolerated", j.max)
	}
	return s
}

func (g gaps) String() string {
	var parts []string
	if len(g.rules) > 0 {
		parts = append(parts, strings.Join(g.rules, ", ")+" could not be decided")
	}
	for _, p := range g.problems {
		if p.Message != "" && len(g.rules) == 0 {
			parts = append(parts, p.Message)
		}
	}
	return strings.Join(parts, "; ")
}

// open collects those of the named built-in outcomes that are errors.
func (s *subject) open(rules ...string) gaps {
	var g gaps
	for _, r := range rules {
		if o, ok := s.gaps[r]; ok {
			g.rules = append(g.rules, r)
			g.problems = append(g.problems, o.Problems...)
		}
	}
	return g
}
