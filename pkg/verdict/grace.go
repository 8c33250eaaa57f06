// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// grace says whether a violation is in its grace period, and writes into it until
// when, or why it is not.
func (s *subject) grace(g *policy.Grace, f *evidence.Finding, v *Violation) bool {
	if g == nil || g.Days <= 0 {
		return false
	}
	date, what := f.Published, "published"
	if g.FirstSeen && f.FirstSeen != nil {
		date, what = f.FirstSeen, "first seen"
	}
	if date == nil || date.IsZero() {
		v.Message += ", without a date and so without grace"
		return false
	}
	from := midnight(*date)
	if from.After(midnight(s.time)) {
		v.Message += fmt.Sprintf(", %s on %s, which is yet to come, and so without grace", what, wording.Date(from))
		return false
	}
	deadline := from.AddDate(0, 0, g.Days+1)
	if s.time.Before(deadline) {
		v.Deadline = &deadline
		v.Message += fmt.Sprintf(", %s on %s, in grace until %s", what, wording.Date(from), wording.Date(lastDay(deadline)))
		return true
	}
	v.Message += fmt.Sprintf(", %s on %s, its grace ended on %s", what, wording.Date(from), wording.Date(lastDay(deadline)))
	return false
}

// inGrace is "; 2 in grace until 2026-12-01".
func inGrace(pending []Violation) string {
	var first, last time.Time
	n := 0
	for _, v := range pending {
		if v.Deadline == nil {
			continue
		}
		if n++; n == 1 || v.Deadline.Before(first) {
			first = *v.Deadline
		}
		if v.Deadline.After(last) {
			last = *v.Deadline
		}
	}
	switch {
	case n == 0:
		return ""
	case first.Equal(last):
		return fmt.Sprintf("; %d in grace until %s", n, wording.Date(lastDay(first)))
	default:
		return fmt.Sprintf("; %d in grace, the first until %s", n, wording.Date(lastDay(first)))
	}
}

// midnight is the beginning of a day in UTC.
func midnight(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// lastDay is the last day before a deadline.
func lastDay(deadline time.Time) time.Time { return deadline.AddDate(0, 0, -1) }
