// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// steps are the formats that a step of GitHub Actions reads. They are lines of commands, and
// name neither the policy nor what was examined: a summary does.
func steps() []format {
	return []format{{"annotations", "annotations", report.Annotations}, {"outputs", "outputs", report.Outputs}}
}

func TestStepsGolden(t *testing.T) {
	vs := verdicts()
	vs["empty"] = verdict.Verdict{}
	vs["dockerfile"] = dockerfile("build/Dockerfile")
	for name, v := range vs {
		for _, f := range steps() {
			t.Run(name+"/"+f.name, func(t *testing.T) { golden(t, name+"."+f.ext, rendered(t, f, v)) })
		}
	}
}

var (
	command    = regexp.MustCompile(`^::(error|warning) (?:file=([^:,]+),line=([1-9][0-9]*),)?title=([^:,]+)::(.+)$`)
	outputLine = regexp.MustCompile(`^(verdict=(PASSED|FAILED|ERROR)|(digest|image-id|policy-digest|database-digest)=(sha256:[0-9a-f]{64})?|(violations|warnings|waived)=[0-9]+)$`)
)

// TestStepsAreSafe: whatever an image is called, every line is one of our commands, of which
// there are at most as many as GitHub shows, and what it says is safe once it is decoded.
func TestStepsAreSafe(t *testing.T) {
	decode := strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",")
	for name, v := range everyVerdict() {
		t.Run(name, func(t *testing.T) {
			count := map[string]int{}
			for line := range strings.Lines(string(rendered(t, steps()[0], v))) {
				m := command.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
				if m == nil {
					t.Fatalf("no command of ours: %q", line)
				}
				count[m[1]]++
				for _, s := range m[2:] {
					if s = decode.Replace(s); strings.ContainsAny(s, "\r\n") {
						t.Errorf("more than one line: %q", s)
					}
					safe(t, "="+s)
				}
			}
			if count["error"] > 10 || count["warning"] > 10 {
				t.Errorf("%v", count)
			}
			lines := strings.Split(strings.TrimSuffix(string(rendered(t, steps()[1], v)), "\n"), "\n")
			for _, line := range lines {
				if !outputLine.MatchString(line) {
					t.Errorf("no output of ours: %q", line)
				}
			}
			if len(lines) != 8 {
				t.Errorf("%d outputs", len(lines))
			}
		})
	}
}

