// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

var options = report.Options{Versions: report.Versions{Ocigate: "v0.1.0", Trivy: "v0.74.0"}}

func TestGolden(t *testing.T) {
	for name, v := range verdicts() {
		t.Run(name, func(t *testing.T) {
			var text, again, doc bytes.Buffer
			if err := report.Text(&text, v, options); err != nil {
				t.Fatal(err)
			}
			if err := report.JSON(&doc, v, options); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", text.Bytes())
			golden(t, name+".json", doc.Bytes())
			if err := report.JSON(&again, v, options); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(doc.Bytes(), again.Bytes()) {
				t.Error("two reports of one verdict differ")
			}
			safe(t, text.String())
			safe(t, doc.String())
		})
	}
}

func TestNarrowAndColoured(t *testing.T) {
	v := verdicts()["failed"]
	var plain, coloured bytes.Buffer
	narrow := report.Options{Width: 60}
	if err := report.Text(&plain, v, narrow); err != nil {
		t.Fatal(err)
	}
	golden(t, "failed-narrow.txt", plain.Bytes())
	narrow.Color = true
	if err := report.Text(&coloured, v, narrow); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(coloured.String(), "\x1b[1;31mFAILED\x1b[0m") {
		t.Errorf("no colour: %q", strings.SplitN(coloured.String(), "\n", 2)[0])
	}
	stripped := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(coloured.String(), "")
	blanks := regexp.MustCompile(`(?m) +$`)
	if d := cmp.Diff(plain.String(), blanks.ReplaceAllString(stripped, "")); d != "" {
		t.Errorf("colour changes the layout:\n%s", d)
	}
}

// A pass fits on a screen and still says what was examined.
func TestPassIsShort(t *testing.T) {
	var b bytes.Buffer
	if err := report.Text(&b, verdicts()["passed"], options); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n >= 25 {
		t.Errorf("%d lines", n)
	}
	for _, s := range []string{"alpine 3.19.1", "sha256:dddd", "15 alpine", "searched for secrets", "2026-03-10T06:00:00Z"} {
		if !strings.Contains(b.String(), s) {
			t.Errorf("%q is not listed as examined", s)
		}
	}
}

// TestBesides pins that a rule which failed also says what of it could not be decided,
// and leaves to "Could not decide" what stands there.
func TestBesides(t *testing.T) {
	own, open := evidence.Problem{Message: "the epss feed is torn", Hint: "fetch it"}, evidence.Problem{Message: "a layer was not read"}
	v := verdict.Verdict{Status: verdict.Failed, Subjects: []verdict.SubjectVerdict{{Status: verdict.Failed, Outcomes: []verdict.Outcome{
		{Rule: "coverage.files", Group: verdict.GroupBuiltin, Result: verdict.Error, Problems: []evidence.Problem{open}},
		{Rule: "r", Group: "vulnerabilities", Result: verdict.Fail, Summary: "1 vulnerability", Problems: []evidence.Problem{own, open}},
	}}}}
	var b bytes.Buffer
	if err := report.Text(&b, v, options); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "not decided besides:\n    - the epss feed is torn\n      hint: fetch it\n") || strings.Count(b.String(), open.Message) != 1 {
		t.Errorf("got\n%s", b.String())
	}
}

