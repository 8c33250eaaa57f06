// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// feeds are in order at now.
func feeds(p *policy.Policy, ev *evidence.Evidence) {
	p.Feeds = policy.Feeds{KEV: &policy.Feed{MaxAge: 14 * 24 * time.Hour}, EPSS: &policy.Feed{}}
	ev.Feeds = evidence.Feeds{
		KEV:  &evidence.FeedState{Source: "kev.json", Entries: 9, Updated: ptr(now.AddDate(0, 0, -3))},
		EPSS: &evidence.FeedState{Source: "epss.csv", Entries: 9},
	}
}

func TestVulnerabilitySelectors(t *testing.T) {
	openssl, lodash := vuln("CVE-1", evidence.SeverityHigh, 0, "2"), vuln("CVE-2", evidence.SeverityLow, 1, "")
	openssl.Status, openssl.CVSS, openssl.EPSS, openssl.KnownExploited = "fixed", 9.8, ptr(0.5), ptr(now.AddDate(-1, 0, 0))
	lodash.Status, lodash.CVSS, lodash.EPSS = "will_not_fix", 4, ptr(0.01)
	silent := vuln("CVE-3", evidence.SeverityUnknown, 1, "")
	nameless := evidence.Finding{Kind: evidence.KindVulnerability, ID: "CVE-4", Status: "who knows", CVSS: math.NaN(), EPSS: ptr(math.Inf(1))}
	score := func(min float64, exclude bool) *policy.Score {
		return &policy.Score{Min: min, ExcludeUnscored: exclude}
	}
	for _, tt := range []struct {
		name string
		rule policy.VulnerabilityRule
		want string
	}{
		{"status; what nobody knows stays", policy.VulnerabilityRule{Statuses: []string{"fixed"}}, "1 3 4"},
		{"another status", policy.VulnerabilityRule{Statuses: []string{"will_not_fix", "affected"}}, "2 3 4"},
		{"unknown status alone", policy.VulnerabilityRule{Statuses: []string{"unknown"}}, "3 4"},
		{"cvss", policy.VulnerabilityRule{CVSS: score(9.8, true)}, "1"},
		{"cvss above", policy.VulnerabilityRule{CVSS: score(9.9, true)}, ""},
		{"cvss with unscored", policy.VulnerabilityRule{CVSS: score(4, false)}, "1 2 3 4"},
		{"epss", policy.VulnerabilityRule{EPSS: score(0.1, true)}, "1"},
		{"epss with unscored", policy.VulnerabilityRule{EPSS: score(0.1, false)}, "1 3 4"},
		{"known exploited", policy.VulnerabilityRule{KnownExploited: true}, "1"},
		{"all must match", policy.VulnerabilityRule{KnownExploited: true, Severities: []evidence.Severity{evidence.SeverityLow}}, ""},
		{"package by name", policy.VulnerabilityRule{Packages: []string{"open*"}}, "1 4"},
		{"package by URL", policy.VulnerabilityRule{Packages: []string{"pkg:apk/*/openssl"}}, "1 4"},
		{"package by type of URL", policy.VulnerabilityRule{Packages: []string{"pkg:npm/**"}}, "2 3 4"},
		{"a star is one part", policy.VulnerabilityRule{Packages: []string{"pkg:apk/*"}}, "4"},
		{"not this package", policy.VulnerabilityRule{ExceptPackages: []string{"lodash"}}, "1 4"},
		{"path; the operating system has none", policy.VulnerabilityRule{Paths: []string{"app/**"}}, "2 3 4"},
		{"another path", policy.VulnerabilityRule{Paths: []string{"/opt/**"}}, "4"},
		{"origin", policy.VulnerabilityRule{Origin: "application"}, "1 2 3 4"},
		{"no base is proven", policy.VulnerabilityRule{Origin: "base"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, ev := rules(vulnRule("r", tt.rule)), found(openssl, lodash, silent, nameless)
			feeds(p, &ev)
			o := outcome(decide(p, ev), "r")
			var got []string
			for _, id := range []string{"1", "2", "3", "4"} {
				for _, v := range o.Violations {
					if v.Finding.ID == "CVE-"+id {
						got = append(got, id)
					}
				}
			}
			if strings.Join(got, " ") != tt.want || o.Result == verdict.Error {
				t.Errorf("%s: %s, want %q: %s", o.Result, got, tt.want, o.Summary)
			}
		})
	}
}

