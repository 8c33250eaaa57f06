// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// view is a finding as all rules see it. What they say of it is made once: many
// rules look at many findings.
type view struct {
	*evidence.Finding
	severity evidence.Severity
	fixed    bool
	known    bool // to be exploited
	placed   bool // fact is known
	fact     layerFact
	text     string
	fix      string
}

// findings returns the distinct findings of a kind in the order of reports.
func (s *subject) findings(kind evidence.Kind) []*view {
	if list, ok := s.found[kind]; ok {
		return list
	}
	all := make([]view, 0, len(s.evidence.Findings))
	for i := range s.evidence.Findings {
		if f := &s.evidence.Findings[i]; f.Kind == kind {
			all = append(all, view{Finding: f, severity: severityOf(f), fixed: f.FixedVersion != "", known: f.KnownExploited != nil})
		}
	}
	list := make([]*view, len(all))
	for i := range all {
		list[i] = &all[i]
	}
	order := func(a, b *view) int { return compareFindings(a.Finding, b.Finding) }
	if !slices.IsSortedFunc(list, order) { // as collectors leave them
		slices.SortStableFunc(list, order)
	}
	// Of two that are the same, the graver stands first and is kept.
	seen := make(map[identity]bool, len(list))
	list = slices.DeleteFunc(list, func(f *view) bool {
		k := identityOf(f.Finding)
		was := seen[k]
		seen[k] = true
		return was
	})
	if s.found == nil {
		s.found = map[evidence.Kind][]*view{}
	}
	s.found[kind] = list
	return list
}

// ofSeverity are the findings of one of the severities, none meaning all. The list is
// in the order of reports, so that each severity is one stretch of it.
func ofSeverity(all []*view, severities []evidence.Severity) []*view {
	if len(severities) == 0 {
		return all
	}
	var list []*view
	for _, severity := range evidence.Severities() {
		if !slices.Contains(severities, severity) {
			continue
		}
		from, _ := slices.BinarySearchFunc(all, severity, func(v *view, want evidence.Severity) int { return cmp.Compare(want, v.severity) })
		to := from
		for to < len(all) && all[to].severity == severity {
			to++
		}
		if list == nil {
			list = all[from:to:to]
		} else {
			list = append(list, all[from:to]...)
		}
	}
	return list
}

// message names a vulnerability and its place.
func (f *view) message() string {
	if f.text == "" {
		f.text = vulnerabilityMessage(f.Finding)
	}
	return f.text
}

// upgrade is what the advice for a vulnerability depends on: many have the same.
type upgrade struct {
	class               evidence.Class
	kind, name, version string
	fixed               string
}

// fixOf is the smallest action that removes a vulnerability.
func (s *subject) fixOf(f *view) string {
	if f.fix != "" || f.Package == nil {
		return cmp.Or(f.fix, noFix)
	}
	p := f.Package
	k := upgrade{p.Class, p.Type, p.Name, p.Version, f.FixedVersion}
	text, ok := s.fixes[k]
	if !ok {
		text = s.fixText(f.Finding)
		s.fixes[k] = text
	}
	f.fix = text
	return text
}

// place is what is known of the layer that brought it.
func (s *subject) place(f *view) layerFact {
	if !f.placed {
		f.placed = true
		if l := findingLayer(f.Finding); l.DiffID != "" || l.Digest != "" {
			f.fact = s.layerFact(l)
		}
	}
	return f.fact
}

// identity makes findings distinct: vulnerabilities by id, package and path, secrets
// by rule and place.
type identity struct {
	kind                     evidence.Kind
	id, name, version, place string
	from, to                 int
}

func identityOf(f *evidence.Finding) identity {
	return identity{f.Kind, f.ID, f.PackageName(), f.PackageVersion(), f.Location(), f.StartLine, f.EndLine}
}

func vulnerabilityMessage(f *evidence.Finding) string {
	text := f.ID + " (" + severityOf(f).String() + ")"
	if f.Package != nil {
		text += " in " + f.Package.Name + " " + f.Package.Version
	}
	if l := f.Location(); l != "" {
		text += " (" + l + ")"
	}
	return text
}

// severityOf is the severity of a finding. A value outside of the scale counts
// as unknown, never as "below low".
func severityOf(f *evidence.Finding) evidence.Severity {
	if f.Severity > evidence.SeverityCritical {
		return evidence.SeverityUnknown
	}
	return f.Severity
}

// compareFindings is the order of reports.
func compareFindings(a, b *evidence.Finding) int {
	return cmp.Or(cmp.Compare(severityOf(b), severityOf(a)), evidence.CompareFindings(a, b))
}

// findingLayer is the layer that brought a finding.
func findingLayer(f *evidence.Finding) evidence.Layer {
	if f.Layer == (evidence.Layer{}) && f.Package != nil {
		return f.Package.Layer
	}
	return f.Layer
}
