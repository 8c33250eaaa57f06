// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type documents map[string]string

func (d documents) Load(_ context.Context, reference string, _ *policy.Document) (*policy.Document, error) {
	open := func(_ context.Context, path string) ([]byte, error) {
		if s, ok := d[path]; ok {
			return []byte(s), nil
		}
		return nil, errors.New("no such file")
	}
	data, err := open(context.Background(), reference)
	return &policy.Document{Source: reference, Data: data, Open: open}, err
}

// TestEveryViolationCanBeWaived pins the selectors of waivers on real policies.
func TestEveryViolationCanBeWaived(t *testing.T) {
	const rules = `version: 1
name: t
rules:
  vulnerabilities: [{id: critical, severity: [critical, unknown]}]
  secrets: [{id: keys}]
  config: [{id: user, user: non-root}]
  reference: [{id: tags, forbidden: ["1.*"]}]
  base: [{id: approved, images: [alpine]}]
`
	bad := found(vuln("CVE-1", evidence.SeverityCritical, 1, ""), secret("aws", "test/key"))
	bad.Image.User = evidence.User{}
	for _, tt := range []struct {
		selectors, rule string
		waives          bool
	}{
		{"rule: critical", "critical", true},
		{"rule: user", "user", true},
		{"rule: tags", "tags", true},
		{"rule: keys", "keys", true},
		{"finding: CVE-1", "critical", true},
		{"finding: aws", "keys", true},
		{"rule: keys, path: \"test/**\"", "keys", true},
		{"rule: keys, path: \"/test/*\"", "keys", true},
		{"rule: keys, path: \"tests/**\"", "keys", false},
		{"rule: keys, finding: CVE-1", "keys", false},
		{"rule: critical, package: lodash", "critical", true},
		{"rule: critical, package: pkg:npm/lodash", "critical", true},
		{"rule: critical, package: openssl", "critical", false},
		{"rule: critical, platform: [linux/amd64]", "critical", true},
		{"rule: critical, platform: [linux/arm64, linux/amd64]", "critical", true},
		{"rule: user, platform: [linux/arm64]", "user", false},
		{"rule: user, image: [registry.example.com/app]", "user", true},
		{"rule: user, image: [\"registry.example.com/**\"]", "user", true},
		{"rule: user, image: [\"registry.example.com/app:1.2\"]", "user", true},
		{"rule: user, image: [\"registry.example.com/app:1.3\"]", "user", false},
		{"rule: user, image: [app]", "user", false},
		// The origin of a finding in no known layer is not known.
		{"rule: critical, origin: base", "critical", false},
		{"rule: critical, origin: application", "critical", false},
	} {
		doc := rules + "waivers: [{id: w, " + tt.selectors + ", until: 2026-12-31, reason: r, owner: o}]\n"
		p, err := policy.Parse("p.yaml", []byte(doc))
		if err != nil {
			t.Errorf("%s: %v", tt.selectors, err)
			continue
		}
		v := decide(p, bad)
		o := outcome(v, tt.rule)
		if got := len(o.Waived) == 1 && o.Result == verdict.Pass; got != tt.waives {
			t.Errorf("%s: %s %s, %+v", tt.selectors, o.Result, o.Summary, v.Waivers)
		}
		want := verdict.WaiverUnused
		if tt.waives {
			want = verdict.WaiverUsed
		}
		if w := v.Waivers[0]; w.Use != want || w.Source != "p.yaml" || w.Position.Line == 0 {
			t.Errorf("%s: %+v", tt.selectors, w)
		}
	}
}

