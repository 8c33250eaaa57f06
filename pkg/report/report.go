// SPDX-License-Identifier: Apache-2.0

// Package report renders a verdict: text and Markdown for people, JSON for programs,
// and the formats of CI systems (SARIF, JUnit, GitLab's). A renderer is a function of a
// Verdict and an io.Writer and decides nothing. All that comes from an image, a
// database or a policy is escaped on its way.
package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// Options is how a report is written. The zero value gives plain text, 100
// characters wide.
type Options struct {
	// Width is the number of characters in a line of text; 0 means 100.
	Width int
	// Color puts ANSI colours into the text.
	Color bool
	// Versions are named in machine-readable formats.
	Versions Versions
}

// Versions are those of the programs that made the verdict.
type Versions struct {
	Ocigate string
	Trivy   string
}

// Text writes the verdict for people: first the answer, then why, then what to
// do about it, then what was examined.
func Text(w io.Writer, v verdict.Verdict, o Options) error {
	p := newPage(w, o)
	// The one line that must be enough for those who read no further.
	p.status(v, v.Status, summary(v))
	p.notices(v)
	p.willFail(v)
	if len(v.Problems) > 0 {
		p.heading(styleCare, "Could not examine")
		for _, pr := range v.Problems {
			p.problem(2, pr)
		}
	}
	for _, s := range worstFirst(v.Subjects) {
		if len(v.Subjects) > 1 {
			p.subjectBanner(v, s)
		}
		p.subject(v, s)
	}
	if len(v.Subjects) != 1 {
		p.forecast(v)
		p.waivers(v)
		p.heading(styleBold, "Decided by")
		p.decidedBy(v)
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func worstFirst(ss []verdict.SubjectVerdict) []verdict.SubjectVerdict {
	order := []verdict.Status{verdict.Failed, verdict.Errored, verdict.Passed}
	return slices.SortedStableFunc(slices.Values(ss), func(a, b verdict.SubjectVerdict) int {
		return cmp.Compare(slices.Index(order, a.Status), slices.Index(order, b.Status))
	})
}

// status never shows that of a part of the policy as that of the whole.
func (p *page) status(v verdict.Verdict, s verdict.Status, text string) {
	const room = 8
	word := statusWord(v, s)
	p.wrapStyled(max(room, length(word)+2), cell{word, statusStyle(s)}, cell{text: text})
}

func statusStyle(s verdict.Status) style {
	switch s {
	case verdict.Passed:
		return styleGood
	case verdict.Failed:
		return styleAlarm
	default:
		return styleCare
	}
}

// tally counts the outcomes. Those that every policy has are counted only where
// they could not be decided, so that they do not make a short policy look long.
func tally(v verdict.Verdict, s verdict.SubjectVerdict) string {
	n := map[verdict.Result]int{}
	rules, accepted, unseen := 0, 0, 0
	for _, o := range s.Outcomes {
		if o.Group == verdict.GroupBuiltin {
			if o.Result == verdict.Error {
				n[verdict.Error]++
			} else {
				accepted += len(o.Problems)
			}
			continue
		}
		rules++
		if o.Result == verdict.Skip && notExamined(o) {
			unseen++
			continue
		}
		n[o.Result]++
	}
	var parts []string
	add := func(k int, one, many string) {
		switch {
		case k == 1:
			parts = append(parts, "1 "+one)
		case k > 1:
			parts = append(parts, fmt.Sprintf("%d %s", k, many))
		}
	}
	add(n[verdict.Fail], "rule failed", "rules failed")
	add(n[verdict.Error], "could not be decided", "could not be decided")
	add(n[verdict.Warn], "warning", "warnings")
	if len(parts) == 0 {
		add(n[verdict.Pass], "rule passed", "rules passed")
	} else {
		add(n[verdict.Pass], "passed", "passed")
	}
	add(n[verdict.Skip], "not applicable", "not applicable")
	add(unseen, "not examined", "not examined")
	add(accepted, "gap accepted by the policy", "gaps accepted by the policy")
	switch {
	case rules == 0 && v.Scope != "":
		parts = append(parts, "the policy has no such rules")
	case rules == 0:
		parts = append(parts, "the policy has no rules")
	}
	return strings.Join(parts, ", ")
}

// notExamined says of a rule that does not count that nobody looked, in place of that it
// does not apply.
func notExamined(o verdict.Outcome) bool { return strings.HasPrefix(o.Summary, verdict.NotExamined) }

func platformTally(v verdict.Verdict) string {
	n := map[verdict.Status]int{}
	for _, s := range v.Subjects {
		n[s.Status]++
	}
	var parts []string
	for _, st := range []struct {
		status verdict.Status
		words  string
	}{{verdict.Failed, "failed"}, {verdict.Errored, "could not be decided"}, {verdict.Passed, "passed"}} {
		if k := n[st.status]; k > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", k, st.words))
		}
	}
	return fmt.Sprintf("%d platforms: %s", len(v.Subjects), strings.Join(parts, ", "))
}

func (p *page) notices(v verdict.Verdict) {
	p.partial(v)
	if v.ReportOnly {
		m := "REPORT ONLY: violations do not fail this run. It must not be used to push or to attest."
		if v.Status == verdict.Failed {
			m = "REPORT ONLY: this run exits 0 although the verdict is FAILED. It must not be used to push or to attest."
		}
		p.wrapStyled(0, cell{}, cell{m, styleCare})
	}
	if v.EffectiveTimeGiven {
		p.wrapStyled(0, cell{}, cell{"Decided as of " + wording.Time(v.EffectiveTime) + ", a time that was given and is not the clock's.", styleCare})
	}
	if len(v.NotExamined) > 0 {
		names := make([]string, len(v.NotExamined))
		for i, pl := range v.NotExamined {
			names[i] = clean(pl.String())
		}
		p.wrapStyled(0, cell{}, cell{"NOT EXAMINED, and not part of this verdict: " + strings.Join(names, ", "), styleCare})
	}
	for _, n := range v.Notes {
		p.wrapStyled(6, cell{"Note: ", styleCare}, cell{text: clean(n)})
	}
}

// partial says what a verdict is not about.
func (p *page) partial(v verdict.Verdict) {
	switch {
	case v.Scope == verdict.ScopeSignatures:
		p.wrapStyled(0, cell{}, cell{"SIGNATURES ONLY: no layer was read, and only rules about signatures, attestations and the base image were decided. " +
			"Vulnerabilities, secrets and all other rules of the policy were not examined. It must not be used to push or to attest.", styleCare})
	case v.Scope != "":
		p.wrapStyled(0, cell{}, cell{"ONLY A PART of the policy was decided: " + clean(string(v.Scope)) + ". It must not be used to push or to attest.", styleCare})
	}
	if v.FailedFast {
		p.wrapStyled(0, cell{}, cell{"ENDED EARLY: no layer was read, because rules about signatures, attestations or the base image had failed. " +
			"Vulnerabilities, secrets and all other rules of the policy were not examined.", styleCare})
	}
}

func (p *page) subjectBanner(v verdict.Verdict, s verdict.SubjectVerdict) {
	name := clean(s.Evidence.Subject.Platform.String())
	if name == "" {
		name = "platform not known"
	}
	p.blank()
	rule := strings.Repeat("─", min(72, max(4, p.width-length(name)-4)))
	p.line(p.paint(styleBold, "── "+name+" "+rule))
	p.status(v, s.Status, tally(v, s))
}

func (p *page) subject(v verdict.Verdict, s verdict.SubjectVerdict) {
	p.rules(v, s, "Failed", styleAlarm, verdict.Fail, capFailed)
	p.undecided(v, s)
	p.clear(s)
	p.rules(v, s, "Warnings", styleCare, verdict.Warn, capWarned)
	if s.Status == verdict.Passed {
		p.passed(s)
	}
	p.pending(s)
	if len(v.Subjects) == 1 {
		p.forecast(v)
		p.waivers(v)
	}
	p.examined(v, s)
	if len(v.Subjects) == 1 {
		p.decidedBy(v)
	}
}

// passed lists the rules of a pass, with what each looked at.
func (p *page) passed(s verdict.SubjectVerdict) {
	var rows [][]cell
	for _, o := range s.Outcomes {
		if o.Group == verdict.GroupBuiltin || o.Result != verdict.Pass && o.Result != verdict.Skip {
			continue
		}
		st := styleGreen
		if o.Result == verdict.Skip {
			st = styleDim
		}
		rows = append(rows, []cell{{string(o.Result), st}, {clean(o.Rule), styleNone}, {clean(o.Summary), styleNone}})
	}
	if len(rows) == 0 {
		return
	}
	p.heading(styleBold, "Rules")
	p.table(2, []column{{fixed: true}, {}, {wrap: true}}, rows)
}

// decidedBy names what decided: the policy, what stands above it, and the effective time.
func (p *page) decidedBy(v verdict.Verdict) {
	name := policyName(v.Policy.Name, v.Policy.Source)
	if name == "" {
		name = "no policy"
	}
	p.field("policy", name)
	if v.Policy.Digest != "" {
		p.field("", clean(v.Policy.Digest))
	}
	for _, d := range v.Policy.Enforced {
		p.field("enforced", enforced(d))
		p.field("", clean(d.Digest))
	}
	p.field("as of", wording.Time(v.EffectiveTime))
}

// enforced names a policy that stands above the image's own, and who set it.
func enforced(d policy.DocumentRef) string {
	s := policyName(d.Name, d.Source)
	if by := clean(d.SetBy); by != "" {
		s += ", set by " + by
	}
	return s
}

// policyName is "production (ocigate.yaml)".
func policyName(name, source string) string {
	name = clean(name)
	if src := clean(source); src != "" && src != name {
		name = strings.TrimSpace(name + " (" + src + ")")
	}
	return name
}
