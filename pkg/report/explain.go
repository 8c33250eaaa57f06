// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/spelling"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// Explanation is everything that a verdict holds about one rule or finding.
type Explanation struct {
	ID string `json:"id"`
	// Reference, Status and Policy are those of the verdict.
	Reference string            `json:"reference"`
	Status    verdict.Status    `json:"status"`
	Policy    verdict.PolicyRef `json:"policy"`
	// Scope and FailedFast say that the verdict is not about everything.
	Scope      verdict.Scope `json:"scope,omitempty"`
	FailedFast bool          `json:"failedFast,omitempty"`
	// Rules are the outcomes of the rule, one for each platform.
	Rules []RuleExplanation `json:"rules"`
	// Findings are the findings of that id: one for each platform, package and place.
	Findings []FindingExplanation `json:"findings"`
}

// RuleExplanation is what became of a rule on one platform.
type RuleExplanation struct {
	Platform evidence.Platform `json:"platform"`
	verdict.Outcome
	// Fixes are the upgrades that clear it; violations carry their own fixes too.
	Fixes []verdict.Fix `json:"fixes"`
	// Waivers are those that name the rule or waive a violation of it.
	Waivers []verdict.WaiverState `json:"waivers"`
}

// FindingExplanation is one finding and what the rules make of it.
type FindingExplanation struct {
	Platform evidence.Platform `json:"platform"`
	Finding  evidence.Finding  `json:"finding"`
	// Layer counts from 1; 0 where it is not known. Layers is the number of all.
	Layer     int            `json:"layer"`
	Layers    int            `json:"layers"`
	CreatedBy string         `json:"createdBy,omitempty"`
	Origin    verdict.Origin `json:"origin,omitempty"`
	// Fix is the smallest action that removes it, where a rule names one.
	Fix string `json:"fix,omitempty"`
	// Rules are those about findings of this kind.
	Rules []RuleOnFinding `json:"rules"`
	// Waivers are those that name the finding, whether they hold or not.
	Waivers []verdict.WaiverState `json:"waivers"`
}

// RuleOnFinding is what one rule makes of a finding.
type RuleOnFinding struct {
	Rule   string         `json:"rule"`
	Result verdict.Result `json:"result"`
	// State is "counts", "tolerated", "waived", "removed" (by VEX), "pending", "not decided" or "not selected".
	State  string `json:"state"`
	Detail string `json:"detail"`
	Waiver string `json:"waiver,omitempty"`
}

// UnknownIDError is an id that the verdict does not hold.
type UnknownIDError struct {
	ID string
	// Near are ids of the verdict that may be meant.
	Near []string
}

func (e *UnknownIDError) Error() string {
	return fmt.Sprintf("the verdict holds neither a rule nor a finding %q", e.ID)
}

// Explain collects what v holds about the rule or finding id; letter case does not
// matter. An id that is not there is an *UnknownIDError.
func Explain(v verdict.Verdict, id string) (Explanation, error) {
	e := Explanation{ID: id, Reference: v.Reference, Status: v.Status, Policy: v.Policy, Scope: v.Scope, FailedFast: v.FailedFast}
	for _, s := range v.Subjects {
		for _, o := range s.Outcomes {
			if strings.EqualFold(o.Rule, id) {
				e.ID = o.Rule
				e.Rules = append(e.Rules, explainRule(v, s, o))
			}
		}
		for _, f := range s.Evidence.Findings {
			if hasID(f, id) {
				e.Findings = append(e.Findings, explainFinding(v, s, f))
			}
		}
	}
	if len(e.Rules)+len(e.Findings) == 0 {
		return e, &UnknownIDError{ID: id, Near: near(v, id)}
	}
	return e, nil
}

func hasID(f evidence.Finding, id string) bool {
	return strings.EqualFold(f.ID, id) || slices.ContainsFunc(f.Aliases, func(a string) bool { return strings.EqualFold(a, id) })
}

func explainRule(v verdict.Verdict, s verdict.SubjectVerdict, o verdict.Outcome) RuleExplanation {
	failing := o
	failing.Result = verdict.Fail // what clears a warning is of interest too
	r := RuleExplanation{
		Platform: s.Evidence.Subject.Platform, Outcome: o,
		Fixes: verdict.Fixes(verdict.SubjectVerdict{Evidence: s.Evidence, Outcomes: []verdict.Outcome{failing}}),
	}
	for _, w := range v.Waivers {
		if w.Rule == o.Rule || slices.ContainsFunc(o.Waived, func(x verdict.Waived) bool { return x.Waiver == w.ID }) {
			r.Waivers = append(r.Waivers, w)
		}
	}
	return r
}

