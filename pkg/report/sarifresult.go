// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

const informationURI = "https://github.com/ocigate/ocigate"

// problems makes results of what belongs to no platform.
func (r *sarifBuilder) problems(v verdict.Verdict) {
	for _, pr := range v.Problems {
		area := ident(cmp.Or(string(pr.Area), verdict.RuleImage))
		i := r.rule(area, 0, func() sarifRule {
			return plainRule(area, "The image can be examined", "What was asked for could not be examined.", "", "error")
		})
		r.add(i, "error", "Could not examine: "+problemText(pr), 0, "", fingerprint(area, pr.What))
	}
}

// undecided makes a result of a rule that could not be decided, so that an upload does
// not close alerts in silence.
func (r *sarifBuilder) undecided(o *verdict.Outcome) {
	level := "error"
	if o.Action == policy.ActionWarn || o.Result == verdict.Skip {
		level = "warning"
	}
	i := r.policyRule(o, level)
	text := "Could not decide: " + strings.TrimPrefix(clean(o.Summary), "not decided: ")
	if o.Result == verdict.Skip {
		text = clean(o.Rule) + ": " + clean(o.Summary)
	}
	const shown = 5
	for n, pr := range o.Problems {
		if n == shown {
			text += fmt.Sprintf("; and %d more", len(o.Problems)-n)
			break
		}
		text += "; " + problemText(pr)
	}
	r.add(i, level, text, 0, "", fingerprint(o.Rule, "undecided"))
}

func (r *sarifBuilder) result(e *entry) {
	level := map[standing]string{standsFailed: "error", standsWarned: "warning"}[e.standing]
	level = cmp.Or(level, "note")
	i := 0
	if f := e.violation.Finding; f != nil {
		i = r.findingRule(e, f)
	} else {
		l := ruleLevel(e.outcome)
		if e.standing == standsWaived {
			l = "note"
		}
		i = r.policyRule(e.outcome, l)
	}
	text := e.sentence()
	if s := e.state(r.waivers); s != "" {
		text += " (" + s + ")"
	}
	text += ". Rule " + clean(e.outcome.Rule) + "."
	if f := e.fix(); f != "" {
		text += " To fix it: " + f
	}
	res := r.add(i, level, text, e.violation.Line, e.path(), e.fingerprint)
	if e.waived != nil {
		res.Suppressions = []sarifSuppression{{Kind: "external", Status: "accepted", Justification: r.waivers.justification(e.waived)}}
	}
	res.Properties = map[string]string{}
	for name, value := range map[string]string{"rule": e.outcome.Rule, "finding": e.id(), "package": e.packageName(), "origin": string(e.violation.Origin)} {
		if value != "" {
			res.Properties[name] = clean(value)
		}
	}
	if p := e.pkg(); p != nil && p.Version != "" {
		res.Properties["version"] = clean(p.Version)
	}
}

func (r *sarifBuilder) add(rule int, level, text string, line int, inImage, print string) *sarifResult {
	res := sarifResult{
		RuleID: r.run.Tool.Driver.Rules[rule].ID, RuleIndex: rule, Level: level,
		Message:   sarifText{Text: sarifMessage(text)},
		Locations: []sarifLocation{r.location(line, inImage)},
		// The first is the one that GitHub reads; the second says whose it is.
		Fingerprints: map[string]string{"primaryLocationLineHash": print, "ocigate/v1": print},
	}
	r.run.Results = append(r.run.Results, res)
	return &r.run.Results[len(r.run.Results)-1]
}

// location is the line of the Dockerfile where that is known, else the image. A path in
// the image is no file of the repository, so it is a logical location.
func (r *sarifBuilder) location(line int, inImage string) sarifLocation {
	l := sarifLocation{Physical: sarifPhysical{
		Artifact: sarifArtifact{URI: imageURI(r.subject.Evidence.Subject, r.verdict.Reference)}, Region: sarifRegion{Line: 1},
	}}
	if uri := dockerfileURI(r.subject.Evidence.Dockerfile); line > 0 && uri != "" {
		l.Physical.Artifact.URI, l.Physical.Region.Line = uri, line
	}
	if inImage != "" {
		l.Logical = []sarifLogical{{Name: clean(inImage), Kind: "resource"}}
	}
	return l
}

// imageURI stands in for a file where there is none.
func imageURI(s evidence.Subject, reference string) string {
	return cmp.Or(uriPath(strings.TrimPrefix(path.Clean("/"+repository(s, reference)), "/")), "image")
}

// dockerfilePath is the path of the Dockerfile below the working directory; empty where
// it is elsewhere or not known.
func dockerfilePath(d *evidence.Dockerfile) string {
	if d == nil || d.Path == "" {
		return ""
	}
	p := path.Clean(d.Path)
	if p == "." || p == ".." || strings.HasPrefix(p, "../") || strings.HasPrefix(p, "/") || length(p) > maxText {
		return ""
	}
	return p
}

// dockerfileURI is its URI, which code scanning finds below the checkout also if the
// path is absolute.
func dockerfileURI(d *evidence.Dockerfile) string {
	if d != nil && strings.HasPrefix(d.Path, "/") && length(d.Path) <= maxText {
		return "file://" + uriPath(path.Clean(d.Path))
	}
	return uriPath(dockerfilePath(d))
}

