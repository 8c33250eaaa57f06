// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/ocigate/ocigate/pkg/verdict"
)

// clearing is what to do, the smallest step first. Steps are code, so that what is copied
// from them is what stands there.
func (d *markdown) clearing(s verdict.SubjectVerdict) {
	if s.Plan == nil || len(s.Plan.Actions) == 0 && s.Plan.LookupProblem == "" {
		return
	}
	d.heading(4, "To clear the gate")
	var rows []sheetRow
	for i, a := range actionsOf(s.Plan, verdict.ActionRebuild, verdict.ActionBase) {
		clears := fmt.Sprintf("%d of %d", len(a.Clears), s.Plan.Vulnerabilities)
		if a.Problem != "" {
			clears = "not known"
		}
		rows = append(rows, tableRow(orderFix+min(i, 99), clears, "**"+prose(a.Text)+"**", shellCode(cmp.Or(a.Command, a.Edit))))
	}
	d.table([]string{"Clears", "Base image", "How"}, rows)
	d.upgrades(s)
	rows = nil
	if problem := lookupProblem(s.Plan); problem != "" {
		rows = append(rows, tableRow(orderFix, escapeMarkdown(problem)))
	}
	for i, a := range actionsOf(s.Plan, verdict.ActionChange, verdict.ActionWaive) {
		text := code(changeText(a))
		if a.Kind == verdict.ActionWaive {
			text = prose(a.Text)
			if a.Command != "" {
				text += "<br>" + shellCode(a.Command)
			}
		}
		rows = append(rows, tableRow(orderFix+min(i, 99), text))
	}
	d.table([]string{"Step"}, rows)
}

// upgrades have a column for their layers where some are known.
func (d *markdown) upgrades(s verdict.SubjectVerdict) {
	var rows []sheetRow
	columns := []string{"Clears", "Package", "From", "To", "Command"}
	groups := upgradeGroups(s)
	placed := false
	for _, g := range groups {
		placed = placed || g.title != ""
	}
	for _, g := range groups {
		for _, f := range g.fixes {
			cells := []string{strconv.Itoa(f.Clears), code(f.Package), code(f.From), code(f.To), shellCode(f.Command)}
			if placed {
				cells = append(cells, escapeMarkdown(g.title))
			}
			rows = append(rows, tableRow(orderFix+min(len(rows), 99), cells...))
		}
	}
	if placed {
		columns = append(columns, "Where")
	}
	d.table(columns, rows)
}
