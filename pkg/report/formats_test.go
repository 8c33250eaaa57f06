// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type format struct {
	name, ext string
	render    func(io.Writer, verdict.Verdict, report.Options) error
}

func formats() []format {
	return []format{
		{"sarif", "sarif", report.SARIF}, {"junit", "junit.xml", report.JUnit}, {"gitlab", "gitlab.json", report.GitLab},
		{"codequality", "codequality.json", report.CodeQuality}, {"markdown", "md", report.Markdown},
	}
}

func rendered(t *testing.T, f format, v verdict.Verdict) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.render(&b, v, options); err != nil {
		t.Fatalf("%s: %v", f.name, err)
	}
	return b.Bytes()
}

// everyVerdict are those of the golden files, one that nobody decided, and hostile ones.
func everyVerdict() map[string]verdict.Verdict {
	vs := verdicts()
	vs["empty"] = verdict.Verdict{}
	vs["dockerfile"] = dockerfile("build/Dockerfile")
	for i, s := range hostileTexts() {
		vs[fmt.Sprintf("hostile-%d", i)] = hostile(s, "x"+s)
	}
	return vs
}

func hostileTexts() []string {
	return []string{
		"]]></system-out></testsuite><script>alert(1)</script>", "a|b`c``d```|", "::error::x\n::set-output name=a::b", "\r\nsection_start:1:x ##[error]y ##vso[task]z",
		"\u202egnp.exe\u2066\u200b", "\x00\x01\x7f\xff\xfe\ufffe\uffff", "@everyone #1 !2 ~x $3 https://evil.example/x www.evil.example a@b.example",
		"[x](javascript:alert(1)) ![x](http://evil.example/p.png) <img src=x onerror=alert(1)>", "{0} %s {{x}} ${{ secrets.X }}", "../../../etc/passwd", "//evil.example/x",
		"=====", "- x", "1. x", strings.Repeat("A", 5000), strings.Repeat("`|", 5000), "",
	}
}

// dockerfile has violations whose line is known.
func dockerfile(path string) verdict.Verdict {
	ev := failing()
	ev.Dockerfile = &evidence.Dockerfile{Path: path}
	v := run("shop:latest", nil, ev)
	for i := range v.Subjects[0].Outcomes {
		if o := &v.Subjects[0].Outcomes[i]; o.Rule == "runtime" {
			o.Violations[0].Line = 12
		}
	}
	return v
}

func TestFormatsGolden(t *testing.T) {
	vs := verdicts()
	vs["empty"] = verdict.Verdict{}
	for name, v := range vs {
		for _, f := range formats() {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				got := rendered(t, f, v)
				golden(t, name+"."+f.ext, got)
				if !bytes.Equal(got, rendered(t, f, v)) {
					t.Error("two reports of one verdict differ")
				}
			})
		}
	}
}

// TestFormatsAreSafe: whatever an image is called, no report steers a terminal or a CI
// system, neither as it is nor after a reader has decoded it.
func TestFormatsAreSafe(t *testing.T) {
	for name, v := range everyVerdict() {
		for _, f := range formats() {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				got := rendered(t, f, v)
				safe(t, string(got))
				if f.name != "markdown" {
					for _, s := range decoded(t, f, got) {
						safe(t, s)
					}
				}
			})
		}
	}
}

// decoded are all texts of a JSON or XML document.
func decoded(t *testing.T, f format, data []byte) []string {
	t.Helper()
	var texts []string
	if f.name == "junit" {
		for d := xml.NewDecoder(bytes.NewReader(data)); ; {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) {
				return texts
			}
			if err != nil {
				t.Fatal(err)
			}
			switch tok := tok.(type) {
			case xml.CharData:
				texts = append(texts, string(tok))
			case xml.StartElement:
				for _, a := range tok.Attr {
					texts = append(texts, "="+a.Value)
				}
			}
		}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			// A field of a document is no line of a log.
			texts = append(texts, "="+strings.ReplaceAll(v, "\n", "\n="))
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for k, e := range v {
				texts = append(texts, "="+k)
				walk(e)
			}
		}
	}
	var doc any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	walk(doc)
	return texts
}

