// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// maxMarkdown is below the 1 MiB that GitHub takes of one step's summary, as the step may
// write something of its own; a larger one is dropped as a whole.
const maxMarkdown = 900 << 10

// Markdown writes the verdict for the summary of a job or a comment. Where it would be
// too long, the rows of the least severe are left out, and it says so.
func Markdown(w io.Writer, v verdict.Verdict, _ Options) error {
	return markdownWithin(w, v, maxMarkdown)
}

func markdownWithin(w io.Writer, v verdict.Verdict, most int) error {
	d := &markdown{verdict: v, waivers: indexWaivers(v)}
	d.top()
	for _, s := range worstFirst(v.Subjects) {
		d.subject(s)
	}
	d.allWaivers()
	d.forecast()
	out := escape.NewWriter(w)
	if _, err := io.WriteString(out, d.render(most)); err != nil {
		return fmt.Errorf("write verdict as Markdown: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write verdict as Markdown: %w", err)
	}
	return nil
}

type markdown struct {
	sheet
	verdict verdict.Verdict
	waivers waiverIndex
}

// The order in which rows are left out, in steps that leave room for severities.
const (
	orderFailed    = 0
	orderUndecided = 100
	orderFix       = 200
	orderWarned    = 300
	orderPending   = 400
	orderWaived    = 500
	orderForecast  = 600
	orderPassed    = 700
)

func statusMark(v verdict.Verdict, s verdict.Status) string {
	mark := map[verdict.Status]string{verdict.Passed: "✅ ", verdict.Failed: "❌ ", verdict.Errored: "⚠ "}[known(s)]
	return mark + escapeMarkdown(statusWord(v, s))
}

func (d *markdown) top() {
	v := d.verdict
	d.text("## " + statusMark(v, v.Status) + " " + escapeMarkdown(summary(v)) + "\n\n")
	by := "Decided by " + cmp.Or(code(cmp.Or(v.Policy.Name, v.Policy.Source)), "no policy")
	if v.Policy.Digest != "" {
		by += " (" + code(v.Policy.Digest) + ")"
	}
	for _, e := range v.Policy.Enforced {
		by += ", enforced " + escapeMarkdown(enforced(e)) + " (" + code(e.Digest) + ")"
	}
	d.text(by + ", as of " + wording.Time(v.EffectiveTime) + ".\n")
	var rows []sheetRow
	for i, g := range runGaps(v) {
		rows = append(rows, tableRow(orderUndecided+min(i, 99), "**"+string(g.gravity)+"**", escapeMarkdown(g.text)))
	}
	if len(rows) > 0 {
		d.heading(3, "To know about this verdict")
		d.table([]string{"", "What"}, rows)
	}
}

func (d *markdown) subject(s verdict.SubjectVerdict) {
	if len(d.verdict.Subjects) > 1 {
		pl := cmp.Or(prose(s.Evidence.Subject.Platform.String()), "platform not known")
		d.heading(3, pl+": "+statusMark(d.verdict, s.Status)+", "+escapeMarkdown(tally(d.verdict, s)))
	}
	es := entries(&s)
	d.rules(&s, es, verdict.Fail, standsFailed, "Failed", orderFailed)
	d.undecided(&s)
	d.clearing(s)
	d.rules(&s, es, verdict.Warn, standsWarned, "Warnings", orderWarned)
	d.standing(es, standsPending, "In their grace period", orderPending)
	d.standing(es, standsTolerated, "Tolerated, or not decided", orderPending)
	d.standing(es, standsWaived, "Waived", orderWaived)
	d.passed(s)
	d.examined(s)
}

// rules has a table for each rule with one result.
func (d *markdown) rules(s *verdict.SubjectVerdict, es []entry, result verdict.Result, st standing, title string, order int) {
	headed := false
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		if o.Result != result {
			continue
		}
		if !headed {
			d.heading(4, title)
			headed = true
		}
		head := "**" + cmp.Or(prose(o.Rule), "rule") + "**"
		if t := prose(o.Title); t != "" {
			head += ": " + t
		}
		if at := place(d.verdict, *o); at != "" {
			head += " (" + escapeMarkdown(at) + ")"
		}
		head += "<br>" + prose(o.Summary) + "\n\n"
		d.text(head)
		own := slices.DeleteFunc(slices.Clone(es), func(e entry) bool {
			return e.outcome != o || e.standing != st && e.standing != standsWarned
		})
		d.violations(own, order)
		if r := prose(o.Remediation); r != "" {
			d.text("Remedy: " + r + "\n\n")
		}
	}
}

// violations are a table of findings and one of what is none.
func (d *markdown) violations(es []entry, order int) {
	var findings, others []sheetRow
	for i := range es {
		e := &es[i]
		at := order + rank(e.violation) + 1
		f := e.violation.Finding
		if f == nil {
			what := escapeMarkdown(e.message())
			if e.violation.Line > 0 {
				what += fmt.Sprintf(" (line %d of the Dockerfile)", e.violation.Line)
			}
			others = append(others, tableRow(at, what, code(e.path()), code(e.violation.Fix)))
			continue
		}
		where := code(f.Location())
		if f.Kind == evidence.KindSecret && f.StartLine > 0 {
			where += " line " + strconv.Itoa(f.StartLine)
		}
		fixed := prose(e.violation.Fix)
		if f.Kind == evidence.KindVulnerability {
			fixed = prose(fixedIn(*f))
		}
		findings = append(findings, tableRow(at, f.Severity.String(), findingLink(f), code(f.PackageName()), code(f.PackageVersion()), fixed, where, prose(e.violation.Note)))
	}
	d.table([]string{"Severity", "Finding", "Package", "Installed", "Fixed in", "Found in", "Note"}, findings)
	d.table([]string{"Violation", "Where", "Fix"}, others)
}