// TestWhatToDoNext pins that a rule which could not be decided says where, and what to do
// next: once, where several wait for the same.
func TestWhatToDoNext(t *testing.T) {
	root := evidence.Problem{What: "authority release", Message: "the authority release could not be asked: the cache is empty", Hint: "run once with a network"}
	torn := evidence.Problem{What: "sha256-aaaa.sig, layer 1", Message: "what should be a signature cannot be read", Hint: "sign anew"}
	open := evidence.Problem{Message: "the index was not read", Hint: "log in"}
	rule := func(id string, prs ...evidence.Problem) verdict.Outcome {
		return verdict.Outcome{Rule: id, Group: "signatures", Result: verdict.Error, Summary: "not decided: " + prs[0].Message + " (and 1 more)", Problems: prs}
	}
	v := verdict.Verdict{Status: verdict.Errored, Subjects: []verdict.SubjectVerdict{{Status: verdict.Errored, Outcomes: []verdict.Outcome{
		{Rule: "image", Group: verdict.GroupBuiltin, Result: verdict.Error, Problems: []evidence.Problem{open}},
		rule("a", root), rule("b", root), rule("c", torn, root), rule("d", open),
	}}}}
	var b bytes.Buffer
	if err := report.Text(&b, v, options); err != nil {
		t.Fatal(err)
	}
	_, waiting, _ := strings.Cut(b.String(), "rules: not decided\n")
	want := `    - a  the authority release could not be asked: the cache is empty (and 1 more)
         hint: run once with a network
    - b  the authority release could not be asked: the cache is empty (and 1 more)
    - c  sha256-aaaa.sig, layer 1: what should be a signature cannot be read (and 1 more)
         hint: sign anew
    - d  the index was not read (and 1 more)
`
	if !strings.HasPrefix(waiting, want) {
		t.Errorf("got\n%s", b.String())
	}
}

func TestZeroVerdict(t *testing.T) {
	var text, doc bytes.Buffer
	if err := report.Text(&text, verdict.Verdict{}, report.Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(text.String(), "ERROR ") {
		t.Errorf("text: %q", text.String())
	}
	if err := report.JSON(&doc, verdict.Verdict{}, report.Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(doc.String(), `"status": "ERROR"`) || strings.Contains(doc.String(), "null") {
		t.Errorf("JSON: %s", doc.String())
	}
}

func TestJSONIsComplete(t *testing.T) {
	for name, v := range verdicts() {
		var b bytes.Buffer
		if err := report.JSON(&b, v, options); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), ": null") {
			t.Errorf("%s holds null", name)
		}
		var back verdict.Verdict
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if back.ExitCode() != v.ExitCode() || len(back.Subjects) != len(v.Subjects) {
			t.Errorf("%s: does not come back as it was", name)
		}
		for i, s := range back.Subjects {
			if d := cmp.Diff(len(v.Subjects[i].Outcomes), len(s.Outcomes)); d != "" {
				t.Errorf("%s: outcomes %s", name, d)
			}
			if d := cmp.Diff(v.Subjects[i].Evidence.Findings, s.Evidence.Findings); d != "" && name != "hostile" {
				t.Errorf("%s: findings %s", name, d)
			}
		}
	}
}

type broken struct{}

var errBroken = errors.New("broken pipe")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriteErrors(t *testing.T) {
	v := verdicts()["passed"]
	if err := report.Text(broken{}, v, options); !errors.Is(err, errBroken) {
		t.Errorf("text: %v", err)
	}
	if err := report.JSON(broken{}, v, options); !errors.Is(err, errBroken) {
		t.Errorf("JSON: %v", err)
	}
}

// safe is what must hold for every report, whatever an image is called.
func safe(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Error("not UTF-8")
	}
	for _, r := range strings.ReplaceAll(s, "\n", "") {
		if escape.Unsafe(r) {
			t.Errorf("holds %U", r)
		}
	}
	for _, l := range strings.Split(s, "\n") {
		l = strings.TrimSpace(l)
		for _, m := range []string{"::", "##[", "section_start:", "section_end:"} {
			if strings.HasPrefix(l, m) || m == "##[" && strings.Contains(l, m) {
				t.Errorf("a line is taken for a command: %q", l)
			}
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("::error::x\n::warning::y", "\u202e##[group]", uint8(0))
	f.Add("\x1b]0;x\x07\r section_start:1:x\r\x1b[0K", "\xff ::x ::y", uint8(50))
	f.Fuzz(func(t *testing.T, a, b string, width uint8) {
		v := hostile(a, b)
		var text, doc bytes.Buffer
		if err := report.Text(&text, v, report.Options{Width: int(width)}); err != nil {
			t.Fatal(err)
		}
		safe(t, text.String())
		if err := report.JSON(&doc, v, report.Options{}); err != nil {
			t.Fatal(err)
		}
		safe(t, doc.String())
		if !json.Valid(doc.Bytes()) {
			t.Fatalf("not JSON: %s", doc.String())
		}
	})
}
