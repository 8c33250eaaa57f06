// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// htmlGroup is what stands alike: failed, warned, …
type htmlGroup struct {
	State, Title string
	Rules        []*htmlRule
}

// htmlRule are the violations of one rule in a group.
type htmlRule struct {
	Rule, Title, Place, Summary, Remediation string
	Enforced                                 bool
	// Undecided are reasons of what could not be decided.
	Undecided []string
	Count     int
	Entries   []htmlEntry
	LeftOut   int
}

type htmlEntry struct {
	// Severity, Layer and Rule are what the filter goes by.
	Severity, Layer, Rule, State string

	ID, URL, Title           string
	Package, Version         string
	Fixed, Unfixed           string // the version, or that there is none
	Where, LayerName, Origin string
	Note, Fix, Why, Exploit  string
}

// stateOf are the words of the filter, by standing.
func stateOf(s standing) string {
	return map[standing]string{standsFailed: "fails", standsWarned: "warns", standsTolerated: "tolerated", standsPending: "in grace", standsWaived: "waived"}[s]
}

// htmlGroups are all violations by what they do to the verdict, and by rule. What is
// shown is chosen gravest first, whatever the order of rules.
func htmlGroups(v verdict.Verdict, s *verdict.SubjectVerdict, key string, places map[string]int, b *htmlBudget) []htmlGroup {
	titles := map[standing]string{
		standsFailed: "Failed", standsWarned: "Warnings", standsTolerated: "Tolerated, or not decided", standsPending: "In their grace period", standsWaived: "Waived, or removed by VEX",
	}
	ws := indexWaivers(v)
	type slot struct {
		standing standing
		outcome  *verdict.Outcome
	}
	rules := map[slot]*htmlRule{}
	groups := map[standing]*htmlGroup{}
	rule := func(st standing, o *verdict.Outcome) *htmlRule {
		r := rules[slot{st, o}]
		if r == nil {
			r = &htmlRule{Rule: cmp.Or(clean(o.Rule), "rule"), Title: clean(o.Title), Place: place(v, *o), Enforced: o.Enforced}
			rules[slot{st, o}] = r
			if groups[st] == nil {
				groups[st] = &htmlGroup{State: stateOf(st), Title: titles[st]}
			}
			groups[st].Rules = append(groups[st].Rules, r)
		}
		return r
	}
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		st, ok := map[verdict.Result]standing{verdict.Fail: standsFailed, verdict.Warn: standsWarned}[o.Result]
		if !ok {
			continue
		}
		r := rule(st, o)
		r.Summary, r.Remediation = clean(o.Summary), clean(o.Remediation)
		for _, g := range outcomeGaps(s, *o) {
			r.Undecided = append(r.Undecided, strings.TrimPrefix(g.text, clean(o.Rule)+": "))
		}
	}
	es := entries(s)
	for i := range es {
		r := rule(es[i].standing, es[i].outcome)
		r.Count++
		h := newHTMLEntry(&es[i], ws, key, places)
		if !b.take(h.ID, h.URL, h.Title, h.Package, h.Version, h.Fixed, h.Where, h.LayerName, h.Note, h.Fix, h.Why, h.Rule) {
			r.LeftOut++
			continue
		}
		r.Entries = append(r.Entries, h)
	}
	return inOrder(groups, undecidedGroup(s))
}

// inOrder puts what could not be decided behind what failed.
func inOrder(groups map[standing]*htmlGroup, undecided *htmlGroup) []htmlGroup {
	var list []htmlGroup
	for st := standsFailed; st <= standsWaived; st++ {
		if g := groups[st]; g != nil {
			list = append(list, *g)
		}
		if st == standsFailed && undecided != nil {
			list = append(list, *undecided)
		}
	}
	return list
}

func undecidedGroup(s *verdict.SubjectVerdict) *htmlGroup {
	g := &htmlGroup{State: "undecided", Title: "Could not decide"}
	for _, o := range s.Outcomes {
		if o.Result != verdict.Error {
			continue
		}
		r := &htmlRule{Rule: cmp.Or(clean(o.Rule), "rule"), Title: clean(o.Title), Enforced: o.Enforced, Remediation: clean(o.Remediation)}
		for _, gp := range outcomeGaps(s, o) {
			r.Undecided = append(r.Undecided, strings.TrimPrefix(gp.text, clean(o.Rule)+": "))
		}
		if len(r.Undecided) == 0 {
			r.Undecided = values(clean(o.Summary))
		}
		g.Rules = append(g.Rules, r)
	}
	if len(g.Rules) == 0 {
		return nil
	}
	return g
}

