// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// SecretRule selects secrets and says how many are tolerated.
type SecretRule struct {
	// Severities that the rule selects; empty selects all.
	Severities []evidence.Severity
	// Max is the number of unwaived findings that is still a pass; default 0.
	Max int
}

// SearchesSecrets says whether anything in the policy can depend on secrets in files: a
// rule about secrets or credentials, a custom rule, or the coverage that it demands. The
// search is the dearest part of a scan, so it is left out where nothing asks for it.
func (p *Policy) SearchesSecrets() bool {
	if p.Coverage.CoversSecrets() || slices.ContainsFunc(p.Rules, func(r Rule) bool {
		return r.Secrets != nil || r.Custom != nil || r.Config != nil && r.Config.EnvSecretsForbidden
	}) {
		return true
	}
	for _, v := range p.variants {
		if v != p && v.SearchesSecrets() {
			return true
		}
	}
	return false
}

func secretGroup() group {
	return group{
		name: GroupSecrets, about: "Secrets in files and in the image configuration.",
		keys: func(p *parser, r *Rule) []key {
			own := &SecretRule{}
			r.Secrets = own
			return []key{
				{name: "severity", about: "Only secrets of these severities; default all.", tighten: moreOrAll,
					shape: listOf(shape{kind: shapeString, enum: severityNames()}), read: func(v value) { own.Severities, _ = p.severities(v) }},
				p.countKey("max", "How many are tolerated; default 0.", &own.Max, atMost("0")),
			}
		},
		title: func(r *Rule) string {
			noun := "secrets"
			if r.Secrets.Max == 1 {
				noun = "secret"
			}
			if s := severityWords(r.Secrets.Severities); s != "" {
				noun += " of " + s + " severity"
			}
			return amount(r.Secrets.Max) + " " + noun
		},
		remediation: func(*Rule) string {
			return "Revoke the secret, then build the image without it: deleting the file in a later layer leaves it in the earlier one. Pass secrets at run time, or to the build by a secret mount."
		},
	}
}
