// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/policy"
)

func document(name, rest string) string { return "version: 1\nname: " + name + "\n" + rest }

const owner = `
database: {max-age: 3d}
rules:
  vulnerabilities:
    - {id: serious, severity: [critical, unknown]}
    - {id: budget, severity: [medium], max: 20}
  secrets: [{id: no-secrets}]
`

func load(t *testing.T, l loader, reference string, enforce ...string) (*policy.Policy, error) {
	t.Helper()
	req := policy.Request{Policy: reference}
	for _, e := range enforce {
		req.Enforce = append(req.Enforce, policy.Enforced{Reference: e, SetBy: "--enforce"})
	}
	return policy.Load(t.Context(), req, l)
}

// ruleIDs are the rules in their order, with a mark of what a test looks at.
func ruleIDs(p *policy.Policy) string {
	var ids []string
	for _, r := range p.Rules {
		s := r.ID
		if v := r.Vulnerabilities; v != nil && v.Max > 0 {
			s += fmt.Sprintf("(%d)", v.Max)
		}
		if r.Action == policy.ActionWarn {
			s += "?"
		}
		ids = append(ids, s)
	}
	return strings.Join(ids, " ")
}

func TestExtends(t *testing.T) {
	l := loader{
		"owner": document("owner", owner),
		"other": document("other", "rules: {config: [{id: non-root, user: non-root}], vulnerabilities: [{id: budget, severity: [medium, unknown], max: 7}]}\n"),
		"child": document("child", "extends: [owner]\nrules: {vulnerabilities: [{id: budget, max: 5}, {id: low, severity: [low], action: warn}]}\n"),
		"both":  document("both", "extends: [owner, other]\nunknown-severity: accept\n"),
		"loose": document("loose", "extends: [child]\ndatabase: {max-age: 9d}\nrules: {vulnerabilities: [{id: serious, action: warn}]}\nunknown-severity: accept\n"),
		"self":  document("self", "extends: [loop]\n"),
		"loop":  document("loop", "extends: [self]\n"),
		"bad":   document("bad", "extends: [broken]\nrules: {secrets: [{id: x, max: -1}]}\n"),
		"broken": document("broken", `
rules: {secrets: [{id: y, max: one}]}
`),
		"half": document("half", "extends: [owner]\nrules: {vulnerabilities: [{id: new}]}\n"),
	}
	for reference, want := range map[string]string{
		"owner": "serious budget(20) no-secrets",
		"child": "serious budget(5) low? no-secrets",
		"both":  "serious budget(7) no-secrets non-root",
		"loose": "serious? budget(5) low? no-secrets",
	} {
		p, err := load(t, l, reference)
		if err != nil {
			t.Errorf("%s: %v", reference, err)
			continue
		}
		if got := ruleIDs(p); got != want || p.Name != reference {
			t.Errorf("%s: %q %s, want %s", reference, p.Name, got, want)
		}
	}
	if p, _ := load(t, l, "loose"); p.Database.MaxAge != 9*24*time.Hour {
		t.Errorf("the nearest document must win: %s", p.Database.MaxAge)
	}
	for reference, want := range map[string][]string{
		"self": {"extends itself"},
		// Mistakes of all documents are shown at once, each in its own file.
		"bad":  {"bad:4:", "broken:4:"},
		"half": {`half:4:`, `required key "severity" is missing`},
	} {
		_, err := load(t, l, reference)
		if err == nil {
			t.Errorf("%s is accepted", reference)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %q", reference, err, w)
			}
		}
	}
}

// A rule keeps the document that stated it, also after others changed it.
func TestPlacesOfComposedRules(t *testing.T) {
	l := loader{"owner": document("owner", owner), "child": document("child", "extends: [owner]\nrules: {secrets: [{id: no-secrets, max: 1}]}\n")}
	p, err := load(t, l, "child")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Rules {
		if r.Source != "owner" || r.Level != 0 {
			t.Errorf("%s stands in %s, level %d", r.ID, r.Source, r.Level)
		}
	}
	if p.Source != "child" || len(p.Documents) != 1 || p.Documents[0].Name != "child" {
		t.Errorf("documents %+v", p.Documents)
	}
}