// A waiver for an image needs each of its names to match: what is pushed under
// another name is another image.
func TestWaiverForEveryName(t *testing.T) {
	ev := with(func(ev *evidence.Evidence) {
		ev.Image.User, ev.Subject.Destination = evidence.User{}, "registry.example.com/other:1"
	})
	p := rules(nonRoot)
	p.Waivers = []policy.Waiver{{ID: "w", Rule: "runtime", Until: today, Images: []string{"registry.example.com/app"}}}
	if v := decide(p, ev); v.Status != verdict.Failed {
		t.Errorf("one name of two: %s", v.Status)
	}
	p.Waivers[0].Images = append(p.Waivers[0].Images, "registry.example.com/other:*")
	if v := decide(p, ev); v.Status != verdict.Passed {
		t.Errorf("both names: %s", v.Status)
	}
	ev.Subject.Destination, ev.Subject.Name, ev.Subject.Source = "", "", evidence.SourceOCIArchive
	if v := decide(p, ev); v.Status != verdict.Failed {
		t.Errorf("no name: %s", v.Status)
	}
}

// An archive says itself what it is called: that is no ground for an enforced waiver.
func TestEnforcedWaiverOfAnArchive(t *testing.T) {
	ev := with(func(ev *evidence.Evidence) {
		ev.Image.User, ev.Subject.Source, ev.Subject.Tags = evidence.User{}, evidence.SourceDockerArchive, []string{"registry.example.com/app:1.2"}
	})
	p := rules(nonRoot)
	p.Documents = []policy.DocumentRef{{Enforced: true}}
	p.Waivers = []policy.Waiver{{ID: "w", Rule: "runtime", Until: today, Images: []string{"registry.example.com/app"}}}
	if v := decide(p, ev); v.Status != verdict.Failed || v.Waivers[0].Use != verdict.WaiverRefused {
		t.Errorf("without a destination: %s %+v", v.Status, v.Waivers)
	}
	ev.Subject.Destination = "registry.example.com/app:1.2"
	if v := decide(p, ev); v.Status != verdict.Passed {
		t.Errorf("with a destination: %s %+v", v.Status, v.Waivers)
	}
	ev.Subject.Destination, p.Documents[0].Enforced = "", false
	if v := decide(p, ev); v.Status != verdict.Passed {
		t.Errorf("own policy: %s %+v", v.Status, v.Waivers)
	}
}

func TestOriginAndFactsOfViolations(t *testing.T) {
	base := verdict.Violation{ID: "22/tcp", Path: "etc/x", Origin: verdict.OriginBase, Package: &evidence.Package{Name: "sh"}}
	for _, tt := range []struct {
		waiver policy.Waiver
		want   bool
	}{
		{policy.Waiver{Rule: "r", Finding: "22/tcp"}, true},
		{policy.Waiver{Finding: "22/tcp"}, true},
		{policy.Waiver{Finding: "23/tcp"}, false},
		{policy.Waiver{Rule: "r", Origin: "base"}, true},
		{policy.Waiver{Rule: "r", Origin: "application"}, false},
		{policy.Waiver{Rule: "r", Path: "etc/*"}, true},
		{policy.Waiver{Rule: "r", Path: "usr/*"}, false},
		{policy.Waiver{Rule: "r", Package: "sh"}, true},
		{policy.Waiver{Rule: "r", Package: "bash"}, false},
	} {
		if got := verdict.Accepts(tt.waiver, evidence.Subject{}, "", "r", base); got != tt.want {
			t.Errorf("%+v: %v", tt.waiver, got)
		}
	}
	if verdict.Accepts(policy.Waiver{Rule: "r", Finding: ""}, evidence.Subject{}, "", "x", base) {
		t.Error("another rule")
	}
}

