// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// ExplainText writes an explanation for people.
func ExplainText(w io.Writer, e Explanation, o Options) error {
	p := newPage(w, o)
	first := true
	p.partial(verdict.Verdict{Scope: e.Scope, FailedFast: e.FailedFast})
	next := func() {
		if !first {
			p.blank()
		}
		first = false
	}
	for _, r := range e.Rules {
		next()
		p.explainRule(e, r)
	}
	for _, f := range e.Findings {
		next()
		p.explainFinding(f)
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("write explanation: %w", err)
	}
	return nil
}

func headLine(p *page, id, title string) string {
	s := p.paint(styleBold, clean(id))
	if title != "" {
		s += ": " + clean(title)
	}
	return s
}

func (p *page) explainRule(e Explanation, r RuleExplanation) {
	p.line(headLine(p, r.Rule, r.Title))
	p.field("outcome", strings.ToUpper(clean(string(r.Result)))+": "+clean(r.Summary))
	p.platformField(r.Platform.String())
	if r.Group == verdict.GroupBuiltin {
		p.field("stands in", "every policy; it cannot be waived")
	} else {
		p.field("violations", effect(r.Outcome))
		if at := place(verdict.Verdict{Policy: e.Policy}, r.Outcome); at != "" {
			p.field("stands at", at)
		}
	}
	if r.Max > 0 {
		p.field("tolerates", strconv.Itoa(r.Max))
	}
	p.explainViolations("Violations", r.Violations)
	p.explainWaived(r)
	p.explainViolations("In their grace period", byDeadline(r.Pending))
	if len(r.Problems) > 0 {
		p.heading(styleCare, "Could not examine")
		for _, pr := range r.Problems {
			p.problem(2, pr)
		}
	}
	if len(r.Fixes) > 0 {
		p.heading(styleBold, "To clear it")
		p.upgrades(r.Fixes)
	}
	if r.Remediation != "" && len(r.Violations)+len(r.Pending)+len(r.Waived) > 0 {
		p.heading(styleBold, "Remedy")
		p.wrap(2, "  ", clean(r.Remediation))
	}
}

func (p *page) platformField(s string) {
	if s != "" {
		p.field("platform", clean(s))
	}
}

// explainViolations lists all of them: here somebody asked for exactly these.
func (p *page) explainViolations(title string, vs []verdict.Violation) {
	if len(vs) == 0 {
		return
	}
	p.heading(styleBold, fmt.Sprintf("%s (%d)", title, len(vs)))
	for _, v := range vs {
		s := clean(v.Message)
		if v.Line > 0 {
			s += fmt.Sprintf(" (line %d of the Dockerfile)", v.Line)
		}
		if v.Deadline != nil {
			s += ": counts from " + wording.Date(*v.Deadline)
		}
		p.wrap(4, "  - ", s)
		if v.Finding == nil && v.ID != "" {
			p.wrap(9, "    id:  ", clean(v.ID)) // what a waiver names as its finding
		}
		if v.Fix != "" {
			p.wrap(9, "    fix: ", clean(v.Fix))
		}
	}
}

func (p *page) explainWaived(r RuleExplanation) {
	if len(r.Waived) > 0 {
		p.heading(styleBold, fmt.Sprintf("Waived (%d)", len(r.Waived)))
		for _, w := range r.Waived {
			p.wrap(4, "  - ", clean(w.Message)+", by "+clean(w.Waiver))
		}
	}
	p.explainWaivers(r.Waivers)
}

func (p *page) explainWaivers(ws []verdict.WaiverState) {
	if len(ws) == 0 {
		return
	}
	p.heading(styleBold, "Waivers")
	for _, w := range ws {
		p.wrap(4, "  - ", fmt.Sprintf("%s (%s): %s, until %s; %s", clean(w.ID), waiverScope(w), waiverUse(w), clean(w.Until), clean(w.Owner+": "+w.Reason)))
		if w.Refused != "" {
			p.wrap(6, "      ", "it is refused: "+clean(w.Refused))
		}
		for _, d := range w.Drift {
			p.wrap(6, "      ", "since then: "+clean(d))
		}
	}
}

func (p *page) explainFinding(e FindingExplanation) {
	f := e.Finding
	p.line(headLine(p, f.ID, f.Title))
	p.field("severity", severityLine(e))
	if f.Package != nil {
		s := clean(f.Package.Name+" "+f.Package.Version) + " (" + clean(f.Package.Type) + ")"
		p.field("package", s)
		if f.Package.PURL != "" {
			p.field("", clean(f.Package.PURL))
		}
		p.field("fixed in", clean(fixedIn(f)))
	}
	if l := f.Location(); l != "" {
		if f.StartLine > 0 {
			l += ":" + strconv.Itoa(f.StartLine)
		}
		p.field("found in", clean(l))
	}
	p.platformField(e.Platform.String())
	p.explainLayer(e)
	p.explainDates(e)
	for i, s := range f.VEX {
		name := ""
		if i == 0 {
			name = "VEX"
		}
		p.field(name, vexLine(s))
	}
	if f.URL != "" {
		p.field("more", clean(f.URL))
	}
	if e.Fix != "" {
		p.field("fix", clean(e.Fix))
	}
	if len(e.Rules) == 0 {
		p.wrap(2, "  ", "No rule of the policy is about it.")
	} else {
		p.explainRules(e)
	}
	p.explainWaivers(e.Waivers)
}

func (p *page) explainRules(e FindingExplanation) {
	p.heading(styleBold, "Rules")
	var rows [][]cell
	for _, r := range e.Rules {
		rows = append(rows, []cell{{clean(r.Rule), styleNone}, {r.State, styleNone}, {clean(r.Detail), styleNone}})
	}
	p.table(2, []column{{title: "RULE"}, {title: "THE FINDING", fixed: true}, {title: "WHY", wrap: true}}, rows)
}

func vexLine(s evidence.VEXStatement) string {
	line := clean(s.Status)
	if s.Justification != "" {
		line += " (" + clean(s.Justification) + ")"
	}
	if s.Author != "" {
		line += ", says " + clean(s.Author)
	}
	return line + ", in " + clean(s.Source)
}

func severityLine(e FindingExplanation) string {
	f := e.Finding
	s := f.Severity.String()
	if f.SeveritySource != "" {
		s += ", rated by " + clean(f.SeveritySource)
	}
	if f.CVSS > 0 {
		s += fmt.Sprintf(", CVSS %.1f", f.CVSS)
	}
	if f.EPSS != nil {
		s += fmt.Sprintf(", EPSS %.1f%%", *f.EPSS*100)
	}
	if f.KnownExploited != nil {
		s += ", known to be exploited since " + wording.Date(*f.KnownExploited)
	}
	return s
}

func (p *page) explainLayer(e FindingExplanation) {
	if e.Layer == 0 {
		p.field("layer", "not known")
	} else {
		p.field("layer", fmt.Sprintf("%d of %d", e.Layer, e.Layers))
		if e.CreatedBy != "" {
			p.field("made by", clean(e.CreatedBy))
		}
	}
	if e.Origin != "" {
		p.field("origin", clean(string(e.Origin)))
	}
}

func (p *page) explainDates(e FindingExplanation) {
	f := e.Finding
	switch {
	case f.Published != nil:
		p.field("published", wording.Date(*f.Published))
	case f.Package != nil:
		p.field("published", "not known")
	}
	if f.FirstSeen != nil {
		p.field("first seen", wording.Date(*f.FirstSeen))
	}
	if len(f.Aliases) > 0 {
		p.field("aliases", clean(strings.Join(f.Aliases, ", ")))
	}
}