func TestReasonsAreNamed(t *testing.T) {
	f := vuln("CVE-1", evidence.SeverityHigh, 0, "2")
	f.CVSS, f.KnownExploited = 9.8, ptr(time.Date(2025, 8, 25, 0, 0, 0, 0, time.UTC))
	p, ev := rules(vulnRule("r", policy.VulnerabilityRule{KnownExploited: true, CVSS: &policy.Score{Min: 7}, EPSS: &policy.Score{Min: 0.1}})), found(f)
	feeds(p, &ev)
	const want = "CVE-1 (high) in openssl 3.1.4-r0, known to be exploited since 2025-08-25, CVSS 9.8, no EPSS score"
	if o := outcome(decide(p, ev), "r"); len(o.Violations) != 1 || o.Violations[0].Message != want {
		t.Errorf("%+v", o.Violations)
	}
}

func TestOriginOfAnUnknownBase(t *testing.T) {
	ev := found(vuln("CVE-1", evidence.SeverityHigh, 0, ""))
	ev.Base = &evidence.Base{Lineage: evidence.LineageUnknown, Reason: "the registry did not answer"}
	r := vulnRule("r", policy.VulnerabilityRule{Origin: "base"})
	if o := outcome(decide(rules(r), ev), "r"); o.Result != verdict.Error || !strings.Contains(o.Summary, "did not answer") {
		t.Errorf("%s: %s", o.Result, o.Summary)
	}
	ev.Findings = nil
	if o := outcome(decide(rules(r), ev), "r"); o.Result != verdict.Pass {
		t.Errorf("nothing could come from it: %s", o.Result)
	}
}