// TestFormatsSayWhatMatters pins what must be visible in every format.
func TestFormatsSayWhatMatters(t *testing.T) {
	want := map[string][]string{
		"passed":      {"PASSED", "production", sha("e"), "2026-03-10T12:00:00"},
		"failed":      {"FAILED", "CVE-2021-36159", "no-critical", "medium-budget", "conda-pkg", "w-2026-014"},
		"error":       {"ERROR", "no advisories", "srv/package-lock.json", "coverage.files"},
		"unopened":    {"ERROR", "401 Unauthorized"},
		"several":     {"FAILED", "linux/amd64", "linux/arm64/v8", "eport", "a time that was given"},
		"accepted":    {"PASSED", "opt/broken.jar", "no package was found"},
		"waived":      {"accepted until the next release", "2026-03-13", "CVE-2021-44906", "vulnerable", "vex/old.json"},
		"forecast":    {"PASSED", "grace"},
		"empty":       {"ERROR", "nothing was examined"},
		"signatures":  {"PASSED (signatures only)", "no layer was read", "must not be used to push"},
		"failed-fast": {"FAILED", "ended early", "not examined", "built-by-us"},
		"unsigned":    {"FAILED", "built-by-us", "provenance"},
	}
	vs := everyVerdict()
	for name, texts := range want {
		for _, f := range formats() {
			got := string(rendered(t, f, vs[name]))
			got = strings.NewReplacer("&#95;", "_", "&#8203;", "", "&#58;", ":", "&#xA;", "\n").Replace(got)
			for _, s := range texts {
				if !strings.Contains(got, s) {
					t.Errorf("%s of %s does not say %q", f.name, name, s)
				}
			}
		}
	}
}

// TestLongTexts: a text of a megabyte is cut, wherever it stands.
func TestLongTexts(t *testing.T) {
	v := hostile(strings.Repeat("<A|", 1<<18), strings.Repeat("\x00", 1<<20))
	for _, f := range formats() {
		got := rendered(t, f, v)
		safe(t, string(got))
		if len(got) > 1<<20 {
			t.Errorf("%s: %d bytes", f.name, len(got))
		}
	}
}

