// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

const published = "../../policies/schema/ocigate-policy-v1.json"

// TestSchemaIsPublished compares with the published file; -update writes it anew.
func TestSchemaIsPublished(t *testing.T) {
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(published, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(Schema())); diff != "" {
		t.Errorf("%s is not what the tables say (go test ./pkg/policy -update):\n%s", published, diff)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4) // what the document says must win
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	if s.DraftVersion != 7 {
		t.Errorf("draft %d", s.DraftVersion)
	}
	return s
}

// instance is a policy as an editor sees it: dates are strings.
func instance(t *testing.T, data []byte) any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return plain(doc.Content[0])
}

func plain(n *yaml.Node) any {
	switch {
	case n.Kind == yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = plain(n.Content[i+1])
		}
		return m
	case n.Kind == yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, plain(c))
		}
		return list
	case n.Tag == "!!int":
		i, _ := strconv.Atoi(n.Value)
		return i
	case n.Tag == "!!float":
		f, _ := strconv.ParseFloat(n.Value, 64)
		return f
	case n.Tag == "!!bool":
		return n.Value == "true"
	case n.Tag == "!!null":
		return nil
	default:
		return n.Value
	}
}

// TestSchemaAcceptsPolicies: what parses is valid.
func TestSchemaAcceptsPolicies(t *testing.T) {
	s := compiled(t)
	var files []string
	for _, glob := range []string{"testdata/ok/*.yaml", "../../policies/*.yaml"} {
		list, err := filepath.Glob(glob)
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: no files, %v", glob, err)
		}
		files = append(files, list...)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(instance(t, data)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for name, data := range map[string]string{
		"a patch of an extended policy": "version: 1\nname: x\nextends: [ocigate:baseline]\nrules: {vulnerabilities: [{id: fixable-high, max: 3, grace: {undated: fail}}]}\n",
		"extending alone":               "version: 1\nname: x\nextends: [ocigate:baseline]\n",
		"a patch in a section": "version: 1\nname: x\nrules: {vulnerabilities: [{id: a, severity: [high, unknown]}]}\n" +
			"images: [{match: [alpine], rules: {vulnerabilities: [{id: a, max: 3}]}}]\n",
		"a patch of a signature rule": "version: 1\nname: x\nextends: [a]\nauthorities: [{name: b, key: {env: B}}]\nrules: {signatures: [{id: a, authorities: [b]}], attestations: [{id: c, max-age: 3d}]}\n",
	} {
		if err := s.Validate(instance(t, []byte(data))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefuses: mistakes of structure are seen in the editor.
func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	for _, name := range []string{
		"booleans", "coverage", "durations-bare", "durations-upper", "empty-lists", "explicit-null", "five", "missing-in-items",
		"missing-keys", "authorities", "signatures", "conditions", "no-rules", "no-rules-empty", "no-rules-list", "numbers", "platforms-al", "platforms-scalar",
		"severity-scalar", "severity-spelling", "unknown-keys", "version-2", "version-string", "waivers", "wrong-types",
	} {
		data, err := os.ReadFile(filepath.Join("testdata", "err", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if s.Validate(instance(t, data)) == nil {
			t.Errorf("%s is valid", name)
		}
	}
	const head = "version: 1\nname: x\n"
	for name, data := range map[string]string{
		"grace without days":          head + "rules: {vulnerabilities: [{id: a, severity: [high, unknown], grace: {undated: fail}}]}\n",
		"a rule without its keys":     head + "rules: {custom: [{id: a}]}\n",
		"a patch without an id":       head + "extends: [a]\nrules: {vulnerabilities: [{max: 3}]}\n",
		"a section without a match":   head + "rules: {secrets: [{id: a}]}\nimages: [{platforms: all}]\n",
		"a section in a section":      head + "rules: {secrets: [{id: a}]}\nimages: [{match: [a], images: [{match: [b]}]}]\n",
		"a word out of another list":  head + "rules: {secrets: [{id: a, action: deny}]}\n",
		"an authority without a name": head + "authorities: [{key: {env: A}}]\nrules: {secrets: [{id: a}]}\n",
		"no identities":               head + "authorities: [{name: a, keyless: {sct: optional}}]\nrules: {secrets: [{id: a}]}\n",
		"a plug-in as KMS":            head + "authorities: [{name: a, key: {kms: 'evil://key'}}]\nrules: {secrets: [{id: a}]}\n",
		"the value of a variable":     head + "authorities: [{name: a, key: {env: $A}}]\nrules: {secrets: [{id: a}]}\n",
		"an unknown extension":        head + "authorities: [{name: a, keyless: {identities: [{issuer: i, subject: s, extensions: {colour: red}}]}}]\nrules: {secrets: [{id: a}]}\n",
		"a rule without authorities":  head + "rules: {signatures: [{id: a}]}\n",
		"a rule without a type":       head + "rules: {attestations: [{id: a, authorities: [b]}]}\n",
		"a condition without a path":  head + "rules: {attestations: [{id: a, authorities: [b], predicateType: vuln, conditions: [{equals: 1}]}]}\n",
		"a list as a value":           head + "rules: {attestations: [{id: a, authorities: [b], predicateType: vuln, conditions: [{path: a, equals: [1]}]}]}\n",
		"authorities in a section":    head + "rules: {secrets: [{id: a}]}\nimages: [{match: [a], authorities: [{name: b, key: {env: B}}]}]\n",
		"twice the same":              head + "rules: {reference: [{id: a, forbidden: [latest, latest]}]}\n",
	} {
		if s.Validate(instance(t, []byte(data))) == nil {
			t.Errorf("%s is valid", name)
		}
	}
}

// walkKeys visits every key of the language by its path.
func walkKeys(keys []key, path string, visit func(path string, k key)) {
	for _, k := range keys {
		at := strings.TrimPrefix(path+"."+k.name, ".")
		visit(at, k)
		for _, s := range append([]shape{k.shape}, k.shape.oneOf...) {
			if s.item != nil {
				walkKeys(s.item.keys(), at+"[]", visit)
			}
			walkKeys(s.keys(), at, visit)
		}
	}
}

// TestEveryKeyIsExplained pins that the schema has a sentence for each key.
func TestEveryKeyIsExplained(t *testing.T) {
	n := 0
	walkKeys(newParser(&Document{}).documentKeys(), "", func(path string, k key) {
		n++
		if k.about == "" || !strings.HasSuffix(k.about, ".") || strings.Contains(k.about, "\n") {
			t.Errorf("%s: about is %q; it must be a sentence", path, k.about)
		}
	})
	if n < 40 {
		t.Errorf("only %d keys were visited", n)
	}
}

// TestWhatCannotBeTightened lists the keys that may be neither changed nor added
// below an enforced policy: whoever adds a key must have thought about it.
func TestWhatCannotBeTightened(t *testing.T) {
	want := []string{
		// A feed that is added could only speak for the image.
		"feeds.eol.file", "feeds.vex.author", "feeds.vex.format", "feeds.vex.max-age",
		"rules.attestations[].rego", "rules.custom[].rego",
		// It would make another rule of it.
		"rules.vulnerabilities[].end-of-life",
	}
	var got []string
	walkKeys(newParser(&Document{}).documentKeys(), "", func(path string, k key) {
		// Of lists, only rules are compared key by key.
		inList := strings.Count(path, "[]") > 1 || strings.Contains(path, "[]") && !strings.HasPrefix(path, "rules.")
		if k.tighten == nil && !inList {
			got = append(got, path)
		}
	})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff, fmt.Sprintf("\n%q", got))
	}
}
