// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/policy"
)

func TestLineageCannotBeWaived(t *testing.T) {
	now := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	for _, w := range []policy.Waiver{{ID: "w", Rule: "b", Until: now}, {ID: "w", Finding: FactLineage, Until: now}} {
		p := &policy.Policy{Waivers: []policy.Waiver{w}}
		l := newLedger(now)
		s := &subject{policy: p, time: now, waivers: l.open(p)}
		o := s.settle(Outcome{Rule: "b", Group: string(policy.GroupBase)}, judgement{violations: []Violation{{Message: "m", ID: FactLineage}}}, 0)
		if o.Result != Fail || l.states()[0].Use != WaiverRefused {
			t.Errorf("%+v: %s, %+v", w, o.Result, l.states())
		}
		o = s.settle(Outcome{Rule: "b", Group: string(policy.GroupBase)}, judgement{violations: []Violation{{Message: "m", ID: "pinned"}}}, 0)
		if want := w.Rule != ""; (o.Result == Pass) != want {
			t.Errorf("%+v: another fact: %s", w, o.Result)
		}
	}
}
