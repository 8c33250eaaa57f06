// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// clear writes what to do, the smallest step first.
func (p *page) clear(s verdict.SubjectVerdict) {
	if s.Plan == nil || len(s.Plan.Actions) == 0 && s.Plan.LookupProblem == "" {
		return
	}
	p.heading(styleBold, "To clear the gate")
	for _, a := range actionsOf(s.Plan, verdict.ActionRebuild, verdict.ActionBase) {
		p.wrapStyled(4, cell{text: "  - "}, cell{clean(a.Text), styleBold})
		for _, do := range []string{typed(a.Command), typed(a.Edit)} {
			if do != "" {
				p.line("      " + do + atLine(a.Layer))
			}
		}
	}
	if problem := lookupProblem(s.Plan); problem != "" {
		p.wrap(4, "  - ", problem)
	}
	p.packageUpgrades(s)
	for _, a := range actionsOf(s.Plan, verdict.ActionChange) {
		p.wrap(4, "  - ", changeText(a))
	}
	p.waive(s.Plan)
}

// packageUpgrades are those of the plan, layer by layer.
func (p *page) packageUpgrades(s verdict.SubjectVerdict) {
	groups := upgradeGroups(s)
	room := capFailed
	for i, g := range groups {
		if room <= 0 {
			rest := 0
			for _, g := range groups[i:] {
				rest += len(g.fixes)
			}
			p.line(fmt.Sprintf("  … and %s in other layers", wording.Count(rest, "upgrade")))
			return
		}
		if g.title != "" {
			p.wrap(4, "  - ", g.title)
		}
		p.upgrades(g.fixes)
		room -= len(g.fixes)
	}
}

// waive lists what nothing fixes, with one command to show how.
func (p *page) waive(plan *verdict.Plan) {
	const shown = 8
	var names []string
	command, until := "", ""
	for _, a := range actionsOf(plan, verdict.ActionWaive) {
		if a.Until == "" {
			p.wrap(4, "  - ", clean(a.Text))
			continue
		}
		until, command = a.Until, cmp.Or(command, a.Command)
		names = append(names, waivable(a))
	}
	if len(names) == 0 {
		return
	}
	list := strings.Join(names[:min(len(names), shown)], ", ")
	if n := len(names) - shown; n > 0 {
		list += fmt.Sprintf(", … and %d more", n)
	}
	p.wrap(4, "  - ", "no fix exists yet: waive until "+clean(until)+", or remove the package: "+list)
	if command = typed(command); command != "" {
		p.command("", strings.Fields(command))
	}
}

// waivable is "openssl, libssl (CVE-1)".
func waivable(a verdict.Action) string {
	var names []string
	for _, c := range a.Clears {
		if n := clean(c.Package); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return clean(a.Target)
	}
	return strings.Join(names, ", ") + " (" + clean(a.Target) + ")"
}

func actionsOf(plan *verdict.Plan, kinds ...verdict.ActionKind) []verdict.Action {
	if plan == nil {
		return nil
	}
	var list []verdict.Action
	for _, a := range plan.Actions {
		if slices.Contains(kinds, a.Kind) {
			list = append(list, a)
		}
	}
	return list
}

func lookupProblem(plan *verdict.Plan) string {
	if plan == nil || plan.LookupProblem == "" {
		return ""
	}
	return "could not look up newer tags: " + clean(plan.LookupProblem)
}

// changeText is a step with the rule that it is for.
func changeText(a verdict.Action) string {
	if len(a.Clears) == 0 {
		return clean(a.Text)
	}
	return clean(a.Target) + ": " + clean(a.Text)
}

func atLine(l *verdict.ActionLayer) string {
	if l == nil || l.Line == 0 {
		return ""
	}
	return fmt.Sprintf("  (line %d of the Dockerfile)", l.Line)
}

// upgradeGroup are the upgrades of packages in one layer; title is empty where it is not known.
type upgradeGroup struct {
	title string
	fixes []verdict.Fix
}

