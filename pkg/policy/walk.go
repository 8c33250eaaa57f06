// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
)

// parser walks the tree of one policy file and collects every mistake.
type parser struct {
	diagnostics []Diagnostic
	policy      *Policy
	// keys are those of the document, once they are made; they fill policy.
	keys []key

	// document is where nodes come from that sources does not list: a policy that is
	// one file needs no list.
	document *Document
	sources  map[*yaml.Node]*Document
	// fragment reads a document that something else completes: its rules may patch
	// others, so that keys may be missing and ids unknown. lenient is set inside of
	// such rules.
	fragment, lenient bool
	// waiversOnly is set for a file of waivers, which is no policy.
	waiversOnly bool

	// rules, waivers and authorities are the ids so far, those of faulty rules included, so that
	// one mistake does not cause another message.
	rules       map[string]ruleRef
	waivers     map[string]place
	authorities map[string]authorityRef
	// guesses counts the searches for an authority that was meant.
	guesses int
	// files are the files that the document names, to be read by Load.
	files []*File
	// checks compare places with each other and run when all have been read.
	checks []func()

	unknown unknownSeverity
}

func newParser(d *Document) *parser {
	return &parser{
		policy: &Policy{
			Source:    d.Source,
			Platforms: Platforms{All: true},
			Database:  Database{MaxAge: DefaultDatabaseMaxAge},
		},
		document: d,
		rules:    map[string]ruleRef{},
		waivers:  map[string]place{},

		authorities: map[string]authorityRef{},
	}
}

type ruleRef struct {
	group    Group
	position place
}

// place is a position in one of the documents.
type place struct {
	Position
	file string
}

func (pl place) String() string {
	return fmt.Sprintf("%s:%d:%d", escape(pl.file), pl.Line, pl.Column)
}

// seenFrom is the place as a diagnostic at another one names it: the file only where it differs.
func (pl place) seenFrom(other place) string {
	if pl.file == other.file {
		return fmt.Sprintf("%d:%d", pl.Line, pl.Column)
	}
	return pl.String()
}

// source is the document that a node stands in.
func (p *parser) source(n *yaml.Node) *Document {
	if d := p.sources[n]; d != nil {
		return d
	}
	return p.document
}

func (p *parser) place(n *yaml.Node) place {
	return place{Position{n.Line, n.Column}, p.source(n).Source}
}

func (p *parser) start() place { return place{Position{1, 1}, p.document.Source} }

// value is a node and what is needed to talk about it.
type value struct {
	node *yaml.Node
	path string
	at   place
}

// name is the last element of the path: "severity", "severity[1]".
func (v value) name() string {
	return v.path[strings.LastIndexByte(v.path, '.')+1:]
}

func (v value) isNull() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.Tag == "!!null"
}

// child makes the value that stands at key. A null that is not written out has no
// place of its own, so it is shown at its key.
func (p *parser) child(v value, key, node *yaml.Node) value {
	path := key.Value
	if v.path != "" {
		path = v.path + "." + key.Value
	}
	c := value{node: node, path: path, at: p.place(node)}
	if c.isNull() && node.Value == "" {
		c.at = p.place(key)
	}
	return c
}

