// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

func (p *parser) waiver(v value) {
	w := &Waiver{Position: v.at}
	// What was written, correct or not: a faulty rule or finding is reported as
	// such, not as a waiver that names neither.
	var rule, pkg, path value
	scoped := false
	into := func(s *string, read func(value) (string, bool)) func(value) {
		return func(v value) { *s, _ = read(v) }
	}
	ok := p.mapping(v, `begin each waiver with "- id:"`, []key{
		{name: "id", required: true, read: func(v value) { w.ID = p.waiverID(v) }},
		{name: "rule", read: func(v value) { rule, scoped = v, true; w.Rule, _ = p.line(v) }},
		{name: "finding", read: func(v value) { scoped = true; w.Finding, _ = p.findingID(v) }},
		{name: "package", read: func(v value) { pkg = v; w.Package, _ = p.packageName(v) }},
		{name: "path", read: func(v value) { path = v; w.Path, _ = p.glob(v) }},
		{name: "until", required: true, read: func(v value) { w.Until, _ = p.date(v) }},
		{name: "reason", required: true, read: into(&w.Reason, p.text)},
		{name: "owner", required: true, read: into(&w.Owner, p.line)},
		{name: "reference", read: into(&w.Reference, p.line)},
	})
	if !ok {
		return
	}
	if !scoped && len(v.node.Content) > 0 {
		p.fault(v, "", "names neither a rule nor a finding; it needs at least one")
	}
	if w.Rule != "" {
		// Rules may stand below the waivers.
		p.checks = append(p.checks, func() { p.checkWaivedRule(w.Rule, rule, pkg, path) })
	}
	p.policy.Waivers = append(p.policy.Waivers, *w)
}

func (p *parser) waiverID(v value) string {
	id, ok := p.identifier(v)
	if !ok {
		return ""
	}
	if first, ok := p.waivers[id]; ok {
		p.fault(v, "", "%s is taken by the waiver at %d:%d", quote(id), first.Line, first.Column)
		return ""
	}
	p.waivers[id] = v.at
	return id
}

// findingID reads the id of a vulnerability or of a secret rule. It is not a
// pattern: a waiver accepts what somebody has looked at.
func (p *parser) findingID(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	if strings.IndexFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:", r)
	}) >= 0 {
		p.fault(v, "one waiver names one finding, without patterns", "%s is not the id of a finding", quote(s))
		return "", false
	}
	for _, prefix := range []string{"CVE-", "GHSA-"} {
		if len(s) > len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) && s[:len(prefix)] != prefix {
			p.fault(v, didYouMean(prefix+s[len(prefix):]), "%s is not spelt as scanners spell it", quote(s))
			return "", false
		}
	}
	return s, true
}

// packageName reads a package name or a package URL without version, so that a
// waiver does not come and go with every rebuild.
func (p *parser) packageName(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	rest, isURL := strings.CutPrefix(s, "pkg:")
	switch {
	case strings.ContainsAny(s, " *"):
		p.fault(v, "", "%s is neither a package name nor a package URL", quote(s))
	case !isURL:
		return s, true
	case strings.ContainsAny(rest, "?#"):
		p.fault(v, "leave out ? and # and what follows", "%s has qualifiers", quote(s))
	case strings.Contains(rest, "/@"):
		p.fault(v, "write %40 for the @ of a scope", "%s is not a valid package URL", quote(s))
	case strings.Contains(rest, "@"):
		p.fault(v, didYouMean(s[:strings.IndexByte(s, '@')]), "%s names a version", quote(s))
	case strings.Trim(rest, "/") != rest || !strings.Contains(rest, "/"):
		p.fault(v, "write pkg:type/name or pkg:type/namespace/name", "%s is not a valid package URL", quote(s))
	default:
		return s, true
	}
	return "", false
}

// checkWaivedRule checks that the rule exists, can be waived, and has what the
// waiver's other selectors look at: a waiver that can match nothing is a mistake.
func (p *parser) checkWaivedRule(id string, rule, pkg, path value) {
	ref, ok := p.rules[id]
	switch {
	case slices.Contains(BuiltinRules(), id):
		p.fault(rule, "", "%s is built in and cannot be waived", quote(id))
		return
	case !ok:
		p.fault(rule, didYouMean(nearest(id, slices.Sorted(maps.Keys(p.rules)))), "%s is not a rule of this policy", quote(id))
		return
	}
	if pkg.node != nil && ref.group != GroupVulnerabilities {
		p.fault(pkg, "", "selects nothing: rule %s is about %s, not packages", quote(id), ref.group)
	}
	if path.node != nil && (ref.group == GroupConfig || ref.group == GroupReference) {
		p.fault(path, "", "selects nothing: rule %s is about the image's %s, not files", quote(id), ref.group)
	}
}
