// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

func TestUnusedFirstSeen(t *testing.T) {
	given := with(func(ev *evidence.Evidence) { ev.Feeds.FirstSeen = &evidence.FeedState{Source: "seen.json"} })
	asking := vulnRule("grace", policy.VulnerabilityRule{Severities: []evidence.Severity{evidence.SeverityHigh}, Grace: &policy.Grace{Days: 7, FirstSeen: true}})
	for name, c := range map[string]struct {
		policy *policy.Policy
		ev     evidence.Evidence
		want   bool
	}{
		"nobody asks": {strict(), given, true},
		"asked for":   {rules(asking), given, false},
		"not given":   {strict(), good(), false},
	} {
		v := decide(c.policy, c.ev)
		if got := strings.Contains(strings.Join(v.Notes, "\n"), "first-seen"); got != c.want {
			t.Errorf("%s: notes %q", name, v.Notes)
		}
	}
}
