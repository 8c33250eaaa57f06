// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// The exit codes that a Verdict leads to. They are the same for every output format.
const (
	ExitPassed  = 0
	ExitFailed  = 1
	ExitErrored = 3
)

// ExitCode is what the process exits with: 0 for PASSED, 1 for FAILED (0 under
// report-only), and 3 for everything else, the zero Verdict included.
func (v Verdict) ExitCode() int {
	switch v.Status {
	case Passed:
		// A pass of a part is the pass of that part, and what was not examined has none.
		if v.FailedFast || v.Scope != "" && v.Scope != ScopeSignatures {
			return ExitErrored
		}
		return ExitPassed
	case Failed:
		if v.ReportOnly {
			return ExitPassed
		}
		return ExitFailed
	default:
		return ExitErrored
	}
}

// Decide weighs the evidence against the policy. It is total: whatever is missing
// or contradictory in its input makes an `error` outcome or a Problem, never a
// pass. It does not change its input, but the Verdict shares memory with it.
func Decide(in Input) Verdict {
	v := decideAll(in)
	for i := range v.Subjects {
		v.Subjects[i].Plan = planFor(in, v.Subjects[i], nil)
	}
	return v
}

// decideAll is Decide without plans.
func decideAll(in Input) Verdict {
	v := Verdict{
		EffectiveTime:      in.EffectiveTime.Round(0).UTC(),
		EffectiveTimeGiven: in.EffectiveTimeGiven,
		ReportOnly:         in.ReportOnly,
		Scope:              in.Scope,
		FailedFast:         in.FailFast,
		Reference:          in.Reference,
		Subjects:           []SubjectVerdict{},
		Problems:           append([]evidence.Problem{}, in.Problems...),
		NotExamined:        append([]evidence.Platform{}, in.NotExamined...),
	}
	pol := in.Policy
	if pol == nil {
		pol = &policy.Policy{}
		v.Problems = append(v.Problems, evidence.Problem{Area: evidence.AreaScan, Message: "no policy was given, so there is nothing to decide by"})
	}
	if in.EffectiveTime.IsZero() {
		v.Problems = append(v.Problems, evidence.Problem{Area: evidence.AreaScan, Message: "no effective time was given, so no age or end date can be judged"})
	}
	v.Policy = PolicyRef{Name: pol.Name, Source: pol.Source, Digest: pol.Digest}
	for _, d := range pol.Documents {
		if d.Enforced {
			v.Policy.Enforced = append(v.Policy.Enforced, d)
		}
	}
	pols := policies(pol, in)
	for _, p := range pols {
		v.Problems = append(v.Problems, missingPlatforms(p.Platforms, in.Evidence, v.Problems)...)
	}
	v.Problems = append(v.Problems, outOfScope(in, pols)...)
	if len(in.Evidence) == 0 && len(v.Problems) == 0 {
		v.Problems = append(v.Problems, evidence.Problem{Area: evidence.AreaImage, What: in.Reference, Message: "no image was examined"})
	}
	waivers := newLedger(v.EffectiveTime)
	waivers.open(pol)
	for _, ev := range in.Evidence {
		v.Subjects = append(v.Subjects, decideSubject(pol, ev, in, v.EffectiveTime, waivers))
	}
	v.Waivers = waivers.states()
	v.Notes = crowds(v.Waivers, pol.WaiverLimits.SameDay)
	if in.unscanned() {
		// Of what was not examined nobody knows whether a waiver is needed.
		v.Waivers = slices.DeleteFunc(v.Waivers, func(w WaiverState) bool { return w.Matches == 0 && w.Use != WaiverRefused })
	} else {
		v.Notes = slices.Concat(v.Notes, unusedVEX(in.Evidence), unusedFirstSeen(pols, in.Evidence))
	}
	v.Status = statusOf(v)
	return v
}