func upgradeGroups(s verdict.SubjectVerdict) []upgradeGroup {
	var groups []upgradeGroup
	for _, a := range actionsOf(s.Plan, verdict.ActionUpgrade) {
		title := layerTitle(s, a)
		if n := len(groups); n == 0 || groups[n-1].title != title {
			groups = append(groups, upgradeGroup{title: title})
		}
		g := &groups[len(groups)-1]
		g.fixes = append(g.fixes, verdict.Fix{Package: a.Target, From: a.From, To: a.To, Command: a.Command, Clears: len(a.Clears)})
	}
	for _, g := range groups {
		slices.SortStableFunc(g.fixes, func(a, b verdict.Fix) int { return cmp.Compare(b.Clears, a.Clears) })
	}
	return groups
}

// layerTitle is "in layer 2 of 3 (sha256:…), line 4 of the Dockerfile: RUN apk add curl".
func layerTitle(s verdict.SubjectVerdict, a verdict.Action) string {
	l := a.Layer
	if l == nil {
		return ""
	}
	text := "in a layer"
	if l.Number > 0 {
		text = fmt.Sprintf("in layer %d of %d", l.Number, len(s.Evidence.Layers))
	}
	if d := cmp.Or(l.Digest, l.DiffID); d != "" {
		text += " (" + wording.ShortDigests(clean(d)) + ")"
	}
	if l.Line > 0 {
		text += fmt.Sprintf(", line %d of the Dockerfile", l.Line)
	}
	if a.Origin == verdict.OriginBase {
		name := "image"
		if b := s.Evidence.Base; b != nil && b.Reference != "" {
			name = clean(b.Reference)
		}
		return text + ", which comes with the base " + name
	}
	if l.CreatedBy != "" {
		const most = 120
		text += ": " + wording.Clip(clean(l.CreatedBy), most)
	}
	return text
}

// typed is a command, which is shown whole or not at all: one that is cut is another.
func typed(s string) string {
	const most = 4000
	if len(s) > most || escape.Text(s) != s {
		return ""
	}
	return s
}

func (p *page) upgrades(fixes []verdict.Fix) {
	var rows [][]cell
	for i, f := range fixes {
		if i == capFailed {
			break
		}
		rows = append(rows, []cell{
			{fmt.Sprintf("clears %d", f.Clears), styleNone}, {clean(f.Package), styleBold},
			{clean(f.From) + " → " + clean(f.To), styleNone}, {typed(f.Command), styleNone},
		})
	}
	if len(rows) == 0 {
		return
	}
	all, tool := together(fixes)
	if tool != "" {
		// The command for all of them is below; one for each would only repeat it.
		for i := range rows {
			rows[i] = rows[i][:3]
		}
		p.table(2, []column{{fixed: true}, {}, {}}, rows)
	} else {
		p.table(2, []column{{fixed: true}, {}, {}, {wrap: true}}, rows)
	}
	if rest := len(fixes) - len(rows); rest > 0 {
		p.line(fmt.Sprintf("  … and %d more upgrades", rest))
	}
	if tool != "" {
		p.blank()
		p.command(tool, all)
	}
}

// command writes a command that can be copied, continued over lines where it is long.
func (p *page) command(tool string, words []string) {
	lines := fold(strings.TrimSpace(tool+" "+strings.Join(words, " ")), max(p.width-6, minWidth/2))
	for i, l := range lines {
		if i < len(lines)-1 {
			l += ` \`
		}
		lead := "    "
		if i > 0 {
			lead = "      "
		}
		p.line(lead + p.paint(styleBold, l))
	}
}

// together joins the upgrades of one distribution's packages into one command.
// It returns nothing if some upgrade is of another kind or has no command.
func together(fixes []verdict.Fix) (packages []string, tool string) {
	for _, f := range fixes {
		t := ""
		for _, known := range verdict.OSTools() {
			if strings.HasPrefix(f.Command, known+" ") {
				t = known
			}
		}
		if t == "" || tool != "" && t != tool {
			return nil, ""
		}
		tool = t
		for _, w := range strings.Fields(strings.TrimPrefix(f.Command, t)) {
			if !slices.Contains(packages, w) {
				packages = append(packages, w)
			}
		}
	}
	slices.Sort(packages)
	return packages, tool
}