func explainFinding(v verdict.Verdict, s verdict.SubjectVerdict, f evidence.Finding) FindingExplanation {
	e := FindingExplanation{Platform: s.Evidence.Subject.Platform, Finding: f, Layers: len(s.Evidence.Layers)}
	at := f.Layer
	if at.DiffID == "" && f.Package != nil {
		at = f.Package.Layer
	}
	for i, l := range s.Evidence.Layers {
		if at.DiffID != "" && l.DiffID == at.DiffID {
			e.Layer, e.CreatedBy = i+1, l.CreatedBy
		}
	}
	for _, w := range v.Waivers {
		if w.Finding != "" && hasID(f, w.Finding) {
			e.Waivers = append(e.Waivers, w)
		}
	}
	for _, o := range s.Outcomes {
		r, found := onFinding(v, o, f)
		if r == nil {
			continue
		}
		e.Rules = append(e.Rules, *r)
		if found != nil {
			if e.Fix == "" {
				e.Fix = found.Fix
			}
			if e.Origin == "" {
				e.Origin = found.Origin
			}
		}
	}
	return e
}

// onFinding is what the rule makes of the finding, and the violation if it is one.
// It is nil for rules that are not about findings of this kind.
func onFinding(v verdict.Verdict, o verdict.Outcome, f evidence.Finding) (*RuleOnFinding, *verdict.Violation) {
	same := func(x verdict.Violation) bool { return x.Finding != nil && sameFinding(*x.Finding, f) }
	r := &RuleOnFinding{Rule: o.Rule, Result: o.Result}
	if i := slices.IndexFunc(o.Violations, same); i >= 0 {
		r.State, r.Detail = "counts", "a violation: the rule's outcome is "+string(o.Result)
		if len(o.Violations) <= o.Max {
			r.State, r.Detail = "tolerated", fmt.Sprintf("one of %d violations, and %d are tolerated", len(o.Violations), o.Max)
		}
		if o.From != nil {
			r.Detail += "; the rule fails from " + wording.Date(*o.From)
		}
		return r, &o.Violations[i]
	}
	if i := slices.IndexFunc(o.Waived, func(w verdict.Waived) bool { return same(w.Violation) }); i >= 0 {
		w := o.Waived[i]
		r.State, r.Waiver, r.Detail = "waived", w.Waiver, "by "+waiverLine(v, w.Waiver)
		if w.VEX != nil {
			r.State, r.Detail = "removed", "by VEX: "+w.VEX.Status+", in "+w.VEX.Source
		}
		for _, d := range w.Drift {
			r.Detail += "; since then " + d
		}
		return r, &o.Waived[i].Violation
	}
	if i := slices.IndexFunc(o.Pending, same); i >= 0 {
		r.State, r.Detail = "pending", "in its grace period"
		if d := o.Pending[i].Deadline; d != nil {
			r.Detail += "; it counts from " + wording.Date(*d)
		}
		return r, &o.Pending[i]
	}
	group := policy.GroupVulnerabilities
	if f.Kind == evidence.KindSecret {
		group = policy.GroupSecrets
	}
	switch {
	case o.Group != string(group):
		return nil, nil
	case o.Result == verdict.Error:
		r.State, r.Detail = "not decided", strings.TrimPrefix(o.Summary, "not decided: ")
	default:
		r.State, r.Detail = "not selected", "the rule is about others: "+o.Title
		if o.Title == "" {
			r.Detail = "the rule is about others"
		}
	}
	return r, nil
}

func sameFinding(a, b evidence.Finding) bool {
	return a.Kind == b.Kind && a.ID == b.ID && a.PackageName() == b.PackageName() && a.PackageVersion() == b.PackageVersion() &&
		a.Location() == b.Location() && a.StartLine == b.StartLine && a.EndLine == b.EndLine
}

// waiverLine is "w-1 until 2026-12-31 (owner: reason)".
func waiverLine(v verdict.Verdict, id string) string {
	for _, w := range v.Waivers {
		if w.ID == id {
			return fmt.Sprintf("%s until %s (%s: %s)", id, w.Until, w.Owner, w.Reason)
		}
	}
	return id
}

// near are ids that resemble the one asked for: those that contain it, and the
// nearest spelling.
func near(v verdict.Verdict, id string) []string {
	const shown = 5
	var all, list []string
	for _, s := range v.Subjects {
		for _, o := range s.Outcomes {
			all = append(all, o.Rule)
		}
		for _, f := range s.Evidence.Findings {
			all = append(all, f.ID)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if best := spelling.Nearest(id, all); best != "" {
		list = append(list, best)
	}
	for _, a := range all {
		if len(list) < shown && id != "" && !slices.Contains(list, a) && strings.Contains(strings.ToLower(a), strings.ToLower(id)) {
			list = append(list, a)
		}
	}
	return list
}