func TestSections(t *testing.T) {
	l := loader{"p": document("p", owner+`
images:
  - match: ["registry.example.com/legacy/**"]
    rules: {vulnerabilities: [{id: budget, max: 99}]}
  - match: ["registry.example.com/**", "payments:*"]
    platforms: [linux/arm64]
    rules: {vulnerabilities: [{id: budget, max: 0}], config: [{id: non-root, user: non-root}]}
    waivers: [{id: w, rule: non-root, until: 2026-12-31, reason: r, owner: o}]
`)}
	p, err := load(t, l, "p")
	if err != nil {
		t.Fatal(err)
	}
	const base, legacy, own = "serious budget(20) no-secrets", "serious budget(99) no-secrets", "serious budget no-secrets non-root"
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, base},
		{[]string{"shop:1"}, base},
		{[]string{"registry.example.com/legacy/a/b:1"}, legacy},
		{[]string{"registry.example.com/legacy"}, legacy},
		{[]string{"registry.example.com/shop:1"}, own},
		{[]string{"payments:3", "registry.example.com/payments:3"}, own},
		// One name more than the section covers, and it does not apply.
		{[]string{"registry.example.com/legacy/a:1", "shop:1"}, base},
		{[]string{"evil.example.com/registry.example.com/legacy/a:1"}, base},
	} {
		got := p.For(c.names)
		if ruleIDs(got) != c.want {
			t.Errorf("%v: %s, want %s", c.names, ruleIDs(got), c.want)
		}
		if got.Digest != p.Digest || got.Name != "p" {
			t.Errorf("%v: another policy: %s", c.names, got.Name)
		}
	}
	if got := p.For([]string{"payments:1"}); got.Platforms.All || len(got.Waivers) != 1 {
		t.Errorf("%+v", got.Platforms)
	}
	if p.For(nil).Platforms.All != true {
		t.Error("a section changed the rest")
	}

	l["bad"] = document("bad", owner+"images: [{match: [a], rules: {vulnerabilities: [{id: new}]}}, {match: [\"[\"], rules: {secrets: [{id: no-secrets, maxx: 1}]}}]\n")
	_, err = load(t, l, "bad")
	var parse *policy.ParseError
	if !errors.As(err, &parse) || len(parse.Diagnostics) < 2 {
		t.Errorf("got %v", err)
	}
}

func TestMatchReference(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"alpine", "alpine:3.20", true},
		{"alpine:3.*", "docker.io/library/alpine:3.20.3", true},
		{"docker.io/library/alpine:3.*", "alpine:3.20", true},
		{"alpine:3.*", "alpine:edge", false},
		{"alpine:latest", "alpine", true},
		{"alpine", "evil/alpine:3.20", false},
		{"acme/*", "docker.io/acme/app:1", true},
		{"acme/*", "registry.example.com/acme/app", false},
		{"registry.example.com/base/**", "registry.example.com/base/java/21:jre", true},
		{"registry.example.com/base/*", "registry.example.com/base/java/21:jre", false},
		{"registry.example.com:5000/a", "registry.example.com:5000/a:1", true},
		{"registry.example.com:5000/a", "registry.example.com/a:1", false},
		{"alpine@" + digest, "alpine:3.20@" + digest, true},
		{"alpine@" + digest, "alpine:3.20", false},
		{"alpine:3.20", "alpine@" + digest, false},
		{"**", "registry.example.com/x:1", true},
		{"*/**", "registry.example.com/x:1", true},
		{"[", "a", false},
		{"", "a", false},
	} {
		if got := policy.MatchReference(c.glob, c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.glob, c.name, got)
		}
	}
}

