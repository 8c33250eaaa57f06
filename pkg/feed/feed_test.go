// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"bytes"
	"compress/gzip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/sharedtest"
)

func pack(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const kev = `{"dateReleased": "2026-03-01T17:04:19.9796Z", "count": 2, "vulnerabilities": [
	{"cveID": "CVE-2021-44228", "dateAdded": "2021-12-10"}, {"cveID": "CVE-2020-11023", "dateAdded": "2025-01-23"}]}`

const epssCSV = "#model_version:v2025.03.14,score_date:2026-03-01T12:55:00Z\ncve,epss,percentile\nCVE-2021-44228,0.97,0.99\nCVE-2020-11023,0.00043,0.1\n"

const eolJSON = `{"alpine-linux": [{"releaseCycle": "3.20", "eol": "2026-04-01"}, {"cycle": "3.99", "eol": false}], "debian": [{"cycle": 11, "eol": "True"}]}`

const seen = `{"version": 1, "entries": {"CVE-2021-44228": {"pkg:maven/org.apache/log4j": "2026-02-01"}}}`

func parsers() map[string]func([]byte) error {
	return map[string]func([]byte) error{
		"kev":        func(b []byte) error { _, err := parseKEV(b); return err },
		"epss":       func(b []byte) error { _, err := parseEPSS(b); return err },
		"eol":        func(b []byte) error { _, err := parseEOL(b); return err },
		"first-seen": func(b []byte) error { _, err := ParseFirstSeen(b); return err },
	}
}

// TestRefused pins that no feed takes something else for an empty list.
func TestRefused(t *testing.T) {
	html := "<!DOCTYPE html><html><body>Access denied</body></html>"
	for name, parse := range parsers() {
		for _, bad := range []string{"", " ", "{}", "[]", "null", "0", html, "\x1f\x8b", "\x1f\x8b\x08junk"} {
			if parse([]byte(bad)) == nil {
				t.Errorf("%s accepts %q", name, bad)
			}
		}
	}
	for name, list := range map[string][]string{
		"kev": {`{"vulnerabilities": []}`, kev + "x", kev + kev, strings.Replace(kev, `"count": 2`, `"count": 3`, 1), strings.Replace(kev, "2021-12-10", "soon", 1),
			strings.Replace(kev, "CVE-2021-44228", "log4shell", 1), strings.Replace(kev, "2026-03-01T17", "yesterday", 1), kev[:len(kev)/2], string(pack(t, []byte(html)))},
		"epss": {"cve,epss,percentile\n", "#score_date:2026-03-01\n", strings.Replace(epssCSV, "0.97", "97", 1), strings.Replace(epssCSV, "0.97", "NaN", 1), strings.Replace(epssCSV, "0.97", "-1", 1),
			strings.Replace(epssCSV, "CVE-2021-44228", "x", 1), strings.Replace(epssCSV, "2026-03-01T12", "x", 1), strings.Replace(epssCSV, "\nCVE-2020", "\n\nCVE-2020", 1), "cve;epss\n" + epssCSV},
		"eol": {`{"alpine-linux": []}`, `{"a": [{"cycle": "1", "eol": "soon"}]}`, `{"a": [{"cycle": "1"}]}`, `{"a": [{"eol": "2026-01-01"}]}`, `[{"cycle": "1", "eol": true}]`},
		"first-seen": {`{"version": 1}`, `{"version": 2, "entries": {}}`, `{"entries": {}}`, `{"version": 1, "entries": {}, "x": 1}`, seen + "\n<<<<<<<",
			strings.Replace(seen, "2026-02-01", "2026-02-30", 1), strings.Replace(seen, "2026-02-01", "", 1), strings.Replace(seen, "2026-02-01", "9999-01-01", 1), strings.Replace(seen, "CVE-2021-44228", "", 1)},
	} {
		for _, bad := range list {
			if parsers()[name]([]byte(bad)) == nil {
				t.Errorf("%s accepts %q", name, bad)
			}
		}
	}
	bomb := pack(t, make([]byte, maxSize+1))
	for _, name := range []string{"kev", "epss", "eol"} {
		if err := parsers()[name](bomb); err == nil || !strings.Contains(err.Error(), "unpacks to more than") {
			t.Errorf("%s: a bomb: %v", name, err)
		}
	}
	short := pack(t, []byte(kev))
	if _, err := parseKEV(short[:len(short)-4]); err == nil {
		t.Error("a packed file that is cut off")
	}
}

func TestRealKEV(t *testing.T) {
	data, err := os.ReadFile(sharedtest.File(t, "db", "kev.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := parseKEV(data)
	if err != nil || k.size() != 1404 || k.Updated == nil || k.Updated.Format(time.DateOnly) != "2025-08-25" {
		t.Fatalf("%+v, %v", k, err)
	}
	added := k.day(evidence.Finding{ID: "GHSA-jpcq-cgw6-v4j6", Aliases: []string{"cve-2020-11023"}})
	if added == nil || added.Format(time.DateOnly) != "2025-01-23" {
		t.Errorf("jquery by its alias: %v", added)
	}
	if k.day(evidence.Finding{ID: "CVE-2020-1102"}) != nil {
		t.Error("a prefix is no match")
	}
}

func vulnerability(id, purl string, aliases ...string) evidence.Finding {
	return evidence.Finding{Kind: evidence.KindVulnerability, ID: id, Aliases: aliases, Package: &evidence.Package{Name: "p", Type: "jar", PURL: purl}}
}

func TestAnnotate(t *testing.T) {
	first, err := ParseFirstSeen([]byte(seen))
	if err != nil {
		t.Fatal(err)
	}
	file := func(data string) *File { return &File{Source: "f", Data: []byte(data)} }
	s := Read(Files{KEV: file(kev), EPSS: &File{Source: "e", Data: pack(t, []byte(epssCSV))}, EOL: file(eolJSON)}, first, file(seen))
	e := &evidence.Evidence{Findings: []evidence.Finding{
		vulnerability("CVE-2021-44228", "pkg:maven/org.apache/log4j@2.0?type=jar"),
		vulnerability("GHSA-x", "pkg:maven/org.apache/log4j@2.1", "CVE-2021-44228", "CVE-2020-11023"),
		vulnerability("CVE-2021-44228", ""), vulnerability("CVE-2099-0001", "pkg:maven/org.apache/log4j@2.0"),
		{Kind: evidence.KindSecret, ID: "CVE-2021-44228"},
	}, Coverage: evidence.Coverage{OS: evidence.OSFacts{Family: "alpine", Release: "3.20.3"}}}
	s.Annotate(e, time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC))
	day := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.Format(time.DateOnly)
	}
	for i, want := range [][2]string{{"2021-12-10", "2026-02-01"}, {"2021-12-10", "2026-02-01"}, {"2021-12-10", "-"}, {"-", "-"}, {"-", "-"}} {
		f := e.Findings[i]
		if got := [2]string{day(f.KnownExploited), day(f.FirstSeen)}; got != want || (f.EPSS != nil) != (want[0] != "-") || f.EPSS != nil && *f.EPSS != 0.97 {
			t.Errorf("%d: %v %v, want %v", i, got, f.EPSS, want)
		}
	}
	if !e.Coverage.OS.EndOfLife || day(e.Coverage.OS.EndOfLifeDate) != "2026-04-01" || e.Coverage.OS.EndOfLifeSource != "f" {
		t.Errorf("%+v", e.Coverage.OS)
	}
	if k, p := e.Feeds.KEV, e.Feeds.EPSS; k.Entries != 2 || day(k.Updated) != "2026-03-01" || p.Entries != 2 || day(p.Updated) != "2026-03-01" || e.Feeds.FirstSeen.Entries != 1 {
		t.Errorf("%+v %+v", k, p)
	}
	bad := &evidence.Evidence{Findings: e.Findings[:1]}
	Read(Files{KEV: file("<html>")}, nil, nil).Annotate(bad, time.Time{})
	if bad.Feeds.KEV == nil || bad.Feeds.KEV.Problem == "" || bad.Feeds.EPSS != nil || bad.Feeds.FirstSeen != nil {
		t.Errorf("%+v", bad.Feeds)
	}
}

func TestEndOfLife(t *testing.T) {
	e, err := parseEOL([]byte(eolJSON))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	date := func(y int) *time.Time { d := time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC); return &d }
	for _, tt := range []struct {
		name   string
		os     evidence.OSFacts
		date   int
		past   bool
		known  bool
		source string
	}{
		{"a day", evidence.OSFacts{Family: "alpine", Release: "3.20.9"}, 2026, false, false, "f"},
		{"an earlier one stays", evidence.OSFacts{Family: "alpine", Release: "3.20", EndOfLifeDate: date(2025), EndOfLifeSource: "trivy"}, 2025, false, false, "trivy"},
		{"a later one does not", evidence.OSFacts{Family: "alpine", Release: "3.20", EndOfLifeDate: date(2030), EndOfLifeSource: "trivy"}, 2026, false, false, "f"},
		{"what has ended has", evidence.OSFacts{Family: "alpine", Release: "3.99", EndOfLife: true, EndOfLifeSource: "trivy"}, 0, true, false, "trivy"},
		{"no end", evidence.OSFacts{Family: "alpine", Release: "3.99.1"}, 0, false, true, "f"},
		{"ended", evidence.OSFacts{Family: "debian", Release: "11.11"}, 0, true, false, "f"},
		{"not 3.2", evidence.OSFacts{Family: "alpine", Release: "3.2"}, 0, false, false, ""},
		{"another", evidence.OSFacts{Family: "nobody", Release: "1"}, 0, false, false, ""},
		{"none", evidence.OSFacts{}, 0, false, false, ""},
	} {
		os := tt.os
		e.apply(&os, "f", at)
		year := 0
		if os.EndOfLifeDate != nil {
			year = os.EndOfLifeDate.Year()
		}
		if year != tt.date || os.EndOfLife != tt.past || os.Maintained != tt.known || os.EndOfLifeSource != tt.source {
			t.Errorf("%s: %+v", tt.name, os)
		}
	}
}

