// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/policy"
)

var update = flag.Bool("update", false, "write the .out files anew")

func corpus(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/%s: %v", dir, err)
	}
	return files
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	out := strings.TrimSuffix(file, ".yaml") + ".out"
	if *update {
		if err := os.WriteFile(out, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(read(t, out)), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", out, diff)
	}
}

func TestAccepted(t *testing.T) {
	for _, file := range corpus(t, "ok") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p, err := policy.Load(t.Context(), policy.Request{Policy: filepath.Base(file)}, withFiles{filepath.Dir(file)})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(p.Digest, "sha256:") || len(p.Digest) != 71 {
				t.Errorf("digest %q", p.Digest)
			}
			p.Digest = "" // changes with every comment
			b, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file, string(b)+"\n")
		})
	}
}

// withFiles is a Loader of the policies in a directory and of the shipped ones. Whatever
// file a policy names is there.
type withFiles struct{ dir string }

func (l withFiles) Load(_ context.Context, reference string, _ *policy.Document) (*policy.Document, error) {
	path := filepath.Join(l.dir, reference)
	if name, ok := strings.CutPrefix(reference, "ocigate:"); ok {
		path = filepath.Join("..", "..", "policies", name+".yaml")
	}
	data, err := os.ReadFile(path)
	open := func(_ context.Context, path string) ([]byte, error) { return []byte(path), nil }
	return &policy.Document{Source: reference, Data: data, Open: open}, err
}

func TestRefused(t *testing.T) {
	for _, file := range corpus(t, "err") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p, err := policy.Parse(filepath.Base(file), read(t, file))
			if p != nil {
				t.Error("a policy next to an error")
			}
			var parseError *policy.ParseError
			if !errors.As(err, &parseError) {
				t.Fatalf("got %v", err)
			}
			checkDiagnostics(t, read(t, file), parseError)
			golden(t, file, parseError.Error()+"\n")
		})
	}
}

// checkDiagnostics checks what holds for every diagnostic.
func checkDiagnostics(t *testing.T, data []byte, e *policy.ParseError) {
	t.Helper()
	if len(e.Diagnostics) == 0 {
		t.Fatal("an error without diagnostics")
	}
	lines := strings.Count(string(data), "\n") + 1
	last := policy.Position{}
	for _, d := range e.Diagnostics {
		at := d.Position
		if at.Line < 1 || at.Column < 1 || at.Line > lines {
			t.Errorf("position %v outside of %d lines: %s", at, lines, d)
		}
		if at.Line < last.Line || at.Line == last.Line && at.Column < last.Column {
			t.Errorf("not sorted: %s", d)
		}
		last = at
		if d.Message == "" || strings.ContainsAny(d.String(), "\n\r\x00\x1b") {
			t.Errorf("bad message %q", d.String())
		}
	}
}

// TestEverythingAtOnce pins that one run shows all mistakes of a file, each at its place.
func TestEverythingAtOnce(t *testing.T) {
	file := filepath.Join("testdata", "err", "five.yaml")
	_, err := policy.Parse("five.yaml", read(t, file))
	var parseError *policy.ParseError
	if !errors.As(err, &parseError) {
		t.Fatal(err)
	}
	var got []string
	for _, d := range parseError.Diagnostics {
		got = append(got, d.Path)
	}
	want := []string{
		"database.max-age",
		"rules.vulnerabilities[0]",
		"rules.vulnerabilities[1].max",
		"rules.reference[0].forbidden[1]",
		"waivers[0].until",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
