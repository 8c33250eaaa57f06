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
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// How many violations of one rule are listed. The rest is counted and stands in
// the JSON report.
const (
	capFailed = 15
	capWarned = 5
)

// rules writes the section of the outcomes with one result.
func (p *page) rules(v verdict.Verdict, s verdict.SubjectVerdict, title string, st style, result verdict.Result, limit int) {
	headed := false
	for _, o := range s.Outcomes {
		if o.Result != result {
			continue
		}
		if !headed {
			p.heading(st, title)
			headed = true
		} else {
			p.blank()
		}
		p.ruleTitle(v, o)
		p.wrap(4, "", clean(o.Summary))
		p.ruleViolations(o, limit)
		p.besides(s, o)
		if o.Remediation != "" {
			p.wrap(12, "    remedy: ", clean(o.Remediation))
		}
	}
}

// besides says what of a rule could not be decided although it is violated. What
// concerns more than this rule stands under "Could not decide" already.
func (p *page) besides(s verdict.SubjectVerdict, o verdict.Outcome) {
	headed := false
	for _, pr := range o.Problems {
		if slices.ContainsFunc(s.Outcomes, func(b verdict.Outcome) bool {
			return b.Group == verdict.GroupBuiltin && b.Result == verdict.Error && slices.Contains(b.Problems, pr)
		}) {
			continue
		}
		if !headed {
			p.line("    not decided besides:")
			headed = true
		}
		p.problem(4, pr)
	}
}

// ruleTitle is "no-critical: No critical vulnerabilities  (policy.yaml:12)".
func (p *page) ruleTitle(v verdict.Verdict, o verdict.Outcome) {
	s := p.paint(styleBold, clean(o.Rule))
	if o.Title != "" {
		s += ": " + clean(o.Title)
	}
	if at := place(v, o); at != "" {
		s += p.paint(styleDim, "  ("+at+")")
	}
	p.line("  " + s)
}

func (p *page) violations(vs []verdict.Violation, limit int) {
	vs = slices.Clone(vs)
	slices.SortStableFunc(vs, func(a, b verdict.Violation) int { return cmp.Compare(rank(a), rank(b)) })
	var vulnerabilities, secrets []verdict.Violation
	for _, v := range vs {
		switch {
		case v.Finding == nil:
			// The only one of its rule is the summary already.
			switch {
			case len(vs) > 1 && v.Line > 0:
				p.wrap(6, "    - ", fmt.Sprintf("%s (line %d of the Dockerfile)", clean(v.Message), v.Line))
			case len(vs) > 1:
				p.wrap(6, "    - ", clean(v.Message))
			case v.Line > 0:
				p.line(fmt.Sprintf("    in line %d of the Dockerfile", v.Line))
			}
		case v.Finding.Kind == evidence.KindVulnerability:
			vulnerabilities = append(vulnerabilities, v)
		default:
			secrets = append(secrets, v)
		}
	}
	rest := p.vulnerabilities(vulnerabilities, limit)
	n := min(len(secrets), limit)
	p.secrets(secrets[:n])
	if rest += len(secrets) - n; rest > 0 {
		p.line(fmt.Sprintf("    … and %d more (see --output json=FILE)", rest))
	}
}

// rank orders by severity, most severe first and unknown last.
func rank(v verdict.Violation) int {
	if v.Finding == nil {
		return -1
	}
	i := slices.Index(evidence.Severities(), v.Finding.Severity)
	if i < 0 {
		return len(evidence.Severities())
	}
	return i
}

// vulnRow is one line of the table of vulnerabilities: packages that a
// distribution builds from one source share it.
type vulnRow struct {
	id, installed, fixed, path, source, note string
	severity                                 evidence.Severity
	packages                                 []string
	count                                    int
}

// vulnerabilities returns how many are not shown.
func (p *page) vulnerabilities(vs []verdict.Violation, limit int) (rest int) {
	rows := groupRows(vs)
	if len(rows) == 0 {
		return 0
	}
	for _, r := range rows[min(len(rows), limit):] {
		rest += r.count
	}
	rows = byPackage(rows[:min(len(rows), limit)])
	paths := slices.ContainsFunc(rows, func(r vulnRow) bool { return r.path != "" })
	cols := []column{{title: "ID", fixed: true}, {title: "SEVERITY", fixed: true}, {title: "PACKAGE"}, {title: "INSTALLED"}, {title: "FIXED IN"}}
	if paths {
		cols = append(cols, column{title: "FOUND IN", path: true})
	}
	notes := slices.ContainsFunc(rows, func(r vulnRow) bool { return r.note != "" })
	if notes {
		cols = append(cols, column{title: "NOTE", wrap: true})
	}
	cells := make([][]cell, 0, len(rows))
	for _, r := range rows {
		c := []cell{
			{wording.Clip(clean(r.id), 40), styleNone}, {r.severity.String(), severityStyle(r.severity)},
			{clean(strings.Join(r.packages, ", ")), styleNone}, {clean(r.installed), styleNone}, {clean(r.fixed), styleNone},
		}
		if paths {
			c = append(c, cell{clean(r.path), styleNone})
		}
		if notes {
			c = append(c, cell{clean(r.note), styleNone})
		}
		cells = append(cells, c)
	}
	p.table(4, cols, cells)
	return rest
}