// TestFeedsThatCannotBeUsed pins that only the rules that need a feed are concerned,
// and that what it says nevertheless stays certain.
func TestFeedsThatCannotBeUsed(t *testing.T) {
	for name, change := range map[string]func(*policy.Policy, *evidence.Feeds){
		"not in the policy": func(p *policy.Policy, _ *evidence.Feeds) { p.Feeds.KEV = nil },
		"not read":          func(_ *policy.Policy, f *evidence.Feeds) { f.KEV = nil },
		"unreadable":        func(_ *policy.Policy, f *evidence.Feeds) { f.KEV.Problem = "it is HTML" },
		"empty":             func(_ *policy.Policy, f *evidence.Feeds) { f.KEV.Entries = 0 },
		"undated":           func(_ *policy.Policy, f *evidence.Feeds) { f.KEV.Updated = nil },
		"date zero":         func(_ *policy.Policy, f *evidence.Feeds) { f.KEV.Updated = &time.Time{} },
		"too old":           func(_ *policy.Policy, f *evidence.Feeds) { f.KEV.Updated = ptr(now.AddDate(0, 0, -14).Add(-1)) },
		"of the future":     func(_ *policy.Policy, f *evidence.Feeds) { f.KEV.Updated = ptr(now.Add(25 * time.Hour)) },
	} {
		p, ev := rules(vulnRule("kev", policy.VulnerabilityRule{KnownExploited: true}), vulnRule("other", policy.VulnerabilityRule{CVSS: &policy.Score{Min: 7}}),
			vulnRule("epss", policy.VulnerabilityRule{EPSS: &policy.Score{Min: 0.1}})), good()
		feeds(p, &ev)
		change(p, &ev.Feeds)
		v := decide(p, ev)
		if o := outcome(v, "kev"); o.Result != verdict.Error || len(o.Problems) != 1 || !strings.Contains(o.Summary, "kev feed cannot be used") {
			t.Errorf("%s: %s: %s", name, o.Result, o.Summary)
		}
		if a, b := outcome(v, "other"), outcome(v, "epss"); a.Result != verdict.Pass || b.Result != verdict.Pass {
			t.Errorf("%s: rules that do not need it: %s, %s", name, a.Result, b.Result)
		}
		f := vuln("CVE-1", evidence.SeverityHigh, 0, "")
		f.KnownExploited = ptr(now)
		ev.Findings = []evidence.Finding{f}
		if o := outcome(decide(p, ev), "kev"); o.Result != verdict.Fail {
			t.Errorf("%s: an exploited vulnerability: %s", name, o.Result)
		}
	}
	// That a vulnerability has no score is no fact where the scores cannot be used; the
	// score that one has is.
	scored, unscored := vuln("CVE-1", evidence.SeverityHigh, 0, ""), vuln("CVE-2", evidence.SeverityHigh, 0, "")
	scored.EPSS = ptr(0.5)
	for _, tt := range []struct {
		findings []evidence.Finding
		want     verdict.Result
		n        int
	}{{[]evidence.Finding{unscored}, verdict.Error, 0}, {[]evidence.Finding{scored, unscored}, verdict.Fail, 1}} {
		p, ev := rules(vulnRule("epss", policy.VulnerabilityRule{EPSS: &policy.Score{Min: 0.1}})), found(tt.findings...)
		feeds(p, &ev)
		ev.Feeds.EPSS.Problem = "it is HTML"
		if o := outcome(decide(p, ev), "epss"); o.Result != tt.want || len(o.Violations) != tt.n || len(o.Problems) != 1 {
			t.Errorf("unusable scores: %s: %s %+v", o.Result, o.Summary, o.Problems)
		}
	}
	p, ev := rules(vulnRule("kev", policy.VulnerabilityRule{KnownExploited: true})), good()
	feeds(p, &ev)
	ev.Feeds.KEV.Updated = ptr(now.AddDate(0, 0, -14))
	if o := outcome(decide(p, ev), "kev"); o.Result != verdict.Pass {
		t.Errorf("as old as is allowed: %s: %s", o.Result, o.Summary)
	}
	grace := rules(vulnRule("r", policy.VulnerabilityRule{Grace: &policy.Grace{Days: 7, FirstSeen: true}}))
	ev.Feeds.FirstSeen = &evidence.FeedState{Problem: "it is torn"}
	if o := outcome(decide(grace, ev), "r"); o.Result != verdict.Error {
		t.Errorf("a first-seen file that cannot be used: %s", o.Result)
	}
}

