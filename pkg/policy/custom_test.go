// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/policy"
)

func TestCustomRules(t *testing.T) {
	l := loader{
		"p": document("p", `
rules:
  custom:
    - {id: house, rego: rego/house.rego}
    - {id: two, rego: [rego/lib.rego, rego/two.rego], action: warn}
images:
  - match: [shop]
    rules: {custom: [{id: house, rego: rego/shop.rego}]}
`),
		"rego/house.rego": "house", "rego/lib.rego": "lib", "rego/two.rego": "two", "rego/shop.rego": "shop",
	}
	p, err := load(t, l, "p")
	if err != nil {
		t.Fatal(err)
	}
	text := func(rules []policy.Rule) string {
		var s []string
		for _, r := range rules {
			for _, f := range r.Custom.Rego {
				s = append(s, r.ID+"="+string(f.Data))
			}
		}
		return strings.Join(s, " ")
	}
	if got := text(p.Rules); got != "house=house two=lib two=two" {
		t.Errorf("got %s", got)
	}
	if got := text(p.For([]string{"shop:1"}).Rules); got != "house=shop two=lib two=two" {
		t.Errorf("got %s", got)
	}
	if got := text(p.CustomRules()); got != "house=house two=lib two=two house=shop two=lib two=two" {
		t.Errorf("got %s", got)
	}
	if r := p.Rules[1]; r.Title != "Nothing is denied by rego/lib.rego and rego/two.rego" || r.Remediation == "" {
		t.Errorf("title %q, remediation %q", r.Title, r.Remediation)
	}
}

func TestFaultyCustomRules(t *testing.T) {
	for rule, want := range map[string]string{
		"{id: a}":                              `required key "rego" is missing`,
		"{id: a, rego: }":                      "rego",
		"{id: a, rego: []}":                    "rego is an empty list",
		"{id: a, rego: /etc/passwd}":           "is not a relative path",
		"{id: a, rego: [../up.rego]}":          "is not a relative path",
		"{id: a, rego: [a.rego, a.rego]}":      `is "a.rego" once more`,
		"{id: a, rego: {a: b}}":                "rego must be a string, not a mapping",
		"{id: a, rego: none.rego}":             "the file \"none.rego\" cannot be read",
		"{id: a, rego: a.rego, deny: x}":       `unknown key "deny"`,
		"{id: integrity, rego: a.rego}":        "is the id of a built-in rule",
		"{id: a, rego: [[a.rego], {b: rego}]}": "must be a string",
	} {
		l := loader{"p": document("p", "rules: {custom: ["+rule+"]}\n"), "a.rego": "x"}
		if _, err := load(t, l, "p"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", rule, err, want)
		}
	}
	if _, err := policy.Parse("p", []byte(document("p", "rules: {custom: [{id: a, rego: a.rego}]}\n"))); err == nil || !strings.Contains(err.Error(), "can name no files") {
		t.Errorf("got %v", err)
	}
}

// twoTrees are the files of an owner and of a repository that bear the same names.
type twoTrees struct{ owner, repository loader }

func (l twoTrees) Load(ctx context.Context, reference string, from *policy.Document) (*policy.Document, error) {
	if strings.HasPrefix(reference, "owner") {
		return l.owner.Load(ctx, reference, from)
	}
	return l.repository.Load(ctx, reference, from)
}

// TestEnforcedFilesStayTheirOwn proves that no repository puts a file of its own in
// the place of one that is enforced, not even by saying the same words.
func TestEnforcedFilesStayTheirOwn(t *testing.T) {
	const rule = "rules: {custom: [{id: house, rego: house.rego}]}\nfeeds: {kev: {file: kev.json}}\n"
	l := twoTrees{
		owner: loader{"owner": document("owner", rule), "house.rego": "strict", "kev.json": "full"},
		repository: loader{
			"plain":      document("plain", "rules: {secrets: [{id: s}], custom: [{id: house, title: x}]}\n"),
			"same":       document("same", rule),
			"same list":  document("same", "rules: {custom: [{id: house, rego: [house.rego]}]}\n"),
			"same feed":  document("same", "rules: {secrets: [{id: s}]}\nfeeds: {kev: {file: kev.json}}\n"),
			"other":      document("other", "rules: {custom: [{id: house, rego: mine.rego}]}\n"),
			"section":    document("section", "rules: {secrets: [{id: s}]}\nimages: [{match: ['**'], rules: {custom: [{id: house, rego: house.rego}]}}]\n"),
			"house.rego": "loose", "mine.rego": "loose", "kev.json": "empty",
		},
	}
	enforced := func(reference string) (*policy.Policy, error) {
		return policy.Load(t.Context(), policy.Request{Policy: reference, Enforce: []policy.Enforced{{Reference: "owner", SetBy: "--enforce"}}}, l)
	}
	p, err := enforced("plain")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.CustomRules() {
		if got := string(r.Custom.Rego[0].Data); got != "strict" {
			t.Errorf("the rules are %s", got)
		}
	}
	for _, reference := range []string{"same", "same list", "same feed", "other", "section"} {
		if _, err := enforced(reference); err == nil || !strings.Contains(err.Error(), "loosens what is enforced at owner:") {
			t.Errorf("%s: %v", reference, err)
		}
	}
	// The same document twice is no change.
	if p, err := enforced("owner"); err != nil || string(p.Rules[0].Custom.Rego[0].Data) != "strict" {
		t.Errorf("%v", err)
	}
}