// groupRows makes rows of violations and keeps their order.
func groupRows(vs []verdict.Violation) []vulnRow {
	var rows []vulnRow
	for _, v := range vs {
		f := v.Finding
		r := vulnRow{
			id: f.ID, severity: f.Severity, count: 1, installed: f.PackageVersion(), fixed: fixedIn(*f),
			path: f.Location(), source: f.PackageName(), packages: []string{f.PackageName()}, note: v.Note,
		}
		if f.Package != nil && f.Package.Class == evidence.ClassOS && f.Package.SourceName != "" {
			r.source = f.Package.SourceName
		}
		same := func(o vulnRow) bool {
			return o.id == r.id && o.installed == r.installed && o.fixed == r.fixed && o.path == r.path &&
				o.source == r.source && o.severity == r.severity && o.note == r.note
		}
		if i := slices.IndexFunc(rows, same); i >= 0 {
			rows[i].count++
			if !slices.Contains(rows[i].packages, r.packages[0]) {
				rows[i].packages = append(rows[i].packages, r.packages[0])
			}
			continue
		}
		rows = append(rows, r)
	}
	return rows
}

// byPackage puts the rows of a package together, the package with the most severe
// vulnerability first.
func byPackage(rows []vulnRow) []vulnRow {
	first := map[string]int{}
	for i, r := range rows {
		if _, ok := first[r.source]; !ok {
			first[r.source] = i
		}
	}
	slices.SortStableFunc(rows, func(a, b vulnRow) int { return cmp.Compare(first[a.source], first[b.source]) })
	return rows
}

func fixedIn(f evidence.Finding) string {
	switch {
	case f.FixedVersion != "":
		return f.FixedVersion
	case f.Status == "will_not_fix":
		return "will not fix"
	case f.Status == "end_of_life":
		return "end of life"
	default:
		return "none known"
	}
}

func (p *page) secrets(vs []verdict.Violation) {
	if len(vs) == 0 {
		return
	}
	rows := make([][]cell, 0, len(vs))
	for _, v := range vs {
		f := v.Finding
		where := clean(f.Location())
		if f.StartLine > 0 {
			where += ":" + strconv.Itoa(f.StartLine)
		}
		rows = append(rows, []cell{
			{wording.Clip(clean(f.ID), 40), styleNone}, {f.Severity.String(), severityStyle(f.Severity)},
			{where, styleNone}, {clean(f.Title), styleNone},
		})
	}
	p.table(4, []column{{title: "ID", fixed: true}, {title: "SEVERITY", fixed: true}, {title: "FOUND IN", path: true}, {title: "WHAT", wrap: true}}, rows)
}

func severityStyle(s evidence.Severity) style {
	switch s {
	case evidence.SeverityCritical:
		return styleAlarm
	case evidence.SeverityHigh:
		return styleRed
	case evidence.SeverityMedium:
		return styleYellow
	default:
		return styleNone
	}
}

// undecided says exactly what could not be examined, and then which rules wait for it.
func (p *page) undecided(v verdict.Verdict, s verdict.SubjectVerdict) {
	var waiting []verdict.Outcome
	headed := false
	for _, o := range s.Outcomes {
		if o.Result != verdict.Error {
			continue
		}
		if !headed {
			p.heading(styleCare, "Could not decide")
			headed = true
		}
		if o.Group != verdict.GroupBuiltin {
			waiting = append(waiting, o)
			continue
		}
		p.ruleTitle(v, o)
		for i, pr := range o.Problems {
			if i == capFailed {
				p.line(fmt.Sprintf("    … and %d more (see --output json=FILE)", len(o.Problems)-i))
				break
			}
			p.problem(4, pr)
		}
	}
	if len(waiting) == 0 {
		return
	}
	p.line("  " + p.paint(styleBold, "rules") + ": not decided")
	var rows [][]cell
	told := map[string]bool{}
	for _, o := range waiting {
		why, hint := waitsFor(&s, o)
		if o.Action == policy.ActionWarn {
			why += " (a warning only)"
		}
		rows = append(rows, []cell{{"- " + clean(o.Rule), styleNone}, {why, styleNone}})
		if hint != "" && !told[hint] {
			told[hint] = true
			rows = append(rows, []cell{{}, {"hint: " + hint, styleNone}})
		}
	}
	p.table(4, []column{{}, {wrap: true}}, rows)
}

// waitsFor is why a rule is not decided, where that is, and what to do next.
func waitsFor(s *verdict.SubjectVerdict, o verdict.Outcome) (why, hint string) {
	why = strings.TrimPrefix(o.Summary, "not decided: ")
	for _, pr := range o.Problems {
		if pr.Message == "" || !strings.HasPrefix(why, pr.Message) || builtinProblem(s, pr) {
			continue
		}
		if what := wording.ShortDigests(pr.What); !strings.Contains(why, what) {
			why = what + ": " + why
		}
		return clean(why), clean(pr.Hint)
	}
	return clean(why), ""
}

// problem writes what, why and what to do next.
func (p *page) problem(indent int, pr evidence.Problem) {
	s := clean(pr.Message)
	if s == "" {
		s = "no reason was given"
	}
	what := clean(pr.What)
	if pr.Analyzer != "" {
		what = strings.TrimSpace(what + " (" + clean(pr.Analyzer) + ")")
	}
	if what != "" && !strings.Contains(s, what) {
		s = what + ": " + s
	}
	p.wrap(indent+2, strings.Repeat(" ", indent)+"- ", s)
	if pr.Hint != "" {
		p.wrap(indent+8, strings.Repeat(" ", indent+2)+"hint: ", clean(pr.Hint))
	}
}
