// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// attestations judges who has attested what. One attestation that meets everything
// satisfies the rule.
func (s *subject) attestations(rule policy.Rule) judgement {
	r := *rule.Attestations
	d := demand{Signers: r.Signers, kind: evidence.KindAttestation, types: r.PredicateTypes}
	if r.AsksContent() {
		d.content = s.content(rule.ID, r)
	}
	return s.signedBy(rule, d)
}

// content judges predicates.
func (s *subject) content(id string, r policy.AttestationRule) func(*evidence.Signature) ([]lack, string) {
	tests := conditions(r.Conditions)
	return func(it *evidence.Signature) (lacks []lack, open string) {
		if it.Predicate == nil {
			return nil, "its content is not known"
		}
		if len(r.Builders)+len(r.Sources)+len(r.BuildTypes) > 0 {
			p, ok := provenanceOf(it.PredicateType, it.Predicate)
			if !ok {
				return []lack{{"builder", it.PredicateType + " is no SLSA provenance of version 0.2 or 1, so that it names no builder, build type and source"}}, ""
			}
			lacks = p.lacks(r)
		}
		for _, c := range tests {
			if why := c.unmet(it.Predicate, s.time); why != "" {
				lacks = append(lacks, lack{"condition", why})
			}
		}
		if len(r.Rego) > 0 {
			var denied []lack
			denied, open = regoLacks(id, it.Rego)
			lacks = append(lacks, denied...)
		}
		return lacks, open
	}
}

// regoLacks are what the Rego modules of a rule deny about an attestation.
func regoLacks(id string, results []evidence.CustomResult) (lacks []lack, open string) {
	var mine []evidence.CustomResult
	for _, r := range results {
		if r.Rule == id {
			mine = append(mine, r)
		}
	}
	switch {
	case len(mine) == 0:
		return nil, "the Rego rules were not evaluated"
	case len(mine) > 1:
		return nil, "the Rego rules were evaluated more than once"
	case mine[0].Problem != "":
		return nil, fmt.Sprintf("the Rego rules could not be evaluated: %s", mine[0].Problem)
	}
	for _, m := range mine[0].Deny {
		lacks = append(lacks, lack{"rego", "it is denied: " + cmp.Or(m.Message, "without a message")})
	}
	return lacks, ""
}
