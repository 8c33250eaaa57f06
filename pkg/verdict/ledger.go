// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// expiringDays is how long before its end a waiver is shown as expiring.
const expiringDays = 14

// ledger keeps the book of the waivers of one decision. Subjects may have different
// policies; a waiver that stands in several of them is one.
type ledger struct {
	time    time.Time
	entries []*entry
	byPlace map[waiverPlace]*entry
}

type waiverPlace struct {
	source   string
	position policy.Position
	level    int
	id       string
}

// entry is a waiver and what became of it.
type entry struct {
	policy.Waiver
	// matches are the violations that it waives or would waive if it held, denied
	// those that it must not.
	matches, denied int
	used            bool
	refused         string
	drift           map[string]bool
}

func newLedger(t time.Time) *ledger {
	return &ledger{time: t, byPlace: map[waiverPlace]*entry{}}
}

// book is the ledger as the rules of one policy see it. A waiver is found by its
// finding, or by its rule where it names no finding.
type book struct {
	entries   []*entry
	limits    policy.WaiverLimits
	time      time.Time
	byRule    map[string][]int
	byFinding map[string][]int
}

func (l *ledger) open(pol *policy.Policy) *book {
	b := &book{limits: pol.WaiverLimits, time: l.time, byRule: map[string][]int{}, byFinding: map[string][]int{}}
	for i, w := range pol.Waivers {
		at := waiverPlace{w.Source, w.Position, w.Level, w.ID}
		e, ok := l.byPlace[at]
		if !ok {
			e = &entry{Waiver: w, drift: map[string]bool{}}
			if w.TooFarAt(l.time, pol.WaiverLimits) {
				e.refused = fmt.Sprintf("it ends more than %d days after %s", int(pol.WaiverLimits.MaxHorizon/day), wording.Date(l.time))
			}
			l.byPlace[at] = e
			l.entries = append(l.entries, e)
		}
		b.entries = append(b.entries, e)
		switch {
		case w.Finding != "":
			b.byFinding[w.Finding] = append(b.byFinding[w.Finding], i)
		case w.Rule != "":
			b.byRule[w.Rule] = append(b.byRule[w.Rule], i)
		}
	}
	return b
}

const day = 24 * time.Hour

// named are the findings that a waiver names: few of many, so that most need no
// second look.
func (b *book) named(fs []evidence.Finding) map[*evidence.Finding]bool {
	if len(b.byFinding) == 0 {
		return nil
	}
	named := map[*evidence.Finding]bool{}
	for i := range fs {
		f := &fs[i]
		is := len(b.byFinding[f.ID]) > 0
		for _, alias := range f.Aliases {
			is = is || len(b.byFinding[alias]) > 0
		}
		if is {
			named[f] = true
		}
	}
	return named
}

