// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Setting is one value of a resolved policy and where it comes from.
type Setting struct {
	// Path is "database.max-age", or "rules.vulnerabilities[no-critical].severity".
	Path  string `json:"path"`
	Value string `json:"value"`
	// Source and Line are the document that has the last word; empty for a default.
	Source string `json:"source,omitempty"`
	Line   int    `json:"line,omitempty"`
	// Default is true for what no document says.
	Default bool `json:"default,omitempty"`
	// Enforced is true where the value is an enforced policy's own.
	Enforced bool `json:"enforced,omitempty"`
}

// Part is a document, or a file that a document names, whose bytes the policy's
// digest covers.
type Part struct {
	// Level is the index in Policy.Documents of the policy that it belongs to.
	Level int `json:"level"`
	// Source is the document; Path the file that it names, empty for the document itself.
	Source string `json:"source"`
	Path   string `json:"path,omitempty"`
	Digest string `json:"digest"`
}

// Section is a part of a policy that holds for certain images only.
type Section struct {
	Match    []string `json:"match"`
	Source   string   `json:"source"`
	Position Position `json:"position"`
	Enforced bool     `json:"enforced,omitempty"`
}

// Parts are what the policy's digest covers, in the order of Manifest.
func (p *Policy) Parts() []Part { return append([]Part{}, p.parts...) }

// Manifest are the lines whose sha256, each ended by a newline, is the digest of a
// policy of several parts. They name no documents, so that the digest depends on
// what is said and not on where it lies. The digest of a policy of one part is that
// of its bytes.
func (p *Policy) Manifest() []string {
	return strings.Split(strings.TrimSuffix(string(manifest(p.parts)), "\n"), "\n")
}

func manifest(parts []Part) []byte {
	var b []byte
	for _, part := range parts {
		b = fmt.Appendf(b, "%d ", part.Level)
		if part.Path != "" {
			b = fmt.Appendf(b, "%q ", part.Path)
		}
		b = append(b, strings.TrimPrefix(part.Digest, "sha256:")+"\n"...)
	}
	return b
}

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// Sections are all per-image sections, in the order of the documents.
func (p *Policy) Sections() []Section {
	list := []Section{}
	for _, own := range p.sections {
		list = append(list, own...)
	}
	return list
}

// SectionsFor are those that apply to an image: at most one of each document.
func (p *Policy) SectionsFor(names []string) []Section {
	list := []Section{}
	for i, n := range p.For(names).tree.numbers() {
		if n > 0 {
			list = append(list, p.sections[i][n-1])
		}
	}
	return list
}

func (r *resolved) numbers() []int {
	if r == nil {
		return nil
	}
	return r.combo
}

// Explain lists every value of the resolved policy, and the defaults that matter, in
// the order of the language. Of a policy that was not parsed it lists nothing.
func (p *Policy) Explain() []Setting {
	if p.tree == nil {
		return nil
	}
	e := explainer{policy: p}
	own := newParser(&Document{})
	for _, k := range own.documentKeys() {
		n := child(p.tree.root, k.name)
		switch k.name {
		case "extends", "waiver-files":
			// What they bring stands at its own place.
		case "rules":
			e.rules(own)
		case "authorities":
			for _, a := range items(n) {
				e.authority(a)
			}
		case "waivers":
			for _, w := range items(n) {
				e.entries("waivers["+idOf(w)+"]", w)
			}
		default:
			e.value(k.name, n, k.shape)
		}
	}
	return e.settings
}

type explainer struct {
	policy   *Policy
	settings []Setting
}

// value adds what stands at n, key by key, or the default.
func (e *explainer) value(path string, n *yaml.Node, s shape) {
	if keys := s.keys(); len(keys) > 0 {
		for _, k := range keys {
			e.value(path+"."+k.name, child(n, k.name), k.shape)
		}
		return
	}
	if n != nil {
		e.add(path, n, n)
		return
	}
	if value, ok := defaults()[path]; ok {
		e.settings = append(e.settings, Setting{Path: path, Value: value, Default: true})
	}
}

// defaults are those of a document that loosen or tighten what is examined.
func defaults() map[string]string {
	return map[string]string{
		"platforms":         "all",
		"database.max-age":  strconv.Itoa(int(DefaultDatabaseMaxAge.Hours()/24)) + "d",
		"coverage.os":       "required",
		"coverage.packages": "required",
	}
}

func (e *explainer) rules(own *parser) {
	for _, g := range own.rulesKey().shape.keys() {
		for _, n := range items(child(child(e.policy.tree.root, "rules"), g.name)) {
			path := "rules." + g.name + "[" + idOf(n) + "]"
			e.entries(path, n)
			for _, r := range e.policy.Rules {
				if r.ID != idOf(n) {
					continue
				}
				for _, d := range []struct{ key, value string }{
					{"action", string(r.Action)}, {"title", r.Title}, {"remediation", r.Remediation},
				} {
					if child(n, d.key) == nil && d.value != "" {
						e.settings = append(e.settings, Setting{Path: path + "." + d.key, Value: d.value, Default: true})
					}
				}
			}
		}
	}
}

// authority adds an authority, and what is demanded of its signatures without a word.
func (e *explainer) authority(n *yaml.Node) {
	path := "authorities[" + keyOf(n) + "]"
	e.entries(path, n)
	a := e.policy.Authority(keyOf(n))
	if a == nil {
		return
	}
	kind, root := "key", child(child(n, "key"), "trusted-root")
	if a.Keyless != nil {
		kind, root = "keyless", child(child(n, "keyless"), "trusted-root")
	}
	add := func(absent bool, name, value string) {
		if absent {
			e.settings = append(e.settings, Setting{Path: path + "." + name, Value: value, Default: true})
		}
	}
	add(root == nil && (a.Keyless != nil || !a.LogOptional || a.TimestampRequired), kind+".trusted-root", "the public good instance")
	add(a.Keyless != nil && child(child(n, kind), "sct") == nil, "keyless.sct", "required")
	add(child(n, "transparency-log") == nil, "transparency-log", "required")
}

// entries adds the values of a rule, waiver or authority as they stand.
func (e *explainer) entries(path string, n *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i].Value, n.Content[i+1]
		if v.Kind == yaml.MappingNode && len(v.Content) > 0 {
			e.entries(path+"."+k, v)
			continue
		}
		if v.Kind == yaml.SequenceNode && len(v.Content) > 0 && v.Content[0].Kind == yaml.MappingNode {
			for i, item := range v.Content {
				e.entries(path+"."+k+"["+strconv.Itoa(i)+"]", item)
			}
			continue
		}
		at := v
		if k == "id" || k == "name" {
			at = n // whoever changes a rule repeats its id; where it begins says more
		}
		e.add(path+"."+k, v, at)
	}
}

// add adds the value v, which stands at the other node.
func (e *explainer) add(path string, v, at *yaml.Node) {
	s := Setting{Path: path, Value: written(v), Line: at.Line}
	if d := e.policy.tree.sources[at]; d != nil {
		s.Source, s.Enforced = d.Source, e.policy.EnforcedLevel(d.level)
	}
	e.settings = append(e.settings, s)
}

func idOf(n *yaml.Node) string {
	if id := child(n, "id"); id != nil {
		return id.Value
	}
	return ""
}

// written shows a value on one line, as YAML's flow style does.
func written(n *yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, written(c))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, n.Content[i].Value+": "+written(n.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return strings.Join(strings.Fields(n.Value), " ")
	}
}