// findingLink is the id, linked to the page of the database where that is a plain URL.
func findingLink(f *evidence.Finding) string {
	id := prose(f.ID)
	if f.Kind == evidence.KindSecret && f.Title != "" {
		id += ": " + prose(f.Title)
	}
	if uri := weblink(f.URL); uri != "" {
		return "[" + id + "](<" + uri + ">)"
	}
	return id
}

func (d *markdown) undecided(s *verdict.SubjectVerdict) {
	var rows []sheetRow
	for _, o := range s.Outcomes {
		for _, g := range outcomeGaps(s, o) {
			if o.Result == verdict.Error || o.Result == verdict.Fail || o.Result == verdict.Warn {
				rows = append(rows, tableRow(orderUndecided, code(o.Rule), escapeMarkdown(strings.TrimPrefix(g.text, clean(o.Rule)+": "))))
			}
		}
	}
	if len(rows) > 0 {
		d.heading(4, "Could not decide")
		d.table([]string{"Rule", "Why"}, rows)
	}
}

// standing lists what does not fail the image, and why.
func (d *markdown) standing(es []entry, st standing, title string, order int) {
	var rows []sheetRow
	for i := range es {
		if e := &es[i]; e.standing == st {
			rows = append(rows, tableRow(order+rank(e.violation)+1, code(e.outcome.Rule), escapeMarkdown(e.message()), code(e.path()), escapeMarkdown(e.state(d.waivers))))
		}
	}
	if len(rows) > 0 {
		d.heading(4, title)
		d.table([]string{"Rule", "What", "Where", "Why it does not fail"}, rows)
	}
}

// passed lists the rules of the policy that passed or do not apply.
func (d *markdown) passed(s verdict.SubjectVerdict) {
	var rows []sheetRow
	for _, o := range s.Outcomes {
		if o.Group != verdict.GroupBuiltin && (o.Result == verdict.Pass || o.Result == verdict.Skip) {
			rows = append(rows, tableRow(orderPassed, string(o.Result), code(o.Rule), prose(o.Summary)))
		}
	}
	if len(rows) > 0 {
		d.heading(4, "Passed")
		d.table([]string{"", "Rule", "What"}, rows)
	}
}

// examined is the list of the text report, as it is.
func (d *markdown) examined(s verdict.SubjectVerdict) {
	var b bytes.Buffer
	p := newPage(&b, Options{Width: 110})
	p.examined(d.verdict, s)
	if p.w.Flush() != nil {
		return // a buffer takes everything
	}
	_, list, _ := strings.Cut(strings.TrimLeft(b.String(), "\n"), "\n") // without its heading
	d.heading(4, "Examined")
	d.text(fenced(list))
}

func (d *markdown) allWaivers() {
	var rows []sheetRow
	for _, w := range d.verdict.Waivers {
		why := strings.Trim(clean(w.Owner)+": "+clean(w.Reason), ": ")
		if w.Refused != "" {
			why += "; refused: " + clean(w.Refused)
		}
		for _, drift := range w.Drift {
			why += "; since it was waived: " + clean(drift)
		}
		rows = append(rows, tableRow(orderWaived, escapeMarkdown(waiverUse(w)), code(w.ID), prose(w.Until+daysLeft(w)), escapeMarkdown(waiverScope(w)), escapeMarkdown(why)))
	}
	if len(rows) > 0 {
		d.heading(3, "Waivers")
		d.table([]string{"Use", "Waiver", "Until", "Scope", "Owner and reason"}, rows)
	}
}

func (d *markdown) forecast() {
	v := d.verdict
	if v.ForecastUntil == nil {
		return
	}
	d.heading(3, "What will fail by "+wording.Date(*v.ForecastUntil))
	if len(v.Forecast) == 0 {
		if statusOf(v) == verdict.Errored {
			d.text("Nothing is known: what could not be decided has no forecast.\n")
		} else {
			d.text("Nothing more than now, as far as the image, the policy and today's database tell.\n")
		}
		return
	}
	var rows []sheetRow
	for i, c := range v.Forecast {
		turn := string(c.From) + " → " + string(c.To)
		if !c.Red {
			turn += " (a warning)"
		}
		var why []string
		if c.Reason != "" {
			why = append(why, clean(c.Reason))
		}
		for n, cause := range c.Causes {
			if n == capPending {
				why = append(why, fmt.Sprintf("… and %d more", len(c.Causes)-n))
				break
			}
			why = append(why, clean(cause.Message)+": "+clean(cause.Reason))
		}
		rows = append(rows, tableRow(orderForecast+min(i, 99), prose(c.Date), code(c.Rule), prose(turn), code(c.Platform.String()), escapeMarkdown(strings.Join(why, "; "))))
	}
	d.table([]string{"Date", "Rule", "Result", "Platform", "Why"}, rows)
}
