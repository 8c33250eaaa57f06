// SPDX-License-Identifier: Apache-2.0

package waiverfile_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
	"github.com/ocigate/ocigate/pkg/waiverfile"
)

var update = flag.Bool("update", false, "write the golden files")

func day(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

func ptr[T any](v T) *T { return &v }

func full() policy.Waiver {
	return policy.Waiver{
		ID: "w-1", Rule: "critical", Finding: "CVE-2024-1", Package: "pkg:npm/%40a/b", Path: "app/**", Images: []string{"shop:*", "alpine"},
		Platforms: []evidence.Platform{{OS: "linux", Architecture: "amd64"}}, Origin: "base", Until: day("2026-12-31"),
		Reason: "two lines:\n# of \"text\"\n\n  and more", Owner: "no", Reference: "1.10",
		Recorded: &policy.Recorded{Date: day("2026-03-01"), Severity: evidence.SeverityHigh, Fixed: true, KnownExploited: ptr(false)},
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	simple := full()
	simple.ID = "w-2"
	for name, before := range map[string]string{
		"new":          "",
		"blank":        "\n",
		"indented":     "version: 1\n# keep\nwaivers:\n  - {id: a, rule: r, until: 2026-01-01, reason: x, owner: y} # me\n",
		"not indented": "version: 1\nwaivers:\n- id: a\n  rule: r\n  until: 2026-01-01\n  reason: x\n  owner: y",
		"far":          "version: 1\nwaivers:\n      - id: a\n        rule: r\n        until: 2026-01-01\n        reason: x\n        owner: y\n\n# the end\n",
	} {
		out, err := waiverfile.Append("w.yaml", []byte(before), full(), simple)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.TrimSpace(before) != "" && !bytes.HasPrefix(out, []byte(before)) {
			t.Errorf("%s: the text changed:\n%s", name, out)
		}
		got, err := policy.ParseWaivers("w.yaml", out)
		if err != nil {
			t.Fatal(err)
		}
		last := got[len(got)-2]
		last.Source, last.Position = "", policy.Position{}
		if d := cmp.Diff(full(), last); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	const a = "{id: a, rule: r, until: 2026-01-01, reason: x, owner: y}"
	for before, want := range map[string]string{
		"version: 1\nwaivers:\n  - {id: w-1, rule: r, until: 2026-01-01, reason: x, owner: y}\n": "already",
		"version: 1\nwaivers: [" + a + "]\n":                                                     "block style",
		"waivers:\n  - " + a + "\nversion: 1\n":                                                  "block style",
		"version: 1\nwaivers:\n  - {id: a}\n":                                                    "required key",
		"version: 1\nname: p\nrules: {secrets: [{id: s}]}\n":                                     "unknown key",
		"hello": "not an ocigate policy",
	} {
		if out, err := waiverfile.Append("w.yaml", []byte(before), full()); err == nil || out != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", before, err)
		}
	}
	w := full()
	w.Owner = "a\nb"
	if _, err := waiverfile.Append("w.yaml", nil, w); err == nil {
		t.Error("what a policy refuses is written")
	}
	// The file is in order, the waiver is not: the message is about the waiver.
	w = full()
	w.ID = "W_1"
	for _, before := range []string{"", "version: 1\nwaivers:\n  - " + a + "\n"} {
		_, err := waiverfile.Append("w.yaml", []byte(before), w)
		if err == nil || !strings.Contains(err.Error(), `the waiver "W_1" cannot be written: id "W_1"`) || strings.Contains(err.Error(), "w.yaml") {
			t.Errorf("%v", err)
		}
	}
}

func judged() verdict.Verdict {
	vuln := func(id, pkg, fixed string, sev evidence.Severity) verdict.Violation {
		return verdict.Violation{Finding: &evidence.Finding{Kind: evidence.KindVulnerability, ID: id, Severity: sev, FixedVersion: fixed, Package: &evidence.Package{Name: pkg, PURL: "pkg:apk/alpine/" + pkg + "@1"}}}
	}
	return verdict.Verdict{EffectiveTime: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), Reference: "shop:1", Subjects: []verdict.SubjectVerdict{{
		Outcomes: []verdict.Outcome{
			{Rule: "database", Group: verdict.GroupBuiltin, Violations: []verdict.Violation{{}}},
			{Rule: "critical", Group: "vulnerabilities",
				Violations: []verdict.Violation{vuln("CVE-1", "openssl", "", evidence.SeverityHigh), vuln("CVE-1", "libssl", "", evidence.SeverityCritical), vuln("CVE-2", "a", "2", 99), vuln("CVE-2", "b", "", 0)},
				Waived:     []verdict.Waived{{Violation: vuln("CVE-3", "c", "3", evidence.SeverityLow)}},
				Pending:    []verdict.Violation{vuln("CVE-4", "d", "", evidence.SeverityLow)}},
			{Rule: "runtime", Group: "config", Violations: []verdict.Violation{{Message: "root"}, {Message: "port", ID: "22/tcp"}}},
		}}}}
}

func TestRecord(t *testing.T) {
	now := day("2026-03-12")
	for _, tt := range []struct {
		waiver policy.Waiver
		kev    *evidence.FeedState
		want   string
	}{
		{policy.Waiver{Finding: "CVE-1"}, nil, "cve-1 2026-03-10 critical false -"},
		{policy.Waiver{Finding: "CVE-1", Package: "openssl"}, &evidence.FeedState{}, "cve-1-openssl 2026-03-10 high false false"},
		{policy.Waiver{Finding: "CVE-1"}, &evidence.FeedState{Problem: "too old"}, "cve-1 2026-03-10 critical false -"},
		{policy.Waiver{Finding: "CVE-2"}, nil, "error: CVE-2 has a fix in some packages"},
		{policy.Waiver{Finding: "CVE-2", Package: "pkg:apk/alpine/a"}, nil, "cve-2-a 2026-03-10 unknown true -"},
		{policy.Waiver{Rule: "critical", Finding: "CVE-3"}, nil, "critical-cve-3 2026-03-10 low true -"},
		{policy.Waiver{Finding: "CVE-4"}, nil, "cve-4 2026-03-10 low false -"},
		{policy.Waiver{Rule: "runtime"}, nil, "runtime no facts"},
		{policy.Waiver{Rule: "runtime", Finding: "22/tcp"}, nil, "runtime-22-tcp no facts"},
		{policy.Waiver{Rule: "runtime", Finding: "23/tcp"}, nil, "error: no violation in the verdict matches 23/tcp, rule runtime"},
		{policy.Waiver{Finding: "CVE-9"}, nil, "error: no violation in the verdict matches CVE-9"},
		{policy.Waiver{Finding: "CVE-1", Package: "zlib"}, nil, "error: no violation in the verdict matches CVE-1, package zlib"},
		{policy.Waiver{Rule: "x"}, nil, `error: the verdict has no rule "x"`},
		{policy.Waiver{Rule: "database"}, nil, "error: the rule database is built in and cannot be waived"},
		{policy.Waiver{}, nil, "error: a waiver names a rule or a finding"},
		{policy.Waiver{Finding: "CVE-1", Until: day("2026-03-11")}, nil, "error: the last day 2026-03-11 is over already"},
	} {
		v := judged()
		v.Subjects[0].Evidence.Feeds.KEV = tt.kev
		if tt.waiver.Until.IsZero() {
			tt.waiver.Until = now
		}
		w, err := waiverfile.Record(v, tt.waiver, now)
		got := w.ID + " no facts"
		if err != nil {
			got = "error: " + err.Error()
		} else if r := w.Recorded; r != nil {
			kev := "-"
			if r.KnownExploited != nil {
				kev = fmt.Sprint(*r.KnownExploited)
			}
			got = fmt.Sprintln(w.ID, r.Date.Format(time.DateOnly), r.Severity, r.Fixed, kev)
		}
		if !strings.HasPrefix(strings.TrimSpace(got), tt.want) {
			t.Errorf("%+v:\n got %s\nwant %s", tt.waiver, got, tt.want)
		}
	}
	v := judged()
	v.EffectiveTime = day("2027-01-01")
	if w, err := waiverfile.Record(v, policy.Waiver{Finding: "CVE-1", Until: now}, now); err != nil || !w.Recorded.Date.Equal(now) {
		t.Errorf("a verdict of the future: %v %+v", err, w.Recorded)
	}
}

var defaults = waiverfile.Defaults{Owner: "team", Until: day("2026-06-30"), Reason: "imported", Now: day("2026-03-10"), Taken: []string{"cve-2019-1"}}

// TestImport shows each format with its losses.
func TestImport(t *testing.T) {
	files, err := filepath.Glob("testdata/import/*")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".out") {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := waiverfile.Import(file, data, "", defaults)
			if err != nil {
				t.Fatal(err)
			}
			out, err := waiverfile.Append("out.yaml", nil, r.Waivers...)
			if err != nil {
				t.Fatal(err)
			}
			got := "# " + r.Format + "\n" + string(out) + "\n# losses\n"
			for _, l := range r.Losses {
				got += "# " + l.String() + "\n"
			}
			if *update {
				if err := os.WriteFile(file+".out", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file + ".out")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestImportNeedsWhatIsMissing(t *testing.T) {
	for want, d := range map[string]waiverfile.Defaults{
		"no --reason": {Owner: "o", Until: day("2026-06-30"), Now: day("2026-03-10")},
		"no --until":  {Owner: "o", Reason: "r", Now: day("2026-03-10")},
		"is over":     {Owner: "o", Reason: "r", Until: day("2026-03-09"), Now: day("2026-03-10")},
	} {
		r, err := waiverfile.Import("x", []byte("CVE-1\n"), waiverfile.TrivyIgnore, d)
		if err != nil || len(r.Waivers) != 0 || len(r.Losses) != 1 || !strings.Contains(r.Losses[0].String(), want) {
			t.Errorf("%s: %v %+v", want, err, r)
		}
	}
}

// What YAML can hide narrows an entry, or is said to be lost.
func TestImportOddYAML(t *testing.T) {
	r, err := waiverfile.Import(".trivyignore.yaml", []byte("vulnerabilities:\n  - id: CVE-1\n    <<: {paths: [usr/**]}\n  - id: CVE-2\n---\nvulnerabilities:\n  - id: CVE-3\n"), "", defaults)
	if err != nil || len(r.Waivers) != 1 || r.Waivers[0].Finding != "CVE-2" || len(r.Losses) != 2 {
		t.Fatalf("%v %+v", err, r)
	}
	if got := r.Losses[0].String() + "\n" + r.Losses[1].String(); got != "line 2: CVE-1: not imported: << is not understood\n"+
		"line 5: not imported: what follows the first YAML document is not read, by the other tool neither" {
		t.Error(got)
	}
	for name, data := range map[string]string{
		".trivyignore.yaml": "vulnerabilities:\n  - {id: CVE-1, paths: [a], paths: [b]}\n",
		".grype.yaml":       "ignore:\n  - vulnerability: CVE-1\n    package: {name: a, name: b}\n",
	} {
		if r, err := waiverfile.Import(name, []byte(data), "", defaults); err == nil || !strings.Contains(err.Error(), "stands twice") {
			t.Errorf("%s: %v %+v", name, err, r)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	for name, data := range map[string]string{
		"policy.rego": "package trivy\n", "x": "package trivy\ndefault ignore = false", "unknown.txt": "CVE-1", "y.yaml": "a: 1", "z.json": "{}",
		"broken.yaml": "ignore: [", "large": strings.Repeat("#", policy.MaxSize+1),
	} {
		if r, err := waiverfile.Import(name, []byte(data), "", defaults); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if _, err := waiverfile.Import("x", nil, "snyk", defaults); err == nil {
		t.Error("an unknown format")
	}
}

// FuzzImport checks that each entry is accounted for, and that what is imported is
// a file of waivers.
func FuzzImport(f *testing.F) {
	files, _ := filepath.Glob("testdata/import/*")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && !strings.HasSuffix(file, ".out") {
			for i := range waiverfile.Formats() {
				f.Add(data, uint8(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, format uint8) {
		name := waiverfile.Formats()[int(format)%len(waiverfile.Formats())]
		if len(data) > 4000 {
			return
		}
		r, err := waiverfile.Import("f", data, name, defaults)
		if err != nil {
			return
		}
		if len(r.Waivers) > 0 {
			if _, err := waiverfile.Append("f", nil, r.Waivers...); err != nil {
				t.Fatal(err)
			}
		}
		if name != waiverfile.TrivyIgnore {
			return
		}
		entries := 0
		for l := range strings.Lines(string(data)) {
			if l = strings.TrimSpace(l); l != "" && l[0] != '#' {
				entries++
			}
		}
		dropped := slices.DeleteFunc(r.Losses, func(l waiverfile.Loss) bool { return l.Imported })
		if entries != len(r.Waivers)+len(dropped) {
			t.Fatalf("%d entries, %d waivers, %d losses", entries, len(r.Waivers), len(dropped))
		}
	})
}

// TestGrypeLossIsTheSameEveryTime: of several keys that narrow a rule the first is named.
func TestGrypeLossIsTheSameEveryTime(t *testing.T) {
	const rule = "ignore:\n  - {vulnerability: CVE-1, package: {name: a, upstream-name: b, other: c, more: d}}\n"
	for range 20 {
		r, err := waiverfile.Import(".grype.yaml", []byte(rule), "", defaults)
		if err != nil || len(r.Losses) != 1 || !strings.Contains(r.Losses[0].Reason, "by package.upstream-name,") {
			t.Fatalf("%v %v", r.Losses, err)
		}
	}
}
