// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/spelling"
)

// VulnerabilityRule selects vulnerabilities and says how many are tolerated. All
// selectors must match. What a selector asks for and nobody knows (the status, the
// score, the package) is selected: a rule must not lose it.
type VulnerabilityRule struct {
	// Severities that the rule selects; empty selects all, unknown included.
	Severities []evidence.Severity
	// Fixed selects by whether a fixed version exists; nil selects both.
	Fixed *bool
	// Statuses selects by the vendor's statement; empty selects all.
	Statuses []string `json:",omitempty"`
	// Origin selects "base" or "application" layers; empty selects both.
	Origin string `json:",omitempty"`
	// PackageTypes selects by evidence.Package.Type or Class ("os", "language",
	// "alpine", "node-pkg"); empty selects all.
	PackageTypes []string
	// Packages are globs of names, or of package URLs without version; empty selects
	// all. ExceptPackages are left out.
	Packages       []string `json:",omitempty"`
	ExceptPackages []string `json:",omitempty"`
	// Paths are globs of the files that language packages were found in; empty selects all.
	Paths []string `json:",omitempty"`
	// CVSS and EPSS select by score; nil selects all.
	CVSS *Score `json:",omitempty"`
	EPSS *Score `json:",omitempty"`
	// KnownExploited selects what the KEV feed lists.
	KnownExploited bool `json:",omitempty"`
	// Grace is the time in which a violation does not count yet; nil is none.
	Grace *Grace `json:",omitempty"`
	// Max is the number of unwaived findings that is still a pass; default 0.
	Max int
	// EndOfLife makes the rule one about the operating system's release and nothing
	// else; Within is how long before its end of life it is a violation already.
	EndOfLife bool          `json:",omitempty"`
	Within    time.Duration `json:",omitempty"`
}

// Score selects findings by a score.
type Score struct {
	Min float64
	// ExcludeUnscored leaves out findings that nobody has scored.
	ExcludeUnscored bool `json:",omitempty"`
}

// Grace is a number of days from a finding's date in which it does not count. It is
// in grace to the end of the last of these days, in UTC. Without a date, or with one
// after the effective time, there is no grace.
type Grace struct {
	Days int
	// FirstSeen counts from the day in the first-seen file where that has one, and
	// else, as without it, from publication.
	FirstSeen bool `json:",omitempty"`
}

func vulnerabilityGroup() group {
	return group{
		name: GroupVulnerabilities, about: "Vulnerabilities: which fail, and how many are tolerated.",
		keys: (*parser).vulnerabilityKeys, title: vulnerabilityTitle, remediation: vulnerabilityRemediation,
		check: (*parser).checkVulnerabilities,
	}
}