// TestWhoseWaivers pins that what is enforced is waived only by the enforcing
// document or a file which that names.
func TestWhoseWaivers(t *testing.T) {
	const head, rule = "version: 1\nname: t\n", "rules: {config: [{id: user, user: non-root}]}\n"
	const waiver = "waivers: [{id: w, rule: user, until: 2026-12-31, reason: r, owner: o}]\n"
	const none = head + "rules: {secrets: [{id: keys}]}\n"
	for name, tt := range map[string]struct {
		enforced, own string
		want          verdict.Status
		use           verdict.WaiverUse
	}{
		"own waiver, own rule":                            {none, head + rule + waiver, verdict.Passed, verdict.WaiverUsed},
		"own waiver, enforced rule":                       {head + rule, head + waiver, verdict.Failed, verdict.WaiverRefused},
		"own file, enforced rule":                         {head + rule, head + "waiver-files: [w.yaml]\n", verdict.Failed, verdict.WaiverRefused},
		"enforced waiver, enforced rule":                  {head + rule + waiver, head, verdict.Passed, verdict.WaiverUsed},
		"enforced file, enforced rule":                    {head + rule + "waiver-files: [w.yaml]\n", head, verdict.Passed, verdict.WaiverUsed},
		"enforced waiver, own rule":                       {none + "waivers: [{id: w, finding: CVE-1, until: 2026-12-31, reason: r, owner: o}]\n", head + "rules: {vulnerabilities: [{id: c, severity: [critical, unknown]}]}\n", verdict.Passed, verdict.WaiverUsed},
		"own waiver, enforced rule that is made stricter": {head + rule, head + "rules: {config: [{id: user, user: non-root}]}\n" + waiver, verdict.Failed, verdict.WaiverRefused},
		"own waiver by finding, enforced rule": {head + "rules: {vulnerabilities: [{id: c, severity: [critical, unknown]}]}\n",
			head + "waivers: [{id: w, finding: CVE-1, until: 2026-12-31, reason: r, owner: o}]\n", verdict.Failed, verdict.WaiverRefused},
		"enforced horizon, own waiver": {none + "waiver-limits: {max-horizon: 90d}\n", head + rule + waiver, verdict.Failed, verdict.WaiverRefused},
	} {
		t.Run(name, func(t *testing.T) {
			d := documents{"e.yaml": tt.enforced, "o.yaml": tt.own, "w.yaml": "version: 1\n" + waiver}
			p, err := policy.Load(t.Context(), policy.Request{Policy: "o.yaml", Enforce: []policy.Enforced{{Reference: "e.yaml"}}}, d)
			if err != nil {
				t.Fatal(err)
			}
			ev := good()
			if strings.Contains(tt.enforced+tt.own, "user:") {
				ev.Image.User = evidence.User{}
			} else {
				ev = found(vuln("CVE-1", evidence.SeverityCritical, 0, ""))
			}
			v := decide(p, ev)
			if v.Status != tt.want || len(v.Waivers) != 1 || v.Waivers[0].Use != tt.use || v.Waivers[0].Matches != 1 || (tt.use == verdict.WaiverRefused) != (v.Waivers[0].Refused != "") {
				t.Errorf("%s %+v", v.Status, v.Waivers)
			}
		})
	}
}

func TestLimitsCannotBeLoosened(t *testing.T) {
	const rule = "rules: {config: [{id: user, user: non-root}]}\n"
	enforced := "version: 1\nname: e\n" + rule + "waiver-limits: {max-horizon: 90d, on-drift: fail, reference: required, same-day: 5}\n"
	for limits, ok := range map[string]bool{
		"{max-horizon: 30d}": true, "{max-horizon: 91d}": false, "{on-drift: show}": false, "{on-drift: fail}": true,
		"{reference: optional}": false, "{same-day: 6}": false, "{same-day: 2}": true,
	} {
		d := documents{"e.yaml": enforced, "o.yaml": "version: 1\nname: o\nwaiver-limits: " + limits + "\n"}
		_, err := policy.Load(t.Context(), policy.Request{Policy: "o.yaml", Enforce: []policy.Enforced{{Reference: "e.yaml"}}}, d)
		if (err == nil) != ok {
			t.Errorf("%s: %v", limits, err)
		}
	}
	d := documents{"e.yaml": enforced, "o.yaml": "version: 1\nname: o\n" + "waivers: [{id: w, rule: user, until: 2026-12-31, reason: r, owner: o}]\n"}
	_, err := policy.Load(t.Context(), policy.Request{Policy: "o.yaml", Enforce: []policy.Enforced{{Reference: "e.yaml"}}}, d)
	if err == nil || !strings.Contains(err.Error(), "has no reference") {
		t.Errorf("without a reference: %v", err)
	}
}

