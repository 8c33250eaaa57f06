// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"crypto/sha1"
	"fmt"
	"io"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// gitlabVersion is the version of GitLab's report schemas that is written: one that all
// supported releases of GitLab know.
const gitlabVersion = "15.0.7"

type (
	gitlabReport struct {
		Version         string                `json:"version"`
		Schema          string                `json:"schema"`
		Scan            gitlabScan            `json:"scan"`
		Vulnerabilities []gitlabVulnerability `json:"vulnerabilities"`
		Remediations    []string              `json:"remediations"`
	}
	gitlabScan struct {
		Analyzer gitlabTool      `json:"analyzer"`
		Scanner  gitlabTool      `json:"scanner"`
		Type     string          `json:"type"`
		Start    string          `json:"start_time"`
		End      string          `json:"end_time"`
		Status   string          `json:"status"`
		Messages []gitlabMessage `json:"messages"`
	}
	gitlabTool struct {
		ID      string       `json:"id"`
		Name    string       `json:"name"`
		URL     string       `json:"url"`
		Vendor  gitlabVendor `json:"vendor"`
		Version string       `json:"version"`
	}
	gitlabVendor struct {
		Name string `json:"name"`
	}
	gitlabMessage struct {
		Level string `json:"level"`
		Value string `json:"value"`
	}
	gitlabVulnerability struct {
		ID          string                  `json:"id"`
		Name        string                  `json:"name"`
		Description string                  `json:"description,omitempty"`
		Severity    string                  `json:"severity"`
		Solution    string                  `json:"solution,omitempty"`
		Identifiers []gitlabIdentifier      `json:"identifiers"`
		Links       []gitlabLink            `json:"links,omitempty"`
		Details     map[string]gitlabDetail `json:"details,omitempty"`
		Flags       []gitlabFlag            `json:"flags,omitempty"`
		Location    gitlabLocation          `json:"location"`
	}
	gitlabIdentifier struct {
		Type  string `json:"type"`
		Name  string `json:"name"`
		Value string `json:"value"`
		URL   string `json:"url,omitempty"`
	}
	gitlabLink struct {
		URL string `json:"url"`
	}
	gitlabDetail struct {
		Name  string `json:"name"`
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	gitlabFlag struct {
		Type        string `json:"type"`
		Origin      string `json:"origin"`
		Description string `json:"description"`
	}
	gitlabLocation struct {
		Image      string           `json:"image"`
		OS         string           `json:"operating_system"`
		Dependency gitlabDependency `json:"dependency"`
	}
	gitlabDependency struct {
		Package gitlabPackage `json:"package"`
		Version string        `json:"version"`
	}
	gitlabPackage struct {
		Name string `json:"name"`
	}
)

// GitLab writes GitLab's container scanning report: every vulnerability of the image,
// whatever the policy makes of it, which stands in its details. The format has no place
// for anything else: verdict, other rules and what could not be examined are messages.
func GitLab(w io.Writer, v verdict.Verdict, o Options) error {
	at := v.EffectiveTime.UTC().Format("2006-01-02T15:04:05")
	doc := gitlabReport{
		Version: gitlabVersion,
		Schema:  "https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v" + gitlabVersion + "/dist/container-scanning-report-format.json",
		Scan: gitlabScan{
			Analyzer: gitlabTool{"ocigate", "ocigate", informationURI, gitlabVendor{"ocigate"}, cmp.Or(clean(o.Versions.Ocigate), "unknown")},
			Scanner:  gitlabTool{"trivy", "Trivy", "https://github.com/aquasecurity/trivy", gitlabVendor{"Aqua Security"}, cmp.Or(clean(o.Versions.Trivy), "unknown")},
			Type:     "container_scanning", Start: at, End: at, Status: "success",
			Messages: gitlabMessages(v),
		},
	}
	for _, m := range doc.Scan.Messages {
		if m.Level == "fatal" || partial(v) {
			doc.Scan.Status = "failure"
		}
	}
	ids := map[string]bool{}
	for i := range v.Subjects {
		for _, g := range gitlabVulnerabilities(v, &v.Subjects[i]) {
			if !ids[g.ID] {
				ids[g.ID] = true
				doc.Vulnerabilities = append(doc.Vulnerabilities, g)
			}
		}
	}
	if err := WriteJSON(w, doc); err != nil {
		return fmt.Errorf("write verdict as GitLab report: %w", err)
	}
	return nil
}

func gitlabMessages(v verdict.Verdict) []gitlabMessage {
	level := map[gravity]string{gapError: "fatal", gapWarning: "warn", gapNote: "info"}
	head := map[verdict.Status]string{verdict.Passed: "info", verdict.Failed: "warn", verdict.Errored: "fatal"}[statusOf(v)]
	ms := []gitlabMessage{{head, headline(v)}}
	for _, f := range facts(v)[1:] {
		ms = append(ms, gitlabMessage{"info", f.name + ": " + f.value})
	}
	for _, g := range runGaps(v) {
		ms = append(ms, gitlabMessage{level[g.gravity], g.text})
	}
	ws := indexWaivers(v)
	for i := range v.Subjects {
		s := &v.Subjects[i]
		on := func(text string) string {
			if len(v.Subjects) > 1 {
				return onPlatform(s.Evidence.Subject, text)
			}
			return text
		}
		ms = append(ms, gitlabMessage{"info", subjectLine(v, s)})
		for _, o := range s.Outcomes {
			switch o.Result {
			case verdict.Fail:
				ms = append(ms, gitlabMessage{"warn", on("rule " + clean(o.Rule) + " failed: " + clean(o.Summary))})
			case verdict.Warn:
				ms = append(ms, gitlabMessage{"info", on("rule " + clean(o.Rule) + " warns: " + clean(o.Summary))})
			}
		}
		for _, g := range subjectGaps(v, s) {
			ms = append(ms, gitlabMessage{level[g.gravity], on(g.text)})
		}
		ms = append(ms, gitlabOthers(s, ws, on)...)
	}
	return ms
}

// gitlabOthers are the violations that are no vulnerabilities of packages.
func gitlabOthers(s *verdict.SubjectVerdict, ws waiverIndex, on func(string) string) []gitlabMessage {
	const shown = 200
	var ms []gitlabMessage
	rest := 0
	for _, e := range entries(s) {
		if f := e.violation.Finding; f != nil && f.Kind == evidence.KindVulnerability {
			continue
		}
		if len(ms) == shown {
			rest++
			continue
		}
		text := clean(e.outcome.Rule) + ": " + e.sentence()
		level := "info"
		if st := e.state(ws); st != "" {
			text += " (" + st + ")"
		} else {
			level = "warn"
		}
		ms = append(ms, gitlabMessage{level, on(text)})
	}
	if rest > 0 {
		ms = append(ms, gitlabMessage{"warn", on(fmt.Sprintf("… and %d more violations (see --output json=FILE)", rest))})
	}
	return ms
}

// vulnerabilityKey tells vulnerabilities apart as rules do.
type vulnerabilityKey struct{ id, name, path string }

func keyOf(f *evidence.Finding) vulnerabilityKey {
	return vulnerabilityKey{f.ID, f.PackageName(), f.Location()}
}

// gitlabVulnerabilities are those of the evidence, the most severe first, and those of
// violations that are not in it.
func gitlabVulnerabilities(v verdict.Verdict, s *verdict.SubjectVerdict) []gitlabVulnerability {
	var found []*evidence.Finding
	known := map[vulnerabilityKey]bool{}
	for i := range s.Evidence.Findings {
		if f := &s.Evidence.Findings[i]; f.Kind == evidence.KindVulnerability {
			found = append(found, f)
			known[keyOf(f)] = true
		}
	}
	judged := map[vulnerabilityKey][]entry{}
	for _, e := range entries(s) {
		f := e.violation.Finding
		if f == nil || f.Kind != evidence.KindVulnerability {
			continue
		}
		if k := keyOf(f); !known[k] {
			known[k] = true
			found = append(found, f)
		}
		judged[keyOf(f)] = append(judged[keyOf(f)], e)
	}
	ws := indexWaivers(v)
	gs := make([]gitlabVulnerability, 0, len(found))
	for _, f := range found {
		gs = append(gs, gitlabOf(v, s, f, judged[keyOf(f)], ws))
	}
	return gs
}

func gitlabOf(v verdict.Verdict, s *verdict.SubjectVerdict, f *evidence.Finding, judged []entry, ws waiverIndex) gitlabVulnerability {
	sub := s.Evidence.Subject
	id := cmp.Or(clean(f.ID), "unknown")
	g := gitlabVulnerability{
		ID:          uuid("ocigate", target(sub, v.Reference), f.ID, f.PackageName(), f.PackageVersion(), f.Location()),
		Name:        wording.Clip(cmp.Or(clean(f.Title), id), 255),
		Description: escapeMarkdown(longText(cmp.Or(f.Description, f.Title))),
		Severity:    map[evidence.Severity]string{evidence.SeverityCritical: "Critical", evidence.SeverityHigh: "High", evidence.SeverityMedium: "Medium", evidence.SeverityLow: "Low"}[f.Severity],
		Solution:    gitlabSolution(f, judged),
		Details:     gitlabDetails(s, f, judged, ws),
		Location: gitlabLocation{
			Image:      cmp.Or(clean(cmp.Or(sub.Name, sub.Destination, sub.Reference, v.Reference)), "unknown"),
			OS:         cmp.Or(strings.TrimSpace(clean(s.Evidence.Coverage.OS.Family)+" "+clean(s.Evidence.Coverage.OS.Release)), "unknown"),
			Dependency: gitlabDependency{gitlabPackage{cmp.Or(clean(f.PackageName()), "unknown")}, clean(f.PackageVersion())},
		},
	}
	g.Severity = cmp.Or(g.Severity, "Unknown")
	uri := weblink(f.URL)
	for _, name := range append([]string{id}, f.Aliases...) {
		if name = ident(name); name == "" || len(g.Identifiers) == 20 {
			continue
		}
		kind, _, _ := strings.Cut(strings.ToLower(name), "-")
		switch kind {
		case "cve", "ghsa", "rhsa", "usn", "elsa":
		default:
			kind = "ocigate"
		}
		g.Identifiers = append(g.Identifiers, gitlabIdentifier{Type: kind, Name: name, Value: name, URL: uri})
		uri = ""
	}
	if l := weblink(f.URL); l != "" {
		g.Links = []gitlabLink{{l}}
	}
	for _, e := range judged {
		// A waiver accepts a risk, which is no false positive; a VEX statement says that it is one.
		if e.waived != nil && e.waived.VEX != nil && len(g.Flags) == 0 {
			g.Flags = []gitlabFlag{{"flagged-as-likely-false-positive", "ocigate", ws.justification(e.waived)}}
		}
	}
	return g
}

func gitlabSolution(f *evidence.Finding, judged []entry) string {
	for _, e := range judged {
		if fix := clean(e.violation.Fix); fix != "" {
			return fix
		}
	}
	if f.FixedVersion != "" {
		return "Upgrade " + clean(f.PackageName()) + " to " + clean(f.FixedVersion)
	}
	return ""
}

func gitlabDetails(s *verdict.SubjectVerdict, f *evidence.Finding, judged []entry, ws waiverIndex) map[string]gitlabDetail {
	d := map[string]gitlabDetail{}
	add := func(key, name, value string) {
		if value = clean(value); value != "" {
			d[key] = gitlabDetail{name, "text", value}
		}
	}
	var gate []string
	for _, e := range judged {
		gate = append(gate, clean(e.outcome.Rule)+": "+cmp.Or(e.state(ws), "fails the image"))
	}
	const most = 2000
	d["gate"] = gitlabDetail{"ocigate", "text", wording.Clip(cmp.Or(strings.Join(gate, "; "), "no rule of the policy is about it"), most)}
	add("path", "Found in", f.Location())
	add("platform", "Platform", s.Evidence.Subject.Platform.String())
	add("digest", "Image digest", cmp.Or(s.Evidence.Subject.Digest, s.Evidence.Subject.ImageID))
	add("status", "Vendor's statement", f.Status)
	if len(judged) > 0 {
		add("origin", "Origin", string(judged[0].violation.Origin))
	}
	if f.KnownExploited != nil {
		add("kev", "Known exploited since", wording.Date(*f.KnownExploited))
	}
	return d
}

// uuid is made of texts, in the way of version 5.
func uuid(parts ...string) string {
	h := sha1.Sum([]byte(fingerprint(parts...)))
	h[6] = h[6]&0x0f | 0x50
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16])
}
