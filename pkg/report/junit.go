// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
		Out        string          `xml:"system-out"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	// junitCase has its elements in the order of the schema.
	junitCase struct {
		Name    string       `xml:"name,attr"`
		Class   string       `xml:"classname,attr"`
		Time    string       `xml:"time,attr"`
		Skipped *junitText   `xml:"skipped"`
		Error   *junitResult `xml:"error"`
		Failure *junitResult `xml:"failure"`
		Out     string       `xml:"system-out,omitempty"`
	}
	junitText struct {
		Text string `xml:",chardata"`
	}
	junitResult struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit writes a test suite for each image and platform with a test case for each rule.
// A rule that only warns passes and says so in its output.
func JUnit(w io.Writer, v verdict.Verdict, _ Options) error {
	doc := junitSuites{Name: "ocigate: " + headline(v)}
	for _, s := range junitSuitesOf(v) {
		doc.Tests += s.Tests
		doc.Failures += s.Failures
		doc.Errors += s.Errors
		doc.Suites = append(doc.Suites, s)
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("write verdict as JUnit: %w", err)
	}
	b.WriteByte('\n')
	// Encoded text has its line breaks as references, so a line begins with a tag.
	out := escape.NewWriter(w)
	if _, err := out.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write verdict as JUnit: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write verdict as JUnit: %w", err)
	}
	return nil
}

func junitSuitesOf(v verdict.Verdict) []junitSuite {
	var suites []junitSuite
	var problems []junitCase
	class := "ocigate." + cmp.Or(ident(v.Reference), "image")
	for _, g := range runGaps(v) {
		if g.gravity == gapError {
			name := fmt.Sprintf("examined %d: %s", len(problems)+1, clean(g.rule))
			problems = append(problems, junitCase{
				Name: name, Class: class, Time: "0", Error: &junitResult{Type: "error", Message: g.text, Text: g.text},
			})
		}
	}
	if len(problems) > 0 {
		suites = append(suites, junitSuiteOf(v, cmp.Or(clean(v.Reference), "no image"), problems, nil))
	}
	classes := map[string]int{}
	for i := range v.Subjects {
		s := &v.Subjects[i]
		class := "ocigate." + target(s.Evidence.Subject, v.Reference)
		if classes[class]++; classes[class] > 1 {
			class += fmt.Sprintf("/%d", classes[class])
		}
		byRule := map[*verdict.Outcome][]entry{}
		for _, e := range entries(s) {
			byRule[e.outcome] = append(byRule[e.outcome], e)
		}
		var cases []junitCase
		names, waivers := map[string]int{}, indexWaivers(v)
		for j := range s.Outcomes {
			o := &s.Outcomes[j]
			c := junitCaseOf(v, s, o, byRule[o], waivers)
			c.Class = class
			if names[c.Name]++; names[c.Name] > 1 {
				c.Name = fmt.Sprintf("%s (%d)", c.Name, names[c.Name])
			}
			cases = append(cases, c)
		}
		suites = append(suites, junitSuiteOf(v, imageTitle(s.Evidence.Subject, v.Reference), cases, s))
	}
	return suites
}

func junitSuiteOf(v verdict.Verdict, name string, cases []junitCase, s *verdict.SubjectVerdict) junitSuite {
	suite := junitSuite{
		Name: "ocigate: " + name, Tests: len(cases), Time: "0", Timestamp: v.EffectiveTime.UTC().Format("2006-01-02T15:04:05"), Cases: cases,
	}
	for _, c := range cases {
		switch {
		case c.Failure != nil:
			suite.Failures++
		case c.Error != nil:
			suite.Errors++
		case c.Skipped != nil:
			suite.Skipped++
		}
	}
	lines := []string{headline(v)}
	for _, f := range facts(v) {
		suite.Properties = append(suite.Properties, junitProperty{f.name, f.value})
		lines = append(lines, f.name+": "+f.value)
	}
	gs := runGaps(v)
	if s != nil {
		suite.Properties = append(suite.Properties, junitProperty{"status", statusWord(v, s.Status)})
		for _, f := range []fact{{"digest", s.Evidence.Subject.Digest}, {"imageID", s.Evidence.Subject.ImageID}, {"databaseDigest", s.Evidence.Database.Digest}} {
			if f.value != "" {
				suite.Properties = append(suite.Properties, junitProperty{f.name, clean(f.value)})
				lines = append(lines, f.name+": "+clean(f.value))
			}
		}
		gs = append(gs, subjectGaps(v, s)...)
	}
	for _, g := range gs {
		lines = append(lines, string(g.gravity)+": "+g.text)
	}
	suite.Out = junitLines(lines)
	return suite
}

func junitCaseOf(v verdict.Verdict, s *verdict.SubjectVerdict, o *verdict.Outcome, es []entry, ws waiverIndex) junitCase {
	c := junitCase{Name: cmp.Or(ident(o.Rule), "rule"), Time: "0"}
	if t := clean(o.Title); t != "" {
		c.Name += ": " + t
	}
	var failed, besides []string
	for i := range es {
		line := junitEntry(&es[i], ws)
		if es[i].standing == standsFailed {
			failed = append(failed, line)
		} else {
			besides = append(besides, line)
		}
	}
	var gaps []string
	for _, g := range outcomeGaps(s, *o) {
		gaps = append(gaps, string(g.gravity)+": "+g.text)
	}
	summary := cmp.Or(clean(o.Summary), string(o.Result))
	lines := []string{summary}
	if at := place(v, *o); at != "" {
		lines = append(lines, "stated in "+at)
	}
	if r := clean(o.Remediation); r != "" {
		lines = append(lines, "remedy: "+r)
	}
	switch o.Result {
	case verdict.Fail:
		c.Failure = &junitResult{Type: "fail", Message: summary, Text: junitLines(append(lines, failed...))}
	case verdict.Skip:
		c.Skipped = &junitText{summary}
	case verdict.Pass:
	case verdict.Warn:
		besides = append([]string{"WARNING: " + summary}, besides...)
	default:
		if o.Action == policy.ActionWarn {
			// It leaves the verdict alone, and stays visible.
			c.Skipped = &junitText{"could not decide, a warning only: " + summary}
			break
		}
		c.Error = &junitResult{Type: "error", Message: summary, Text: junitLines(append(lines, gaps...))}
		gaps = nil
	}
	if besides = append(besides, gaps...); len(besides) > 0 {
		c.Out = junitLines(besides)
	}
	return c
}

func junitEntry(e *entry, ws waiverIndex) string {
	s := "- " + e.sentence()
	if e.violation.Line > 0 {
		s += fmt.Sprintf(" (line %d of the Dockerfile)", e.violation.Line)
	}
	if st := e.state(ws); st != "" {
		s += " [" + st + "]"
	} else if f := clean(e.violation.Fix); f != "" {
		s += "; fix: " + f
	}
	return s
}

// junitLines joins lines, each safe by itself, as readers show them in a log. Beyond a
// number they are counted.
func junitLines(lines []string) string {
	const most = 1000
	if n := len(lines) - most; n > 0 {
		lines = append(lines[:most:most], fmt.Sprintf("… and %d more (see --output json=FILE)", n))
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(escape.Line(l))
		b.WriteByte('\n')
	}
	return b.String()
}
