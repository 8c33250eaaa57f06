// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// texts is a Loader of policies and files in memory: "own" lies in the directory own,
// so that a file of one name is another for each policy.
type texts map[string]string

func (d texts) Load(_ context.Context, reference string, _ *Document) (*Document, error) {
	data, ok := d[reference]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &Document{Source: reference, Data: []byte("version: 1\nname: " + reference + "\n" + data), Open: func(_ context.Context, path string) ([]byte, error) {
		if data, ok := d[reference+"/"+path]; ok {
			return []byte(data), nil
		}
		return []byte(reference + "/" + path), nil
	}}, nil
}

func (d texts) enforce(own string, enforced ...string) (*Policy, error) {
	req := Request{Policy: own}
	for _, e := range enforced {
		req.Enforce = append(req.Enforce, Enforced{Reference: e, SetBy: "--enforce"})
	}
	return Load(context.Background(), req, d)
}

// allPaths are the paths of all keys of the language, without the numbers of lists.
func allPaths() []string {
	var paths []string
	var walk func(keys []key, prefix string)
	seen := map[string]bool{}
	add := func(s shape, at string) {
		walk(s.keys(), at+".")
		for _, one := range s.oneOf {
			walk(one.keys(), at+".")
			if one.item != nil {
				walk(one.item.keys(), at+".")
			}
		}
		if s.item != nil {
			walk(s.item.keys(), at+".")
		}
	}
	walk = func(keys []key, prefix string) {
		for _, k := range keys {
			at := prefix + k.name
			if !seen[at] {
				seen[at] = true
				paths = append(paths, at)
			}
			add(k.shape, at)
		}
	}
	walk(newParser(&Document{}).documentKeys(), "")
	return paths
}

// entry is the tightening of a path; keys that every rule has stand under rules.*.
func entry(table map[string]tightening, path string) (tightening, bool) {
	if t, ok := table[path]; ok {
		return t, true
	}
	parts := strings.SplitN(path, ".", 3)
	if parts[0] != "rules" || len(parts) == 1 {
		return tightening{why: "a mapping"}, path == "rules"
	}
	parts[1] = "*"
	t, ok := table[strings.Join(parts, ".")]
	return t, ok
}

// context makes documents in which one key of the language has one value.
type keyContext struct {
	path string
	tightening
}

// document has the key with the value, or, if the value is empty, lacks it. whole
// documents have everything else that is needed.
func (c keyContext) document(value string, whole bool) string {
	parts := strings.Split(c.path, ".")
	if parts[0] == "rules" {
		return c.rule(parts, value, whole)
	}
	doc := ""
	if value != "" || c.inner != "" && whole {
		doc = strings.Join(parts, ": {") + ": " + value + strings.Repeat("}", len(parts)-1) + "\n"
		if whole && c.inner != "" {
			last := parts[len(parts)-1] + ": "
			doc = strings.Replace(doc, last+value, c.join(c.inner, last, value), 1)
		}
	}
	return doc + "rules: {secrets: [{id: any}]}\n"
}

// join is "inner, key: value", or inner alone where there is no value.
func (c keyContext) join(inner, key, value string) string {
	switch {
	case value == "":
		return inner
	case inner == "":
		return key + value
	default:
		return inner + ", " + key + value
	}
}

func (c keyContext) rule(parts []string, value string, whole bool) string {
	group, name, nested := parts[1], parts[2], parts[3:]
	pairs := []string{"id: r"}
	base := bases()[Group(group)][0]
	if base[0] == name {
		base = bases()[Group(group)][1]
	}
	rest := ""
	if whole {
		if !(c.with == "end-of-life") {
			pairs = append(pairs, base[0]+": "+base[1])
		}
		if group == "attestations" && name != "predicateType" {
			pairs = append(pairs, "predicateType: slsaprovenance1")
		}
		switch {
		case c.with == "end-of-life":
			pairs = append(pairs, "end-of-life: forbidden")
		case c.with == "forbidden":
			pairs = append(pairs, "forbidden: [/x]")
		case c.with == "kev" || base[0] == "known-exploited":
			rest = "feeds: {kev: {file: k.json}}\n"
		case c.with == "epss":
			rest = "feeds: {epss: {file: e.json}}\n"
		}
	}
	inner := ""
	if whole {
		inner = c.inner
	}
	switch {
	case len(nested) == 0 && value != "":
		pairs = append(pairs, name+": "+value)
	case len(nested) > 0:
		if s := c.join(inner, nested[0]+": ", value); value != "" || inner != "" {
			pairs = append(pairs, name+": {"+s+"}")
		}
	}
	list := "rules:\n  " + group + ": [{" + strings.Join(pairs, ", ") + "}]\n"
	if whole && c.with == "base" {
		list += "  base: [{id: approved, images: [alpine]}]\n"
	}
	if whole && (c.with == "signers" || group == "signatures" || group == "attestations") {
		rest += "authorities: [{name: a, key: {env: A}}, {name: b, key: {env: B}}, {name: c, key: {env: C}}]\n"
	}
	if whole && group == "vulnerabilities" {
		rest += "unknown-severity: accept\n"
	}
	return rest + list
}

