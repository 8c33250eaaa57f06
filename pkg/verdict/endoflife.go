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

// endOfLife judges the release of the operating system. A release of which nobody
// knows whether it is maintained is not decided.
func (s *subject) endOfLife(r policy.VulnerabilityRule) judgement {
	j := judgement{noun: "release", examined: 1, gaps: s.open(RuleImage, RuleIntegrity, RuleLimits, RuleCoverageOS, RuleScan)}
	if feed := s.policy.Feeds.EOL; feed != nil {
		j.gaps.problems = append(j.gaps.problems, s.feedProblem("eol", feed, s.evidence.Feeds.EOL)...)
	}
	os := s.evidence.Coverage.OS
	name := strings.TrimSpace(os.Family + " " + os.Release)
	violated := func(message string) {
		j.violations = []Violation{{
			Message: message, ID: name,
			Fix: fmt.Sprintf("build on a base image with a newer release of %s", os.Family),
		}}
	}
	switch date := os.EndOfLifeDate; {
	case os.Family == "" && (len(s.problems(evidence.AreaOS)) > 0 || s.osPackages() > 0):
		j.undecided = "the operating system is not known"
	case os.Family == "":
		// Without a database nothing was matched, and the operating system not looked at.
		j.gaps.rules = append(j.gaps.rules, s.open(RuleDatabase).rules...)
		j.examined, j.skip = 0, "the image has no operating system"
	case date != nil && !s.time.Before(*date):
		violated(fmt.Sprintf("%s reached its end of life on %s%s", name, wording.Date(*date), according(os)))
	case date != nil && r.Within > 0 && !s.time.Add(r.Within).Before(*date):
		violated(fmt.Sprintf("%s reaches its end of life on %s%s, in less than %s", name, wording.Date(*date), according(os), wording.Age(r.Within)))
	case os.EndOfLife:
		violated(name + " reached its end of life" + according(os))
	case date != nil:
		j.met = fmt.Sprintf("%s is maintained until %s%s", name, wording.Date(*date), according(os))
	case rolling(os.Family):
		j.met = name + " is a rolling release, which has no end of life"
	case os.Maintained:
		j.met = name + " is maintained, its end of life is not known yet" + according(os)
	default:
		j.undecided = fmt.Sprintf("it is not known how long %s is maintained; name a file that knows it as feeds.eol", name)
	}
	return j
}

func according(os evidence.OSFacts) string {
	if os.EndOfLifeSource == "" {
		return ""
	}
	return " according to " + os.EndOfLifeSource
}

// rolling are the distributions whose packages are always those of the only release.
func rolling(family string) bool {
	return slices.Contains([]string{"wolfi", "chainguard", "minimos", "opensuse-tumbleweed"}, family)
}
