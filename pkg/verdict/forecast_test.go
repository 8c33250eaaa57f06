// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func onDay(s string) time.Time {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		panic(err)
	}
	return t
}

// foretold writes each change and cause as one line.
func foretold(p *policy.Policy, days int, evs ...evidence.Evidence) string {
	in := verdict.Input{Policy: p, Reference: "registry.example.com/app:1.2", Evidence: evs, EffectiveTime: now}
	var b strings.Builder
	for _, c := range verdict.Forecast(in, now.AddDate(0, 0, days)) {
		fmt.Fprintf(&b, "%s %s %s→%s red=%v %s\n", c.Date, c.Rule, c.From, c.To, c.Red, c.Reason)
		for _, cause := range c.Causes {
			fmt.Fprintf(&b, "  %s %s: %s\n", cause.Finding, cause.Waiver, cause.Reason)
		}
	}
	return b.String()
}

func TestForecast(t *testing.T) {
	two := found(vuln("CVE-1", evidence.SeverityCritical, 0, ""), vuln("CVE-2", evidence.SeverityCritical, 1, ""))
	waive := func(id, finding, until string) policy.Waiver {
		return policy.Waiver{ID: id, Finding: finding, Until: onDay(until), Reason: "r", Owner: "o"}
	}
	with := func(p *policy.Policy, ws ...policy.Waiver) *policy.Policy {
		p.Waivers = ws
		return p
	}
	from := critical
	from.From = onDay("2026-03-20")
	warned := asWarning(from)
	lateBudget := vulnRule("budget", policy.VulnerabilityRule{Severities: []evidence.Severity{evidence.SeverityCritical}, Max: 1})
	for _, tt := range []struct {
		name   string
		policy *policy.Policy
		days   int
		want   string
	}{
		{"a waiver ends", with(rules(critical), waive("w1", "CVE-1", "2026-03-12"), waive("w2", "CVE-2", "2026-12-31")), 14,
			"2026-03-13 no-critical pass→fail red=true \n  CVE-1 w1: waiver w1 no longer holds (until 2026-03-12)\n"},
		{"one after the other", with(rules(critical), waive("w1", "CVE-1", "2026-03-12"), waive("w2", "CVE-2", "2026-03-10")), 14,
			"2026-03-11 no-critical pass→fail red=true \n  CVE-2 w2: waiver w2 no longer holds (until 2026-03-10)\n" +
				"2026-03-13 no-critical fail→fail red=true \n  CVE-1 w1: waiver w1 no longer holds (until 2026-03-12)\n"},
		{"another waiver takes over", with(rules(critical), waive("w1", "CVE-1", "2026-03-12"), waive("w3", "CVE-1", "2026-12-31"), waive("w2", "CVE-2", "2026-12-31")), 14, ""},
		{"within the budget", with(rules(lateBudget), waive("w1", "CVE-1", "2026-03-12"), waive("w2", "CVE-2", "2026-12-31")), 14, ""},
		{"beyond the horizon", with(rules(critical), waive("w1", "CVE-1", "2026-03-24"), waive("w2", "CVE-2", "2026-12-31")), 14, ""},
		{"on the last day", with(rules(critical), waive("w1", "CVE-1", "2026-03-23"), waive("w2", "CVE-2", "2026-12-31")), 14,
			"2026-03-24 no-critical pass→fail red=true \n  CVE-1 w1: waiver w1 no longer holds (until 2026-03-23)\n"},
		{"a rule takes effect", rules(from), 14, "2026-03-20 no-critical warn→fail red=true the rule fails from 2026-03-20\n"},
		{"a warning has no day", rules(warned), 14, ""},
		{"an age is not forecast", rules(critical), 366, ""},
		{"no days", with(rules(critical), waive("w1", "CVE-1", "2026-03-12"), waive("w2", "CVE-2", "2026-12-31")), 0, ""},
		{"no policy", nil, 14, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, foretold(tt.policy, tt.days, two)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if foretold(rules(critical), 14) != "" || len(verdict.Forecast(verdict.Input{Evidence: []evidence.Evidence{two}}, now)) != 0 {
		t.Error("a forecast of nothing")
	}
}

// What turns worse by the age of something else than a waiver.
func TestForecastOfAges(t *testing.T) {
	graced := critical
	r := *graced.Vulnerabilities
	r.Grace = &policy.Grace{Days: 7}
	graced.Vulnerabilities = &r
	published := vuln("CVE-1", evidence.SeverityCritical, 0, "")
	published.Published = ptr(onDay("2026-03-08"))
	if diff := cmp.Diff("2026-03-16 no-critical pass→fail red=true \n  CVE-1 : its grace period is over\n",
		foretold(rules(graced), 14, found(published))); diff != "" {
		t.Error(diff)
	}

	maintained := with(func(ev *evidence.Evidence) { ev.Coverage.OS.EndOfLifeDate = ptr(onDay("2026-03-18")) })
	eol := vulnRule("maintained", policy.VulnerabilityRule{EndOfLife: true})
	if diff := cmp.Diff("2026-03-18 maintained pass→fail red=true \n   : it begins to count on that day\n",
		foretold(rules(eol), 14, maintained)); diff != "" {
		t.Error(diff)
	}

	// A feed that grows old in the course of a day, and the rule that needs it.
	known := vulnRule("known-exploited", policy.VulnerabilityRule{KnownExploited: true})
	p := rules(known, asWarning(known))
	p.Rules[1].ID = "also"
	p.Feeds.KEV = &policy.Feed{MaxAge: 7 * 24 * time.Hour}
	fed := with(func(ev *evidence.Evidence) {
		ev.Feeds.KEV = &evidence.FeedState{Source: "kev.json", Entries: 1, Updated: ptr(now.AddDate(0, 0, -5))}
	})
	const old = "not decided: the kev feed cannot be used: it is of 2026-03-05T12:00:00Z: 7d old, where the policy allows 7d"
	if diff := cmp.Diff("2026-03-12 known-exploited pass→error red=true "+old+"\n2026-03-12 also pass→error red=false "+old+"\n",
		foretold(p, 14, fed)); diff != "" {
		t.Error(diff)
	}
}

// The input is as it was, and a year is the end.
func TestForecastIsPureAndBounded(t *testing.T) {
	p := rules(critical)
	p.Waivers = []policy.Waiver{{ID: "w", Finding: "CVE-1", Until: onDay("2028-01-01")}}
	ev := found(vuln("CVE-1", evidence.SeverityCritical, 0, ""))
	in := verdict.Input{Policy: p, Evidence: []evidence.Evidence{ev}, EffectiveTime: now}
	updated := *ev.Database.UpdatedAt
	if got := verdict.Forecast(in, now.AddDate(100, 0, 0)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if !in.Evidence[0].Database.UpdatedAt.Equal(updated) || !in.EffectiveTime.Equal(now) {
		t.Error("the input was changed")
	}
}

// A rule that is to come says from when it fails.
func TestSummaryOfEffectiveDate(t *testing.T) {
	r := critical
	r.From = onDay("2026-12-01")
	v := decide(rules(r), found(vuln("CVE-1", evidence.SeverityCritical, 0, "")))
	o := outcome(v, "no-critical")
	if o.Result != verdict.Warn || o.From == nil || !strings.HasSuffix(o.Summary, "; fails from 2026-12-01") || v.Status != verdict.Passed {
		t.Errorf("%s %q %v", o.Result, o.Summary, o.From)
	}
	r.Action = policy.ActionWarn
	if o := outcome(decide(rules(r), found(vuln("CVE-1", evidence.SeverityCritical, 0, ""))), "no-critical"); o.From != nil || strings.Contains(o.Summary, "fails from") {
		t.Errorf("a warning that will never fail says %q", o.Summary)
	}
}