func TestGrace(t *testing.T) {
	day := func(y, m, d, h int) *time.Time { return ptr(time.Date(y, time.Month(m), d, h, 0, 0, 0, time.UTC)) }
	west := time.FixedZone("west", -12*3600)
	for _, tt := range []struct {
		name            string
		published, seen *time.Time
		at              time.Time
		firstSeen       bool
		deadline        string // empty: it counts
	}{
		{"the day itself", day(2026, 3, 1, 23), nil, *day(2026, 3, 1, 0), false, "2026-03-09"},
		{"the last day begins", day(2026, 3, 1, 5), nil, *day(2026, 3, 8, 0), false, "2026-03-09"},
		{"the last day ends", day(2026, 3, 1, 5), nil, day(2026, 3, 9, 0).Add(-1), false, "2026-03-09"},
		{"the day after", day(2026, 3, 1, 23), nil, *day(2026, 3, 9, 0), false, ""},
		{"days are UTC's", ptr(time.Date(2026, 3, 1, 23, 0, 0, 0, west)), nil, *day(2026, 3, 9, 12), false, "2026-03-10"},
		{"no date, no grace", nil, nil, *day(2026, 3, 1, 0), false, ""},
		{"a zero date is none", &time.Time{}, nil, *day(2026, 3, 1, 0), false, ""},
		{"a date to come gives none", day(2026, 3, 2, 0), nil, *day(2026, 3, 1, 23), false, ""},
		{"far in the future", day(9999, 1, 1, 0), nil, *day(2026, 3, 1, 23), false, ""},
		{"first seen counts only if the policy says so", day(2026, 1, 1, 0), day(2026, 3, 1, 0), *day(2026, 3, 2, 0), false, ""},
		{"first seen", day(2026, 1, 1, 0), day(2026, 3, 1, 0), *day(2026, 3, 2, 0), true, "2026-03-09"},
		{"first seen without publication", nil, day(2026, 3, 1, 0), *day(2026, 3, 8, 23), true, "2026-03-09"},
		{"no entry means publication", day(2026, 3, 1, 0), nil, *day(2026, 3, 2, 0), true, "2026-03-09"},
		{"no entry, no date", nil, nil, *day(2026, 3, 2, 0), true, ""},
		{"first seen in the future is no reason to wait", day(2026, 3, 1, 0), day(2026, 3, 5, 0), *day(2026, 3, 2, 0), true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := vuln("CVE-1", evidence.SeverityHigh, 0, "2")
			f.Published, f.FirstSeen = tt.published, tt.seen
			ev := found(f)
			ev.Database.UpdatedAt = &tt.at
			p := rules(vulnRule("r", policy.VulnerabilityRule{Grace: &policy.Grace{Days: 7, FirstSeen: tt.firstSeen}}))
			o := outcome(verdict.Decide(verdict.Input{Policy: p, Evidence: []evidence.Evidence{ev}, EffectiveTime: tt.at}), "r")
			if tt.deadline == "" {
				if o.Result != verdict.Fail || len(o.Violations) != 1 || len(o.Pending) > 0 || !strings.Contains(o.Violations[0].Message, "grace") {
					t.Errorf("%s: %s %+v", o.Result, o.Summary, o.Violations)
				}
				return
			}
			if o.Result != verdict.Pass || len(o.Pending) != 1 || o.Pending[0].Deadline.Format(time.RFC3339) != tt.deadline+"T00:00:00Z" ||
				!strings.HasSuffix(o.Summary, "; 1 in grace until "+o.Pending[0].Deadline.AddDate(0, 0, -1).Format(time.DateOnly)) {
				t.Errorf("%s: %s %+v %+v", o.Result, o.Summary, o.Pending, o.Violations)
			}
		})
	}
}

// TestGraceAndBudget pins that what is in grace is in no budget, and what is waived
// is not in grace.
func TestGraceAndBudget(t *testing.T) {
	var fs []evidence.Finding
	for i, id := range []string{"CVE-1", "CVE-2", "CVE-3", "CVE-4"} {
		f := vuln(id, evidence.SeverityHigh, 0, "2")
		f.Published = ptr(now.AddDate(0, 0, -i*5))
		fs = append(fs, f)
	}
	p := rules(vulnRule("r", policy.VulnerabilityRule{Grace: &policy.Grace{Days: 7}, Max: 2}))
	p.Waivers = []policy.Waiver{{ID: "w", Finding: "CVE-1", Until: now}}
	o := outcome(decide(p, found(fs...)), "r")
	if o.Result != verdict.Pass || len(o.Violations) != 2 || len(o.Pending) != 1 || len(o.Waived) != 1 {
		t.Errorf("%s: %s, %d violations, %d pending, %d waived", o.Result, o.Summary, len(o.Violations), len(o.Pending), len(o.Waived))
	}
	p.Rules[0].Vulnerabilities.Max = 1
	if o := outcome(decide(p, found(fs...)), "r"); o.Result != verdict.Fail || !strings.Contains(o.Summary, "in grace until 2026-03-12") {
		t.Errorf("%s: %s", o.Result, o.Summary)
	}
	p.Waivers, p.Rules[0].Vulnerabilities.Grace.Days = nil, 12
	if o := outcome(decide(p, found(fs...)), "r"); !strings.HasSuffix(o.Summary, "; 3 in grace, the first until 2026-03-12") {
		t.Errorf("%s: %s", o.Result, o.Summary)
	}
}

