// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// VulnerabilityRule selects vulnerabilities and says how many are tolerated. All
// selectors must match.
type VulnerabilityRule struct {
	// Severities that the rule selects; never empty.
	Severities []evidence.Severity
	// Fixed selects by whether a fixed version exists; nil selects both.
	Fixed *bool
	// PackageTypes selects by evidence.Package.Type or Class ("os", "language",
	// "alpine", "node-pkg"); empty selects all.
	PackageTypes []string
	// Max is the number of unwaived findings that is still a pass; default 0.
	Max int
}

func vulnerabilityGroup() group {
	return group{
		name: GroupVulnerabilities, about: "Vulnerabilities: which fail, and how many are tolerated.",
		keys: (*parser).vulnerabilityKeys, title: vulnerabilityTitle, remediation: vulnerabilityRemediation,
		check: func(p *parser, v value, r *Rule) { p.unknown.add(v, r) },
	}
}

func (p *parser) vulnerabilityKeys(r *Rule) []key {
	own := &VulnerabilityRule{}
	r.Vulnerabilities = own
	return []key{
		{name: "severity", about: "The severities that the rule is about. Unknown is one of its own.", required: true, tighten: more,
			shape: listOf(shape{kind: shapeString, enum: severityNames()}), read: func(v value) {
				list, ok := p.severities(v)
				own.Severities = list
				p.unknown.unclear = p.unknown.unclear || !ok
			}},
		{name: "fixed", about: "Only those for which a fix exists (true) or does not (false).", tighten: narrows,
			shape: shape{kind: shapeBoolean}, read: func(v value) {
				if b, ok := p.boolean(v); ok {
					own.Fixed = &b
				}
			}},
		p.listKey("package-type", "Only in packages of these types: os, language, or a type such as alpine or node-pkg.", &own.PackageTypes, moreOrAll, p.packageType),
		p.countKey("max", "How many are tolerated; default 0.", &own.Max, atMost("0")),
	}
}

func vulnerabilityTitle(rule *Rule) string {
	r := rule.Vulnerabilities
	words := []string{amount(r.Max)}
	if s := severityWords(r.Severities); s != "" {
		words = append(words, s)
	}
	have := "vulnerabilities that have"
	if r.Max == 1 {
		have = "vulnerability that has"
	}
	switch {
	case r.Fixed == nil:
		have, _, _ = strings.Cut(have, " ")
	case *r.Fixed:
		have += " a fix"
	default:
		have += " no fix"
	}
	words = append(words, have)
	if len(r.PackageTypes) > 0 {
		var types []string
		for _, t := range r.PackageTypes {
			if t == string(evidence.ClassOS) {
				t = "operating system"
			}
			types = append(types, t)
		}
		words = append(words, "in "+or(types)+" packages")
	}
	return strings.Join(words, " ")
}

func vulnerabilityRemediation(r *Rule) string {
	switch fixed := r.Vulnerabilities.Fixed; {
	case fixed == nil:
		return "Upgrade the packages to versions that fix the vulnerabilities, in the image or by a newer base image. Where there is no fix, remove the package or record a waiver with an end date."
	case *fixed:
		return "Upgrade the packages to the versions that fix the vulnerabilities, in the image or by a newer base image."
	default:
		return "Remove or replace the packages, or record a waiver with an end date until a fix exists."
	}
}

// severities reads a list of severities, all lower case as in every report.
func (p *parser) severities(v value) ([]evidence.Severity, bool) {
	list, ok := p.strings(v, func(v value) (string, bool) { return p.enum(v, severityNames()...) })
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

func severityNames() []string {
	var names []string
	for _, s := range evidence.Severities() {
		names = append(names, s.String())
	}
	return names
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
