// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A policy below an enforced one may demand more, never less. What is more is
// defined for each key of the language by one of the functions here. They see
// trees that have passed the parser.

// tighten says whether mine demands at least as much as enforced, which is nil
// where the enforced policy does not have the key. mine is never nil: what a
// document does not mention stays as it is.
type tighten func(enforced, mine *yaml.Node) bool

// free is for keys that demand nothing: titles and texts.
func free(_, _ *yaml.Node) bool { return true }

// narrows is for a selector that makes a rule concern less: it may not be added,
// and not be changed.
func narrows(enforced, mine *yaml.Node) bool {
	return enforced != nil && sameNode(enforced, mine)
}

// demands is for a key that may be added, and then not be changed.
func demands(enforced, mine *yaml.Node) bool {
	return enforced == nil || sameNode(enforced, mine)
}

// more is for lists of what is forbidden, required or selected: nothing may be
// taken away. An absent list is empty.
func more(enforced, mine *yaml.Node) bool {
	return enforced == nil || contains(mine, enforced)
}

// moreOrAll is for lists of what a rule selects where an absent list selects all.
func moreOrAll(enforced, mine *yaml.Node) bool {
	return enforced != nil && contains(mine, enforced)
}

// unchanged is for words that may only be said once more; an absent one is the default.
func unchanged(absent string) tighten {
	return func(enforced, mine *yaml.Node) bool {
		if enforced == nil {
			return mine.Value == absent
		}
		return sameNode(enforced, mine)
	}
}

// fewer is for lists of exceptions: nothing may be added. An absent list is empty.
func fewer(enforced, mine *yaml.Node) bool {
	return enforced != nil && contains(enforced, mine)
}

// fewerOrNew is for lists of what alone is allowed, where an absent list allows
// everything.
func fewerOrNew(enforced, mine *yaml.Node) bool {
	return enforced == nil || contains(enforced, mine)
}

// atMost is for upper bounds with a default: 20, 3d, 500MiB, 10%.
func atMost(absent string) tighten {
	return func(enforced, mine *yaml.Node) bool {
		e := absent
		if enforced != nil {
			e = enforced.Value
		}
		a, okA := quantity(mine.Value)
		b, okB := quantity(e)
		return okA && okB && a <= b
	}
}

// lower is for upper bounds that may be added; higher is for lower bounds.
func lower(enforced, mine *yaml.Node) bool {
	return enforced == nil || atMost(enforced.Value)(nil, mine)
}

func higher(enforced, mine *yaml.Node) bool {
	if enforced == nil {
		return true
	}
	a, okA := quantity(mine.Value)
	b, okB := quantity(enforced.Value)
	return okA && okB && a >= b
}

// lowerNarrows is for a selector by a lower bound (a score): absent selects all.
func lowerNarrows(enforced, mine *yaml.Node) bool {
	return enforced != nil && atMost(enforced.Value)(nil, mine)
}

// earlier is for days on which something begins; absent is always.
func earlier(enforced, mine *yaml.Node) bool {
	return enforced != nil && mine.Value <= enforced.Value
}

// towards is for words that demand more from left to right; the first is looser.
// An absent one is the default, the last unless absent names another.
func towards(words ...string) tighten {
	return towardsFrom(words[len(words)-1], words...)
}

// towardsFrom is towards with another default.
func towardsFrom(absent string, words ...string) tighten {
	return func(enforced, mine *yaml.Node) bool {
		e := absent
		if enforced != nil {
			e = enforced.Value
		}
		return slices.Index(words, mine.Value) >= slices.Index(words, e)
	}
}

// nested is for mappings: their keys are compared one by one.
func nested(_, _ *yaml.Node) bool { return true }

func tightenPlatforms(enforced, mine *yaml.Node) bool {
	all := func(n *yaml.Node) bool { return n == nil || n.Kind == yaml.ScalarNode }
	switch {
	case all(enforced):
		return all(mine)
	case all(mine):
		// `all` does not demand that a platform is there, which a list does.
		return false
	default:
		return contains(mine, enforced)
	}
}

// quantity reads the numbers of the language, of whatever unit.
func quantity(s string) (float64, bool) {
	i := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' && r != '-' })
	number, unit := s, ""
	if i >= 0 {
		number, unit = s[:i], s[i:]
	}
	n, err := strconv.ParseFloat(number, 64)
	factor, ok := units[unit]
	return n * factor, err == nil && ok
}

var units = map[string]float64{
	"": 1, "%": 1, "h": 1, "d": 24, "w": 7 * 24,
	"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

// contains says whether every item of sub is one of all's.
func contains(all, sub *yaml.Node) bool {
	items := indexOf(all)
	return !slices.ContainsFunc(sub.Content, func(want *yaml.Node) bool { return items.same(want) == nil })
}

// sameNode compares values, not how they are written.
func sameNode(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && slices.EqualFunc(a.Content, b.Content, sameNode)
}

// tightens compares a tree with the enforced one that it stands below, and reports
// what would loosen it.
func (p *parser) tightens(keys []key, path string, enforced, mine *yaml.Node) {
	for i := 0; i+1 < len(mine.Content); i += 2 {
		name, value := mine.Content[i], mine.Content[i+1]
		at := name.Value
		if path != "" {
			at = path + "." + at
		}
		j := slices.IndexFunc(keys, func(k key) bool { return k.name == name.Value })
		if j < 0 {
			continue // reported by the parser
		}
		k, theirs := keys[j], child(enforced, name.Value)
		switch {
		case path == "" && name.Value == "authorities":
			p.tightensAuthorities(theirs, value)
		case path == "rules":
			p.tightensRules(k, at, theirs, value)
		case k.shape.kind == shapeMapping && k.shape.makeKeys != nil && value.Kind == yaml.MappingNode:
			if theirs == nil {
				theirs = p.nothingAt(enforced)
			}
			p.tightens(k.shape.keys(), at, theirs, value)
		case theirs != nil && sameNode(theirs, value) && (!k.file || p.source(theirs).Source == p.source(value).Source):
		case k.tighten == nil || k.file && theirs != nil || !k.tighten(theirs, value):
			p.loosens(at, theirs, enforced, value)
		}
	}
}

// tightensRules compares the rules of one group that have the same id; others are new.
func (p *parser) tightensRules(g key, path string, enforced, mine *yaml.Node) {
	keys, items := g.shape.item.keys(), indexOf(enforced)
	for i, r := range mine.Content {
		if theirs := items.byID(r); theirs != nil {
			p.tightens(keys, fmt.Sprintf("%s[%d]", path, i), theirs, r)
		}
	}
}

// nothingAt stands for a mapping that the enforced one around it does not have, so that
// a message about what should be in it names a line.
func (p *parser) nothingAt(around *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Line: around.Line, Column: around.Column}
	p.sources[n] = p.source(around)
	return n
}

func (p *parser) loosens(path string, theirs, parent, mine *yaml.Node) {
	const hint = "what is enforced can only be tightened; leave it out, or ask the owner of the enforced policy"
	if theirs == nil {
		p.report(p.place(mine), path, hint, "%s loosens what is enforced at %s, which does not have it", path, p.place(parent))
		return
	}
	p.report(p.place(mine), path, hint, "%s loosens what is enforced at %s", path, p.place(theirs))
}

// child is the value of a key of a mapping, or nil.
func child(n *yaml.Node, name string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
