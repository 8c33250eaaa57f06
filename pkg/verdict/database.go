// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// clockSkew is how far in the future a database may be before its date, or the
// effective time, is held to be wrong.
const clockSkew = 24 * time.Hour

func (s *subject) database() check {
	db := s.evidence.Database
	c := check{rule: RuleDatabase, title: "The vulnerability database is present and recent", examined: 1, problems: s.problems(evidence.AreaDatabase)}
	problem := func(message, hint string) {
		c.problems = append(c.problems, evidence.Problem{Area: evidence.AreaDatabase, What: db.Origin, Message: message, Hint: hint})
	}
	maxAge := s.policy.Database.MaxAge
	if maxAge <= 0 {
		maxAge = policy.DefaultDatabaseMaxAge
	}
	switch {
	case db.UpdatedAt == nil && len(c.problems) > 0:
	case db.UpdatedAt == nil && db.Digest == "" && db.Origin == "":
		problem("no vulnerability database was used", "")
	case db.UpdatedAt == nil || db.UpdatedAt.IsZero():
		problem("the vulnerability database does not say when it was made", "fetch the database again")
	default:
		date := wording.Time(*db.UpdatedAt)
		// Comparing times instead of subtracting them: a difference saturates at 292 years.
		switch {
		case db.UpdatedAt.After(s.time.Add(clockSkew)):
			problem(fmt.Sprintf("the vulnerability database is of %s, which is after the effective time %s", date, wording.Time(s.time)),
				"check the clock and the effective time")
		case db.UpdatedAt.Add(maxAge).Before(s.time):
			problem(fmt.Sprintf("the vulnerability database is of %s: %s old, where the policy allows %s", date, wording.Age(s.time.Sub(*db.UpdatedAt)), wording.Age(maxAge)),
				"fetch a newer database, or check that its mirror is updated")
		}
		c.summary = fmt.Sprintf("of %s, %s old; at most %s allowed", date, wording.Age(max(0, s.time.Sub(*db.UpdatedAt))), wording.Age(maxAge))
	}
	c.problems = append(c.problems, s.javaDatabase(&c)...)
	return c
}

// javaDatabase judges the database that names jar files, where one was used.
func (s *subject) javaDatabase(c *check) []evidence.Problem {
	java, maxAge := s.evidence.Database.Java, s.policy.Database.JavaMaxAge
	if java == nil {
		return nil
	}
	problem := func(message, hint string) []evidence.Problem {
		return []evidence.Problem{{Area: evidence.AreaDatabase, What: java.Origin, Message: message, Hint: hint}}
	}
	if java.UpdatedAt == nil || java.UpdatedAt.IsZero() {
		if maxAge <= 0 {
			return nil
		}
		return problem("the Java database does not say when it was made, and the policy limits its age", "fetch the database again")
	}
	date := wording.Time(*java.UpdatedAt)
	c.summary += fmt.Sprintf("; Java database of %s, %s old", date, wording.Age(max(0, s.time.Sub(*java.UpdatedAt))))
	switch {
	case maxAge <= 0:
		return nil
	case java.UpdatedAt.After(s.time.Add(clockSkew)):
		return problem(fmt.Sprintf("the Java database is of %s, which is after the effective time %s", date, wording.Time(s.time)),
			"check the clock and the effective time")
	case java.UpdatedAt.Add(maxAge).Before(s.time):
		return problem(fmt.Sprintf("the Java database is of %s: %s old, where the policy allows %s", date, wording.Age(s.time.Sub(*java.UpdatedAt)), wording.Age(maxAge)),
			"fetch a newer database, or check that its mirror is updated")
	}
	c.summary += fmt.Sprintf("; at most %s allowed", wording.Age(maxAge))
	return nil
}
