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

// A VEX document that matches nothing is said to do so: who wrote it expects otherwise.
func TestVEXAboutNothing(t *testing.T) {
	f := vuln("CVE-1", evidence.SeverityLow, 0, "")
	about := f
	about.VEX = []evidence.VEXStatement{{Source: "vex.json", Status: "affected"}}
	for name, c := range map[string]struct {
		finding evidence.Finding
		want    string
	}{
		"nothing":    {f, "the VEX document vex.json says nothing about what was found"},
		"a finding":  {about, ""},
		"unreadable": {f, "the VEX document vex.json is not used: torn"},
	} {
		state := evidence.FeedState{Source: "vex.json"}
		if name == "unreadable" {
			state.Problem = "torn"
		}
		ev := with(func(ev *evidence.Evidence) {
			ev.Findings, ev.Feeds.VEX = []evidence.Finding{c.finding}, []evidence.FeedState{state}
		})
		got := strings.Join(decide(strict(), ev).Notes, "\n")
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
}
