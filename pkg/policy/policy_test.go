// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/policy"
)

type loader map[string]string

func (l loader) Load(_ context.Context, reference string, _ *policy.Document) (*policy.Document, error) {
	if data, ok := l[reference]; ok {
		return &policy.Document{Source: reference, Data: []byte(data), Open: l.open}, nil
	}
	return nil, fs.ErrNotExist
}

func (l loader) open(_ context.Context, path string) ([]byte, error) {
	if data, ok := l[path]; ok {
		return []byte(data), nil
	}
	return nil, fs.ErrNotExist
}

func TestLoad(t *testing.T) {
	l := loader{"good": valid, "bad": "version: 1\n"}
	p, err := policy.Load(t.Context(), policy.Request{Policy: "good"}, l)
	if err != nil || p.Source != "good" || !p.Platforms.All || p.Database.MaxAge != policy.DefaultDatabaseMaxAge {
		t.Errorf("got %+v, %v", p, err)
	}
	var parseError *policy.ParseError
	if _, err := policy.Load(t.Context(), policy.Request{Policy: "bad"}, l); !errors.As(err, &parseError) || parseError.Diagnostics[0].File != "bad" {
		t.Errorf("got %v", err)
	}
	if _, err := policy.Load(t.Context(), policy.Request{Policy: "none\x1b"}, l); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %q", err)
	}
}

// TestDefaultTitles pins the sentences that stand in reports.
func TestDefaultTitles(t *testing.T) {
	for rule, want := range map[string]string{
		"vulnerabilities: [{id: a, severity: [unknown, critical]}]":                                       "No critical or unknown vulnerabilities",
		"vulnerabilities: [{id: a, severity: [unknown, medium], max: 20}]":                                "At most 20 medium or unknown vulnerabilities",
		"vulnerabilities: [{id: a, severity: [high, unknown], fixed: true}]":                              "No high or unknown vulnerabilities that have a fix",
		"vulnerabilities: [{id: a, severity: [unknown], fixed: false, max: 1}]":                           "At most 1 unknown vulnerability that has no fix",
		"vulnerabilities: [{id: a, severity: [low, medium, high, critical, unknown]}]":                    "No vulnerabilities",
		"vulnerabilities: [{id: a, severity: [low, medium, unknown], package-type: [os, jar, gobinary]}]": "No medium, low or unknown vulnerabilities in operating system, jar or gobinary packages",
		"secrets: [{id: a}]":                                                          "No secrets",
		"secrets: [{id: a, max: 1}]":                                                  "At most 1 secret",
		"secrets: [{id: a, max: 2, severity: [high]}]":                                "At most 2 secrets of high severity",
		"config: [{id: a, user: non-root}]":                                           "The container does not run as root",
		"config: [{id: a, user: numeric-non-root}]":                                   "The container does not run as root, and names its user by number",
		"config: [{id: a, created: {max-age: 1d}}]":                                   "The date of the image is in order",
		"config: [{id: a, labels: {required: [a]}}]":                                  "The labels of the image are in order",
		"config: [{id: a, entrypoint: required, user: non-root, ports: {min: 1024}}]": "The image configuration is in order: user, ports, command",
		"runtime: [{id: a, read-only-root: required, capabilities: [CHOWN, KILL], no-new-privileges: required}]": "The image can run with a read-only root, with no capability but CHOWN or KILL, without new privileges",
		"reference: [{id: a, forbidden: [latest]}]":                                                              "The tag is not latest",
		"reference: [{id: a, forbidden: [latest, dev]}]":                                                         "The tag is not latest or dev",
		"reference: [{id: a, forbidden: [a, b, c, d, e]}]":                                                       "The tag is not a, b, c or one of 2 more",
	} {
		p, err := policy.Parse("f", []byte("version: 1\nname: x\nrules:\n  "+rule))
		if err != nil {
			t.Errorf("%s: %v", rule, err)
			continue
		}
		if got := p.Rules[0].Title; got != want {
			t.Errorf("%s:\n got %q\nwant %q", rule, got, want)
		}
	}
}

func TestBuiltinRulesAreTaken(t *testing.T) {
	for _, id := range policy.BuiltinRules() {
		_, err := policy.Parse("f", []byte(strings.Replace(valid, "id: a", "id: "+id, 1)))
		if err == nil || !strings.Contains(err.Error(), "built-in") {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestExpiredAt(t *testing.T) {
	w := policy.Waiver{Until: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC)}
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	if w.ExpiredAt(end.Add(-1)) || !w.ExpiredAt(end) {
		t.Error("a waiver holds to the end of its last day")
	}
}

// TestPure pins that the package does no I/O and reads no clock.
func TestPure(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range tree.Imports {
			if path := strings.Trim(i.Path.Value, `"`); path == "os" || path == "net" || strings.HasPrefix(path, "net/") {
				t.Errorf("%s imports %s", file, path)
			}
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Now" {
				t.Errorf("%s reads the clock", file)
			}
			return true
		})
	}
}

func TestSearchesSecretsWhereSomethingAsks(t *testing.T) {
	vulnerabilities := "  vulnerabilities:\n    - {id: v, severity: [critical, unknown]}\n"
	for name, c := range map[string]struct {
		doc  string
		want bool
	}{
		"vulnerabilities":              {"rules:\n" + vulnerabilities, false},
		"secrets":                      {"rules:\n  secrets:\n    - {id: s, action: warn}\n", true},
		"credentials":                  {"rules:\n  config:\n    - {id: c, env-secrets: forbidden}\n", true},
		"other rules of configuration": {"rules:\n  config:\n    - {id: c, user: non-root}\n", false},
		"coverage":                     {"coverage: {secrets: required}\nrules:\n" + vulnerabilities, true},
		"of the base":                  {"coverage: {base-secrets: required}\nrules:\n" + vulnerabilities, true},
		"of a platform":                {"coverage: {platforms: {linux/arm64: {secrets: required}}}\nrules:\n" + vulnerabilities, true},
		"a section":                    {"rules:\n" + vulnerabilities + "images:\n  - match: [\"**\"]\n    rules:\n      secrets:\n        - {id: s}\n", true},
	} {
		p, err := load(t, loader{"p": document("p", c.doc)}, "p")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := p.SearchesSecrets(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
