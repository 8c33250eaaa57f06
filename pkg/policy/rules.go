// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// BuiltinRules are the ids of the outcomes that every verdict has without a rule
// of the policy. No rule may take such an id, and none of them can be waived.
func BuiltinRules() []string {
	return []string{
		"integrity", "limits", "database", "image", "scan", "platforms",
		"coverage.os", "coverage.packages", "coverage.files",
	}
}

func (p *parser) ruleGroups(v value) {
	if v.node.Kind == yaml.MappingNode && len(v.node.Content) == 0 {
		p.fault(v, "", "is empty, so the policy could never fail")
		return
	}
	group := func(g Group, own func(*Rule) []key) key {
		return key{name: string(g), read: func(v value) {
			p.list(v, func(v value) { p.rule(v, g, own) })
		}}
	}
	p.mapping(v, "group the rules: vulnerabilities, secrets, config, reference", []key{
		group(GroupVulnerabilities, p.vulnerabilityKeys),
		group(GroupSecrets, p.secretKeys),
		group(GroupConfig, p.configKeys),
		group(GroupReference, p.referenceKeys),
	})
}

// rule reads one rule of a group; own are the keys that only this group has.
func (p *parser) rule(v value, g Group, own func(*Rule) []key) {
	r := &Rule{Group: g, Action: ActionFail, Position: v.at}
	keys := []key{
		{name: "id", required: true, read: func(v value) { r.ID = p.ruleID(v, g) }},
		{name: "title", read: func(v value) { r.Title, _ = p.line(v) }},
		{name: "action", read: func(v value) {
			if s, ok := p.enum(v, string(ActionFail), string(ActionWarn)); ok {
				r.Action = Action(s)
			}
		}},
		{name: "remediation", read: func(v value) { r.Remediation, _ = p.text(v) }},
	}
	keys = append(keys, own(r)...)
	if !p.mapping(v, `begin each rule with "- id:"`, keys) {
		return
	}
	if g == GroupVulnerabilities {
		p.unknown.add(v, r)
	}
	if r.Title == "" {
		r.Title = defaultTitle(r)
	}
	if r.Remediation == "" {
		r.Remediation = defaultRemediation(r)
	}
	p.policy.Rules = append(p.policy.Rules, *r)
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
		p.fault(v, "", "%s is taken by the rule at %d:%d", quote(id), first.position.Line, first.position.Column)
		return ""
	}
	p.rules[id] = ruleRef{group: g, position: v.at}
	return id
}

func (p *parser) vulnerabilityKeys(r *Rule) []key {
	own := &VulnerabilityRule{}
	r.Vulnerabilities = own
	return []key{
		{name: "severity", required: true, read: func(v value) {
			list, ok := p.severities(v)
			own.Severities = list
			p.unknown.unclear = p.unknown.unclear || !ok
		}},
		{name: "fixed", read: func(v value) {
			if b, ok := p.boolean(v); ok {
				own.Fixed = &b
			}
		}},
		{name: "package-type", read: func(v value) { own.PackageTypes, _ = p.strings(v, p.packageType) }},
		{name: "max", read: func(v value) { own.Max, _ = p.count(v) }},
	}
}

func (p *parser) secretKeys(r *Rule) []key {
	own := &SecretRule{}
	r.Secrets = own
	return []key{
		{name: "severity", read: func(v value) { own.Severities, _ = p.severities(v) }},
		{name: "max", read: func(v value) { own.Max, _ = p.count(v) }},
	}
}

func (p *parser) configKeys(r *Rule) []key {
	own := &ConfigRule{}
	r.Config = own
	return []key{
		// Required while it is the only setting: a rule without any demands nothing.
		{name: "user", required: true, read: func(v value) { _, own.UserNonRoot = p.enum(v, "non-root") }},
	}
}

func (p *parser) referenceKeys(r *Rule) []key {
	own := &ReferenceRule{}
	r.Reference = own
	return []key{
		{name: "forbidden", required: true, read: func(v value) { own.ForbiddenTags, _ = p.strings(v, p.tagGlob) }},
	}
}

// severities reads a list of severities, all lower case as in every report.
func (p *parser) severities(v value) ([]evidence.Severity, bool) {
	var allowed []string
	for _, s := range evidence.Severities() {
		allowed = append(allowed, s.String())
	}
	list, ok := p.strings(v, func(v value) (string, bool) { return p.enum(v, allowed...) })
	var out []evidence.Severity
	for _, s := range list {
		if severity, err := evidence.ParseSeverity(s); err == nil {
			out = append(out, severity)
		}
	}
	return out, ok
}

// packageType reads a class or type of packages. The names are closed: one that no
// package has would select nothing, and the rule would pass in silence.
func (p *parser) packageType(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	types := packageTypes()
	if slices.Contains(types, s) {
		return s, true
	}
	hint := packageTypeHint(s)
	if hint == "" {
		hint = didYouMean(nearest(s, types))
	}
	if hint == "" {
		hint = "such as os, language, alpine, debian, node-pkg, python-pkg, gobinary, jar"
	}
	p.fault(v, hint, "%s is not a type of packages that an image holds", quote(s))
	return "", false
}

// tagGlob reads a glob that a tag, which has no slash and no colon, can match.
func (p *parser) tagGlob(v value) (string, bool) {
	s, ok := p.glob(v)
	if ok && strings.ContainsAny(s, "/:@") {
		p.fault(v, "name the tag alone", "%s can match no tag", quote(s))
		return "", false
	}
	return s, ok
}

// unknownSeverity collects what a policy says about vulnerabilities of unknown
// severity. Trivy rates what nobody has rated as unknown, fresh and grave
// vulnerabilities included: a policy must not forget them by accident.
type unknownSeverity struct {
	// said is set once anything in the policy decides about unknown.
	said bool
	// unclear is set if a severity list is faulty, so that nothing can be concluded.
	unclear bool
	// failing is the first failing rule on vulnerabilities.
	failing *value
}

func (u *unknownSeverity) add(v value, r *Rule) {
	if r.Vulnerabilities.Severities == nil {
		u.unclear = true
	}
	if slices.Contains(r.Vulnerabilities.Severities, evidence.SeverityUnknown) {
		u.said = true
	}
	if u.failing == nil && r.Action == ActionFail {
		u.failing = &v
	}
}

func (p *parser) checkUnknownSeverity() {
	if u := p.unknown; u.failing != nil && !u.said && !u.unclear {
		p.report(u.failing.at, u.failing.path,
			"add unknown to the severity list of a rule, or accept them by unknown-severity: accept at the top",
			"no vulnerabilities rule says what becomes of findings of unknown severity")
	}
}