func (p *parser) report(at place, path, hint, format string, args ...any) {
	p.diagnostics = append(p.diagnostics, Diagnostic{
		File: at.file, Position: at.Position, Path: path, Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// fault reports a mistake in a value; the message begins with the value's name.
func (p *parser) fault(v value, hint, format string, args ...any) {
	name := escape(v.name())
	if name == "" {
		name = "the policy"
	}
	p.report(v.at, v.path, hint, "%s %s", name, fmt.Sprintf(format, args...))
}

// wrongType reports a value of another type than want ("a list").
func (p *parser) wrongType(v value, want, hint string) {
	switch {
	case v.node.Kind == yaml.AliasNode || v.node.Style&yaml.TaggedStyle != 0:
		// hygiene has refused it already.
	case v.isNull():
		p.fault(v, "", "has no value; it must be %s", want)
	default:
		p.fault(v, hint, "must be %s, not %s", want, describe(v.node))
	}
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.Tag {
	case "!!int":
		return "a whole number"
	case "!!float":
		return "a fractional number"
	case "!!bool":
		return "a truth value"
	case "!!timestamp":
		return "a date"
	default:
		return "a string"
	}
}

// hygiene refuses the parts of YAML that the policy language does not have:
// anchors, aliases, tags and excessive depth. It does not follow aliases.
func (p *parser) hygiene(n *yaml.Node, depth int) {
	// The language itself is 5 levels deep.
	const maxDepth = 20
	if depth > maxDepth {
		p.report(p.place(n), "", "", "nested more than %d levels deep", maxDepth)
		return
	}
	switch {
	case n.Kind == yaml.AliasNode:
		p.report(p.place(n), "", "write the value out, or quote a text that begins with *", "YAML aliases are not allowed")
	case n.Anchor != "":
		p.report(p.place(n), "", "write the value out, or quote a text that begins with &", "YAML anchors are not allowed")
	}
	if n.Style&yaml.TaggedStyle != 0 {
		p.report(p.place(n), "", "leave the tag out, or quote a text that begins with !", "YAML tags are not allowed")
	}
	for _, c := range n.Content {
		p.hygiene(c, depth+1)
	}
}

// mapping reads a mapping whose keys are known. It reports whether v is one.
func (p *parser) mapping(v value, hint string, keys []key) bool {
	if v.node.Kind != yaml.MappingNode {
		p.wrongType(v, "a mapping", hint)
		return false
	}
	if len(v.node.Content) == 0 {
		p.fault(v, "keys are "+keyNames(keys), "is empty")
		return true
	}
	seen := map[string]place{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		p.pair(v, v.node.Content[i], v.node.Content[i+1], keys, seen)
	}
	for _, k := range keys {
		if _, ok := seen[k.name]; k.required && !ok && (!p.lenient || k.name == "id") {
			p.report(v.at, v.path, "", "required key %s is missing%s", quote(k.name), inPath(v.path))
		}
	}
	return true
}

func (p *parser) pair(parent value, k, v *yaml.Node, keys []key, seen map[string]place) {
	switch {
	case k.Kind == yaml.AliasNode:
		return
	case k.Tag == "!!merge":
		p.report(p.place(k), parent.path, "write the keys out", "YAML merge keys are not allowed")
		return
	case k.Style&yaml.TaggedStyle != 0:
		return // hygiene has refused it already
	case k.Kind != yaml.ScalarNode || k.Tag != "!!str":
		p.report(p.place(k), parent.path, "", "keys must be strings, and one%s is %s", inPath(parent.path), describeKey(k))
		return
	}
	if first, ok := seen[k.Value]; ok && first.Line > 0 {
		p.report(p.place(k), parent.path, "", "duplicate key%s, first at %s", named(k.Value), first.seenFrom(p.place(k)))
		return
	}
	seen[k.Value] = p.place(k)
	for _, known := range keys {
		if known.name == k.Value {
			known.read(p.child(parent, k, v))
			return
		}
	}
	meant := spelling.Nearest(k.Value, names(keys))
	hint := didYouMean(meant)
	if meant == "" {
		hint = "keys are " + keyNames(keys)
	} else if _, ok := seen[meant]; !ok {
		// The reader is told of the misspelling; that the key is missing is the same mistake.
		seen[meant] = place{}
	}
	p.report(p.place(k), parent.path, hint, "unknown key%s%s", named(k.Value), inPath(parent.path))
}

// list reads a list that is not empty.
func (p *parser) list(v value, item func(value)) bool {
	if v.node.Kind != yaml.SequenceNode {
		hint := ""
		if v.node.Kind == yaml.ScalarNode {
			hint = listHint(v.node.Value)
		} else if v.node.Kind == yaml.MappingNode {
			hint = `begin each item with "- "`
		}
		p.wrongType(v, "a list", hint)
		return false
	}
	if len(v.node.Content) == 0 {
		p.fault(v, "leave it out, or name at least one item", "is an empty list")
		return false
	}
	for i, n := range v.node.Content {
		c := value{node: n, path: v.path + "[" + strconv.Itoa(i) + "]", at: p.place(n)}
		item(c)
	}
	return true
}

// strings reads a list of strings, each by read, and refuses repetitions.
func (p *parser) strings(v value, read func(value) (string, bool)) (list []string, ok bool) {
	seen := map[string]bool{}
	ok = true
	ok = p.list(v, func(v value) {
		s, valid := read(v)
		switch {
		case !valid:
			ok = false
		case seen[s]:
			p.fault(v, "", "is %s once more", quote(s))
			ok = false
		default:
			seen[s] = true
			list = append(list, s)
		}
	}) && ok
	return list, ok
}

// pairs reads a mapping whose keys are not the language's: names of labels or feeds.
func (p *parser) pairs(v value, read func(name string, v value)) {
	if v.node.Kind != yaml.MappingNode {
		p.wrongType(v, "a mapping", "")
		return
	}
	if len(v.node.Content) == 0 {
		p.fault(v, "leave it out, or name at least one", "is empty")
	}
	seen := map[string]place{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k := v.node.Content[i]
		own := key{name: k.Value, read: func(v value) { read(k.Value, v) }}
		p.pair(v, k, v.node.Content[i+1], []key{own}, seen)
	}
}

// listHint shows a scalar as the list that was meant.
func listHint(s string) string {
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		if !isWord(item) || len(items) == 5 {
			return "write a list"
		}
		items = append(items, item)
	}
	return "write a list: [" + strings.Join(items, ", ") + "]"
}

// named shows an unknown key if it looks like one. Anything else may be the
// content of a file that is no policy.
func named(k string) string {
	if !isWord(k) {
		return ""
	}
	return " " + quote(k)
}

func inPath(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

func describeKey(k *yaml.Node) string {
	if k.Kind == yaml.ScalarNode && k.Tag == "!!null" {
		return "null"
	}
	return describe(k)
}

func names(keys []key) []string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.name
	}
	return list
}

func keyNames(keys []key) string { return strings.Join(names(keys), ", ") }