func TestStepsWriteErrors(t *testing.T) {
	for _, f := range steps() {
		if err := f.render(broken{}, verdicts()["failed"], options); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

// TestAnnotationsLimit: the gravest come first, whatever platform they are of, and the last
// of each level says how many are not shown.
func TestAnnotationsLimit(t *testing.T) {
	for n, want := range map[int]string{10: "", 11: "2 more errors not shown", 300: "291 more errors not shown"} {
		lines := strings.Split(strings.TrimSpace(string(rendered(t, steps()[0], many(2*n)))), "\n")
		var errs, warnings []string
		for _, l := range lines {
			if strings.HasPrefix(l, "::error ") {
				errs = append(errs, l)
			} else {
				warnings = append(warnings, l)
			}
		}
		if len(errs) != 10 || len(warnings) != 10 {
			t.Fatalf("%d: %d errors, %d warnings", n, len(errs), len(warnings))
		}
		if !strings.Contains(errs[9], want) || (want == "") == strings.Contains(errs[9], "not shown") {
			t.Errorf("%d: the last is %s", n, errs[9])
		}
		if !strings.HasPrefix(lines[0], "::error ") || !strings.HasPrefix(lines[19], "::warning ") {
			t.Error("warnings come first")
		}
	}
	ev := failing()
	mild := image("shop:latest")
	mild.Findings = []evidence.Finding{ev.Findings[0]}
	mild.Findings[0].Severity = evidence.SeverityUnknown
	lines := strings.Split(string(rendered(t, steps()[0], run("shop:latest", nil, arm(mild), ev))), "\n")
	for i, l := range lines {
		if strings.Contains(l, "(unknown)") && i < 3 {
			t.Errorf("an unknown severity is number %d:\n%s", i, strings.Join(lines, "\n"))
		}
	}
}

// TestAnnotationsOfPlatforms: what holds for several platforms is said once.
func TestAnnotationsOfPlatforms(t *testing.T) {
	got := string(rendered(t, steps()[0], run("shop:latest", nil, failing(), arm(failing()))))
	if strings.Count(got, "CVE-2021-36159") != 1 || !strings.Contains(got, "(linux/amd64, linux/arm64/v8)") {
		t.Error(got)
	}
}

// TestAnnotationPlaces: a file is named only where it can be one of the workspace.
func TestAnnotationPlaces(t *testing.T) {
	for source, want := range map[string]string{
		"ocigate.yaml": "file=ocigate.yaml,line=9,", "./a/b c,d.yaml": "file=a/b c%2Cd.yaml,line=9,",
		"/etc/ocigate.yaml": "", "../ocigate.yaml": "", "ocigate:strict": "", "oci://r.example/p@sha256:1": "", "": "",
	} {
		v := run("shop:latest", func(in *verdict.Input) { in.Policy.Source = source }, failing())
		got := string(rendered(t, steps()[0], v))
		if !strings.Contains(got, "::error "+want+"title=no-critical") {
			t.Errorf("%q: %s", source, got)
		}
	}
	if got := string(rendered(t, steps()[0], dockerfile("build/Dockerfile"))); !strings.Contains(got, "::error file=build/Dockerfile,line=12,title=runtime") {
		t.Error(got)
	}
}

func TestAnnotationsOfReportOnly(t *testing.T) {
	v := run("shop:latest", func(in *verdict.Input) { in.ReportOnly = true }, failing())
	got := string(rendered(t, steps()[0], v))
	if strings.Contains(got, "::error") || !strings.Contains(got, "CVE-2021-36159") {
		t.Error(got)
	}
	// What could not be decided fails such a run too.
	v = run("legacy:7", func(in *verdict.Input) { in.ReportOnly = true }, undecidable())
	if got := string(rendered(t, steps()[0], v)); !strings.Contains(got, "::error title=database") {
		t.Error(got)
	}
}

// TestOutputDigest: only what was judged as a whole has a digest to push.
func TestOutputDigest(t *testing.T) {
	with := func(ev evidence.Evidence, index, manifest string) evidence.Evidence {
		ev.Subject.IndexDigest, ev.Subject.Digest, ev.Subject.ImageID = index, manifest, sha("1")
		return ev
	}
	i, a, b := sha("a"), sha("b"), sha("c")
	leftOut := func(in *verdict.Input) { in.NotExamined = []evidence.Platform{{OS: "linux", Architecture: "s390x"}} }
	for name, c := range map[string]struct {
		v    verdict.Verdict
		want string
	}{
		"one manifest":             {run("x", nil, with(image("x"), "", a)), a},
		"an index of one":          {run("x", nil, with(image("x"), i, a)), i},
		"an index":                 {run("x", nil, with(image("x"), i, a), with(arm(image("x")), i, b)), i},
		"one of an index":          {run("x", leftOut, with(image("x"), i, a)), a},
		"two of an index of three": {run("x", leftOut, with(image("x"), i, a), with(arm(image("x")), i, b)), ""},
		"two images":               {run("x", nil, with(image("x"), "", a), with(arm(image("x")), "", b)), ""},
		"two indexes":              {run("x", nil, with(image("x"), i, a), with(arm(image("x")), sha("d"), b)), ""},
		"no manifest":              {run("x", nil, with(image("x"), "", "")), ""},
		"no digest":                {run("x", nil, with(image("x"), "", "sha256:"+strings.Repeat("G", 64))), ""},
		"a newline":                {run("x", nil, with(image("x"), a+"\nverdict=PASSED", a)), ""},
		"nothing":                  {verdict.Verdict{}, ""},
	} {
		got := string(rendered(t, steps()[1], c.v))
		if !strings.Contains(got, "\ndigest="+c.want+"\n") {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestOutputCounts: a violation counts on each platform.
func TestOutputCounts(t *testing.T) {
	v := run("shop:latest", func(in *verdict.Input) { in.Policy.Rules[1].Action = policy.ActionWarn }, failing())
	failed := 0
	for _, o := range v.Subjects[0].Outcomes {
		if o.Result == verdict.Fail {
			failed += len(o.Violations)
		}
	}
	if got := string(rendered(t, steps()[1], v)); failed == 0 || !strings.Contains(got, fmt.Sprintf("\nviolations=%d\n", failed)) {
		t.Errorf("want %d violations:\n%s", failed, got)
	}
}
