// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// capPending is how many violations in their grace period are listed for a rule.
const capPending = 10

// pending lists what does not count yet, the next deadline first.
func (p *page) pending(s verdict.SubjectVerdict) {
	headed := false
	for _, o := range s.Outcomes {
		if len(o.Pending) == 0 {
			continue
		}
		if !headed {
			p.heading(styleBold, "In their grace period")
			headed = true
		}
		p.line("  " + p.paint(styleBold, clean(o.Rule)) + fmt.Sprintf(": %d", len(o.Pending)))
		list := byDeadline(o.Pending)
		p.pendingRows(list[:min(len(list), capPending)])
		if rest := len(list) - capPending; rest > 0 {
			p.line(fmt.Sprintf("    … and %d more (see --output json=FILE)", rest))
		}
	}
}

// pendingRows writes a table of vulnerabilities, and lines of what is none.
func (p *page) pendingRows(vs []verdict.Violation) {
	var rows [][]cell
	for _, v := range vs {
		day := "?"
		if v.Deadline != nil {
			day = wording.Date(*v.Deadline)
		}
		f := v.Finding
		if f == nil || f.Kind != evidence.KindVulnerability {
			p.wrap(6, "    - ", "counts from "+day+": "+clean(v.Message))
			continue
		}
		rows = append(rows, []cell{
			{day, styleNone}, {wording.Clip(clean(f.ID), 40), styleNone}, {f.Severity.String(), severityStyle(f.Severity)},
			{clean(f.PackageName()), styleNone}, {clean(f.PackageVersion()), styleNone}, {clean(fixedIn(*f)), styleNone},
		})
	}
	if len(rows) > 0 {
		p.table(4, []column{
			{title: "COUNTS FROM", fixed: true}, {title: "ID", fixed: true}, {title: "SEVERITY", fixed: true},
			{title: "PACKAGE"}, {title: "INSTALLED"}, {title: "FIXED IN"},
		}, rows)
	}
}

func byDeadline(vs []verdict.Violation) []verdict.Violation {
	return slices.SortedStableFunc(slices.Values(vs), func(a, b verdict.Violation) int { return deadline(a).Compare(deadline(b)) })
}

func deadline(v verdict.Violation) time.Time {
	if v.Deadline == nil {
		return time.Time{}
	}
	return *v.Deadline
}

// willFail is the line at the top for those who asked what is to come.
func (p *page) willFail(v verdict.Verdict) {
	if v.ForecastUntil == nil || v.Status != verdict.Passed || v.FailedFast {
		return
	}
	for _, c := range v.Forecast {
		if c.Red {
			p.wrapStyled(0, cell{}, cell{"WILL NOT PASS from " + clean(c.Date) + " unless something is done: see below.", styleCare})
			return
		}
	}
}

// forecast lists what turns worse, day by day.
func (p *page) forecast(v verdict.Verdict) {
	if v.ForecastUntil == nil {
		return
	}
	until := wording.Date(*v.ForecastUntil)
	p.heading(styleBold, "What will fail by "+until)
	if len(v.Forecast) == 0 {
		s := "Nothing more than now, as far as the image, the policy and today's database tell."
		switch {
		case v.Status == verdict.Errored:
			s = "Nothing is known: what could not be decided has no forecast."
		case v.Scope != "" || v.FailedFast:
			s = "Nothing more than now, as far as was examined: other rules of the policy have no forecast."
		}
		p.wrap(2, "  ", s)
		return
	}
	for _, c := range v.Forecast {
		p.change(c, len(v.Subjects) > 1)
	}
}

func (p *page) change(c verdict.Change, platform bool) {
	const indent = 14
	head := clean(c.Rule) + ": " + string(c.From) + " → " + string(c.To)
	if c.From == c.To {
		head = clean(c.Rule) + ": more violations"
	}
	if pl := c.Platform.String(); platform && pl != "" {
		head += " on " + clean(pl)
	}
	if !c.Red {
		head += " (a warning)"
	}
	st := styleCare
	if c.To == verdict.Fail {
		st = styleAlarm
	}
	p.wrapStyled(indent, cell{"  " + clean(c.Date) + ": ", st}, cell{text: head})
	if c.Reason != "" {
		p.wrap(indent+2, blanks(indent)+"- ", clean(c.Reason))
	}
	for i, cause := range c.Causes {
		if i == capPending {
			p.line(blanks(indent) + fmt.Sprintf("… and %d more (see --output json=FILE)", len(c.Causes)-i))
			break
		}
		p.wrap(indent+2, blanks(indent)+"- ", clean(cause.Message)+": "+clean(cause.Reason))
	}
}

// place is where a rule stands: "ocigate.yaml:12", and whether it is enforced.
func place(v verdict.Verdict, o verdict.Outcome) string {
	source := cmp.Or(o.Source, v.Policy.Source)
	if o.Position.Line == 0 || source == "" {
		return ""
	}
	s := fmt.Sprintf("%s:%d", clean(source), o.Position.Line)
	if o.Enforced {
		s += ", enforced"
	}
	return s
}

// effect is what a violation of the rule does: "fail", "warn", "warn, and fail from 2026-12-01".
func effect(o verdict.Outcome) string {
	s := string(o.Action)
	if o.From != nil && o.Action == policy.ActionWarn {
		s += ", and fail from " + wording.Date(*o.From)
	}
	return strings.TrimSpace(clean(s))
}
