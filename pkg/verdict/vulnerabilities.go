// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

func (s *subject) vulnerabilities(r policy.VulnerabilityRule) judgement {
	if r.EndOfLife {
		return s.endOfLife(r)
	}
	all := s.findings(evidence.KindVulnerability)
	j := judgement{
		noun: "vulnerability", examined: len(all), max: r.Max,
		gaps: s.open(RuleImage, RuleIntegrity, RuleLimits, RuleDatabase, RuleCoverageOS, RuleCoveragePackages, RuleCoverageFiles, RuleScan),
		met:  "no vulnerability found",
	}
	if len(all) > 0 {
		j.met = fmt.Sprintf("none of %s is concerned", countOf(len(all), "vulnerability"))
	}
	j.gaps.problems = append(j.gaps.problems, s.feedProblems(r)...)
	// Without the feed nobody knows which have no score: that is a gap, and no violation.
	unscored := r.EPSS != nil && len(s.feedProblem("epss", s.policy.Feeds.EPSS, s.evidence.Feeds.EPSS)) > 0
	unplaced := false
	concerned := ofSeverity(all, r.Severities)
	j.violations = make([]Violation, 0, len(concerned))
	for _, f := range concerned {
		if !selects(&r, f) || unscored && epss(f.Finding) < 0 {
			continue
		}
		at := s.place(f)
		if r.Origin != "" && string(cmp.Or(at.origin, OriginApplication)) != r.Origin {
			unplaced = true
			continue
		}
		n := len(j.violations)
		j.violations = j.violations[:n+1]
		v := &j.violations[n]
		v.Message, v.Finding, v.Fix = f.message()+reasons(&r, f.Finding), f.Finding, s.fixOf(f)
		v.Origin, v.Line = at.origin, at.line
		pending := s.grace(r.Grace, f.Finding, v)
		v.Note = strings.TrimPrefix(v.Message[len(f.message()):], ", ")
		if pending {
			j.pending = append(j.pending, *v)
			*v = Violation{}
			j.violations = j.violations[:n]
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

// selects says whether a rule is about a vulnerability, severity and origin aside.
func selects(r *policy.VulnerabilityRule, f *view) bool {
	switch {
	case r.Fixed != nil && *r.Fixed != f.fixed,
		r.KnownExploited && !f.known,
		len(r.Statuses) > 0 && !selectsStatus(r.Statuses, f.Status),
		r.CVSS != nil && !selectsScore(r.CVSS, cvss(f.Finding)),
		r.EPSS != nil && !selectsScore(r.EPSS, epss(f.Finding)):
		return false
	}
	return selectsAny(r) || selectsPackage(r, f.Finding)
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
func cvss(f *evidence.Finding) float64 {
	if f.CVSS > 0 && f.CVSS <= 10 {
		return f.CVSS
	}
	return -1
}

func epss(f *evidence.Finding) float64 {
	if f.EPSS != nil && *f.EPSS >= 0 && *f.EPSS <= 1 {
		return *f.EPSS
	}
	return -1
}

// selectsAny is true for a rule that does not look at packages.
func selectsAny(r *policy.VulnerabilityRule) bool {
	return len(r.PackageTypes)+len(r.Packages)+len(r.ExceptPackages)+len(r.Paths) == 0
}

// selectsPackage looks at the package. A finding that names no package is selected
// whatever a rule asks for: what it concerns is not known.
func selectsPackage(r *policy.VulnerabilityRule, f *evidence.Finding) bool {
	p := f.Package
	if p == nil {
		return true
	}
	if len(r.PackageTypes) > 0 && !ofType(r.PackageTypes, p) ||
		len(r.Packages) > 0 && !matchesPackage(r.Packages, p) || matchesPackage(r.ExceptPackages, p) {
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

func ofType(types []string, p *evidence.Package) bool {
	return slices.Contains(types, p.Type) || slices.Contains(types, string(p.Class))
}

// matchesPackage says whether one of the globs of names or package URLs matches.
func matchesPackage(globs []string, p *evidence.Package) bool {
	return slices.ContainsFunc(globs, func(glob string) bool {
		if strings.HasPrefix(glob, "pkg:") {
			return p.PURL != "" && policy.MatchGlob(glob, unversioned(p.PURL))
		}
		return policy.MatchGlob(glob, p.Name)
	})
}

// reasons says why the rule is about a finding, where that is not to be seen.
func reasons(r *policy.VulnerabilityRule, f *evidence.Finding) string {
	if !r.KnownExploited && r.CVSS == nil && r.EPSS == nil {
		return ""
	}
	var b strings.Builder
	if r.KnownExploited && f.KnownExploited != nil {
		b.WriteString(", known to be exploited since " + wording.Date(*f.KnownExploited))
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
		return wording.Count(n, noun)
	}
	return "the " + wording.Count(n, noun)
}
