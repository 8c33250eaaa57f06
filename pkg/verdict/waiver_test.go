// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

var (
	today     = time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	yesterday = today.AddDate(0, 0, -1)
)

func TestWaivers(t *testing.T) {
	f := vuln("CVE-1", evidence.SeverityCritical, 0, "3.1.4-r1")
	f.Aliases = []string{"GHSA-1"}
	g := vuln("CVE-2", evidence.SeverityCritical, 1, "")
	scoped := f
	scoped.Package = &evidence.Package{Name: "@angular/core", Version: "1", PURL: "pkg:npm/%40angular/core@1.0.0", Type: "node-pkg"}
	for _, tt := range []struct {
		name    string
		waiver  policy.Waiver
		finding evidence.Finding
		waives  bool
	}{
		{"finding", policy.Waiver{Finding: "CVE-1"}, f, true},
		{"alias", policy.Waiver{Finding: "GHSA-1"}, f, true},
		{"another finding", policy.Waiver{Finding: "CVE-11"}, f, false},
		{"rule", policy.Waiver{Rule: "no-critical"}, f, true},
		{"another rule", policy.Waiver{Rule: "other", Finding: "CVE-1"}, f, false},
		{"neither", policy.Waiver{Package: "openssl"}, f, false},
		{"nothing", policy.Waiver{}, f, false},
		{"package", policy.Waiver{Finding: "CVE-1", Package: "openssl"}, f, true},
		{"another package", policy.Waiver{Finding: "CVE-1", Package: "open"}, f, false},
		{"package url", policy.Waiver{Finding: "CVE-1", Package: "pkg:apk/alpine/openssl"}, f, true},
		{"beginning of a package url", policy.Waiver{Finding: "CVE-1", Package: "pkg:apk/alpine/open"}, f, false},
		{"package url of a scope", policy.Waiver{Finding: "CVE-1", Package: "pkg:npm/%40angular/core"}, scoped, true},
		{"beginning of a scope", policy.Waiver{Finding: "CVE-1", Package: "pkg:npm/%40angular"}, scoped, false},
		{"path", policy.Waiver{Finding: "CVE-2", Path: "/app/**"}, g, true},
		{"another path", policy.Waiver{Finding: "CVE-2", Path: "lib/**"}, g, false},
		{"path where there is none", policy.Waiver{Finding: "CVE-1", Path: "**"}, f, false},
		{"path that is no pattern", policy.Waiver{Finding: "CVE-2", Path: "[a"}, g, false},
		{"last day", policy.Waiver{Finding: "CVE-1", Until: today}, f, true},
		{"expired", policy.Waiver{Finding: "CVE-1", Until: yesterday}, f, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := tt.waiver
			w.ID = "w"
			if w.Until.IsZero() {
				w.Until = today.AddDate(1, 0, 0)
			}
			p := strict()
			p.Waivers = []policy.Waiver{w}
			v := decide(p, found(tt.finding))
			o := outcome(v, "no-critical")
			if tt.waives {
				if v.Status != verdict.Passed || len(o.Waived) != 1 || o.Waived[0].Waiver != "w" || v.Waivers[0].Use != verdict.WaiverUsed || v.Waivers[0].Matches != 1 {
					t.Errorf("%s, %+v, %+v", v.Status, o, v.Waivers)
				}
				return
			}
			if v.Status != verdict.Failed || len(o.Waived) != 0 || v.Waivers[0].Use == verdict.WaiverUsed {
				t.Errorf("%s, %+v, %+v", v.Status, o, v.Waivers)
			}
		})
	}
}

func TestExpiredWaiverCounts(t *testing.T) {
	p := strict()
	p.Waivers = []policy.Waiver{{ID: "old", Rule: "no-critical", Until: yesterday}, {ID: "never", Rule: "x", Until: yesterday}, {ID: "zero", Rule: "no-critical"}}
	v := decide(p, found(vuln("CVE-1", evidence.SeverityCritical, 0, ""), vuln("CVE-2", evidence.SeverityCritical, 0, "")))
	got := map[string]int{}
	for _, w := range v.Waivers {
		if w.Use != verdict.WaiverExpired {
			t.Errorf("%s is %s", w.ID, w.Use)
		}
		got[w.ID] = w.Matches
	}
	if d := cmp.Diff(map[string]int{"old": 2, "never": 0, "zero": 2}, got); d != "" {
		t.Error(d)
	}
	if v.Status != verdict.Failed {
		t.Errorf("status %s", v.Status)
	}
}