func TestFirstSeenWith(t *testing.T) {
	old, err := ParseFirstSeen([]byte(seen))
	if err != nil {
		t.Fatal(err)
	}
	all := []evidence.Evidence{{Findings: []evidence.Finding{
		vulnerability("CVE-2021-44228", "pkg:maven/org.apache/log4j@2.0"), vulnerability("GHSA-x", "pkg:maven/org.apache/log4j@2.0", "CVE-2021-44228"),
		vulnerability("CVE-3", ""), {Kind: evidence.KindSecret, ID: "aws"},
	}}}
	var b bytes.Buffer
	if err := old.With(all, time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)).Write(&b); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "version": 1,
  "entries": {
    "CVE-2021-44228": {
      "pkg:maven/org.apache/log4j": "2026-02-01"
    },
    "CVE-3": {
      "jar:p": "2026-03-01"
    },
    "GHSA-x": {
      "pkg:maven/org.apache/log4j": "2026-02-01"
    }
  }
}
`
	if b.String() != want {
		t.Errorf("got %s", b.String())
	}
	again, err := ParseFirstSeen(b.Bytes())
	if err != nil || again.size() != 3 {
		t.Fatalf("%v %v", again, err)
	}
	var second bytes.Buffer
	if err := again.With(nil, time.Time{}).Write(&second); err != nil || second.String() != want {
		t.Errorf("what is not in the image any more is kept: %s, %v", second.String(), err)
	}
	var none *FirstSeen
	b.Reset()
	if err := none.With(nil, time.Time{}).Write(&b); err != nil || b.String() != "{\n  \"version\": 1,\n  \"entries\": {}\n}\n" {
		t.Errorf("%q %v", b.String(), err)
	}
	if _, err := ParseFirstSeen(b.Bytes()); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{kev, epssCSV, eolJSON, seen, "", "{}", "#\n", "\x1f\x8b"} {
		f.Add([]byte(s))
	}
	f.Add(pack(f, []byte(kev)))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := &File{Source: "f", Data: data}
		first, _ := ParseFirstSeen(data)
		s := Read(Files{file, file, file}, first, file)
		e := &evidence.Evidence{Findings: []evidence.Finding{vulnerability("CVE-2021-44228", "pkg:a/b@1")}, Coverage: evidence.Coverage{OS: evidence.OSFacts{Family: "alpine", Release: "3.20.3"}}}
		s.Annotate(e, time.Time{})
		for _, state := range []*evidence.FeedState{s.states.KEV, s.states.EPSS, s.states.EOL} {
			if (state.Problem == "") != (state.Entries > 0) || strings.Contains(state.Problem, "panicked") {
				t.Fatalf("%+v", state)
			}
		}
	})
}
