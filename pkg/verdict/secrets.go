// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// secretAnalyzer is the Analyzer of a file that could not be searched for secrets.
const secretAnalyzer = "secret"

func (s *subject) secrets(r policy.SecretRule) judgement {
	all := s.findings(evidence.KindSecret)
	j := judgement{noun: "secret", examined: len(all), max: r.Max, gaps: s.secretGaps(), met: "no secret found"}
	if len(all) > 0 {
		j.met = fmt.Sprintf("none of %s is concerned", countOf(len(all), "secret"))
	}
	if n := s.evidence.Coverage.BaseLayers; n > 0 {
		j.met += fmt.Sprintf("; %s of the base image not searched", countOf(n, "layer"))
	}
	for _, f := range all {
		if len(r.Severities) > 0 && !slices.Contains(r.Severities, f.severity) {
			continue
		}
		j.violations = append(j.violations, Violation{
			Message: secretMessage(f.Finding), Finding: f.Finding,
			Fix: "take the secret out of the build, so that no layer holds it, and revoke it",
		})
	}
	return j
}

func (s *subject) secretGaps() gaps {
	g := s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)
	if !s.evidence.Coverage.SecretScan {
		g.problems = append(g.problems, evidence.Problem{Area: evidence.AreaScan, Message: "the files were not searched for secrets"})
	}
	if files, ok := s.gaps[RuleCoverageFiles]; ok {
		for _, p := range files.Problems {
			if p.Analyzer == secretAnalyzer && !acceptedFile(s.policy.Coverage.UnreadableAccept, p.What) {
				g.problems = append(g.problems, p)
			}
		}
	}
	return g
}

func secretMessage(f *evidence.Finding) string {
	title := f.Title
	if title == "" {
		title = f.ID
	}
	place := f.Location()
	if f.StartLine > 0 {
		place += ":" + strconv.Itoa(f.StartLine)
	}
	return fmt.Sprintf("%s (%s) in %s", title, severityOf(f), place)
}