func TestEndOfLife(t *testing.T) {
	at := func(days int) *time.Time { return ptr(now.AddDate(0, 0, days)) }
	rule := func(within int) policy.VulnerabilityRule {
		return policy.VulnerabilityRule{EndOfLife: true, Within: time.Duration(within) * 24 * time.Hour}
	}
	for _, tt := range []struct {
		name   string
		os     evidence.OSFacts
		within int
		want   verdict.Result
		says   string
	}{
		{"to come", evidence.OSFacts{Family: "alpine", Release: "3.20.3", EndOfLifeDate: at(10), EndOfLifeSource: "trivy"}, 0, verdict.Pass, "maintained until 2026-03-20 according to trivy"},
		{"soon", evidence.OSFacts{Family: "alpine", Release: "3.20.3", EndOfLifeDate: at(10)}, 10, verdict.Fail, "alpine 3.20.3 reaches its end of life on 2026-03-20, in less than 10d"},
		{"not so soon", evidence.OSFacts{Family: "alpine", EndOfLifeDate: at(10)}, 9, verdict.Pass, ""},
		{"this moment", evidence.OSFacts{Family: "alpine", EndOfLifeDate: at(0)}, 0, verdict.Fail, "reached its end of life on 2026-03-10"},
		{"past", evidence.OSFacts{Family: "alpine", EndOfLifeDate: at(-1)}, 0, verdict.Fail, "reached"},
		{"by the word alone", evidence.OSFacts{Family: "centos", Release: "7", EndOfLife: true}, 0, verdict.Fail, "centos 7 reached its end of life"},
		{"not known is not maintained", evidence.OSFacts{Family: "azurelinux", Release: "3.0"}, 0, verdict.Error, "feeds.eol"},
		{"rolling", evidence.OSFacts{Family: "wolfi"}, 0, verdict.Pass, "rolling release"},
		{"no end yet", evidence.OSFacts{Family: "debian", Release: "13.1", Maintained: true}, 0, verdict.Pass, "not known yet"},
	} {
		ev := with(func(ev *evidence.Evidence) { ev.Coverage.OS = tt.os })
		o := outcome(decide(rules(vulnRule("r", rule(tt.within))), ev), "r")
		if o.Result != tt.want || !strings.Contains(o.Summary, tt.says) {
			t.Errorf("%s: %s: %s", tt.name, o.Result, o.Summary)
		}
	}
	scratch := with(func(ev *evidence.Evidence) {
		ev.Packages, ev.Coverage.OS, ev.Coverage.Packages = ev.Packages[1:], evidence.OSFacts{}, map[string]int{"node-pkg": 1}
	})
	if o := outcome(decide(rules(vulnRule("r", rule(0))), scratch), "r"); o.Result != verdict.Skip {
		t.Errorf("scratch: %s: %s", o.Result, o.Summary)
	}
	scratch.Database = evidence.DatabaseState{}
	if o := outcome(decide(rules(vulnRule("r", rule(0))), scratch), "r"); o.Result != verdict.Error {
		t.Errorf("nobody looked: %s: %s", o.Result, o.Summary)
	}
	foreign := problem(evidence.Problem{Area: evidence.AreaOS, Message: "packages of pacman"})
	foreign.Coverage.OS = evidence.OSFacts{}
	if o := outcome(decide(optional(rules(vulnRule("r", rule(0)))), foreign), "r"); o.Result != verdict.Error {
		t.Errorf("an operating system that nobody knows: %s: %s", o.Result, o.Summary)
	}
	p, ev := rules(vulnRule("r", rule(0))), with(func(ev *evidence.Evidence) { ev.Coverage.OS.EndOfLifeDate = at(9) })
	p.Feeds.EOL = &policy.Feed{}
	if o := outcome(decide(p, ev), "r"); o.Result != verdict.Error {
		t.Errorf("a feed that was not read: %s: %s", o.Result, o.Summary)
	}
}