// TestEnforceTable tries every key of the language below an enforced policy.
func TestEnforceTable(t *testing.T) {
	table := tightenings()
	for _, path := range allPaths() {
		c, ok := entry(table, path)
		if !ok {
			t.Errorf("%s is not in the table: what makes it stricter below an enforced policy?", path)
			continue
		}
		if c.why != "" {
			continue
		}
		t.Run(path, func(t *testing.T) { keyContext{path, c}.test(t) })
	}
	known := allPaths()
	for path := range table {
		if !strings.HasPrefix(path, "rules.*") && !slices.Contains(known, path) {
			t.Errorf("%s is in the table, and not in the language", path)
		}
	}
}

var positions = regexp.MustCompile(`own:\d+:\d+: .*loosens what is enforced at owner:\d+:\d+`)

func (c keyContext) test(t *testing.T) {
	if len(c.tighter)+len(c.looser)+len(c.add)+len(c.narrow) == 0 || len(c.add)+len(c.narrow) == 0 && !c.required {
		t.Error("nothing is tried, or nothing is added")
	}
	alone := func(value string) string {
		p, err := texts{"own": c.document(value, true)}.enforce("own")
		if err != nil {
			t.Fatalf("the example itself: %v\n%s", err, c.document(value, true))
		}
		return comparable(t, p)
	}
	try := func(enforced, mine string) (string, error) {
		p, err := texts{"own": c.document(mine, false), "owner": c.document(enforced, true)}.enforce("own", "owner")
		if err != nil {
			return "", err
		}
		return comparable(t, p), nil
	}
	accepted := func(what, enforced, mine, want string) {
		t.Helper()
		got, err := try(enforced, mine)
		if err != nil {
			t.Errorf("%s %s over %q: %v", what, mine, enforced, err)
		} else if d := cmp.Diff(alone(want), got); d != "" && !c.file {
			t.Errorf("%s %s over %q is not effective: %s", what, mine, enforced, d)
		}
	}
	refused := func(what, enforced, mine string) {
		t.Helper()
		alone(mine) // it is a policy, if not for the one above it
		if _, err := try(enforced, mine); err == nil || !positions.MatchString(err.Error()) {
			t.Errorf("%s %s over %q: %v", what, mine, enforced, err)
		}
	}
	accepted("silence", c.have, "", c.have)
	if !c.file {
		accepted("the same", c.have, c.have, c.have)
	}
	for _, v := range c.tighter {
		want := v
		if c.joined && !strings.Contains(v, "a:") {
			want = "{" + strings.Trim(c.have, "{}") + ", " + strings.Trim(v, "{}") + "}"
		}
		accepted("tighter", c.have, v, want)
		if !c.joined {
			refused("the reverse", v, c.have)
		}
	}
	for _, v := range c.looser {
		refused("looser", c.have, v)
	}
	for _, v := range c.add {
		accepted("added", "", v, v)
	}
	for _, v := range c.narrow {
		refused("narrowed by", "", v)
	}
	for _, v := range []string{"null", "~", "", "[]", "{}", "[null]", "{a: null}"} {
		doc := strings.Replace(c.document("@@", false), "@@", v, 1)
		for _, enforced := range []string{c.have, ""} {
			if p, err := (texts{"own": doc, "owner": c.document(enforced, true)}).enforce("own", "owner"); err == nil {
				t.Errorf("%q over %q is accepted: %s", v, enforced, comparable(t, p))
			}
		}
	}
}

// comparable is what a policy demands, without where it says so.
func comparable(t *testing.T, p *Policy) string {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	var strip func(any)
	strip = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range []string{"Name", "Source", "Position", "Level", "Digest"} {
				delete(v, k)
			}
			for _, e := range v {
				strip(e)
			}
		case []any:
			for _, e := range v {
				strip(e)
			}
		}
	}
	strip(tree)
	rules := tree.(map[string]any)["Rules"].([]any)
	slices.SortStableFunc(rules, func(a, b any) int {
		return strings.Compare(fmt.Sprint(a.(map[string]any)["ID"]), fmt.Sprint(b.(map[string]any)["ID"]))
	})
	if b, err = json.MarshalIndent(tree, "", " "); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantRefused(t *testing.T, d texts, want string, own string, enforced ...string) {
	t.Helper()
	p, err := d.enforce(own, enforced...)
	var parse *ParseError
	if err == nil || !errors.As(err, &parse) || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q\n%s", d[own], err, want, ids(p))
	}
}

func ids(p *Policy) string {
	if p == nil {
		return ""
	}
	var s []string
	for _, r := range p.Rules {
		s = append(s, fmt.Sprintf("%s/%s@%d", r.Group, r.ID, r.Level))
	}
	return strings.Join(s, " ")
}
