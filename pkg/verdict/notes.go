// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// unusedFirstSeen says that a first-seen file was given for nothing: whoever gives
// one expects longer grace, and a flag alone must not grant it.
func unusedFirstSeen(pols []*policy.Policy, evs []evidence.Evidence) []string {
	given := slices.ContainsFunc(evs, func(ev evidence.Evidence) bool { return ev.Feeds.FirstSeen != nil })
	asks := func(r policy.Rule) bool {
		return r.Vulnerabilities != nil && r.Vulnerabilities.Grace != nil && r.Vulnerabilities.Grace.FirstSeen
	}
	if !given || slices.ContainsFunc(pols, func(p *policy.Policy) bool { return slices.ContainsFunc(p.Rules, asks) }) {
		return nil
	}
	return []string{"the first-seen file changes nothing: no rule's grace counts from it (grace: {days: 7, since: first-seen})"}
}
