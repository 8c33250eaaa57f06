// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

//go:embed page/page.html
var pageTemplate string

//go:embed page/page.css
var pageStyle string

//go:embed page/page.js
var pageScript string

// maxHTML is about how many bytes of violations and packages a page may have: more make
// browsers on phones stumble. What is left out is said.
const maxHTML = 4_000_000

// HTML writes the verdict as one page that needs nothing else: no request is made when
// it is opened, which its own content security policy enforces. It reads without its
// script, which only filters.
func HTML(w io.Writer, v verdict.Verdict, o Options) error {
	return htmlWithin(w, v, o, maxHTML)
}

func htmlWithin(w io.Writer, v verdict.Verdict, o Options, most int) error {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("write verdict as HTML: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, newHTMLPage(v, o, most)); err != nil {
		return fmt.Errorf("write verdict as HTML: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write verdict as HTML: %w", err)
	}
	return nil
}

// htmlPage is what the template shows. All texts are clean; the template escapes them
// for the place where they stand.
type htmlPage struct {
	Policy string // the content security policy
	Style  template.CSS
	Script template.JS

	Title, Word, Class, Headline string
	Notices                      []htmlNotice
	Notes                        []string
	Figures                      []htmlFigure
	Decided                      []htmlField
	Subjects                     []*htmlSubject
	Several                      bool
	Filter                       htmlFilter
	Waivers                      *htmlTimeline
	Forecast                     *htmlForecast
	Tool                         string
}

type (
	htmlNotice struct{ Class, Label, Text string }
	htmlFigure struct{ Value, Name string }
	htmlField  struct {
		Name   string
		Values []string
	}
)

// htmlSubject is one platform. Key is part of ids in the page.
type htmlSubject struct {
	Key, Name, Word, Class, Tally string

	Steps    htmlSteps
	Groups   []htmlGroup
	Passed   []htmlPassed
	Layers   htmlLayers
	Packages htmlPackages
	Examined []htmlField
	Signed   []htmlField
	Gaps     []htmlNotice
	// Incomplete says that nothing found is not the same as nothing there.
	Incomplete bool
}

type htmlPassed struct{ Result, Rule, Title, Summary string }

func newHTMLPage(v verdict.Verdict, o Options, most int) *htmlPage {
	p := &htmlPage{
		Style: template.CSS(pageStyle), Script: template.JS(pageScript), // ours, as they are in the repository
		Policy: "default-src 'none'; style-src " + sourceHash(pageStyle) + "; script-src " + sourceHash(pageScript) + "; base-uri 'none'; form-action 'none'",
		Word:   statusWord(v, v.Status), Class: strings.ToLower(string(statusOf(v))),
		Headline: strings.TrimPrefix(headline(v), statusWord(v, v.Status)+" "),
		Several:  len(v.Subjects) > 1,
		Tool:     strings.TrimSpace("ocigate " + clean(o.Versions.Ocigate)),
	}
	p.Title = p.Word + " " + cmp.Or(clean(v.Reference), "no image")
	if t := clean(o.Versions.Trivy); t != "" {
		p.Tool += " with Trivy " + t
	}
	for _, n := range notices(runGaps(v)) {
		if n.Class == string(gapNote) {
			p.Notes = append(p.Notes, n.Text)
		} else {
			p.Notices = append(p.Notices, n)
		}
	}
	p.Decided = decidedFields(v)
	b := &htmlBudget{left: most}
	subjects := worstFirst(v.Subjects)
	for i := range subjects {
		b.share(len(subjects) - i)
		p.Subjects = append(p.Subjects, newHTMLSubject(v, &subjects[i], i, b))
	}
	p.Figures = figures(v)
	p.Filter = newHTMLFilter(p.Subjects)
	p.Waivers = newHTMLTimeline(v)
	p.Forecast = newHTMLForecast(v)
	return p
}

func newHTMLSubject(v verdict.Verdict, s *verdict.SubjectVerdict, i int, b *htmlBudget) *htmlSubject {
	h := &htmlSubject{
		Key:  "p" + strconv.Itoa(i+1),
		Name: cmp.Or(clean(s.Evidence.Subject.Platform.String()), "platform not known"),
		Word: statusWord(v, s.Status), Class: strings.ToLower(string(known(s.Status))), Tally: tally(v, *s),
	}
	places := layerPlaces(s)
	h.Steps = newHTMLSteps(*s)
	h.Groups = htmlGroups(v, s, h.Key, places, b)
	for _, o := range s.Outcomes {
		if o.Group != verdict.GroupBuiltin && (o.Result == verdict.Pass || o.Result == verdict.Skip) {
			h.Passed = append(h.Passed, htmlPassed{string(o.Result), clean(o.Rule), clean(o.Title), clean(o.Summary)})
		}
	}
	if !partial(v) {
		h.Layers = newHTMLLayers(s)
		h.Packages = newHTMLPackages(s, places, b)
	}
	h.Examined, h.Signed = examinedFields(v, *s)
	h.Gaps = notices(subjectGaps(v, s))
	h.Incomplete = incomplete(v, s) || len(s.Evidence.Coverage.NotMatched) > 0
	return h
}