func TestWaiverFiles(t *testing.T) {
	const waiver = "version: 1\nwaivers: [{id: w2, rule: no-secrets, until: 2026-12-31, reason: r, owner: o}]\n"
	l := loader{"p": document("p", owner+"waiver-files: [w.yaml]\n"), "w.yaml": waiver}
	p, err := load(t, l, "p")
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Waiver{ID: "w2", Rule: "no-secrets", Until: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), Reason: "r", Owner: "o", Source: "w.yaml", Position: policy.Position{Line: 2, Column: 11}}
	if d := cmp.Diff([]policy.Waiver{want}, p.Waivers); d != "" {
		t.Error(d)
	}
	for name, bad := range map[string]string{
		"a policy":      document("x", owner),
		"another rule":  strings.Replace(waiver, "no-secrets", "none", 1),
		"no expiry":     strings.Replace(waiver, "until: 2026-12-31, ", "", 1),
		"empty":         "",
		"second file":   waiver + "---\n" + waiver,
		"unknown key":   waiver + "extends: [x]\n",
		"version amiss": strings.Replace(waiver, "1", "2", 1),
	} {
		l["w.yaml"] = bad
		var parse *policy.ParseError
		if _, err := load(t, l, "p"); !errors.As(err, &parse) || parse.Diagnostics[0].File != "w.yaml" {
			t.Errorf("%s: %v", name, err)
		}
	}
	delete(l, "w.yaml")
	if _, err := load(t, l, "p"); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("missing: %v", err)
	}
}

// The digest covers every document and every file that they name.
func TestDigestCoversEverything(t *testing.T) {
	l := loader{
		"owner": document("owner", owner), "parent": document("parent", "extends: [owner]\n"),
		"p":      document("p", "extends: [parent]\nwaiver-files: [w.yaml]\nfeeds: {kev: {file: kev.json}}\n"),
		"w.yaml": "version: 1\nwaivers: [{id: w2, rule: no-secrets, until: 2026-12-31, reason: r, owner: o}]\n", "kev.json": "{}",
		"above": document("above", owner),
	}
	digest := func() string {
		p, err := load(t, l, "p", "above")
		if err != nil {
			t.Fatal(err)
		}
		return p.Digest
	}
	first := digest()
	if first != digest() {
		t.Error("two digests of one policy")
	}
	for name := range l {
		old := l[name]
		l[name] = old + " \n"
		if digest() == first {
			t.Errorf("%s is not covered", name)
		}
		l[name] = old
	}
}

// VEX documents of several levels stand side by side, however they are written.
func TestVEXSideBySide(t *testing.T) {
	l := loader{"vex.json": "{}", "more.json": "{}"}
	for name, feeds := range map[string][2]string{
		"mappings": {"{file: vex.json, author: [a]}", "{file: vex.json}"},
		"lists":    {"[{file: vex.json, author: [a]}]", "[{file: vex.json}]"},
		"mixed":    {"{file: vex.json, author: [a]}", "[{file: vex.json}, {file: more.json}]"},
	} {
		l["above"] = document("above", owner+"feeds: {vex: "+feeds[0]+"}\n")
		l["p"] = document("p", "feeds: {vex: "+feeds[1]+"}\n")
		p, err := load(t, l, "p", "above")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, x := range p.Feeds.VEX {
			if own := i > 0; x.File.Level != i && i < 2 || own == (len(x.Authors) > 0) {
				t.Errorf("%s: document %d: %+v, level %d", name, i, x, x.File.Level)
			}
		}
		if len(p.Feeds.VEX) < 2 {
			t.Errorf("%s: %d documents", name, len(p.Feeds.VEX))
		}
	}
}

// TestFromOfAnother: who makes a parent's rule warn need not know its date.
func TestFromOfAnother(t *testing.T) {
	l := loader{
		"parent": document("parent", "rules: {secrets: [{id: s, from: 2026-12-01}]}\n"),
		"p":      document("p", "extends: [parent]\nrules: {secrets: [{id: s, action: warn}]}\n"),
	}
	p, err := load(t, l, "p")
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Rules[0]; r.Action != policy.ActionWarn || r.From.IsZero() {
		t.Errorf("%+v", r)
	}
}
