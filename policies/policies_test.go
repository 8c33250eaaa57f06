// SPDX-License-Identifier: Apache-2.0

package policies_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/policies"
)

func load(t *testing.T, name string) *policy.Policy {
	t.Helper()
	data, err := policies.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse("ocigate:"+name, data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEachParses(t *testing.T) {
	if got := policies.Names(); !slices.Equal(got, []string{"baseline", "cis-docker", "runtime-hardened", "strict"}) {
		t.Errorf("names %q", got)
	}
	for _, name := range policies.Names() {
		p := load(t, name)
		if p.Name != name || len(p.Waivers) > 0 || p.UnknownSeverityAccepted ||
			p.Coverage.OSOptional || p.Coverage.PackagesOptional || !p.Platforms.All {
			t.Errorf("%s is looser than a shipped policy may be: %+v", name, p)
		}
	}
	if _, err := policies.Read("../policies/baseline"); err == nil || !strings.Contains(err.Error(), "baseline, ") {
		t.Errorf("got %v", err)
	}
}

// failsOn says whether a failing rule, without a budget, selects vulnerabilities of
// this severity, with a fix or without.
func failsOn(p *policy.Policy, s evidence.Severity, fixed bool) bool {
	return slices.ContainsFunc(p.Rules, func(r policy.Rule) bool {
		v := r.Vulnerabilities
		return v != nil && r.Action == policy.ActionFail && v.Max == 0 && slices.Contains(v.Severities, s) &&
			(v.Fixed == nil || *v.Fixed == fixed)
	})
}

func TestWhatEachDemands(t *testing.T) {
	baseline, strict := load(t, "baseline"), load(t, "strict")
	for _, test := range []struct {
		severity                evidence.Severity
		fixed, baseline, strict bool
	}{
		{evidence.SeverityCritical, true, true, true},
		{evidence.SeverityCritical, false, true, true},
		{evidence.SeverityHigh, true, true, true},
		{evidence.SeverityHigh, false, false, true},
		{evidence.SeverityUnknown, true, false, true},
		{evidence.SeverityUnknown, false, false, true},
		{evidence.SeverityMedium, false, false, false},
		{evidence.SeverityLow, true, false, false},
	} {
		if got := failsOn(baseline, test.severity, test.fixed); got != test.baseline {
			t.Errorf("baseline fails on %s, fixed %v: %v", test.severity, test.fixed, got)
		}
		if got := failsOn(strict, test.severity, test.fixed); got != test.strict {
			t.Errorf("strict fails on %s, fixed %v: %v", test.severity, test.fixed, got)
		}
	}
	const day = 24 * time.Hour
	if baseline.Database.MaxAge != 7*day || strict.Database.MaxAge != 3*day {
		t.Errorf("max-age %v and %v", baseline.Database.MaxAge, strict.Database.MaxAge)
	}
}

// TestActions pins which of the other rules fail and which warn.
func TestActions(t *testing.T) {
	for name, want := range map[string]map[policy.Group]policy.Action{
		"baseline": {policy.GroupSecrets: policy.ActionFail, policy.GroupConfig: policy.ActionWarn, policy.GroupReference: policy.ActionWarn},
		"strict":   {policy.GroupSecrets: policy.ActionFail, policy.GroupConfig: policy.ActionFail, policy.GroupReference: policy.ActionFail},
	} {
		got := map[policy.Group]policy.Action{}
		for _, r := range load(t, name).Rules {
			if r.Group != policy.GroupVulnerabilities {
				got[r.Group] = r.Action
			}
		}
		for g, action := range want {
			if got[g] != action {
				t.Errorf("%s: %s is %q, want %q", name, g, got[g], action)
			}
		}
	}
}