// uriPath percent-encodes whatever a path of a relative reference must not hold.
func uriPath(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte(plain, s[i]) >= 0 {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

// weblink returns a URL of a database if it is fit to be one, else nothing.
func weblink(s string) string {
	const most = 1000
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		rest, ok = strings.CutPrefix(s, "http://")
	}
	host, _, _ := strings.Cut(rest, "/")
	if !ok || len(s) > most || host == "" || strings.Trim(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != "" {
		return ""
	}
	for i := range len(rest) {
		c := rest[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{}|[]()%'*@", c) >= 0 {
			return ""
		}
	}
	return s
}

// sarifMessage keeps text from being taken for a link, and within what GitHub shows.
func sarifMessage(s string) string {
	const most = 1000
	if strings.Contains(s, "](") {
		s = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(s)
	}
	return wording.Clip(s, most)
}

func ruleLevel(o *verdict.Outcome) string {
	if o.Action == policy.ActionWarn {
		return "warning"
	}
	return "error"
}

// rule returns the index of a rule and makes it where it is new.
func (r *sarifBuilder) rule(id string, score float64, create func() sarifRule) int {
	i, ok := r.rules[id]
	if !ok {
		i = len(r.run.Tool.Driver.Rules)
		r.rules[id] = i
		r.run.Tool.Driver.Rules = append(r.run.Tool.Driver.Rules, create())
	}
	if score > r.scores[i] {
		// The rule is one for all packages: the gravest counts.
		r.scores[i] = score
		r.run.Tool.Driver.Rules[i].Properties.Severity = strconv.FormatFloat(score, 'f', 1, 64)
	}
	return i
}

func (r *sarifBuilder) policyRule(o *verdict.Outcome, level string) int {
	id := cmp.Or(ident(o.Rule), "rule")
	return r.rule(id, 0, func() sarifRule {
		full := "A rule of the policy"
		if at := place(r.verdict, *o); at != "" {
			full += ", " + at
		}
		return plainRule(id, cmp.Or(clean(o.Title), clean(o.Rule), "rule"), full+".", clean(o.Remediation), level)
	})
}

func plainRule(id, title, full, remedy, level string) sarifRule {
	help := full
	md := escapeMarkdown(full)
	if remedy != "" {
		help += "\nRemedy: " + remedy
		md += "\n\n**Remedy:** " + escapeMarkdown(remedy)
	}
	return sarifRule{
		ID: id, Name: id, Short: sarifText{Text: title}, Full: sarifText{Text: full},
		Help: sarifHelp{Text: help, Markdown: md}, Default: sarifDefault{Level: level},
		Properties: sarifRuleProperties{Tags: []string{"security", "container"}},
	}
}

// findingRule is one rule for each rule of the policy and each vulnerability, as code
// scanning takes severity and help from there.
func (r *sarifBuilder) findingRule(e *entry, f *evidence.Finding) int {
	id := ident(e.outcome.Rule) + "/" + ident(f.ID)
	score, level := securitySeverity(f), ruleLevel(e.outcome)
	if e.standing == standsWaived {
		// Code scanning does not act on suppressions: what is waived everywhere must not alarm.
		score, level = 0, "note"
	}
	return r.rule(id, score, func() sarifRule {
		short := clean(f.ID)
		if t := clean(f.Title); t != "" {
			short += ": " + t
		}
		by := "Policy rule " + clean(e.outcome.Rule)
		if t := clean(e.outcome.Title); t != "" {
			by += ": " + t
		}
		if at := place(r.verdict, *e.outcome); at != "" {
			by += " (" + at + ")"
		}
		full := cmp.Or(longText(f.Description), short) + " (" + by + ")"
		text, md := []string{short, by}, []string{"**" + escapeMarkdown(short) + "**", escapeMarkdown(by)}
		if s := cmp.Or(clean(e.outcome.Remediation), helpFor(f)); s != "" {
			text, md = append(text, "Remedy: "+s), append(md, "**Remedy:** "+escapeMarkdown(s))
		}
		accept := "To accept it for a time, add a waiver to the policy: ocigate waiver --help"
		text, md = append(text, accept), append(md, escapeMarkdown(accept))
		uri := weblink(f.URL)
		if uri != "" {
			text, md = append(text, uri), append(md, "<"+uri+">")
		}
		return sarifRule{
			ID: id, Name: ident(e.outcome.Rule), Short: sarifText{Text: short}, Full: sarifText{Text: wording.Clip(full, 1000)}, HelpURI: uri,
			Help: sarifHelp{Text: strings.Join(text, "\n"), Markdown: strings.Join(md, "\n\n")}, Default: sarifDefault{Level: level},
			Properties: sarifRuleProperties{Tags: []string{"security", "container", clean(string(f.Kind))}},
		}
	})
}

func helpFor(f *evidence.Finding) string {
	switch {
	case f.Kind == evidence.KindSecret:
		return "remove the secret from the build and revoke it: it stays readable in the layer that brought it"
	case f.FixedVersion != "":
		return "upgrade the package, or rebuild on a newer base image"
	default:
		return "no fix is known yet: remove the package, or waive it with an end date"
	}
}

// securitySeverity is the score by which GitHub orders: the CVSS score where it says the
// same as the severity that the policy judged, else one within that severity; 0 for unknown.
func securitySeverity(f *evidence.Finding) float64 {
	band := map[evidence.Severity][3]float64{
		evidence.SeverityCritical: {9, 10, 9.5}, evidence.SeverityHigh: {7, 8.9, 8}, evidence.SeverityMedium: {4, 6.9, 5.5}, evidence.SeverityLow: {0.1, 3.9, 2},
	}[f.Severity]
	if f.CVSS >= band[0] && f.CVSS <= band[1] {
		return f.CVSS
	}
	return band[2]
}
