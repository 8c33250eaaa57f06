// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// waivers lists every waiver of the policy: what it does, or that it does nothing.
// Below stands what VEX documents removed.
func (p *page) waivers(v verdict.Verdict) {
	if len(v.Subjects) == 0 {
		return
	}
	var rows [][]cell
	for _, use := range []verdict.WaiverUse{verdict.WaiverUsed, verdict.WaiverRefused, verdict.WaiverExpired, verdict.WaiverUnused} {
		for _, w := range v.Waivers {
			if w.Use != use {
				continue
			}
			until := styleNone
			if w.Expiring {
				until = styleYellow
			}
			rows = append(rows, []cell{
				{waiverUse(w), waiverStyle(w)}, {clean(w.ID), styleNone}, {clean(w.Until) + daysLeft(w), until},
				{waiverScope(w), styleNone}, {strings.Trim(clean(w.Owner)+": "+clean(w.Reason), ": "), styleNone},
			})
		}
	}
	if len(rows) > 0 {
		p.heading(styleBold, "Waivers")
		p.table(2, []column{
			{title: "USE", fixed: true}, {title: "ID"}, {title: "UNTIL", fixed: true}, {title: "SCOPE"}, {title: "OWNER AND REASON", wrap: true},
		}, rows)
	}
	for _, w := range v.Waivers {
		if w.Refused != "" {
			p.wrap(4, "  - ", clean(w.ID)+" is refused: "+clean(w.Refused))
		}
		for _, d := range w.Drift {
			p.wrap(4, "  - ", clean(w.ID)+", since it was waived: "+clean(d))
		}
	}
	p.vex(v)
}

func waiverUse(w verdict.WaiverState) string {
	switch {
	case w.Use == verdict.WaiverUsed:
		return fmt.Sprintf("waives %d", w.Matches)
	case w.Use == verdict.WaiverUnused:
		return "unused"
	case w.Matches > 0:
		return fmt.Sprintf("%s, matches %d", clean(string(w.Use)), w.Matches)
	default:
		return clean(string(w.Use))
	}
}

func waiverStyle(w verdict.WaiverState) style {
	if w.Use == verdict.WaiverExpired || w.Use == verdict.WaiverRefused || len(w.Drift) > 0 {
		return styleYellow
	}
	return styleNone
}

// daysLeft is said of a waiver that ends soon.
func daysLeft(w verdict.WaiverState) string {
	switch {
	case !w.Expiring:
		return ""
	case w.DaysLeft == 0:
		return " (today)"
	default:
		return " (" + wording.Count(w.DaysLeft, "day") + ")"
	}
}

func waiverScope(w verdict.WaiverState) string {
	var parts []string
	for _, s := range slices.Concat([]string{w.Rule, w.Finding, w.Package, w.Path}, w.Images, w.Platforms, []string{w.Origin}) {
		if s != "" {
			parts = append(parts, clean(s))
		}
	}
	return strings.Join(parts, " ")
}

// vex lists the violations that VEX statements removed, each once.
func (p *page) vex(v verdict.Verdict) {
	var rows [][]cell
	seen := map[string]bool{}
	for _, s := range v.Subjects {
		for _, o := range s.Outcomes {
			for _, w := range o.Waived {
				if w.VEX == nil || w.Finding == nil {
					continue
				}
				why := clean(strings.TrimSuffix(w.VEX.Status+": "+w.VEX.Justification, ": "))
				source := clean(w.VEX.Source)
				if w.VEX.Author != "" {
					source += " by " + clean(w.VEX.Author)
				}
				row := []cell{{wording.Clip(clean(w.Finding.ID), 40), styleNone}, {clean(w.Finding.PackageName()), styleNone}, {source, styleNone}, {why, styleNone}}
				if key := fmt.Sprint(row); !seen[key] {
					seen[key] = true
					rows = append(rows, row)
				}
			}
		}
	}
	if len(rows) == 0 {
		return
	}
	p.heading(styleBold, "Removed by VEX")
	rest := len(rows) - capFailed
	p.table(2, []column{{title: "ID", fixed: true}, {title: "PACKAGE"}, {title: "DOCUMENT"}, {title: "STATEMENT", wrap: true}}, rows[:min(len(rows), capFailed)])
	if rest > 0 {
		p.line(fmt.Sprintf("  … and %d more (see --output json=FILE)", rest))
	}
}