// sourceHash allows one inline text in a content security policy.
func sourceHash(text string) string {
	h := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(h[:]) + "'"
}

func notices(gs []gap) []htmlNotice {
	label := map[gravity]string{gapError: "Not decided", gapWarning: "Warning", gapNote: "Note"}
	var ns []htmlNotice
	for _, g := range gs {
		ns = append(ns, htmlNotice{string(g.gravity), label[g.gravity], g.text})
	}
	return ns
}

// decidedFields name what decided.
func decidedFields(v verdict.Verdict) []htmlField {
	fs := []htmlField{{"Policy", values(cmp.Or(policyName(v.Policy.Name, v.Policy.Source), "no policy"), clean(v.Policy.Digest))}}
	for _, d := range v.Policy.Enforced {
		fs = append(fs, htmlField{"Enforced", values(enforced(d), clean(d.Digest))})
	}
	as := wording.Time(v.EffectiveTime)
	if v.EffectiveTimeGiven {
		as += ", a time that was given and is not the clock's"
	}
	fs = append(fs, htmlField{"As of", values(as)})
	if v.Scope != "" {
		fs = append(fs, htmlField{"Scope", values(clean(string(v.Scope)) + " only")})
	}
	if v.ReportOnly {
		fs = append(fs, htmlField{"Mode", values("report only")})
	}
	return fs
}

// values are the texts that are not empty.
func values(texts ...string) []string {
	var list []string
	for _, t := range texts {
		if t != "" {
			list = append(list, t)
		}
	}
	return list
}

// figures are the few numbers that people look for first.
func figures(v verdict.Verdict) []htmlFigure {
	if len(v.Subjects) == 0 {
		return nil
	}
	var n [standsWaived + 1]int
	packages, fixable, undecided := 0, 0, 0
	var size int64
	for i := range v.Subjects {
		s := &v.Subjects[i]
		for _, e := range entries(s) {
			n[e.standing]++
			if f := e.violation.Finding; e.standing == standsFailed && f != nil && f.Kind == evidence.KindVulnerability && f.FixedVersion != "" {
				fixable++
			}
		}
		for _, o := range s.Outcomes {
			if o.Result == verdict.Error {
				undecided++
			}
		}
		packages += len(s.Evidence.Packages)
		for _, l := range s.Evidence.Layers {
			size += max(0, l.Size)
		}
	}
	fs := []htmlFigure{{strconv.Itoa(n[standsFailed]), "violations that fail"}}
	if undecided > 0 {
		fs = append(fs, htmlFigure{strconv.Itoa(undecided), "could not be decided"})
	}
	if fixable > 0 {
		fs = append(fs, htmlFigure{strconv.Itoa(fixable), "of them fixed upstream"})
	}
	fs = append(fs, htmlFigure{strconv.Itoa(n[standsWarned]), "that warn"}, htmlFigure{strconv.Itoa(n[standsWaived]), "waived or removed by VEX"})
	if n[standsPending] > 0 {
		fs = append(fs, htmlFigure{strconv.Itoa(n[standsPending]), "in their grace period"})
	}
	if partial(v) {
		return fs
	}
	fs = append(fs, htmlFigure{strconv.Itoa(packages), "packages listed"})
	if size > 0 {
		fs = append(fs, htmlFigure{wording.Bytes(size), "in layers"})
	}
	return fs
}

// htmlBudget is what is left of a page's size. Platforms share it.
type htmlBudget struct{ left, part int }

// share gives the next of n platforms its part of what is left.
func (b *htmlBudget) share(n int) { b.part = b.left / n }

// take says whether there is room for something of these texts.
func (b *htmlBudget) take(texts ...string) bool {
	const frame = 500 // tags and attributes
	size := frame
	for _, t := range texts {
		size += len(template.HTMLEscapeString(t))
	}
	if b.part < size {
		b.part = 0 // what follows is less grave: none of it is shown before this
		return false
	}
	b.part -= size
	b.left -= size
	return true
}
