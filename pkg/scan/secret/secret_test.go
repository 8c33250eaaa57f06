// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

var key = "AKIA" + "0123456789ABCDEF"

type info struct{ size int64 }

func (info) Name() string       { return "" }
func (i info) Size() int64      { return i.size }
func (info) Mode() fs.FileMode  { return 0o644 }
func (info) ModTime() time.Time { return time.Time{} }
func (info) IsDir() bool        { return false }
func (info) Sys() any           { return nil }

func find(t *testing.T, s *Scanner, path, text string) []ftypes.SecretFinding {
	t.Helper()
	f := analysis.File{Path: path, Info: info{int64(len(text))}, Content: bytes.NewReader([]byte(text)), Data: []byte(text)}
	res, err := s.Analyzer().Analyze(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	f.Content, f.Data = bytes.NewReader([]byte(text)), nil
	streamed, err := s.Analyzer().Analyze(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(res, streamed); diff != "" {
		t.Errorf("in memory and streamed: %s", diff)
	}
	if res == nil {
		return nil
	}
	if len(res.Secrets) != 1 || res.Secrets[0].FilePath != "/"+path {
		t.Fatalf("%+v", res.Secrets)
	}
	return res.Secrets[0].Findings
}

func TestAnalyze(t *testing.T) {
	aws := func(line, offset int) ftypes.SecretFinding {
		return ftypes.SecretFinding{RuleID: "aws-access-key-id", Category: "AWS", Severity: "CRITICAL", Title: "AWS Access Key ID",
			StartLine: line, EndLine: line, Offset: offset}
	}
	s := New()
	for name, tt := range map[string]struct {
		path, text string
		want       []ftypes.SecretFinding
	}{
		"nothing":         {"a", "no secret\n", nil},
		"one":             {"a", "x\nid=" + key + "\n", []ftypes.SecretFinding{aws(2, 5)}},
		"two in a line":   {"a", key + " ;" + key + " ", []ftypes.SecretFinding{aws(1, 0), aws(1, 22)}},
		"across a border": {"a", strings.Repeat("abc\n", chunkBytes/4-2) + key + "\n", []ftypes.SecretFinding{aws(chunkBytes/4-1, chunkBytes-8)}},
		"in the overlap":  {"a", strings.Repeat("abc\n", chunkBytes/4-200) + key + strings.Repeat("\nabc", 9999), []ftypes.SecretFinding{aws(chunkBytes/4-199, chunkBytes-800)}},
		"a part of a word, but at the beginning of the tail": {"a", strings.Repeat("abc\n", 99) + "x" + key + "\n" + strings.Repeat(" ", overlapBytes-21),
			[]ftypes.SecretFinding{aws(100, 397)}},
		"example":           {"a", "ghp_example" + strings.Repeat("a", 29), nil},
		"binary":            {"a", "\x00" + key + "\n", nil},
		"printable of .pyc": {"a.pyc", "\x00\x01abcd\x00efghi\xff\x00" + key + "\x00\x00", []ftypes.SecretFinding{aws(2, 7)}},
		"allowed path":      {"vendor/a", key + "\n", nil},
		"path of a rule":    {"settings.xml", "<password>geheim</password>", []ftypes.SecretFinding{{RuleID: "maven-settings-password", Category: "Maven", Severity: "HIGH", Title: "Maven settings.xml password", StartLine: 1, EndLine: 1, Offset: 10}}},
		"other path":        {"settings.txt", "<password>geheim</password>", nil},
		"long s": {"a", "SK_TE\u017fT_0123456789 sk_test_", []ftypes.SecretFinding{{RuleID: "stripe-secret-token", Category: "Stripe", Severity: "CRITICAL", Title: "Stripe Secret Key",
			StartLine: 1, EndLine: 1, Offset: 0}}},
		"long s, no keyword": {"a", "SK_TE\u017fT_0123456789", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, find(t, s, tt.path, tt.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEveryRuleIsFiltered: a rule about which nothing is known would run on every file.
func TestEveryRuleIsFiltered(t *testing.T) {
	x, err := readTables(rulesJSON)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range x.unfiltered {
		if x.rules[i].path == nil || x.rules[i].pathTail == "" {
			t.Errorf("rule %s runs on every file", x.rules[i].text.ID)
		}
	}
	for _, r := range x.rules {
		re, err := r.re()
		if err != nil {
			t.Fatal(err)
		}
		if r.text.SecretGroup != "" && re.SubexpIndex(r.text.SecretGroup) < 0 {
			t.Errorf("rule %s has no group %s", r.text.ID, r.text.SecretGroup)
		}
	}
}

// TestHostile: much of what a pattern begins with, and nothing that it ends with.
func TestHostile(t *testing.T) {
	s := New()
	for name, unit := range map[string]string{
		"one line":     "a",
		"keywords":     "lob linear twitter aws_secret_access_key ",
		"nearly a key": "facebook = '0123456789abcdef0123456789abcde' ",
		"white space":  "aws_access_key" + strings.Repeat(" ", 500),
		"private keys": "-----BEGIN PRIVATE KEY----- AAAA",
		"runs":         "ghp_" + strings.Repeat("a", 35) + "-",
	} {
		t.Run(name, func(t *testing.T) {
			if got := find(t, s, "a", strings.Repeat(unit, (256<<10)/len(unit))); got != nil {
				t.Errorf("%d findings", len(got))
			}
		})
	}
	t.Run("many secrets", func(t *testing.T) {
		text := strings.Repeat("ghp_"+strings.Repeat("a", 36)+" ", 1000)
		if got := find(t, s, "a", text); len(got) != 1000 {
			t.Errorf("%d findings", len(got))
		}
	})
	t.Run("too many secrets", func(t *testing.T) {
		text := []byte(strings.Repeat("SK"+strings.Repeat("a", 32), maxFindings+1))
		_, err := s.Analyzer().Analyze(t.Context(), analysis.File{Path: "a", Data: text})
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Error(err)
		}
	})
	t.Run("100 MB in one line", func(t *testing.T) {
		line := io.NewSectionReader(repeated('a'), 0, 100<<20)
		res, err := s.Analyzer().Analyze(t.Context(), analysis.File{Path: "a", Info: info{100 << 20}, Content: line})
		if res != nil || err != nil {
			t.Error(res, err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Analyzer().Analyze(ctx, analysis.File{Path: "a", Data: []byte(key)})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

type repeated byte

func (r repeated) ReadAt(b []byte, _ int64) (int, error) {
	for i := range b {
		b[i] = byte(r)
	}
	return len(b), nil
}

// broken cannot be read after its first bytes.
type broken struct {
	*bytes.Reader
	at int64
}

func (b *broken) Read(p []byte) (int, error) {
	if b.at >= 70_000 {
		return 0, errors.New("no more")
	}
	n, err := b.Reader.Read(p)
	b.at += int64(n)
	return n, err
}

func TestUnreadable(t *testing.T) {
	for _, path := range []string{"a", "a.pyc"} {
		text := bytes.Repeat([]byte("\x00text\n"), 50_000)
		if path == "a" {
			text = bytes.Repeat([]byte("text\n"), 50_000)
		}
		f := analysis.File{Path: path, Info: info{int64(len(text))}, Content: &broken{Reader: bytes.NewReader(text)}}
		if _, err := New().Analyzer().Analyze(t.Context(), f); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"abcd":                          "",
		"abcde":                         "abcde\n",
		"abcd\x00abcdef\x01\x02ghijk\n": "abcdef\nghijk\n",
		"a\xffbc\xa1\x80abc\xadd":       "a\xffbc\xa1\n",
	} {
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
			got, err := io.ReadAll(iotest.OneByteReader(&printable{in: r}))
			if err != nil || string(got) != want {
				t.Errorf("%q: %q, %v", in, got, err)
			}
		}
		got, err := io.ReadAll(&printable{in: strings.NewReader(in)})
		if err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func TestWants(t *testing.T) {
	wants := New().Analyzer().Wants
	for path, want := range map[string]bool{
		"app/config": true, "a": true, "protest": true, "app/latest": true, "usr/local/lib/x": true, "vendor/x": true, "opt/yarn-v/x": true,
		"app/test": false, "TEST": false, "a_test.go": false, "te\u017ft": false, "x/te\u017ft": false, "a/vendor/x": false, "usr/share/x": false,
		"node_modules/x": false, "a/.git/config": false, "x.png": false, "go.sum": false, "README.md": false, "opt/yarn-v1.2/x": false,
		"usr/local/lib/python3.11/x": false, "x.dist-info/y": false, "a/locales/de": false, "myexamples": false,
	} {
		if got := wants(path, info{10}); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	if wants("a", info{9}) {
		t.Error("a file of 9 bytes is wanted")
	}
}

func TestConfig(t *testing.T) {
	s := New()
	cfg := &v1.ConfigFile{Config: v1.Config{Env: []string{"A=b", "K=" + key + ` <x>`, "M=mailgun: 'key-0123456789abcdef0123456789abcdef'"}}}
	found, values, err := s.Config(cfg)
	if err != nil || found == nil || len(found.Findings) != 2 || found.FilePath != "config.json" {
		t.Fatalf("%+v, %v", found, err)
	}
	want := []Value{{"aws-access-key-id", found.Findings[0].StartLine, key}, {"mailgun-token", found.Findings[1].StartLine, "key-0123456789abcdef0123456789abcdef"}}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Error(diff)
	}
	found, values, err = s.Config(&v1.ConfigFile{})
	if found != nil || values != nil || err != nil {
		t.Error(found, values, err)
	}
	if found, _, err = s.Config(nil); found != nil || err != nil {
		t.Error(found, err)
	}
}
