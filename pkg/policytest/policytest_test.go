// SPDX-License-Identifier: Apache-2.0

package policytest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/policytest"
)

var update = flag.Bool("update", false, "write the recorded evidence anew")

// shop is the image of the recorded evidence.
func shop() evidence.Document {
	updated := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	root := int64(0)
	pkg := evidence.Package{Name: "busybox", Version: "1.36.1-r28", Type: "alpine", Class: evidence.ClassOS, Licenses: []string{"GPL-2.0-only"}}
	return evidence.Document{
		SchemaVersion: evidence.DocumentVersion, EffectiveTime: updated.Add(24 * time.Hour), Reference: "shop.tar",
		Evidence: []evidence.Evidence{{
			Subject: evidence.Subject{Reference: "shop.tar", Source: evidence.SourceDockerArchive, Name: "example.test/shop:1.0", ImageID: "sha256:aa",
				Platform: evidence.Platform{OS: "linux", Architecture: "amd64"}},
			Image:    evidence.ImageFacts{User: evidence.User{UID: &root, GID: &root}, Config: &evidence.Config{}},
			Layers:   []evidence.LayerFacts{{DiffID: "sha256:bb", Verification: evidence.LayerVerified}},
			Packages: []evidence.Package{pkg},
			Findings: []evidence.Finding{
				{Kind: evidence.KindVulnerability, ID: "CVE-2099-0001", Severity: evidence.SeverityCritical, Package: &pkg, FixedVersion: "1.36.1-r29"},
				{Kind: evidence.KindSecret, ID: "aws-access-key-id", Severity: evidence.SeverityCritical, Path: "app/.env", StartLine: 1},
			},
			Coverage: evidence.Coverage{OS: evidence.OSFacts{Family: "alpine", Release: "3.20.3"}, Packages: map[string]int{"alpine": 1}, Files: 5, SecretScan: true},
			Database: evidence.DatabaseState{Digest: "sha256:cc", Schema: 2, UpdatedAt: &updated},
		}},
	}
}

// recorded keeps testdata/shop.json as the current types write it.
func recorded(t *testing.T) {
	t.Helper()
	data, err := json.Marshal(shop())
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteByte('\n')
	file := filepath.Join("testdata", "shop.json")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("%s (-update writes it anew):\n%s", file, diff)
	}
}

// deny is a custom rule that denies images whose user is root.
type deny struct{}

func (deny) EvaluateAttestations(_ context.Context, rules []policy.Rule, _ evidence.Subject, s *evidence.Signatures, _ time.Time) {
	for i := range s.Items {
		for _, r := range rules {
			s.Items[i].Rego = append(s.Items[i].Rego, evidence.CustomResult{Rule: r.ID, Deny: []evidence.CustomMessage{{Message: "no"}}})
		}
	}
}

func (deny) Evaluate(_ context.Context, rules []policy.Rule, ev evidence.Evidence, _ time.Time) []evidence.CustomResult {
	r := evidence.CustomResult{Rule: rules[0].ID, Warn: []evidence.CustomMessage{{Message: "w"}}}
	if ev.Image.User.UID != nil && *ev.Image.User.UID == 0 {
		r.Deny = []evidence.CustomMessage{{Message: "runs as root", Finding: "root"}}
	}
	return []evidence.CustomResult{r}
}

type onlyFile []byte

func (f onlyFile) Load(context.Context, string, *policy.Document) (*policy.Document, error) {
	return &policy.Document{Source: "policy.yaml", Data: f, Open: func(context.Context, string) ([]byte, error) { return nil, nil }}, nil
}

func load(t *testing.T) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Load(t.Context(), policy.Request{Policy: "policy.yaml"}, onlyFile(data))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t *testing.T, source string, data []byte) ([]policytest.Result, error) {
	t.Helper()
	s, err := policytest.Parse(source, data)
	if err != nil {
		return nil, err
	}
	return policytest.Run(t.Context(), load(t), deny{}, s, func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join("testdata", name))
	})
}

