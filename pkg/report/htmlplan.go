// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// htmlSteps are what to do.
type htmlSteps struct {
	Bases    []htmlBase
	Upgrades []htmlUpgrade
	More     int
	// Command does all upgrades in one line, where one tool can.
	Command string
	Others  []string
	// Lookup says why no newer base was looked for.
	Lookup  string
	Waivers []htmlStep
	// Unknown counts the waivers that are left out.
	Unknown int
	// Undecided says that something could not be decided, with hints where it stands.
	Undecided bool
}

type htmlBase struct{ Text, Command, Edit string }

type htmlUpgrade struct{ Clears, Package, From, To, Command, Where string }

type htmlStep struct{ Text, Command string }

// Any says whether there is anything to do.
func (s htmlSteps) Any() bool {
	return s.Undecided || s.Lookup != "" || len(s.Bases)+len(s.Upgrades)+len(s.Others)+len(s.Waivers) > 0
}

// newHTMLSteps lists the steps as the text report does.
func newHTMLSteps(s verdict.SubjectVerdict) htmlSteps {
	const shown = 40
	h := htmlSteps{
		Undecided: slices.ContainsFunc(s.Outcomes, func(o verdict.Outcome) bool { return o.Result == verdict.Error }),
		Lookup:    lookupProblem(s.Plan),
	}
	for _, a := range actionsOf(s.Plan, verdict.ActionRebuild, verdict.ActionBase) {
		h.Bases = append(h.Bases, htmlBase{clean(a.Text), typed(a.Command), typed(a.Edit)})
	}
	groups := upgradeGroups(s)
	if len(groups) == 1 {
		words, tool := together(groups[0].fixes)
		if tool != "" && len(groups[0].fixes) > 1 && len(words) <= shown {
			h.Command = tool
			for _, w := range words {
				h.Command += " " + clean(w)
			}
		}
	}
	for _, g := range groups {
		for _, f := range g.fixes {
			if len(h.Upgrades) == shown {
				h.More++
				continue
			}
			h.Upgrades = append(h.Upgrades, htmlUpgrade{wording.Count(f.Clears, "violation"), clean(f.Package), clean(f.From), clean(f.To), typed(f.Command), g.title})
		}
	}
	for _, a := range actionsOf(s.Plan, verdict.ActionChange) {
		if len(h.Others) == shown {
			h.Others = append(h.Others, "and more steps (see --output fixes=FILE)")
			break
		}
		h.Others = append(h.Others, changeText(a))
	}
	for _, a := range actionsOf(s.Plan, verdict.ActionWaive) {
		if len(h.Waivers) == shown {
			h.Unknown++
			continue
		}
		h.Waivers = append(h.Waivers, htmlStep{clean(a.Text), typed(a.Command)})
	}
	return h
}