func (p *parser) vulnerabilityKeys(r *Rule) []key {
	own := &VulnerabilityRule{}
	r.Vulnerabilities = own
	return []key{
		{name: "severity", about: "The severities that the rule is about; unknown is one of its own. Needed unless the rule has known-exploited, epss, cvss or end-of-life.", tighten: moreOrAll,
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
		enumsKey(p, "status", "Only those of which the vendor says this; where the vendor says nothing, the vulnerability is selected too.", &own.Statuses, moreOrAll, statuses()...),
		p.originKey(&own.Origin),
		p.listKey("package-type", "Only in packages of these types: os, language, or a type such as alpine or node-pkg.", &own.PackageTypes, moreOrAll, p.packageType),
		p.listKey("packages", "Only in these packages: globs of names, or of package URLs without version.", &own.Packages, moreOrAll, p.packageGlob),
		p.listKey("except-packages", "Not in these packages: globs of names, or of package URLs without version.", &own.ExceptPackages, fewer, p.packageGlob),
		p.globsKey("paths", "Only language packages that were found at these paths.", &own.Paths, moreOrAll),
		p.scoreKey("cvss", "Only those whose CVSS base score is at least this; version 3 counts, else 4, else 2.", 10, &own.CVSS),
		{name: "known-exploited", about: "Only those that feeds.kev lists as exploited.", tighten: narrows,
			shape: shape{kind: shapeBoolean}, read: func(v value) { own.KnownExploited = p.knownExploited(v) }},
		p.scoreKey("epss", "Only those whose probability of exploitation, as feeds.epss gives it, is at least this.", 1, &own.EPSS),
		p.graceKey(own),
		p.countKey("max", "How many are tolerated; default 0.", &own.Max, atMost("0")),
		{name: "end-of-life", about: "Makes the rule one about the operating system: a release that is no longer maintained is a violation.", tighten: nil,
			shape: shape{kind: shapeString, enum: []string{"forbidden"}}, read: func(v value) { _, own.EndOfLife = p.enum(v, "forbidden") }},
		p.durationKey("within", "With end-of-life: how long before its end a release is a violation already.", &own.Within, higher),
	}
}

// statuses are what vendors say of a vulnerability, in Trivy's words.
func statuses() []string {
	return []string{"affected", "fixed", "will_not_fix", "fix_deferred", "end_of_life", "under_investigation", "not_affected", "unknown"}
}

func (p *parser) originKey(into *string) key {
	k := enumKey(p, "origin", "Only in layers of a proven base image (base), or in all others (application).", into, narrows, "base", "application")
	read := k.read
	k.read = func(v value) {
		read(v)
		p.checks = append(p.checks, func() { p.checkOrigin(v) })
	}
	return k
}

// into makes a mapping's value appear only where the mapping is written.
func into[T any](k key, to **T, from *T) key {
	read := k.read
	k.read = func(v value) {
		*to = from
		read(v)
	}
	return k
}

func (p *parser) scoreKey(name, about string, most int, to **Score) key {
	s := &Score{}
	k := into(p.mappingKey(name, about, "write {min: 0.7}", []key{
		p.numberKey("min", "The lowest score that is selected.", &s.Min, most, lowerNarrows).must(),
		{name: "unscored", about: "Whether those without a score are selected: include (the default) or exclude.",
			shape: shape{kind: shapeString, enum: []string{"include", "exclude"}}, tighten: towardsFrom("include", "exclude", "include"),
			read: func(v value) {
				word, _ := p.enum(v, "include", "exclude")
				s.ExcludeUnscored = word == "exclude"
			}},
	}), to, s)
	if name == "epss" {
		read := k.read
		k.read = func(v value) {
			read(v)
			p.checks = append(p.checks, func() { p.needsFeed(v, "epss", p.policy.Feeds.EPSS) })
		}
	}
	return k
}

func (p *parser) knownExploited(v value) bool {
	b, ok := p.boolean(v)
	switch {
	case !ok:
		return false
	case !b:
		p.fault(v, "leave it out: a rule without it is about all", "can only be true")
		return false
	}
	p.checks = append(p.checks, func() { p.needsFeed(v, "kev", p.policy.Feeds.KEV) })
	return true
}

func (p *parser) needsFeed(v value, name string, f *Feed) {
	if f == nil {
		p.fault(v, "add feeds: {"+name+": {file: …}}", "needs feeds.%s, which the policy does not have", name)
	}
}

func (p *parser) graceKey(own *VulnerabilityRule) key {
	g := &Grace{}
	return into(p.mappingKey("grace", "How long after its date a vulnerability does not count yet.", "write {days: 7}", []key{
		{name: "days", about: "The days of grace; the last of them counts to its end in UTC.", required: true, tighten: atMost("0"),
			shape: shape{kind: shapeInteger, min: 1, max: maxGrace}, read: func(v value) {
				n, ok := p.count(v)
				if ok && (n < 1 || n > maxGrace) {
					p.fault(v, "", "must be at least 1 and at most %d", maxGrace)
				}
				g.Days = n
			}},
		{name: "undated", about: "What becomes of a vulnerability without a date: fail. It has no grace; there is no other answer.", tighten: free,
			shape: shape{kind: shapeString, enum: []string{"fail"}}, read: func(v value) { p.enum(v, "fail") }},
		{name: "since", about: "What the days count from: publication (the default), or first-seen, the day in the file of --first-seen, and publication where that has none.",
			shape: shape{kind: shapeString, enum: []string{"publication", "first-seen"}}, tighten: towardsFrom("publication", "first-seen", "publication"),
			read: func(v value) {
				word, _ := p.enum(v, "publication", "first-seen")
				g.FirstSeen = word == "first-seen"
			}},
	}), &own.Grace, g)
}

// maxGrace is beyond any grace that a person grants on purpose, in days.
const maxGrace = 3650

// packageGlob reads a glob of package names, or of package URLs without version.
func (p *parser) packageGlob(v value) (string, bool) {
	s, ok := p.glob(v)
	if !ok {
		return "", false
	}
	rest, isURL := strings.CutPrefix(s, "pkg:")
	switch {
	case strings.Contains(s, " "):
		p.fault(v, "", "%s is neither a package name nor a package URL", quote(s))
	case !isURL:
		return s, true
	case strings.ContainsAny(rest, "#") || strings.Contains(rest, "?"):
		p.fault(v, "leave out ? and # and what follows", "%s has qualifiers", quote(s))
	case strings.Contains(rest, "/@"):
		p.fault(v, "write %40 for the @ of a scope", "%s is not a valid package URL", quote(s))
	case strings.Contains(rest, "@"):
		p.fault(v, didYouMean(s[:strings.IndexByte(s, '@')]), "%s names a version", quote(s))
	case !strings.Contains(rest, "/"):
		p.fault(v, "write pkg:type/name or pkg:type/namespace/name; ** stands for any number of parts", "%s matches no package URL", quote(s))
	default:
		return s, true
	}
	return "", false
}

// checkVulnerabilities refuses rules that are about nothing or contradict themselves.
func (p *parser) checkVulnerabilities(v value, r *Rule) {
	own := r.Vulnerabilities
	has := func(name string) bool { return child(v.node, name) != nil }
	if own.EndOfLife || has("end-of-life") {
		for _, name := range names(p.vulnerabilityKeys(&Rule{})) {
			if has(name) && name != "end-of-life" && name != "within" {
				p.report(p.place(child(v.node, name)), v.path+"."+name, "make a rule of its own for end-of-life",
					"%s has no meaning beside end-of-life, which is about the operating system", name)
			}
		}
		return
	}
	if has("within") {
		p.report(p.place(child(v.node, "within")), v.path+".within", "add end-of-life: forbidden", "within has no meaning without end-of-life")
	}
	if !has("severity") && !has("known-exploited") && !has("epss") && !has("cvss") {
		p.unknown.unclear = true
		if !mentions(v.node, "severity", names(p.vulnerabilityKeys(&Rule{}))) {
			p.report(v.at, v.path, "", `required key "severity" is missing%s`, inPath(v.path))
		}
	}
	p.checkSelectors(v, own)
	p.unknown.add(v, r)
}

func (p *parser) checkSelectors(v value, own *VulnerabilityRule) {
	hasFixed := slices.Contains(own.Statuses, "fixed")
	if own.Fixed != nil && len(own.Statuses) > 0 && (*own.Fixed && !hasFixed || !*own.Fixed && hasFixed && len(own.Statuses) == 1) {
		p.report(p.place(child(v.node, "status")), v.path+".status", "leave one of them out", "status and fixed contradict each other: the rule is about nothing")
	}
	p.inBoth(v, "packages", own.Packages, "except-packages", own.ExceptPackages)
}

// inBoth reports what two lists of a rule have in common and must not.
func (p *parser) inBoth(v value, nameA string, a []string, nameB string, b []string) {
	for _, s := range a {
		if slices.Contains(b, s) {
			p.report(p.place(child(v.node, nameB)), v.path+"."+nameB, "take it out of one of them", "%s is in both %s and %s", quote(s), nameA, nameB)
		}
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
		hint = didYouMean(spelling.Nearest(s, types))
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