func TestHorizon(t *testing.T) {
	for _, tt := range []struct {
		until time.Time
		use   verdict.WaiverUse
	}{
		{today, verdict.WaiverUsed},
		{today.AddDate(0, 0, 90), verdict.WaiverUsed},
		{today.AddDate(0, 0, 91), verdict.WaiverRefused},
		{yesterday, verdict.WaiverExpired},
	} {
		p := rules(critical)
		p.WaiverLimits.MaxHorizon = 90 * 24 * time.Hour
		p.Waivers = []policy.Waiver{{ID: "w", Finding: "CVE-1", Until: tt.until}}
		v := decide(p, found(vuln("CVE-1", evidence.SeverityCritical, 0, "")))
		w := v.Waivers[0]
		if w.Use != tt.use || w.Matches != 1 || (v.Status == verdict.Passed) != (tt.use == verdict.WaiverUsed) || (w.Refused != "") != (tt.use == verdict.WaiverRefused) {
			t.Errorf("%s: %s %+v", tt.until.Format(time.DateOnly), v.Status, w)
		}
	}
}

func TestExpiring(t *testing.T) {
	for days, want := range map[int]string{-1: "expired false -1", 0: "used true 0", 1: "used true 1", 14: "used true 14", 15: "used false 15"} {
		p := rules(critical)
		p.Waivers = []policy.Waiver{{ID: "w", Finding: "CVE-1", Until: today.AddDate(0, 0, days)}}
		w := decide(p, found(vuln("CVE-1", evidence.SeverityCritical, 0, ""))).Waivers[0]
		if got := fmt.Sprintln(w.Use, w.Expiring, w.DaysLeft); strings.TrimSpace(got) != want {
			t.Errorf("%d days: %s", days, got)
		}
	}
}

func TestManyOnOneDay(t *testing.T) {
	for _, tt := range []struct {
		sameDay, used, unused int
		note                  bool
	}{{0, 4, 1, false}, {0, 5, 0, true}, {3, 3, 0, true}, {3, 2, 5, false}} {
		p := rules(critical)
		p.WaiverLimits.SameDay = tt.sameDay
		var fs []evidence.Finding
		for i := range tt.used + tt.unused {
			id := fmt.Sprintf("CVE-%d", i)
			p.Waivers = append(p.Waivers, policy.Waiver{ID: id, Finding: id, Until: today.AddDate(0, 0, 30)})
			if i < tt.used {
				fs = append(fs, vuln(id, evidence.SeverityCritical, 0, ""))
			}
		}
		p.Waivers = append(p.Waivers, policy.Waiver{ID: "x", Finding: "CVE-0", Until: today.AddDate(0, 0, 31)})
		v := decide(p, found(fs...))
		if (len(v.Notes) > 0) != tt.note || tt.note && !strings.Contains(v.Notes[0], "end on 2026-04-09") {
			t.Errorf("%+v: %v", tt, v.Notes)
		}
	}
}

