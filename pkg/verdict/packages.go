// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

func (s *subject) packages(r policy.PackageRule) judgement {
	j := judgement{noun: "violation", gaps: s.packageGaps()}
	if len(r.Required) == 0 {
		j.noun = "forbidden package"
	}
	if len(r.Forbidden)+len(r.Required) == 0 {
		j.undecided = "the rule demands nothing that this version understands"
		return j
	}
	found := map[string]bool{}
	for _, p := range s.distinctPackages() {
		if len(r.PackageTypes) > 0 && !ofType(r.PackageTypes, &p) {
			continue
		}
		j.examined++
		for _, pattern := range r.Required {
			found[pattern] = found[pattern] || packageFits(pattern, p)
		}
		if i := slices.IndexFunc(r.Forbidden, func(pattern string) bool { return packageFits(pattern, p) }); i >= 0 {
			message := describePackage(p) + " is forbidden"
			if r.Forbidden[i] != p.Name {
				message += fmt.Sprintf(" by %q", r.Forbidden[i])
			}
			j.violations = append(j.violations, Violation{
				Message: message, ID: p.Name, Package: &p, Path: p.Path, Layer: p.Layer,
				Fix: "do not install " + p.Name + " in the final image",
			})
		}
	}
	for _, pattern := range r.Required {
		if !found[pattern] {
			j.violations = append(j.violations, Violation{
				Message: fmt.Sprintf("no package is %s, which is required", pattern), ID: pattern,
				Fix: "install it in the image",
			})
		}
	}
	j.met = fmt.Sprintf("%s looked at", wording.Count(j.examined, "package"))
	return j
}

// packageGaps are the reasons why packages may be missing from the list. How old the
// database is does not matter; without any, nothing was listed.
func (s *subject) packageGaps() gaps {
	rules := []string{RuleImage, RuleIntegrity, RuleLimits, RuleCoverageOS, RuleCoveragePackages, RuleCoverageFiles, RuleScan}
	if len(s.evidence.Packages) == 0 {
		rules = append(rules, RuleDatabase)
	}
	return s.open(rules...)
}

// distinctPackages are the packages of the image, sorted, without repetitions.
func (s *subject) distinctPackages() []evidence.Package {
	all := slices.Clone(s.evidence.Packages)
	key := func(p evidence.Package) string {
		return strings.Join([]string{string(p.Class), p.Type, p.Name, p.Version, p.Path}, "\x00")
	}
	slices.SortStableFunc(all, func(a, b evidence.Package) int { return strings.Compare(key(a), key(b)) })
	return slices.CompactFunc(all, func(a, b evidence.Package) bool {
		return key(a) == key(b) && slices.Equal(a.Licenses, b.Licenses)
	})
}

// packageFits says whether a pattern of a PackageRule matches.
func packageFits(pattern string, p evidence.Package) bool {
	name, version := policy.SplitPackagePattern(pattern)
	return matchesPackage([]string{name}, &p) && (version == "" || policy.MatchGlob(version, p.Version))
}

// describePackage is "curl 8.5.0 (alpine)" or "lodash 4.17.10 (app/package.json)".
func describePackage(p evidence.Package) string {
	place := p.Path
	if place == "" {
		place = p.Type
	}
	text := strings.TrimSpace(p.Name + " " + p.Version)
	if place != "" {
		text += " (" + place + ")"
	}
	return text
}