// TestExample runs the file of cases that people may start from.
func TestExample(t *testing.T) {
	recorded(t)
	data, err := os.ReadFile(filepath.Join("testdata", "cases.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := run(t, "cases.yaml", data)
	if err != nil || len(results) < 5 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for _, r := range results {
		for _, d := range r.Differences {
			t.Errorf("%s: %s", r.Case.Name, d)
		}
	}
}

func TestDifferences(t *testing.T) {
	for expect, want := range map[string]string{
		"{status: PASSED}":                                        "status: want PASSED, got FAILED",
		"{rules: {serious: pass}}":                                "serious: want pass, got fail: 1 critical vulnerability",
		"{rules: {serious: {result: fail, violations: 2}}}":       "serious: want 2 violations, got 1",
		"{rules: {serious: {result: fail, waived: 1}}}":           "serious: want 1 waived, got 0",
		"{rules: {house: {result: fail, warnings: 0}}}":           "house: want 0 warnings, got 1",
		"{rules: {serious: {result: fail, ids: [CVE-1]}}}":        "serious: not among the violations: CVE-1\nserious: not expected among the violations: CVE-2099-0001",
		"{rules: {house: {result: fail, ids: [root, x]}}}":        "house: not among the violations: x",
		"{rules: {none: pass}}":                                   "none: want pass, and the policy has no such rule",
		"{exact: true, rules: {serious: fail, no-secrets: fail}}": "house: not mentioned, got fail: runs as root",
		"{rules: {integrity: error}}":                             "integrity: want error, got pass: 1 layer verified",
	} {
		results, err := run(t, "c", []byte("version: 1\ncases: [{name: a, evidence: shop.json, expect: "+expect+"}]"))
		if err != nil {
			t.Errorf("%s: %v", expect, err)
			continue
		}
		if got := strings.Join(results[0].Differences, "\n"); got != want {
			t.Errorf("%s:\n got %s\nwant %s", expect, got, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	one := func(s string) string { return "version: 1\ncases:\n- " + s }
	for file, want := range map[string]string{
		"":                                    "c:1:1: not valid YAML: the file is empty",
		"- a":                                 "c:1:1: the file must be a mapping",
		"version: 2\ncases: [{}]":             "c:1:10: version must be 1",
		"version: 1":                          `required key "cases" is missing`,
		"version: 1\ncases: []":               "c:2:8: cases must be a list of at least one",
		"a: [":                                "not valid YAML",
		"version: 1\n---\na: b":               "more than one document",
		"version: 1\ncases: &a [*a]":          "c:2:8: YAML anchors, aliases and merge keys are not allowed",
		one("{name: a, evidence: shop.json}"): `c:3:3: required key "expect" is missing in a case`,
		one("{name: a, evidence: shop.json, expect: {exact: false}}"):                                        "c:3:3: the case expects nothing",
		one("{name: a, evidence: shop.json, expect: {status: passed}}"):                                      "status must be one of PASSED, FAILED, ERROR, not \"passed\"",
		one("{name: a, evidence: shop.json, expect: {rules: {a: ok}}}"):                                      "the result of a must be one of",
		one("{name: a, evidence: shop.json, expect: {rules: {a: {result: pass, violation: 1}}}}"):            `unknown key "violation"`,
		one("{name: a, evidence: shop.json, expect: {rules: {a: {result: pass, violations: -1}}}}"):          "violations must be a whole number",
		one("{name: a, evidence: shop.json, expect: {rules: {a: pass, a: fail}}}"):                           "c:3:60: duplicate key \"a\" in rules",
		one("{name: a, name: b, evidence: shop.json, expect: {status: PASSED}}"):                             `duplicate key "name"`,
		one("{name: a, evidence: shop.json, effective-time: soon, expect: {status: PASSED}}"):                "effective-time is no time",
		one("{name: a, evidence: shop.json, platform: amd64, expect: {status: PASSED}}"):                     "is not os/architecture",
		one("{name: a, evidence: shop.json, patch: [], expect: {status: PASSED}}"):                           "patch must be a mapping",
		one("{name: a, evidence: none.json, expect: {status: PASSED}}"):                                      "c:3:23: the evidence \"none.json\" cannot be read",
		one("{name: a, evidence: policy.yaml, expect: {status: PASSED}}"):                                    "c:3:23: not an evidence document",
		one("{name: a, evidence: shop.json, patch: {findngs: []}, expect: {status: PASSED}}"):                `c:3:41: the patch does not fit: not an evidence document: json: unknown field "findngs"`,
		one("{name: a, evidence: shop.json, patch: {image: {user: {uid: root}}}, expect: {status: PASSED}}"): "the patch does not fit",
		one("{name: a, evidence: shop.json, patch: {custom: [{rule: house}]}, expect: {status: PASSED}}"):    "holds no results of custom rules",
	} {
		results, err := run(t, "c", []byte(file))
		var parse *policy.ParseError
		if results != nil || !errors.As(err, &parse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", file, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "cases.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := policytest.Parse("c", data)
		if (s == nil) == (err == nil) {
			t.Errorf("got %v, %v", s, err)
		}
	})
}
