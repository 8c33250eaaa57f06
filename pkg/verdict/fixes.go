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
	groups := map[fixKey]*fixGroup{}
	var order []fixKey
	for _, f := range failingFindings(sv) {
		if f.Package == nil || len(target(f.Package.Class, f.Package.Version, f.FixedVersion)) == 0 {
			continue
		}
		k := keyOf(*f.Package)
		g := groups[k]
		if g == nil {
			g = &fixGroup{pkg: *f.Package}
			groups[k] = g
			order = append(order, k)
		}
		g.add(f)
	}
	fixes := make([]Fix, 0, len(order))
	for _, k := range order {
		fixes = append(fixes, groups[k].fix(sv.Evidence))
	}
	slices.SortStableFunc(fixes, func(a, b Fix) int {
		return cmp.Or(cmp.Compare(b.Clears, a.Clears), cmp.Compare(a.Package, b.Package), cmp.Compare(a.From, b.From))
	})
	return fixes
}

// failingFindings are the findings of violations that fail the subject, each once.
func failingFindings(sv SubjectVerdict) []*evidence.Finding {
	var fs []*evidence.Finding
	seen := map[identity]bool{}
	for _, o := range sv.Outcomes {
		if o.Result != Fail {
			continue
		}
		for _, v := range o.Violations {
			if v.Finding == nil || v.Finding.Kind != evidence.KindVulnerability {
				continue
			}
			if k := identityOf(v.Finding); !seen[k] {
				seen[k] = true
				fs = append(fs, v.Finding)
			}
		}
	}
	slices.SortStableFunc(fs, compareFindings)
	return fs
}

type fixKey struct{ kind, name, version string }

// keyOf puts the packages that a distribution builds from one source together,
// and the copies of a language package in several files.
func keyOf(p evidence.Package) fixKey {
	name := p.Name
	if p.Class == evidence.ClassOS && p.SourceName != "" {
		name = p.SourceName
	}
	return fixKey{p.Type + "\x00" + string(p.Class), name, p.Version}
}

type fixGroup struct {
	pkg    evidence.Package
	names  []string
	needed [][]string
	clears int
}

func (g *fixGroup) add(f *evidence.Finding) {
	g.clears++
	if !slices.Contains(g.names, f.Package.Name) {
		g.names = append(g.names, f.Package.Name)
	}
	g.needed = append(g.needed, target(g.pkg.Class, g.pkg.Version, f.FixedVersion))
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
		Package: name, From: g.pkg.Version, To: to, Clears: g.clears,
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
