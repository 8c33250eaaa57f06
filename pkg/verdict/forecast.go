// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// MaxForecast is how far Forecast looks ahead; what lies behind is not looked at.
const MaxForecast = 366 * 24 * time.Hour

// Change is one rule that turns worse on a day, although nobody touches the image.
type Change struct {
	// Date is the day in UTC, YYYY-MM-DD: a run in its course may meet the change.
	Date     string            `json:"date"`
	Platform evidence.Platform `json:"platform"`
	Rule     string            `json:"rule"`
	Title    string            `json:"title,omitempty"`
	From     Result            `json:"from"`
	To       Result            `json:"to"`
	// Red is true where the new result keeps the verdict from being PASSED.
	Red bool `json:"red"`
	// Reason says what became of the rule as a whole; empty where Causes say it all.
	Reason string `json:"reason,omitempty"`
	// Summary is the outcome's on that day.
	Summary string `json:"summary"`
	// Causes are the violations that begin to count.
	Causes []Cause `json:"causes"`
}

// Cause is a violation that begins to count.
type Cause struct {
	Message string `json:"message"`
	// Finding is the id of its finding, where it has one.
	Finding string `json:"finding,omitempty"`
	// Waiver is the waiver that no longer holds, if that is why.
	Waiver string `json:"waiver,omitempty"`
	Reason string `json:"reason"`
}

// Forecast says what turns worse after the effective time, up to until: waivers and
// grace periods end, rules take effect, feeds grow old, a distribution is given up.
// It decides once more at the end of each day, so whatever a rule derives from the
// time is in it.
//
// Everything else stays as it is: the image, what the database knows, and the
// results of custom rules. The database keeps its age of now, as a later run would
// have a newer one.
func Forecast(in Input, until time.Time) []Change {
	changes := []Change{}
	start := in.EffectiveTime.UTC()
	if start.IsZero() || len(in.Evidence) == 0 {
		return changes
	}
	if end := start.Add(MaxForecast); until.After(end) {
		until = end
	}
	last := decideAll(in)
	for at := start; at.Before(until); {
		at = endOfDay(at.Add(1))
		if at.After(until) {
			at = until
		}
		next := decideAll(inputAt(in, at))
		for i, s := range next.Subjects {
			changes = append(changes, compareSubjects(last.Subjects[i], s, next)...)
		}
		last = next
	}
	return changes
}

func endOfDay(t time.Time) time.Time {
	y, m, d := t.UTC().Date()
	return time.Date(y, m, d+1, 0, 0, 0, -1, time.UTC)
}

// inputAt is the input as it would be at another time.
func inputAt(in Input, at time.Time) Input {
	passed := at.Sub(in.EffectiveTime)
	in.EffectiveTime = at
	in.Evidence = slices.Clone(in.Evidence)
	for i := range in.Evidence {
		in.Evidence[i].Database = younger(in.Evidence[i].Database, passed)
	}
	return in
}

// younger keeps the age of a database as time passes.
func younger(db evidence.DatabaseState, passed time.Duration) evidence.DatabaseState {
	if db.UpdatedAt != nil && !db.UpdatedAt.IsZero() {
		t := db.UpdatedAt.Add(passed)
		db.UpdatedAt = &t
	}
	if db.Java != nil {
		java := younger(*db.Java, passed)
		db.Java = &java
	}
	return db
}

func compareSubjects(before, after SubjectVerdict, v Verdict) []Change {
	var changes []Change
	for _, o := range after.Outcomes {
		old := Outcome{Result: Skip}
		if i := slices.IndexFunc(before.Outcomes, func(b Outcome) bool { return b.Rule == o.Rule }); i >= 0 {
			old = before.Outcomes[i]
		}
		causes := causesOf(old, o, v)
		worse := cmp.Compare(badness(o.Result), badness(old.Result))
		if worse < 0 || worse == 0 && (len(causes) == 0 || o.Result == Pass) {
			continue
		}
		c := Change{
			Date: wording.Date(v.EffectiveTime), Platform: after.Evidence.Subject.Platform,
			Rule: o.Rule, Title: o.Title, From: old.Result, To: o.Result,
			Red:     o.Result == Fail || o.Result == Error && o.Action != policy.ActionWarn,
			Summary: o.Summary, Causes: causes,
		}
		switch {
		case old.From != nil && o.From == nil:
			c.Reason = "the rule fails from " + wording.Date(*old.From)
		case len(causes) == 0:
			c.Reason = o.Summary
		}
		changes = append(changes, c)
	}
	return changes
}

// badness orders results by how much they trouble a build.
func badness(r Result) int {
	return slices.Index([]Result{Pass, Warn, Error, Fail}, r) // Skip is -1
}

// causesOf are the violations that count in the later outcome only.
func causesOf(before, after Outcome, v Verdict) []Cause {
	causes := []Cause{}
	known := map[counted]int{}
	for _, old := range before.Violations {
		known[countedKey(old)]++
	}
	for _, n := range after.Violations {
		k := countedKey(n)
		if known[k]--; known[k] >= 0 {
			continue
		}
		c := Cause{Message: n.Message, Reason: "it begins to count on that day"}
		if n.Finding != nil {
			c.Finding = n.Finding.ID
		}
		same := func(o Violation) bool { return countedKey(o) == k }
		if i := slices.IndexFunc(before.Waived, func(w Waived) bool { return same(w.Violation) }); i >= 0 {
			c.Waiver = before.Waived[i].Waiver
			c.Reason = fmt.Sprintf("waiver %s no longer holds%s", c.Waiver, waiverEnd(v, c.Waiver))
		} else if slices.ContainsFunc(before.Pending, same) {
			c.Reason = "its grace period is over"
		}
		causes = append(causes, c)
	}
	return causes
}

func waiverEnd(v Verdict, id string) string {
	for _, w := range v.Waivers {
		if w.ID == id {
			return " (until " + w.Until + ")"
		}
	}
	return ""
}

// counted tells the violations of one rule apart. The message is not in it: it may
// name an age.
type counted struct {
	finding identity
	fact    string
}

func countedKey(v Violation) counted {
	if v.Finding != nil {
		return counted{finding: identityOf(v.Finding)}
	}
	pkg := ""
	if v.Package != nil {
		pkg = v.Package.Name + " " + v.Package.Version + " " + v.Package.Path
	}
	return counted{fact: strings.Join([]string{v.ID, pkg, v.Path, v.Layer.DiffID, v.Layer.Digest}, "\x00")}
}
