// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// CustomRule is about rules of your own, in Rego v1: the sets deny and warn of the
// package ocigate. An element of deny is a violation, one of warn a warning.
type CustomRule struct {
	// Rego are the files that make up the rule.
	Rego []*File
}

func customGroup() group {
	return group{
		name: GroupCustom, about: "Rules of your own, in Rego v1: the sets deny and warn of the package ocigate, over the evidence.",
		keys: func(p *parser, r *Rule) []key {
			r.Custom = &CustomRule{}
			return []key{p.filesKey("rego", "The file of rules, or the files, beneath the policy's directory.", &r.Custom.Rego).must()}
		},
		title: func(r *Rule) string { return "Nothing is denied by " + r.Custom.names(" and ") },
		remediation: func(r *Rule) string {
			return "Do as the messages say; the rules stand in " + r.Custom.names(" and ") + "."
		},
	}
}

func (r *CustomRule) names(last string) string {
	var names []string
	for _, f := range r.Rego {
		names = append(names, f.Path)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + last + names[len(names)-1]
}

// filesKey reads the name of a file beneath the directory of the document, or a list.
func (p *parser) filesKey(name, about string, into *[]*File) key {
	read := func(v value) {
		if s, ok := p.path(v); ok {
			*into = append(*into, p.namedFile(v, s))
		}
	}
	return key{name: name, about: about, file: true, tighten: nil,
		shape: shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString}, listOf(shape{kind: shapeString})}},
		read: func(v value) {
			if v.node.Kind != yaml.SequenceNode {
				read(v)
				return
			}
			seen := map[string]bool{}
			p.list(v, func(v value) {
				if seen[v.node.Value] {
					p.fault(v, "", "is %s once more", quote(v.node.Value))
					return
				}
				seen[v.node.Value] = true
				read(v)
			})
		}}
}

// CustomRules are the custom rules of the policy and of all its per-image sections.
func (p *Policy) CustomRules() []Rule {
	return p.everyRule(func(r Rule) bool { return r.Custom != nil })
}

// RulesOf are the rules of the groups, of the policy and of all its per-image sections.
func (p *Policy) RulesOf(groups ...Group) []Rule {
	return p.everyRule(func(r Rule) bool { return slices.Contains(groups, r.Group) })
}

// everyRule are those of the policy and of all its per-image sections that are wanted.
func (p *Policy) everyRule(wanted func(Rule) bool) []Rule {
	var rules []Rule
	add := func(p *Policy) {
		for _, r := range p.Rules {
			if wanted(r) {
				rules = append(rules, r)
			}
		}
	}
	add(p)
	for _, combo := range slices.Sorted(maps.Keys(p.variants)) {
		if v := p.variants[combo]; v != p {
			add(v)
		}
	}
	return rules
}