// subject is one decision on its way.
type subject struct {
	policy    *policy.Policy
	evidence  evidence.Evidence
	reference string
	time      time.Time
	// scope is the part of the policy that was asked for; failFast says that failed
	// signatures ended the run before the scan; unscanned, that no layer was read.
	scope               Scope
	failFast, unscanned bool
	waivers             *book
	// waivable are the findings of evidence that a waiver names.
	waivable map[*evidence.Finding]bool
	// found are the distinct findings, by kind: see findings.
	found map[evidence.Kind][]*view
	// fixes remember the advice of fixOf.
	fixes map[upgrade]string
	// gaps are the built-in outcomes that are errors, by id.
	gaps map[string]Outcome
	// baseRules are the outcomes of base rules, by their place in the policy; baseMet
	// says that the base's layers are the base's to answer for.
	baseRules map[int]Outcome
	baseMet   bool
	// layerFacts remember origin and line of layers that were asked for.
	layerFacts map[evidence.Layer]layerFact
}

func decideSubject(pol *policy.Policy, ev evidence.Evidence, in Input, t time.Time, waivers *ledger) SubjectVerdict {
	reference := in.Reference
	ev.Problems = append(slices.Clone(ev.Problems), unnamed(pol, ev.Subject, reference)...)
	pol = pol.For(Names(ev.Subject, reference))
	s := &subject{policy: pol, evidence: ev, reference: reference, time: t, scope: in.Scope, failFast: in.FailFast, unscanned: in.unscanned(),
		waivers: waivers.open(pol), gaps: map[string]Outcome{}, fixes: map[upgrade]string{}}
	s.waivable = s.waivers.named(ev.Findings)
	sv := SubjectVerdict{Evidence: complete(ev), Outcomes: []Outcome{}}
	for _, o := range s.builtins() {
		if o.Result == Error {
			s.gaps[o.Rule] = o
		}
		sv.Outcomes = append(sv.Outcomes, o)
	}
	s.judgeBase()
	for i, r := range pol.Rules {
		if o, ok := s.baseRules[i]; ok {
			sv.Outcomes = append(sv.Outcomes, o)
			continue
		}
		if s.scope == ScopeSignatures && !inScope(r) {
			continue
		}
		sv.Outcomes = append(sv.Outcomes, s.decide(r))
	}
	sv.Status = s.statusOf(sv.Outcomes)
	return sv
}

func (s *subject) statusOf(outcomes []Outcome) Status {
	status := Passed
	if s.failFast {
		status = Errored // what was not examined is no pass
	}
	for _, o := range outcomes {
		switch {
		case o.Result == Fail:
			return Failed
		case o.Result == Error && o.Action != policy.ActionWarn:
			status = Errored
		}
	}
	return status
}

// complete fills in empty lists, so that a reader of the JSON form finds no null.
func complete(ev evidence.Evidence) evidence.Evidence {
	ev.Layers = append([]evidence.LayerFacts{}, ev.Layers...)
	ev.Packages = append([]evidence.Package{}, ev.Packages...)
	ev.Findings = append([]evidence.Finding{}, ev.Findings...)
	ev.Files = append([]evidence.File{}, ev.Files...)
	ev.Problems = append([]evidence.Problem{}, ev.Problems...)
	ev.Coverage.Packages = maps.Clone(ev.Coverage.Packages)
	if ev.Coverage.Packages == nil {
		ev.Coverage.Packages = map[string]int{}
	}
	return ev
}

func statusOf(v Verdict) Status {
	status := Passed
	if len(v.Subjects) == 0 || len(v.Problems) > 0 || v.FailedFast {
		status = Errored
	}
	for _, s := range v.Subjects {
		switch {
		case s.Status == Failed:
			return Failed
		case s.Status != Passed:
			status = Errored
		}
	}
	return status
}

// missingPlatforms are the platforms that the policy names and no subject has. One
// that the caller has reported already is not repeated.
func missingPlatforms(want policy.Platforms, evs []evidence.Evidence, known []evidence.Problem) []evidence.Problem {
	if want.All {
		return nil
	}
	var ps []evidence.Problem
	for _, p := range want.List {
		has := func(ev evidence.Evidence) bool { return ev.Subject.Platform.Matches(p) }
		said := func(k evidence.Problem) bool { return k.Area == evidence.AreaPlatform && k.What == p.String() }
		if slices.ContainsFunc(evs, has) || slices.ContainsFunc(known, said) {
			continue
		}
		ps = append(ps, evidence.Problem{
			Area: evidence.AreaPlatform, What: p.String(),
			Message: fmt.Sprintf("the policy requires platform %s, and it was not examined", p),
			Hint:    "build the image for this platform too, or change `platforms` in the policy",
		})
	}
	return ps
}