func TestFormatsWriteErrors(t *testing.T) {
	for _, f := range formats() {
		if err := f.render(broken{}, verdicts()["failed"], options); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

// rebuilt is the same image after a rebuild: other digests, versions, tags and layers.
func rebuilt(ref, version, digest string) verdict.Verdict {
	ev := failing()
	ev.Subject.Reference, ev.Subject.Name, ev.Subject.ImageID = ref, "docker.io/library/"+ref, sha(digest)
	for i := range ev.Findings {
		if p := ev.Findings[i].Package; p != nil {
			p.Version += version
		}
		ev.Findings[i].Layer, ev.Findings[i].StartLine = evidence.Layer{DiffID: sha(digest)}, ev.Findings[i].StartLine*2
	}
	ev.Layers[1].DiffID = sha(digest)
	return run(ref, nil, ev)
}

func TestFingerprintsSurviveRebuilds(t *testing.T) {
	a, b := fingerprints(t, rebuilt("shop:1", "", "7")), fingerprints(t, rebuilt("shop:2", ".1", "8"))
	if len(a) < 20 {
		t.Fatalf("only %d fingerprints", len(a))
	}
	for f := range a {
		if !b[f] {
			t.Errorf("%s is not in the report of the rebuild", f)
		}
	}
}

// fingerprints are those of SARIF, with the category, and of Code Quality.
func fingerprints(t *testing.T, v verdict.Verdict) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, r := range sarif(t, rendered(t, formats()[0], v)).Runs {
		for _, res := range r.Results {
			all["sarif "+r.Automation.ID+" "+res.RuleID+" "+res.Fingerprints["primaryLocationLineHash"]] = true
		}
	}
	var issues []struct{ CheckName, Fingerprint string }
	if err := json.Unmarshal(rendered(t, formats()[3], v), &issues); err != nil {
		t.Fatal(err)
	}
	for _, i := range issues {
		if all["quality "+i.Fingerprint] {
			t.Errorf("two entries have the fingerprint %s", i.Fingerprint)
		}
		all["quality "+i.Fingerprint] = true
	}
	return all
}

func TestJUnitCounts(t *testing.T) {
	var doc struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Cases []struct {
				Name    string    `xml:"name,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Out     string    `xml:"system-out"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(rendered(t, formats()[1], verdicts()["failed"]), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Failures != 5 || doc.Errors != 0 || doc.Tests != len(doc.Suites[0].Cases) {
		t.Errorf("%d tests, %d failures, %d errors", doc.Tests, doc.Failures, doc.Errors)
	}
	for _, c := range doc.Suites[0].Cases {
		if strings.HasPrefix(c.Name, "medium-budget") && (c.Failure != nil || !strings.Contains(c.Out, "WARNING")) {
			t.Errorf("a warning is %+v", c)
		}
	}
}

// TestGitLabStatus: a scan that could not be decided has failed, one with violations has not.
func TestGitLabStatus(t *testing.T) {
	for name, want := range map[string]string{"passed": "success", "failed": "success", "error": "failure", "unopened": "failure", "empty": "failure", "signatures": "failure", "failed-fast": "failure"} {
		var doc struct{ Scan struct{ Status string } }
		if err := json.Unmarshal(rendered(t, formats()[2], everyVerdict()[name]), &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Scan.Status != want {
			t.Errorf("%s: %s, want %s", name, doc.Scan.Status, want)
		}
	}
}

// unfenced is a document without its blocks of code, which hold text as it is.
func unfenced(s string) string {
	var b strings.Builder
	fence := ""
	for line := range strings.Lines(s) {
		mark := strings.TrimSuffix(line, "text\n")
		switch {
		case fence == "" && strings.HasPrefix(line, "```") && strings.Trim(mark, "`") == "":
			fence = mark
		case fence != "" && line == fence+"\n":
			fence = ""
		case fence == "":
			b.WriteString(line)
		}
	}
	return b.String()
}

func FuzzFormats(f *testing.F) {
	for _, s := range hostileTexts() {
		if len(s) < 1000 {
			f.Add(s, "x")
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v := hostile(a, b)
		for _, f := range formats() {
			got := rendered(t, f, v)
			safe(t, string(got))
			if f.name != "markdown" {
				for _, s := range decoded(t, f, got) {
					safe(t, s)
				}
				continue
			}
			if got := unfenced(string(got)); strings.Contains(got, "<script") || strings.Contains(got, "<img") {
				t.Errorf("HTML: %s", got)
			}
		}
	})
}

// many has far more findings than any limit.
func many(n int) verdict.Verdict {
	ev := image("big:1")
	for i := range n {
		sev := evidence.SeverityCritical
		if i%2 == 1 {
			sev = evidence.SeverityHigh
		}
		ev.Findings = append(ev.Findings, npmVuln(fmt.Sprintf("CVE-2026-%d", i), sev, "lodash", "1.0.0", "2.0.0", fmt.Sprintf("app/%d/package.json", i)))
	}
	return run("big:1", func(in *verdict.Input) { in.Policy.Rules[1].Action = policy.ActionWarn }, ev)
}

func TestManyFindings(t *testing.T) {
	if testing.Short() {
		t.Skip("writes reports of many megabytes")
	}
	md := rendered(t, formats()[4], many(13_000))
	if len(md) > 900<<10 || !bytes.Contains(md, []byte("left out, the least severe")) {
		t.Errorf("markdown: %d bytes", len(md))
	}
	got := rendered(t, formats()[0], many(26_000))
	r := sarif(t, got).Runs[0]
	if len(r.Results) > 25_000 || !bytes.Contains(got, []byte("results are left out")) || !bytes.Contains(got, []byte("code scanning shows 5000")) {
		t.Errorf("SARIF: %d results", len(r.Results))
	}
}