func newHTMLEntry(e *entry, ws waiverIndex, key string, places map[string]int) htmlEntry {
	v := &e.violation
	h := htmlEntry{
		Severity: "none", Layer: key + "-none", Rule: cmp.Or(clean(e.outcome.Rule), "rule"), State: stateOf(e.standing),
		Where: clean(e.path()), Origin: clean(string(v.Origin)), Note: clean(v.Note), Why: e.state(ws),
	}
	if e.standing == standsFailed {
		h.Why = ""
	}
	layer := v.Layer
	if p := e.pkg(); p != nil {
		h.Package, h.Version = clean(p.Name), clean(p.Version)
		layer = firstLayer(layer, p.Layer)
	}
	f := v.Finding
	if f == nil {
		h.Title, h.Fix = e.message(), clean(v.Fix)
		if v.Line > 0 {
			h.Note = strings.TrimPrefix(h.Note+"; line "+strconv.Itoa(v.Line)+" of the Dockerfile", "; ")
		}
	} else {
		h.Severity = f.Severity.String()
		h.ID, h.URL, h.Title = cmp.Or(clean(f.ID), "no id"), securelink(f.URL), clean(f.Title)
		layer = firstLayer(layer, f.Layer)
		if f.KnownExploited != nil {
			h.Exploit = "known to be exploited since " + wording.Date(*f.KnownExploited)
		}
		if f.Kind == evidence.KindVulnerability {
			if h.Fixed = clean(f.FixedVersion); h.Fixed == "" {
				h.Unfixed = "no fix: " + strings.Replace(fixedIn(*f), "none known", "none is known", 1)
			}
		} else {
			h.Fix = clean(v.Fix)
			if f.StartLine > 0 {
				h.Where += " line " + strconv.Itoa(f.StartLine)
			}
		}
	}
	if n := places[cmp.Or(layer.DiffID, layer.Digest)]; n > 0 {
		h.Layer, h.LayerName = fmt.Sprintf("%s-%d", key, n), "layer "+strconv.Itoa(n)
	}
	return h
}

func firstLayer(ls ...evidence.Layer) evidence.Layer { return cmp.Or(ls...) }

// securelink is a link that may be shown: https, and nothing but a plain address.
func securelink(s string) string {
	if l := weblink(s); strings.HasPrefix(l, "https://") {
		return l
	}
	return ""
}

// htmlFilter are the choices that the page offers.
type htmlFilter struct {
	Severities, States []htmlChoice
	Rules, Layers      []htmlChoice
	Total, LeftOut     int
}

type htmlChoice struct {
	Value, Name string
	Count       int
}

func newHTMLFilter(ss []*htmlSubject) htmlFilter {
	var f htmlFilter
	count := map[string]int{}
	add := func(list *[]htmlChoice, kind, value, name string) {
		if count[kind+value]++; count[kind+value] == 1 {
			*list = append(*list, htmlChoice{Value: value, Name: name})
		}
	}
	for _, s := range ss {
		for _, g := range s.Groups {
			for _, r := range g.Rules {
				f.LeftOut += r.LeftOut
				for _, e := range r.Entries {
					f.Total++
					add(&f.Severities, "severity ", e.Severity, e.Severity)
					add(&f.States, "state ", e.State, e.State)
					add(&f.Rules, "rule ", e.Rule, e.Rule)
					name := cmp.Or(e.LayerName, "no layer")
					if len(ss) > 1 {
						name = s.Name + ", " + name
					}
					add(&f.Layers, "layer ", e.Layer, name)
				}
			}
		}
	}
	for i := range f.Severities {
		f.Severities[i].Count = count["severity "+f.Severities[i].Value]
	}
	for i := range f.States {
		f.States[i].Count = count["state "+f.States[i].Value]
	}
	order := []string{"critical", "high", "medium", "low", "unknown", "none"}
	slices.SortStableFunc(f.Severities, func(a, b htmlChoice) int {
		return cmp.Compare(slices.Index(order, a.Value), slices.Index(order, b.Value))
	})
	slices.SortStableFunc(f.Rules, func(a, b htmlChoice) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortStableFunc(f.Layers, func(a, b htmlChoice) int {
		return cmp.Or(cmp.Compare(len(a.Value), len(b.Value)), cmp.Compare(a.Value, b.Value))
	})
	return f
}
