// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// The statuses of a VEX statement that remove a violation.
const (
	vexNotAffected = "not_affected"
	vexFixed       = "fixed"
)

// excused returns the first VEX statement that removes the violation, or nil. An
// enforced rule honours the documents of its own policy only.
func (s *subject) excused(level int, v *Violation) *evidence.VEXStatement {
	if v.Finding == nil || v.Finding.Kind != evidence.KindVulnerability {
		return nil
	}
	for i := range v.Finding.VEX {
		st := &v.Finding.VEX[i]
		if (!s.policy.EnforcedLevel(level) || st.Level == level) && honoured(*st) {
			return st
		}
	}
	return nil
}

// honoured says whether a statement removes a violation: not_affected needs to say
// why, as the specifications demand.
func honoured(st evidence.VEXStatement) bool {
	return st.Status == vexFixed || st.Status == vexNotAffected && st.Justification != ""
}

// unusedVEX says which documents that the policy names were not used, and why.
func unusedVEX(evs []evidence.Evidence) []string {
	var notes []string
	used := map[string]bool{}
	for _, ev := range evs {
		for i := range ev.Findings {
			for _, st := range ev.Findings[i].VEX {
				used[st.Source] = true
			}
		}
	}
	for _, ev := range evs {
		for _, f := range ev.Feeds.VEX {
			var note string
			switch {
			case f.Problem != "":
				note = fmt.Sprintf("the VEX document %s is not used: %s", f.Source, f.Problem)
			case !used[f.Source]:
				note = fmt.Sprintf("the VEX document %s says nothing about what was found in this image: a statement must name the vulnerability and, by package URL, this package or this image", f.Source)
			}
			if note != "" && !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	return notes
}
