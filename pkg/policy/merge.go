// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// merge lays a document over another: mappings key by key, lists of rules by id, of
// authorities by name and as a whole, waivers and VEX documents one after the other; everything else is replaced. Neither tree is
// changed, and nodes keep the document that they come from.
//
// What a document below an enforced one says once more stays the enforced one's: the
// name of a file in it is the name of a file beneath the enforced document.
func (c *composer) merge(below, above *yaml.Node) *yaml.Node {
	return c.mergeAt("", below, above)
}

func (c *composer) mergeAt(path string, below, above *yaml.Node) *yaml.Node {
	switch {
	case below == nil || below.Kind == 0:
		return above
	case path == "feeds.vex":
		return c.both(below, above)
	case below.Kind == yaml.MappingNode && above.Kind == yaml.MappingNode:
		return c.mergeMappings(path, below, above)
	case below.Kind == yaml.SequenceNode && above.Kind == yaml.SequenceNode && path == "waivers":
		return c.copyOf(below, append(append([]*yaml.Node{}, below.Content...), c.others(below, above)...))
	case below.Kind == yaml.SequenceNode && above.Kind == yaml.SequenceNode && path == "authorities":
		return c.mergeAuthorities(below, above)
	case below.Kind == yaml.SequenceNode && above.Kind == yaml.SequenceNode && isRuleList(path):
		return c.mergeRules(below, above)
	case c.levelOf(below) < c.levelOf(above):
		return c.keep(below, above)
	default:
		return above
	}
}

// both is the list of two documents, or lists of documents.
func (c *composer) both(below, above *yaml.Node) *yaml.Node {
	list := c.copyOf(below, nil)
	list.Kind, list.Tag = yaml.SequenceNode, "!!seq"
	for _, n := range []*yaml.Node{below, above} {
		if n.Kind == yaml.SequenceNode {
			list.Content = append(list.Content, n.Content...)
		} else {
			list.Content = append(list.Content, n)
		}
	}
	return list
}

// keep is above, with what it shares with below taken from below.
func (c *composer) keep(below, above *yaml.Node) *yaml.Node {
	if sameNode(below, above) {
		return below
	}
	if below.Kind != yaml.SequenceNode || above.Kind != yaml.SequenceNode {
		return above
	}
	content := append([]*yaml.Node{}, above.Content...)
	items := indexOf(below)
	for i, n := range content {
		if b := items.same(n); b != nil {
			content[i] = b
		}
	}
	return c.copyOf(above, content)
}

// others are the items of above that below does not have.
func (c *composer) others(below, above *yaml.Node) []*yaml.Node {
	items := indexOf(below)
	return slices.DeleteFunc(append([]*yaml.Node{}, above.Content...), func(n *yaml.Node) bool { return items.same(n) != nil })
}

// index finds the items of a list: a mapping by its id or name, other ones by all that
// they say. Lists may be long.
type index map[string][]*yaml.Node

func indexOf(list *yaml.Node) index {
	x := index{}
	if list != nil {
		for _, n := range list.Content {
			x[keyOf(n)] = append(x[keyOf(n)], n)
		}
	}
	return x
}

func keyOf(n *yaml.Node) string {
	for _, name := range []string{"id", "name"} {
		if id := child(n, name); id != nil {
			return id.Value
		}
	}
	if len(n.Content) == 0 {
		return n.Value
	}
	return written(n)
}

// same is the first item that says what n does, or nil.
func (x index) same(n *yaml.Node) *yaml.Node {
	for _, other := range x[keyOf(n)] {
		if sameNode(other, n) {
			return other
		}
	}
	return nil
}

// byID is the first item that has the id of n, or nil.
func (x index) byID(n *yaml.Node) *yaml.Node {
	id := child(n, "id")
	if id == nil {
		return nil
	}
	for _, other := range x[id.Value] {
		if child(other, "id") != nil {
			return other
		}
	}
	return nil
}

func (c *composer) levelOf(n *yaml.Node) int {
	if d := c.sources[n]; d != nil {
		return d.level
	}
	return 0
}

// isRuleList is true for rules.vulnerabilities and its like, not for lists inside of a rule.
func isRuleList(path string) bool {
	group, ok := strings.CutPrefix(path, "rules.")
	return ok && !strings.Contains(group, ".")
}

func (c *composer) mergeMappings(path string, below, above *yaml.Node) *yaml.Node {
	content := append([]*yaml.Node{}, below.Content...)
	for i := 0; i+1 < len(above.Content); i += 2 {
		k, v := above.Content[i], above.Content[i+1]
		at := k.Value
		if path != "" {
			at = path + "." + at
		}
		found := false
		for j := 0; j+1 < len(content); j += 2 {
			if content[j].Value == k.Value {
				content[j+1] = c.mergeAt(at, content[j+1], v)
				found = true
			}
		}
		if !found {
			content = append(content, k, v)
		}
	}
	return c.copyOf(below, content)
}

func (c *composer) mergeRules(below, above *yaml.Node) *yaml.Node {
	content := append([]*yaml.Node{}, below.Content...)
	at := map[string]int{}
	for i, n := range content {
		if id := child(n, "id"); id != nil {
			at[id.Value] = i
		}
	}
	for _, r := range above.Content {
		id := child(r, "id")
		if id == nil {
			content = append(content, r)
			continue
		}
		if i, ok := at[id.Value]; ok {
			content[i] = c.mergeAt("rule", content[i], r)
			continue
		}
		at[id.Value] = len(content)
		content = append(content, r)
	}
	return c.copyOf(below, content)
}

// mergeAuthorities puts an authority in the place of one of the same name as a whole, so
// that no key of one mixes with identities of the other. One of an enforced policy stays:
// tightensAuthorities reports another of its name.
func (c *composer) mergeAuthorities(below, above *yaml.Node) *yaml.Node {
	content := append([]*yaml.Node{}, below.Content...)
	at := map[string]int{}
	for i, n := range content {
		at[keyOf(n)] = i
	}
	for _, n := range above.Content {
		i, ok := at[keyOf(n)]
		switch {
		case !ok:
			content = append(content, n)
		case c.levelOf(content[i]) == c.levelOf(n):
			content[i] = n
		}
	}
	return c.copyOf(below, content)
}

// copyOf is a node with other content; it stands where n stands.
func (c *composer) copyOf(n *yaml.Node, content []*yaml.Node) *yaml.Node {
	out := *n
	out.Content = content
	c.sources[&out] = c.sources[n]
	return &out
}

func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}
