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

// demands is the coverage that the policy demands of the subject's platform, with the
// platforms of the policy that say so in place of the rest.
func (s *subject) demands() (policy.Coverage, []string) {
	return s.policy.Coverage.On(s.evidence.Subject.Platform)
}

// optional is what a summary says of something that the policy does not demand.
func optional(by []string) string {
	if len(by) == 0 {
		return "; optional by policy"
	}
	return "; optional by policy on " + strings.Join(by, ", ")
}

// missingPackages are the demands for packages that the subject does not meet.
func (s *subject) missingPackages(d policy.Coverage, found int) []evidence.Problem {
	var ps []evidence.Problem
	problem := func(what, message, hint string) {
		ps = append(ps, evidence.Problem{Area: evidence.AreaPackages, What: what, Message: message, Hint: hint})
	}
	if found < d.MinPackages {
		problem("", fmt.Sprintf("%s found, where the policy demands %d at least", wording.Count(found, "package"), d.MinPackages),
			"is a part of the image not looked at? else lower coverage.min-packages")
	}
	for _, t := range d.PackageTypes {
		if !s.hasPackages(t) {
			problem(t, fmt.Sprintf("no package of type %s was found, which the policy demands", t),
				"keep what lists the packages (a package database, lock file or manifest) in the image")
		}
	}
	if d.NotMatchedError {
		for _, n := range s.evidence.Coverage.NotMatched {
			problem(n, "packages were listed, but there are no advisories for them: "+n, "remove them, or let the policy say `not-matched: show`")
		}
	}
	return ps
}

// hasPackages says whether a package of a type or class was found.
func (s *subject) hasPackages(t string) bool {
	return s.evidence.Coverage.Packages[t] > 0 ||
		slices.ContainsFunc(s.evidence.Packages, func(p evidence.Package) bool { return p.Type == t || string(p.Class) == t })
}

// coverageSecrets is an outcome where the policy speaks of it. Rules about secrets
// demand the search by themselves.
func (s *subject) coverageSecrets() check {
	cov := s.evidence.Coverage
	c := check{rule: RuleCoverageSecrets, title: "Files were searched for secrets", examined: cov.Files, summary: wording.Count(cov.Files, "file") + " searched"}
	d, by := s.demands()
	problem := func(message, hint string) {
		c.problems = append(c.problems, evidence.Problem{Area: evidence.AreaScan, What: "secrets", Message: message, Hint: hint})
	}
	switch {
	case !cov.SecretScan && (d.SecretsRequired || d.BaseSecretsRequired):
		problem("files were not searched for secrets", "")
	case !cov.SecretScan:
		c.examined, c.summary = 0, "not searched"+optional(by)
	case cov.BaseLayers > 0 && d.BaseSecretsRequired:
		problem(fmt.Sprintf("%s not searched for secrets", baseLayersWere(cov.BaseLayers)),
			"judge the image itself with this policy: such layers are searched where it says `base-secrets: required`")
	case cov.BaseLayers > 0:
		c.summary += fmt.Sprintf(", but %s not%s", baseLayersWere(cov.BaseLayers), optional(by))
	}
	return c
}

func baseLayersWere(n int) string {
	if n == 1 {
		return "1 layer of a base image was"
	}
	return fmt.Sprintf("%d layers of a base image were", n)
}