// candidates are the waivers that may accept a violation, in the order of the policy.
func (b *book) candidates(rule string, v *Violation, named map[*evidence.Finding]bool) []int {
	list := b.byRule[rule]
	if v.ID == "" && v.Finding != nil && !named[v.Finding] {
		return list
	}
	shared := true // list is the book's
	add := func(name string) {
		more := b.byFinding[name]
		if len(more) == 0 {
			return
		}
		if shared {
			list, shared = slices.Clone(list), false
		}
		list = append(list, more...)
	}
	if len(b.byFinding) > 0 {
		if v.ID != "" {
			add(v.ID)
		}
		if v.Finding != nil {
			add(v.Finding.ID)
			for _, alias := range v.Finding.Aliases {
				add(alias)
			}
		}
	}
	if shared {
		return list
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// waive returns the first waiver in the policy that holds and accepts the violation,
// or nil, and in what it is graver than when it was waived. Every waiver that matches
// is counted, those that do not hold included.
func (s *subject) waive(o *Outcome, level int, v *Violation) (waiver *entry, drifted []string) {
	b := s.waivers
	if len(b.entries) == 0 {
		return nil, nil
	}
	for _, i := range b.candidates(o.Rule, v, s.waivable) {
		e := b.entries[i]
		if !s.accepts(e.Waiver, o.Rule, *v) {
			continue
		}
		switch {
		case s.policy.EnforcedLevel(level) && e.Level != level:
			e.denied++
			e.refuse(fmt.Sprintf("the rule %s is enforced, and only its own document can waive it", o.Rule))
			continue
		case s.policy.EnforcedLevel(level) && len(e.Images) > 0 && archive(s.evidence.Subject.Source) && s.evidence.Subject.Destination == "":
			// An archive could name itself after an image with the widest waivers.
			e.denied++
			e.refuse("only the archive itself says what the image is called; give --destination REF, the name that it is pushed to")
			continue
		case o.Group == string(policy.GroupBase) && v.ID == FactLineage:
			e.denied++
			e.refuse("the lineage of the base image cannot be waived")
			continue
		}
		e.matches++
		if e.ExpiredAt(b.time) || e.TooFarAt(b.time, b.limits) {
			continue
		}
		drift := driftOf(e.Waiver, *v, b.limits.FailOnDrift)
		for _, d := range drift {
			e.drift[d] = true
		}
		if len(drift) > 0 && b.limits.FailOnDrift {
			e.refuse("the finding is not what was waived any more")
			continue
		}
		e.used = true
		if waiver == nil {
			waiver, drifted = e, drift
		}
	}
	return waiver, drifted
}

// refuse keeps the first reason.
func (e *entry) refuse(reason string) {
	if e.refused == "" {
		e.refused = reason
	}
}

// driftOf says in what the finding is graver now than when it was waived. strict
// demands that this can be known.
func driftOf(w policy.Waiver, v Violation, strict bool) []string {
	f, r := v.Finding, w.Recorded
	switch {
	case f == nil || f.Kind != evidence.KindVulnerability:
		return nil
	case r == nil && strict:
		return []string{"the waiver records no facts to compare with"}
	case r == nil:
		return nil
	}
	var drift []string
	if !r.Fixed && f.FixedVersion != "" {
		drift = append(drift, "there is a fix now: "+f.FixedVersion)
	}
	if sev := severityOf(f); sev > r.Severity {
		drift = append(drift, fmt.Sprintf("the severity rose from %s to %s", r.Severity, sev))
	}
	if since := f.KnownExploited; since != nil {
		// What was not asked then was not known only if it is younger.
		if r.KnownExploited == nil && since.After(r.Date) || r.KnownExploited != nil && !*r.KnownExploited {
			drift = append(drift, "it is known to be exploited since "+wording.Date(*since))
		}
	}
	return drift
}

func (l *ledger) states() []WaiverState {
	states := make([]WaiverState, 0, len(l.entries))
	today := l.time.Truncate(day)
	for _, e := range l.entries {
		s := WaiverState{
			ID: e.ID, Rule: e.Rule, Finding: e.Finding, Package: e.Package, Path: e.Path, Images: e.Images, Origin: e.Origin,
			Until: wording.Date(e.Until), Reason: e.Reason, Owner: e.Owner, Reference: e.Reference,
			Source: e.Source, Position: e.Position,
			DaysLeft: int(e.Until.UTC().Sub(today) / day), Matches: e.matches, Refused: e.refused,
			Drift: slices.Sorted(maps.Keys(e.drift)),
		}
		for _, p := range e.Platforms {
			s.Platforms = append(s.Platforms, p.String())
		}
		switch {
		case e.ExpiredAt(l.time):
			s.Use = WaiverExpired
		case e.used:
			s.Use = WaiverUsed
		case e.refused != "":
			s.Use = WaiverRefused
			s.Matches += e.denied
		default:
			s.Use = WaiverUnused
		}
		s.Expiring = s.Use != WaiverExpired && s.DaysLeft <= expiringDays
		states = append(states, s)
	}
	return states
}

// crowds are the days on which many waivers in use end at once: that day turns a
// pipeline red that nobody touched.
func crowds(states []WaiverState, many int) []string {
	if many <= 0 {
		many = policy.DefaultSameDay
	}
	ends := map[string]int{}
	for _, s := range states {
		if s.Use == WaiverUsed {
			ends[s.Until]++
		}
	}
	var notes []string
	for _, until := range slices.Sorted(maps.Keys(ends)) {
		if ends[until] >= many {
			notes = append(notes, fmt.Sprintf("%d waivers in use end on %s, all on one day", ends[until], until))
		}
	}
	return notes
}
