// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// custom takes over what the rule's Rego files said. They look at everything, so that
// "nothing denied" means nothing where something could not be examined.
func (s *subject) custom(id string, r policy.CustomRule) judgement {
	j := judgement{noun: "violation", examined: 1, met: "nothing is denied", gaps: s.open(policy.BuiltinRules()...)}
	var results []evidence.CustomResult
	for _, c := range s.evidence.Custom {
		if c.Rule == id {
			results = append(results, c)
		}
	}
	switch {
	case len(r.Rego) == 0:
		j.undecided = "the rule names no file of rules"
	case len(results) == 0:
		j.undecided = "the Rego rules were not evaluated"
	case len(results) > 1:
		j.undecided = "the Rego rules were evaluated more than once"
	case results[0].Problem != "":
		j.undecided = results[0].Problem
	default:
		j.violations = s.customViolations(results[0].Deny)
		j.warnings = s.customViolations(results[0].Warn)
	}
	return j
}

func (s *subject) customViolations(messages []evidence.CustomMessage) []Violation {
	var vs []Violation
	for _, m := range messages {
		fs := s.meant(m)
		if len(fs) == 0 {
			vs = append(vs, s.customFact(m))
			continue
		}
		for _, f := range fs {
			v := Violation{Message: m.Message, Finding: f, Fix: m.Fix}
			if len(fs) > 1 {
				v.Message += ": " + findingMessage(f)
			}
			if v.Fix == "" && f.Kind == evidence.KindVulnerability {
				v.Fix = s.fixText(f)
			}
			vs = append(vs, v)
		}
	}
	return vs
}

// meant are the findings that a message names. A message without a package is about
// each package that the finding concerns: all of them must be waived.
func (s *subject) meant(m evidence.CustomMessage) []*evidence.Finding {
	if m.Finding == "" {
		return nil
	}
	var fs []*evidence.Finding
	seen := map[identity]bool{}
	for i := range s.evidence.Findings {
		f := &s.evidence.Findings[i]
		switch {
		case f.ID != m.Finding && !slices.Contains(f.Aliases, m.Finding):
		case m.Package != "" && !packageMatches(m.Package, f.Package):
		case m.Path != "" && strings.TrimPrefix(m.Path, "/") != strings.TrimPrefix(f.Location(), "/"):
		default:
			if k := identityOf(f); !seen[k] {
				seen[k] = true
				fs = append(fs, f)
			}
		}
	}
	slices.SortStableFunc(fs, compareFindings)
	return fs
}

// customFact is about no finding: it names what it can.
func (s *subject) customFact(m evidence.CustomMessage) Violation {
	v := Violation{Message: m.Message, ID: m.Finding, Path: m.Path, Fix: m.Fix}
	if m.Package != "" {
		i := slices.IndexFunc(s.evidence.Packages, func(p evidence.Package) bool { return packageMatches(m.Package, &p) })
		if i >= 0 {
			p := s.evidence.Packages[i]
			v.Package, v.Layer = &p, p.Layer
		} else {
			v.Package = &evidence.Package{Name: m.Package}
		}
	}
	same := func(f evidence.File) bool {
		return m.Path != "" && strings.TrimPrefix(f.Path, "/") == strings.TrimPrefix(m.Path, "/")
	}
	if i := slices.IndexFunc(s.evidence.Files, same); i >= 0 {
		v.Layer = s.evidence.Files[i].Layer
	}
	return v
}

func findingMessage(f *evidence.Finding) string {
	if f.Kind == evidence.KindSecret {
		return secretMessage(f)
	}
	return vulnerabilityMessage(f)
}