func TestMaxCountsUnwaived(t *testing.T) {
	p := rules(vulnRule("budget", policy.VulnerabilityRule{Max: 1}))
	p.Waivers = []policy.Waiver{{ID: "w", Finding: "CVE-1", Until: today}}
	three := found(vuln("CVE-1", evidence.SeverityHigh, 0, ""), vuln("CVE-2", evidence.SeverityHigh, 0, ""), vuln("CVE-3", evidence.SeverityHigh, 0, ""))
	if v := decide(p, three); v.Status != verdict.Failed {
		t.Errorf("two unwaived of one: %s", v.Status)
	}
	three.Findings = three.Findings[:2]
	if v := decide(p, three); v.Status != verdict.Passed || len(outcome(v, "budget").Violations) != 1 {
		t.Errorf("one unwaived of one: %s, %+v", v.Status, outcome(v, "budget"))
	}
}

func TestConfigAndReferenceAreWaivedByRule(t *testing.T) {
	ev := with(func(ev *evidence.Evidence) { ev.Image.User = evidence.User{}; ev.Subject.Name = "app:latest" })
	p := strict()
	p.Waivers = []policy.Waiver{{ID: "a", Rule: "runtime", Until: today}, {ID: "b", Rule: "tags", Until: today}}
	if v := decide(p, ev); v.Status != verdict.Passed {
		t.Errorf("waived: %s", v.Status)
	}
	p.Waivers = []policy.Waiver{{ID: "a", Rule: "runtime", Path: "**", Until: today}, {ID: "b", Rule: "tags", Package: "x", Until: today}}
	if v := decide(p, ev); v.Status != verdict.Failed || outcome(v, "runtime").Result != verdict.Fail || outcome(v, "tags").Result != verdict.Fail {
		t.Errorf("a narrower waiver waives more: %s", v.Status)
	}
}

func TestErrorsCannotBeWaived(t *testing.T) {
	p := strict()
	for _, r := range []string{"image", "platforms", "integrity", "limits", "database", "coverage.os", "coverage.packages", "coverage.files", "scan", "no-critical"} {
		p.Waivers = append(p.Waivers, policy.Waiver{ID: r, Rule: r, Until: today})
	}
	for _, area := range areas {
		if v := decide(p, problem(evidence.Problem{Area: area, Message: "m"})); v.Status != verdict.Errored {
			t.Errorf("%q: %s", area, v.Status)
		}
	}
}

// A waiver that matches nothing changes nothing but its own line.
func TestUnmatchedWaiverChangesNothing(t *testing.T) {
	evs := []evidence.Evidence{
		good(),
		found(vuln("CVE-1", evidence.SeverityCritical, 0, "1"), secret("aws", "k")),
		problem(evidence.Problem{Area: evidence.AreaScan, Message: "m"}),
	}
	for _, w := range []policy.Waiver{
		{ID: "w", Finding: "CVE-999", Until: today}, {ID: "w", Rule: "nothing", Until: today},
		{ID: "w", Rule: "no-critical", Package: "zlib", Until: today}, {ID: "w", Rule: "no-critical", Finding: "CVE-1", Until: yesterday},
	} {
		p := strict()
		without := decide(p, evs...)
		p.Waivers = []policy.Waiver{w}
		withIt := decide(p, evs...)
		if len(withIt.Waivers) != 1 {
			t.Fatalf("%d waivers are reported", len(withIt.Waivers))
		}
		withIt.Waivers = without.Waivers
		if d := cmp.Diff(without, withIt); d != "" {
			t.Errorf("%+v changes the verdict:\n%s", w, d)
		}
	}
}

// TestSignatureWaivers: who waives one missing authority still owes the other.
func TestSignatureWaivers(t *testing.T) {
	s := signers("release", "platform")
	s.Min = 2
	p := trusting(signatureRule(s))
	invalid := changed(item(), func(it *evidence.Signature) { it.Checks[0].Result = evidence.CheckInvalid })
	for finding, want := range map[string]verdict.Result{"invalid-signature": verdict.Fail, "other-signer": verdict.Fail, "": verdict.Pass} {
		p.Waivers = []policy.Waiver{{ID: "w", Rule: "s", Finding: finding, Until: now.AddDate(0, 1, 0)}}
		if o := outcome(decide(p, signedBy(invalid)), "s"); o.Result != want {
			t.Errorf("%q: %s %s", finding, o.Result, o.Summary)
		}
	}
	if o := outcome(decide(p, good()), "s"); o.Result != verdict.Error {
		t.Errorf("could not check, waived: %s", o.Result)
	}
}
