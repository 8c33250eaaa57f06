// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// feedProblems are the reasons why the feeds that a rule needs cannot be used. Rules
// that do not need them are not concerned.
func (s *subject) feedProblems(r policy.VulnerabilityRule) []evidence.Problem {
	var problems []evidence.Problem
	need := func(needed bool, name string, feed *policy.Feed, state *evidence.FeedState) {
		if needed {
			problems = append(problems, s.feedProblem(name, feed, state)...)
		}
	}
	need(r.KnownExploited, "kev", s.policy.Feeds.KEV, s.evidence.Feeds.KEV)
	need(r.EPSS != nil, "epss", s.policy.Feeds.EPSS, s.evidence.Feeds.EPSS)
	if seen := s.evidence.Feeds.FirstSeen; r.Grace != nil && r.Grace.FirstSeen && seen != nil && seen.Problem != "" {
		problems = append(problems, feedProblem("first-seen", seen, seen.Problem, ""))
	}
	return problems
}

func feedProblem(name string, state *evidence.FeedState, message, hint string) evidence.Problem {
	what := name
	if state != nil && state.Source != "" {
		what = state.Source
	}
	return evidence.Problem{Area: evidence.AreaFeed, What: what, Message: fmt.Sprintf("the %s feed cannot be used: %s", name, message), Hint: hint}
}

func (s *subject) feedProblem(name string, feed *policy.Feed, state *evidence.FeedState) []evidence.Problem {
	problem := func(message, hint string) []evidence.Problem {
		return []evidence.Problem{feedProblem(name, state, message, hint)}
	}
	const newer = "fetch a newer copy of the file that the policy names"
	switch {
	case feed == nil:
		return problem("the policy does not have it", "add feeds: {"+name+": {file: …}}")
	case state == nil:
		return problem("it was not read", "")
	case state.Problem != "":
		return problem(state.Problem, newer)
	case state.Entries <= 0:
		return problem("it has no entries", newer)
	case feed.MaxAge <= 0:
		return nil
	case state.Updated == nil || state.Updated.IsZero():
		return problem("it does not say of when it is, and the policy limits its age", newer)
	}
	date := wording.Time(*state.Updated)
	switch {
	case state.Updated.After(s.time.Add(clockSkew)):
		return problem(fmt.Sprintf("it is of %s, which is after the effective time %s", date, wording.Time(s.time)), "check the clock and the effective time")
	case state.Updated.Add(feed.MaxAge).Before(s.time):
		return problem(fmt.Sprintf("it is of %s: %s old, where the policy allows %s", date, wording.Age(s.time.Sub(*state.Updated)), wording.Age(feed.MaxAge)), newer)
	}
	return nil
}
