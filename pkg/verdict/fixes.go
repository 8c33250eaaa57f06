// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Fix is one upgrade that clears failing violations.
type Fix struct {
	// Package is the name of the package, or of the source package where several of
	// its packages are upgraded together.
	Package string `json:"package"`
	From    string `json:"from"`
	// To is the lowest version that clears all of them. Where versions cannot be
	// compared it lists those which are needed, separated by " or " and ", ".
	To string `json:"to"`
	// Command is empty where none is known or a name is not fit for a shell.
	Command string `json:"command,omitempty"`
	// Clears counts the violations that the upgrade removes, each finding once.
	Clears int `json:"clears"`
}

// Fixes is the smallest list of upgrades that clears what can be cleared of a
// subject's failing rules, the one with the largest effect first. Violations
// for which no fix is known are not in it.
func Fixes(sv SubjectVerdict) []Fix {
	groups := upgrades(failures(sv), func(*failure) string { return "" })
	fixes := make([]Fix, 0, len(groups))
	for _, g := range groups {
		fixes = append(fixes, g.fix(sv.Evidence))
	}
	slices.SortStableFunc(fixes, func(a, b Fix) int {
		return cmp.Or(cmp.Compare(b.Clears, a.Clears), cmp.Compare(a.Package, b.Package), cmp.Compare(a.From, b.From))
	})
	return fixes
}

// upgrades puts together what one upgrade clears, in the order of the failures. What is
// in different places is not together.
func upgrades(all []*failure, place func(*failure) string) []*fixGroup {
	groups := map[fixKey]*fixGroup{}
	var order []*fixGroup
	for _, f := range all {
		if !f.fixable() {
			continue
		}
		k := keyOf(*f.finding.Package)
		k.place = place(f)
		g := groups[k]
		if g == nil {
			g = &fixGroup{pkg: *f.finding.Package}
			groups[k] = g
			order = append(order, g)
		}
		g.add(f)
	}
	return order
}

// failure is a finding of violations that fail the subject.
type failure struct {
	finding *evidence.Finding
	// rules are the ids of those that it violates; enforced says that one of them is of
	// an enforced policy.
	rules    []string
	enforced bool
	line     int
}

// fixable says whether a version is known that fixes it.
func (f *failure) fixable() bool {
	p := f.finding.Package
	return p != nil && len(target(p.Class, p.Version, f.finding.FixedVersion)) > 0
}

// failures are the vulnerabilities that fail the subject, each once.
func failures(sv SubjectVerdict) []*failure {
	var all []*failure
	seen := map[identity]*failure{}
	for _, o := range sv.Outcomes {
		if o.Result != Fail {
			continue
		}
		for _, v := range o.Violations {
			if v.Finding == nil || v.Finding.Kind != evidence.KindVulnerability {
				continue
			}
			k := identityOf(v.Finding)
			f := seen[k]
			if f == nil {
				f = &failure{finding: v.Finding, line: v.Line}
				seen[k] = f
				all = append(all, f)
			}
			if !slices.Contains(f.rules, o.Rule) {
				f.rules = append(f.rules, o.Rule)
			}
			f.enforced = f.enforced || o.Enforced
		}
	}
	slices.SortStableFunc(all, func(a, b *failure) int { return compareFindings(a.finding, b.finding) })
	return all
}

type fixKey struct{ kind, name, version, place string }

// keyOf puts the packages that a distribution builds from one source together,
// and the copies of a language package in several files.
func keyOf(p evidence.Package) fixKey {
	name := p.Name
	if p.Class == evidence.ClassOS && p.SourceName != "" {
		name = p.SourceName
	}
	return fixKey{kind: p.Type + "\x00" + string(p.Class), name: name, version: p.Version}
}

// fixGroup is what one upgrade clears.
type fixGroup struct {
	pkg    evidence.Package
	names  []string
	needed [][]string
	clears []*failure
}

func (g *fixGroup) add(f *failure) {
	g.clears = append(g.clears, f)
	if !slices.Contains(g.names, f.finding.Package.Name) {
		g.names = append(g.names, f.finding.Package.Name)
	}
	g.needed = append(g.needed, target(g.pkg.Class, g.pkg.Version, f.finding.FixedVersion))
}

func (g *fixGroup) fix(ev evidence.Evidence) Fix {
	slices.Sort(g.names)
	to := g.to()
	name := g.names[0]
	if len(g.names) > 1 && g.pkg.SourceName != "" {
		name = g.pkg.SourceName
	}
	one := to
	if !g.single(to) {
		one = ""
	}
	return Fix{
		Package: name, From: g.pkg.Version, To: to, Clears: len(g.clears),
		Command: command(&ev, &g.pkg, g.names, []string{one}),
	}
}

// to is the highest of the versions needed; where they cannot be ordered, all of them.
func (g *fixGroup) to() string {
	best := ""
	for _, vs := range g.needed {
		if len(vs) != 1 {
			return g.list()
		}
		if best == "" {
			best = vs[0]
			continue
		}
		c, ok := compareVersions(g.pkg.Class, vs[0], best)
		if !ok {
			return g.list()
		}
		if c > 0 {
			best = vs[0]
		}
	}
	return best
}

func (g *fixGroup) single(to string) bool {
	return !strings.Contains(to, " or ") && !strings.Contains(to, ", ")
}

func (g *fixGroup) list() string {
	var all []string
	for _, vs := range g.needed {
		if s := strings.Join(vs, " or "); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
