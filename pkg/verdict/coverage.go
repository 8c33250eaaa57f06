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

// coverageOS lets a static binary on scratch pass without an operating system:
// there the scan has seen no trace of one.
func (s *subject) coverageOS() check {
	os := s.evidence.Coverage.OS
	c := check{rule: RuleCoverageOS, title: "The operating system is known and has advisories", examined: 1}
	c.summary = strings.TrimSpace(os.Family + " " + os.Release)
	if os.Family == "" {
		c.summary = "none: the image holds no distribution"
	}
	if os.EndOfLife {
		c.summary += ", no longer maintained by its vendor"
	}
	ps := s.problems(evidence.AreaOS)
	if os.Family == "" && len(ps) == 0 && s.osPackages() > 0 {
		ps = append(ps, evidence.Problem{
			Area: evidence.AreaOS, Message: "the image holds packages of a distribution that was not recognised",
			Hint: "keep /etc/os-release in the image",
		})
	}
	if demands, by := s.demands(); demands.OSOptional {
		c.accepted = ps
		c.summary += optional(by)
	} else {
		c.problems = ps
	}
	return c
}

// coveragePackages accepts only that there are no packages at all. Packages that
// are there and were not examined, and a package database that is missing,
// deleted or unreadable (such a problem names its analyser), are always errors.
func (s *subject) coveragePackages() check {
	ev := s.evidence
	c := check{rule: RuleCoveragePackages, title: "The installed packages are known"}
	listed := 0
	for _, n := range ev.Coverage.Packages {
		listed += max(0, n)
	}
	c.examined = max(listed, len(ev.Packages))
	c.summary = wording.Count(c.examined, "package")
	demands, by := s.demands()
	if demands.PackagesOptional {
		c.summary += optional(by)
	}
	for _, p := range s.problems(evidence.AreaPackages) {
		if p.Analyzer == "" && c.examined == 0 && demands.PackagesOptional {
			c.accepted = append(c.accepted, p)
		} else {
			c.problems = append(c.problems, p)
		}
	}
	c.problems = append(c.problems, s.missingPackages(demands, c.examined)...)
	if len(c.problems) > 0 {
		return c
	}
	switch {
	case hasOSPackages(ev.Coverage.OS.Family) && s.osPackages() == 0 && (len(ev.Packages) > 0 || listed == 0):
		c.problems = append(c.problems, evidence.Problem{
			Area: evidence.AreaPackages, What: ev.Coverage.OS.Family,
			Message: "the image is " + strings.TrimSpace(ev.Coverage.OS.Family+" "+ev.Coverage.OS.Release) + ", but none of its packages was found",
			Hint:    "the package database must stay in the image; without it nothing can be matched with advisories",
		})
	case c.examined == 0 && len(c.accepted) == 0:
		p := evidence.Problem{
			Area: evidence.AreaPackages, Message: "no package was found",
			Hint: "for an image without packages, set `coverage: {packages: optional}` in the policy",
		}
		if demands.PackagesOptional {
			c.accepted = append(c.accepted, p)
		} else {
			c.problems = append(c.problems, p)
		}
	}
	return c
}

// osPackages counts the packages of the distribution.
func (s *subject) osPackages() int {
	n := 0
	for _, p := range s.evidence.Packages {
		if p.Class == evidence.ClassOS {
			n++
		}
	}
	return n
}

// hasOSPackages says whether a distribution has packages of its own. ActiveState
// images hold language packages only.
func hasOSPackages(family string) bool { return family != "" && family != "activestate" }

// coverageFiles takes both lists in which an unreadable file may stand, so that
// one which is missing from either is not lost.
func (s *subject) coverageFiles() check {
	c := check{rule: RuleCoverageFiles, title: "Every package file could be read", examined: s.evidence.Coverage.Files}
	c.summary = wording.Count(s.evidence.Coverage.Files, "file") + " seen, none unreadable"
	if n := len(s.policy.Coverage.UnreadableAccept); n > 0 {
		c.summary += fmt.Sprintf("; %s of unreadable files accepted by policy", wording.Count(n, "glob"))
	}
	ps := s.problems(evidence.AreaFile)
	type key struct{ path, analyzer string }
	seen := map[key]bool{}
	for _, p := range ps {
		seen[key{p.What, p.Analyzer}] = true
	}
	for _, u := range s.evidence.Coverage.Unreadable {
		if k := (key{u.Path, u.Analyzer}); !seen[k] {
			seen[k] = true
			ps = append(ps, evidence.Problem{Area: evidence.AreaFile, What: u.Path, Analyzer: u.Analyzer, Message: u.Error})
		}
	}
	for _, p := range ps {
		if acceptedFile(s.policy.Coverage.UnreadableAccept, p.What) {
			c.accepted = append(c.accepted, p)
		} else {
			c.problems = append(c.problems, p)
		}
	}
	return c
}

func acceptedFile(globs []string, path string) bool {
	return path != "" && slices.ContainsFunc(globs, func(g string) bool { return matchPath(g, path) })
}

// matchPath matches a path of the image, with or without its leading slash. A
// pattern that is not one matches nothing.
func matchPath(glob, path string) bool {
	return policy.MatchGlob(strings.TrimPrefix(glob, "/"), strings.TrimPrefix(path, "/"))
}
