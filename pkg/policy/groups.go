// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// BuiltinRules are the ids of the outcomes that every verdict has without a rule
// of the policy. No rule may take such an id, and none of them can be waived.
func BuiltinRules() []string {
	return []string{
		"integrity", "limits", "database", "image", "scan", "platforms",
		"coverage.os", "coverage.packages", "coverage.files", "coverage.secrets",
	}
}

// Group is the section of `rules:` that a rule stands in.
type Group string

// The groups.
const (
	GroupVulnerabilities Group = "vulnerabilities"
	GroupSecrets         Group = "secrets"
	GroupBase            Group = "base"
	GroupConfig          Group = "config"
	GroupFiles           Group = "files"
	GroupLayers          Group = "layers"
	GroupPackages        Group = "packages"
	GroupLicences        Group = "licences"
	GroupReference       Group = "reference"
	GroupRuntime         Group = "runtime"
	GroupSignatures      Group = "signatures"
	GroupAttestations    Group = "attestations"
	GroupCustom          Group = "custom"
)

// group is what the parser needs to know of a group of rules.
type group struct {
	name  Group
	about string
	// keys are those that only rules of this group have; they fill r.
	keys func(p *parser, r *Rule) []key
	// check looks at a rule as a whole; may be nil. v is the rule.
	check func(p *parser, v value, r *Rule)
	// title and remediation make defaults of the rule's own settings.
	title, remediation func(*Rule) string
}

func groups() []group {
	return []group{
		vulnerabilityGroup(), secretGroup(), baseGroup(), configGroup(), fileGroup(), layerGroup(),
		packageGroup(), licenceGroup(), referenceGroup(), runtimeGroup(), signatureGroup(), attestationGroup(), customGroup(),
	}
}

func (p *parser) rulesKey() key {
	var keys []key
	var all []string
	for _, g := range groups() {
		all = append(all, string(g.name))
		keys = append(keys, key{
			name: string(g.name), about: g.about, tighten: free, // ruleList compares rule by rule
			shape: listOf(shape{kind: shapeMapping, makeKeys: func() []key { return p.ruleKeys(g, &Rule{}) }}),
			read:  func(v value) { p.list(v, func(v value) { p.rule(v, g) }) },
		})
	}
	return key{name: "rules", about: "The rules, by what they are about.", shape: mappingOf(keys...), tighten: nested,
		read: func(v value) {
			if v.node.Kind == yaml.MappingNode && len(v.node.Content) == 0 && !p.fragment {
				p.fault(v, "", "is empty, so the policy could never fail")
				return
			}
			p.mapping(v, "group the rules: "+strings.Join(all, ", "), keys)
		}}
}

// ruleKeys are the keys of a rule of the group, filling r.
func (p *parser) ruleKeys(g group, r *Rule) []key {
	keys := []key{
		{name: "id", about: "The rule's name in reports and waivers.", required: true, tighten: free,
			shape: shape{kind: shapeString, pattern: namePattern}, read: func(v value) { r.ID = p.ruleID(v, g.name) }},
		p.lineKey("title", "What the rule demands, as a sentence; a good one is made by default.", &r.Title, free),
		enumKey(p, "action", "What a violation does: fail (the default) or warn.", &r.Action, towards("warn", "fail"), ActionFail, ActionWarn),
		p.dateKey("from", "The day from which a violation fails, in UTC; before it warns.", &r.From, earlier),
		p.textKey("remediation", "What to do about a violation.", &r.Remediation, free),
	}
	return append(keys, g.keys(p, r)...)
}

// mustDemand reports a rule that has none of the keys that demand something, not even a
// faulty or misspelt one: nothing could violate it. It is false for such a rule.
func (p *parser) mustDemand(v value, keys ...string) bool {
	if len(v.node.Content) == 0 || mentionsAny(v.node, keys) {
		return true
	}
	p.demandsNothing(v, keys...)
	return false
}

func (p *parser) demandsNothing(v value, keys ...string) {
	p.fault(v, "add "+wording.Or(keys), "demands nothing")
}

// mentionsAny says whether a mapping has one of the keys, or one that was reported as a
// misspelling of one.
func mentionsAny(n *yaml.Node, keys []string) bool {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if k := n.Content[i].Value; slices.Contains(keys, k) || spelling.Nearest(k, keys) != "" {
			return true
		}
	}
	return false
}

// rule reads one rule of a group.
func (p *parser) rule(v value, g group) {
	r := &Rule{Group: g.name, Action: ActionFail, Position: v.at.Position, Source: v.at.file, Level: p.source(v.node).level}
	p.lenient = p.fragment
	ok := p.mapping(v, `begin each rule with "- id:"`, p.ruleKeys(g, r))
	p.lenient = false
	if !ok {
		return
	}
	if g.check != nil && !p.fragment {
		g.check(p, v, r)
	}
	p.checkFrom(v)
	if r.Title == "" {
		r.Title = g.title(r)
		i := len(p.policy.Rules)
		// Authorities may stand below the rules.
		p.checks = append(p.checks, func() { p.policy.Rules[i].Title += p.laxness(&p.policy.Rules[i]) })
	}
	if r.Remediation == "" {
		r.Remediation = g.remediation(r)
	}
	p.policy.Rules = append(p.policy.Rules, *r)
}

// checkFrom refuses a day from which a rule fails beside a word that it never does.
// What one document says over another's rule is no contradiction.
func (p *parser) checkFrom(v value) {
	from, action := child(v.node, "from"), child(v.node, "action")
	if from == nil || action == nil || action.Value != string(ActionWarn) || p.place(from).file != p.place(action).file {
		return
	}
	p.report(p.place(from), v.path+".from", "leave one of them out", "from has no meaning beside action: warn: the rule never fails")
}

func (p *parser) ruleID(v value, g Group) string {
	id, ok := p.identifier(v)
	if !ok {
		return ""
	}
	if slices.Contains(BuiltinRules(), id) {
		p.fault(v, "choose another id", "%s is the id of a built-in rule", quote(id))
		return ""
	}
	if first, ok := p.rules[id]; ok {
		p.fault(v, "", "%s is taken by the rule at %s", quote(id), first.position.seenFrom(v.at))
		return ""
	}
	p.rules[id] = ruleRef{group: g, position: v.at}
	return id
}

// EffectiveAt is the action of the rule at t: a rule whose From is to come only warns.
func (r Rule) EffectiveAt(t time.Time) Action {
	if r.Action == ActionWarn || t.Before(r.From) {
		return ActionWarn
	}
	return ActionFail
}
