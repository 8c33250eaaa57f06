// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// section is a part of a policy for certain images only: what it says is laid over
// the rest as a document over what it extends.
type section struct {
	match []string
	body  *yaml.Node
}

// imagesKey reads the per-image sections. They are parsed as fragments here, and
// as a whole once they are laid over the rest.
func (p *parser) imagesKey() key {
	matchKey := key{name: "match", about: "Globs of image names; of several sections the first that matches an image applies.", required: true,
		shape: listOf(shape{kind: shapeString}), read: func(v value) { p.strings(v, p.referenceGlob) }}
	return key{name: "images", about: "What holds for some images in place of, or besides, the rest: the first section that matches applies.", tighten: free,
		shape: listOf(mappingOf(matchKey)),
		read: func(v value) {
			p.list(v, func(v value) {
				own := newParser(p.source(v.node))
				own.sources, own.fragment = p.sources, true
				keys := append([]key{matchKey}, own.sectionKeys()...)
				p.mapping(v, `begin each section with "- match:"`, keys)
				p.diagnostics = append(p.diagnostics, own.diagnostics...)
			})
		}}
}

func (p *parser) sectionKeys() []key {
	return []key{p.platformsKey(), p.databaseKey(), p.coverageKey(), p.unknownKey(), p.rulesKey(), p.waiversKey()}
}

// splitSections takes the sections out of a document.
func (c *composer) splitSections(root *yaml.Node) (*yaml.Node, []section) {
	rest := c.copyOf(root, nil)
	var sections []section
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "images" {
			rest.Content = append(rest.Content, root.Content[i], root.Content[i+1])
			continue
		}
		for _, n := range items(root.Content[i+1]) {
			s := section{body: c.copyOf(n, nil)}
			for j := 0; j+1 < len(n.Content); j += 2 {
				if n.Content[j].Value != "match" {
					s.body.Content = append(s.body.Content, n.Content[j], n.Content[j+1])
					continue
				}
				for _, glob := range items(n.Content[j+1]) {
					s.match = append(s.match, glob.Value)
				}
			}
			sections = append(sections, s)
		}
	}
	return rest, sections
}

// For is the policy for an image that is known by the given names: the per-image
// sections that match it are laid over the rest. A section matches if each name is
// matched by one of its globs; of an image without a name nothing is known, and no
// section matches.
func (p *Policy) For(names []string) *Policy {
	if p == nil || len(p.variants) == 0 {
		return p
	}
	combo := make([]int, len(p.sections))
	for i, sections := range p.sections {
		for j, s := range sections {
			if len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !matchesAny(s.Match, n) }) {
				combo[i] = j + 1
				break
			}
		}
	}
	if v, ok := p.variants[fmt.Sprint(combo)]; ok {
		return v
	}
	return p
}

// EnforcesByName says whether an enforced policy has sections, so that what it
// demands depends on the name of the image.
func (p *Policy) EnforcesByName() bool {
	for i := range p.sections {
		if len(p.sections[i]) > 0 && p.EnforcedLevel(i) {
			return true
		}
	}
	return false
}

func matchesAny(globs []string, name string) bool {
	return slices.ContainsFunc(globs, func(g string) bool { return MatchReference(g, name) })
}
