// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

func (s *subject) vulnerabilities(r policy.VulnerabilityRule) judgement {
	if r.EndOfLife {
		return s.endOfLife(r)
	}
	all := s.findings(evidence.KindVulnerability, vulnerabilityKey)
	j := judgement{
		noun: "vulnerability", examined: len(all), max: r.Max,
		gaps: s.open(RuleImage, RuleIntegrity, RuleLimits, RuleDatabase, RuleCoverageOS, RuleCoveragePackages, RuleCoverageFiles, RuleScan),
		met:  "no vulnerability found",
	}
	if len(all) > 0 {
		j.met = fmt.Sprintf("none of %s is concerned", countOf(len(all), "vulnerability"))
	}
	j.gaps.problems = append(j.gaps.problems, s.feedProblems(r)...)
	unplaced := false
	for _, f := range all {
		if !s.selects(r, f) {
			continue
		}
		if r.Origin != "" && string(s.origin(findingLayer(f))) != r.Origin {
			unplaced = true
			continue
		}
		v := Violation{Message: vulnerabilityMessage(f) + reasons(r, f), Finding: &f, Fix: s.fixText(f)}
		if s.grace(r.Grace, f, &v) {
			j.pending = append(j.pending, v)
		} else {
			j.violations = append(j.violations, v)
		}
	}
	if len(j.pending) > 0 {
		j.met = "no vulnerability that is out of grace"
	}
	j.undecided = s.unplaced(r.Origin, unplaced, "vulnerabilities")
	return j
}

// unplaced says why a rule about what the base brings cannot be decided: some may be
// the base's, and it could not be read. Whatever is not proven to be the base's counts
// as the application's, so rules about that can be.
func (s *subject) unplaced(origin string, some bool, what string) string {
	b := s.evidence.Base
	if origin != string(OriginBase) || !some || b == nil || b.Lineage != evidence.LineageUnknown {
		return ""
	}
	return fmt.Sprintf("it is not known which of the %s come from the base image: %s", what, b.Reason)
}

// findingLayer is the layer that brought a finding.
func findingLayer(f evidence.Finding) evidence.Layer {
	if f.Layer == (evidence.Layer{}) && f.Package != nil {
		return f.Package.Layer
	}
	return f.Layer
}

// vulnerabilityKey makes findings distinct by id, package and path.
func vulnerabilityKey(f evidence.Finding) string {
	return strings.Join([]string{string(f.Kind), f.ID, f.PackageName(), f.PackageVersion(), f.Location()}, "\x00")
}

// selects says whether a rule is about a vulnerability, its origin aside.
func (s *subject) selects(r policy.VulnerabilityRule, f evidence.Finding) bool {
	switch {
	case len(r.Severities) > 0 && !slices.Contains(r.Severities, severityOf(f)),
		r.Fixed != nil && *r.Fixed != (f.FixedVersion != ""),
		r.KnownExploited && f.KnownExploited == nil,
		!selectsStatus(r.Statuses, f.Status),
		!selectsScore(r.CVSS, cvss(f)),
		!selectsScore(r.EPSS, epss(f)):
		return false
	}
	return selectsPackage(r, f)
}

// selectsStatus: a vendor that says nothing, or something that nobody knows, leaves
// open which status it is, so that every list selects it.
func selectsStatus(list []string, status string) bool {
	switch status {
	case "affected", "fixed", "will_not_fix", "fix_deferred", "end_of_life", "under_investigation", "not_affected":
		return len(list) == 0 || slices.Contains(list, status)
	default:
		return true
	}
}

func selectsScore(want *policy.Score, score float64) bool {
	switch {
	case want == nil:
		return true
	case score < 0:
		return !want.ExcludeUnscored
	default:
		return score >= want.Min
	}
}

// cvss and epss are the scores of a finding, -1 where it has none that makes sense.
func cvss(f evidence.Finding) float64 {
	if f.CVSS > 0 && f.CVSS <= 10 {
		return f.CVSS
	}
	return -1
}

func epss(f evidence.Finding) float64 {
	if f.EPSS != nil && *f.EPSS >= 0 && *f.EPSS <= 1 {
		return *f.EPSS
	}
	return -1
}

// selectsPackage looks at the package. A finding that names no package is selected
// whatever a rule asks for: what it concerns is not known.
func selectsPackage(r policy.VulnerabilityRule, f evidence.Finding) bool {
	p := f.Package
	if p == nil {
		return true
	}
	if len(r.PackageTypes) > 0 && !ofType(r.PackageTypes, *p) ||
		len(r.Packages) > 0 && !matchesPackage(r.Packages, *p) || matchesPackage(r.ExceptPackages, *p) {
		return false
	}
	if len(r.Paths) == 0 {
		return true
	}
	if p.Path == "" {
		return p.Class != evidence.ClassOS // which has no path
	}
	return slices.ContainsFunc(r.Paths, func(glob string) bool { return matchPath(glob, p.Path) })
}

func ofType(types []string, p evidence.Package) bool {
	return slices.Contains(types, p.Type) || slices.Contains(types, string(p.Class))
}

// matchesPackage says whether one of the globs of names or package URLs matches.
func matchesPackage(globs []string, p evidence.Package) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		if strings.HasPrefix(glob, "pkg:") {
			return p.PURL != "" && matchGlob(glob, unversioned(p.PURL))
		}
		return matchGlob(glob, p.Name)
	})
}

func matchGlob(glob, s string) bool {
	ok, err := doublestar.Match(glob, s)
	return err == nil && ok
}

func vulnerabilityMessage(f evidence.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)", f.ID, severityOf(f))
	if f.Package != nil {
		fmt.Fprintf(&b, " in %s %s", f.Package.Name, f.Package.Version)
	}
	if l := f.Location(); l != "" {
		fmt.Fprintf(&b, " (%s)", l)
	}
	return b.String()
}

// reasons says why the rule is about a finding, where that is not to be seen.
func reasons(r policy.VulnerabilityRule, f evidence.Finding) string {
	var b strings.Builder
	if r.KnownExploited && f.KnownExploited != nil {
		b.WriteString(", known to be exploited since " + dateOf(*f.KnownExploited))
	}
	score := func(name string, want *policy.Score, n float64) {
		switch {
		case want == nil:
		case n < 0:
			b.WriteString(", no " + name + " score")
		default:
			fmt.Fprintf(&b, ", %s %.4g", name, n)
		}
	}
	score("CVSS", r.CVSS, cvss(f))
	score("EPSS", r.EPSS, epss(f))
	return b.String()
}

// countOf is "1 vulnerability", "the 2 vulnerabilities".
func countOf(n int, noun string) string {
	if n == 1 {
		return count(n, noun)
	}
	return "the " + count(n, noun)
}