func TestDrift(t *testing.T) {
	recorded := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	facts := func(change func(*policy.Recorded)) *policy.Recorded {
		r := &policy.Recorded{Date: recorded, Severity: evidence.SeverityCritical}
		change(r)
		return r
	}
	same := facts(func(*policy.Recorded) {})
	kev := func(day time.Time) func(*evidence.Finding) {
		return func(f *evidence.Finding) { f.KnownExploited = &day }
	}
	for name, tt := range map[string]struct {
		recorded *policy.Recorded
		finding  func(*evidence.Finding)
		want     string
	}{
		"nothing":                    {same, func(*evidence.Finding) {}, ""},
		"a fix":                      {same, func(f *evidence.Finding) { f.FixedVersion = "2" }, "there is a fix now: 2"},
		"the fix was known":          {facts(func(r *policy.Recorded) { r.Fixed = true }), func(f *evidence.Finding) { f.FixedVersion = "2" }, ""},
		"severity":                   {facts(func(r *policy.Recorded) { r.Severity = evidence.SeverityHigh }), func(*evidence.Finding) {}, "the severity rose from high to critical"},
		"unknown severity is rated":  {facts(func(r *policy.Recorded) { r.Severity = evidence.SeverityUnknown }), func(*evidence.Finding) {}, "the severity rose from unknown to critical"},
		"severity is not rated now":  {same, func(f *evidence.Finding) { f.Severity = evidence.SeverityUnknown }, ""},
		"severity out of scale":      {same, func(f *evidence.Finding) { f.Severity = 99 }, ""},
		"exploited since":            {same, kev(recorded.AddDate(0, 0, 1)), "it is known to be exploited since 2026-02-02"},
		"exploited before":           {same, kev(recorded), ""},
		"exploited, recorded as not": {facts(func(r *policy.Recorded) { r.KnownExploited = ptr(false) }), kev(recorded.AddDate(0, 0, -9)), "it is known to be exploited since 2026-01-23"},
		"exploited, recorded so":     {facts(func(r *policy.Recorded) { r.KnownExploited = ptr(true) }), kev(recorded.AddDate(0, 0, 9)), ""},
		"no facts":                   {nil, func(f *evidence.Finding) { f.FixedVersion = "2" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := vuln("CVE-1", evidence.SeverityCritical, 0, "")
			tt.finding(&f)
			p := rules(critical)
			p.Waivers = []policy.Waiver{{ID: "w", Finding: "CVE-1", Until: today, Recorded: tt.recorded}}
			v := decide(p, found(f))
			o := outcome(v, "no-critical")
			if v.Status != verdict.Passed || strings.Join(o.Waived[0].Drift, ";") != tt.want || strings.Join(v.Waivers[0].Drift, ";") != tt.want {
				t.Errorf("shown: %s %+v %+v", v.Status, o.Waived, v.Waivers)
			}
			p.WaiverLimits.FailOnDrift = true
			v = decide(p, found(f))
			drifted := tt.want != "" || tt.recorded == nil
			if (v.Status == verdict.Failed) != drifted || drifted && (v.Waivers[0].Use != verdict.WaiverRefused || len(v.Waivers[0].Drift) == 0) {
				t.Errorf("fails: %s %+v", v.Status, v.Waivers)
			}
		})
	}
	// Secrets and facts do not drift.
	p := rules(secrets, nonRoot)
	p.WaiverLimits.FailOnDrift = true
	p.Waivers = []policy.Waiver{{ID: "a", Rule: "no-secrets", Until: today}, {ID: "b", Rule: "runtime", Until: today}}
	ev := found(secret("aws", "k"))
	ev.Image.User = evidence.User{}
	if v := decide(p, ev); v.Status != verdict.Passed {
		t.Errorf("%s %+v", v.Status, v.Waivers)
	}
}

// The waivers of per-image sections are reported as those of the policy are, each once.
func TestWaiversOfSections(t *testing.T) {
	p, err := policy.Parse("p.yaml", []byte(`version: 1
name: t
rules: {config: [{id: user, user: non-root}], secrets: [{id: keys}]}
waivers: [{id: all, rule: keys, until: 2026-12-31, reason: r, owner: o}]
images:
  - match: ["registry.example.com/app"]
    waivers: [{id: some, rule: user, until: 2026-12-31, reason: r, owner: o}]
  - match: ["registry.example.com/other"]
    waivers: [{id: others, rule: user, until: 2026-12-31, reason: r, owner: o}]
`))
	if err != nil {
		t.Fatal(err)
	}
	root := with(func(ev *evidence.Evidence) { ev.Image.User = evidence.User{} })
	arm := root
	arm.Subject.Platform.Architecture = "arm64"
	arm.Findings = []evidence.Finding{secret("aws", "k")}
	v := decide(p, root, arm)
	var got []string
	for _, w := range v.Waivers {
		got = append(got, fmt.Sprintf("%s %s %d", w.ID, w.Use, w.Matches))
	}
	if d := cmp.Diff([]string{"all used 1", "some used 2"}, got); d != "" || v.Status != verdict.Passed {
		t.Errorf("%s %s", v.Status, d)
	}
}
