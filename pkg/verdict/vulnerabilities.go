// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

func (s *subject) vulnerabilities(r policy.VulnerabilityRule) judgement {
	all := s.findings(evidence.KindVulnerability, vulnerabilityKey)
	j := judgement{
		noun: "vulnerability", examined: len(all), max: r.Max,
		gaps: s.open(RuleImage, RuleIntegrity, RuleLimits, RuleDatabase, RuleCoverageOS, RuleCoveragePackages, RuleCoverageFiles, RuleScan),
		met:  "no vulnerability found",
	}
	if len(all) > 0 {
		j.met = fmt.Sprintf("none of %s is concerned", countOf(len(all), "vulnerability"))
	}
	for _, f := range all {
		if selectsVulnerability(r, f) {
			j.violations = append(j.violations, Violation{Message: vulnerabilityMessage(f), Finding: &f, Fix: s.fixText(f)})
		}
	}
	return j
}

// vulnerabilityKey makes findings distinct by id, package and path.
func vulnerabilityKey(f evidence.Finding) string {
	return strings.Join([]string{string(f.Kind), f.ID, f.PackageName(), f.PackageVersion(), f.Location()}, "\x00")
}

func selectsVulnerability(r policy.VulnerabilityRule, f evidence.Finding) bool {
	if len(r.Severities) > 0 && !slices.Contains(r.Severities, severityOf(f)) {
		return false
	}
	if r.Fixed != nil && *r.Fixed != (f.FixedVersion != "") {
		return false
	}
	// A finding that names no package is selected by any package type: what it
	// concerns is not known.
	return len(r.PackageTypes) == 0 || f.Package == nil ||
		slices.Contains(r.PackageTypes, f.Package.Type) || slices.Contains(r.PackageTypes, string(f.Package.Class))
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

// countOf is "1 vulnerability", "the 2 vulnerabilities".
func countOf(n int, noun string) string {
	if n == 1 {
		return count(n, noun)
	}
	return "the " + count(n, noun)
}
