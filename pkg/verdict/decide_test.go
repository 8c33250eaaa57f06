// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func TestGoodEvidencePasses(t *testing.T) {
	v := decide(strict(), good())
	if v.Status != verdict.Passed || v.ExitCode() != 0 {
		t.Fatalf("%s, exit %d; outcomes: %+v", v.Status, v.ExitCode(), v.Subjects[0].Outcomes)
	}
	var ids []string
	for _, o := range v.Subjects[0].Outcomes {
		ids = append(ids, o.Rule)
		if o.Result != verdict.Pass || o.Summary == "" {
			t.Errorf("%s: %s, summary %q", o.Rule, o.Result, o.Summary)
		}
		if o.Violations == nil || o.Waived == nil || o.Problems == nil {
			t.Errorf("%s has a nil list", o.Rule)
		}
	}
	want := []string{
		"image", "platforms", "integrity", "limits", "database", "coverage.os", "coverage.packages", "coverage.files", "scan",
		"no-critical", "no-secrets", "runtime", "tags",
	}
	if d := cmp.Diff(want, ids); d != "" {
		t.Errorf("outcomes (-want +got):\n%s", d)
	}
}

func TestExitCode(t *testing.T) {
	for _, tt := range []struct {
		v    verdict.Verdict
		want int
	}{
		{verdict.Verdict{}, 3},
		{verdict.Verdict{ReportOnly: true}, 3},
		{verdict.Verdict{Status: "passed"}, 3},
		{verdict.Verdict{Status: verdict.Passed}, 0},
		{verdict.Verdict{Status: verdict.Failed}, 1},
		{verdict.Verdict{Status: verdict.Failed, ReportOnly: true}, 0},
		{verdict.Verdict{Status: verdict.Errored}, 3},
		{verdict.Verdict{Status: verdict.Errored, ReportOnly: true}, 3},
	} {
		if got := tt.v.ExitCode(); got != tt.want {
			t.Errorf("%+v: exit %d, want %d", tt.v, got, tt.want)
		}
	}
}

// Each case is a way in which a gate has been seen, or could be imagined, to turn
// green because something was not examined.
func TestNothingUnexaminedPasses(t *testing.T) {
	type change = func(*evidence.Evidence)
	old, future := now.Add(-73*time.Hour), now.Add(25*time.Hour)
	for _, tt := range []struct {
		name, rule string
		change     change
	}{
		{"no digest", "image", func(ev *evidence.Evidence) { ev.Subject.Digest, ev.Subject.ImageID = "", "" }},
		{"no database", "database", func(ev *evidence.Evidence) { ev.Database = evidence.DatabaseState{} }},
		{"database without a date", "database", func(ev *evidence.Evidence) { ev.Database.UpdatedAt = nil }},
		{"database with a zero date", "database", func(ev *evidence.Evidence) { ev.Database.UpdatedAt = &time.Time{} }},
		{"stale database", "database", func(ev *evidence.Evidence) { ev.Database.UpdatedAt = &old }},
		{"database from the future", "database", func(ev *evidence.Evidence) { ev.Database.UpdatedAt = &future }},
		{"no package", "coverage.packages", func(ev *evidence.Evidence) {
			ev.Packages, ev.Coverage.Packages, ev.Coverage.OS = nil, nil, evidence.OSFacts{}
		}},
		{"distribution without packages", "coverage.packages", func(ev *evidence.Evidence) { ev.Packages = ev.Packages[1:] }},
		{"packages without distribution", "coverage.os", func(ev *evidence.Evidence) { ev.Coverage.OS = evidence.OSFacts{} }},
		{"layer not read", "integrity", func(ev *evidence.Evidence) { ev.Layers[0].Verification = evidence.LayerNotVerified }},
		{"layer of unknown state", "integrity", func(ev *evidence.Evidence) { ev.Layers[0].Verification = "" }},
		{"unreadable file without a problem", "coverage.files", func(ev *evidence.Evidence) {
			ev.Coverage.Unreadable = []evidence.Unreadable{{Path: "app/package.json", Analyzer: "node-pkg", Error: "bad JSON"}}
		}},
		{"problem of an unknown area", "scan", func(ev *evidence.Evidence) { ev.Problems = []evidence.Problem{{Area: "weather"}} }},
		{"files not searched for secrets", "no-secrets", func(ev *evidence.Evidence) { ev.Coverage.SecretScan = false }},
		{"user not resolved", "runtime", func(ev *evidence.Evidence) { ev.Image.User.UID = nil }},
		{"group not resolved", "runtime", func(ev *evidence.Evidence) { ev.Image.User.GID = nil }},
		{"reference not known", "tags", func(ev *evidence.Evidence) { ev.Subject.Name, ev.Subject.Reference = "", "docker://" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := decide(strict(), with(tt.change))
			if v.Status != verdict.Errored || v.ExitCode() != 3 {
				t.Errorf("%s, exit %d; want ERROR, 3", v.Status, v.ExitCode())
			}
			if o := outcome(v, tt.rule); o.Result != verdict.Error || o.Summary == "" {
				t.Errorf("%s is %s: %s", tt.rule, o.Result, o.Summary)
			}
		})
	}
}

var areas = []evidence.Area{
	evidence.AreaImage, evidence.AreaPlatform, evidence.AreaIntegrity, evidence.AreaLimit, evidence.AreaOS,
	evidence.AreaPackages, evidence.AreaFile, evidence.AreaDatabase, evidence.AreaScan, "", "unheard-of",
}

// optional accepts everything that a policy can accept.
func optional(p *policy.Policy) *policy.Policy {
	p.Coverage = policy.Coverage{OSOptional: true, PackagesOptional: true, UnreadableAccept: []string{"vendor/**"}}
	return p
}

func TestNoProblemEverPasses(t *testing.T) {
	for _, pol := range []*policy.Policy{strict(), rules(), rules(asWarning(critical)), optional(strict())} {
		for _, area := range areas {
			for _, analyzer := range []string{"", "dpkg", "secret"} {
				for _, what := range []string{"", "x", "vendor/x"} {
					p := evidence.Problem{Area: area, What: what, Analyzer: analyzer, Message: "m"}
					v := decide(pol, problem(p))
					accepted := pol.Coverage.OSOptional && (area == evidence.AreaOS || area == evidence.AreaFile && what == "vendor/x")
					if accepted != (v.Status == verdict.Passed) {
						t.Errorf("%+v, optional %t: %s", p, pol.Coverage.OSOptional, v.Status)
					}
					if v.Status == verdict.Passed && !shown(v, p) {
						t.Errorf("%+v is accepted but not shown", p)
					}
				}
			}
		}
	}
}

func shown(v verdict.Verdict, p evidence.Problem) bool {
	return slices.ContainsFunc(v.Subjects[0].Outcomes, func(o verdict.Outcome) bool { return slices.Contains(o.Problems, p) })
}

func TestVerdictProblems(t *testing.T) {
	in := verdict.Input{Policy: strict(), Evidence: []evidence.Evidence{good()}, EffectiveTime: now}
	for name, change := range map[string]func(*verdict.Input){
		"a problem of no subject": func(in *verdict.Input) { in.Problems = []evidence.Problem{{Area: evidence.AreaImage}} },
		"no subject":              func(in *verdict.Input) { in.Evidence = nil },
		"no policy":               func(in *verdict.Input) { in.Policy = nil },
		"no effective time":       func(in *verdict.Input) { in.EffectiveTime = time.Time{} },
		"nothing at all":          func(in *verdict.Input) { *in = verdict.Input{} },
	} {
		in := in
		change(&in)
		if v := verdict.Decide(in); v.Status != verdict.Errored || len(v.Problems) == 0 {
			t.Errorf("%s: %s, problems %v", name, v.Status, v.Problems)
		}
	}
}

func TestPlatforms(t *testing.T) {
	p := strict()
	amd64, arm64 := evidence.Platform{OS: "linux", Architecture: "amd64"}, evidence.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	p.Platforms = policy.Platforms{List: []evidence.Platform{amd64, arm64}}
	v := decide(p, good())
	if v.Status != verdict.Errored || len(v.Problems) != 1 || v.Problems[0].What != "linux/arm64/v8" {
		t.Errorf("one of two: %s, %v", v.Status, v.Problems)
	}
	both := decide(p, good(), with(func(ev *evidence.Evidence) {
		ev.Subject.Platform = evidence.Platform{OS: "linux", Architecture: "arm64"}
	}))
	if both.Status != verdict.Passed {
		t.Errorf("both: %s, %v", both.Status, both.Problems)
	}
	known := []evidence.Problem{{Area: evidence.AreaPlatform, What: "linux/arm64/v8", Message: "m"}}
	v = verdict.Decide(verdict.Input{Policy: p, Evidence: []evidence.Evidence{good()}, Problems: known, EffectiveTime: now})
	if v.Status != verdict.Errored || len(v.Problems) != 1 {
		t.Errorf("a missing platform is said twice: %v", v.Problems)
	}
}

func TestStatusOfSeveralSubjects(t *testing.T) {
	bad := found(vuln("CVE-1", evidence.SeverityCritical, 0, ""))
	blind := problem(evidence.Problem{Area: evidence.AreaScan, Message: "m"})
	for _, tt := range []struct {
		name string
		evs  []evidence.Evidence
		want verdict.Status
	}{
		{"all good", []evidence.Evidence{good(), good()}, verdict.Passed},
		{"one fails", []evidence.Evidence{good(), bad}, verdict.Failed},
		{"one blind", []evidence.Evidence{blind, good()}, verdict.Errored},
		{"a violation is certain", []evidence.Evidence{blind, bad}, verdict.Failed},
	} {
		if v := decide(strict(), tt.evs...); v.Status != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, v.Status, tt.want)
		}
	}
}

// A violation that was seen stays one; what was not seen is no pass.
func TestIncompleteEvidence(t *testing.T) {
	everything := []string{"no-critical", "no-secrets", "runtime"}
	for area, undecided := range map[evidence.Area][]string{
		evidence.AreaImage: everything, evidence.AreaIntegrity: everything, evidence.AreaLimit: everything, evidence.AreaScan: everything,
		evidence.AreaDatabase: {"no-critical"}, evidence.AreaOS: {"no-critical"}, evidence.AreaPackages: {"no-critical"}, evidence.AreaFile: {"no-critical"},
		evidence.AreaPlatform: nil,
	} {
		p := evidence.Problem{Area: area, What: "w", Message: "m"}
		clean := decide(strict(), problem(p))
		for _, r := range append(everything, "tags") {
			want := verdict.Pass
			if slices.Contains(undecided, r) {
				want = verdict.Error
			}
			if o := outcome(clean, r); o.Result != want {
				t.Errorf("%s problem: %s is %s (%s), want %s", area, r, o.Result, o.Summary, want)
			}
		}
		bad := found(vuln("CVE-1", evidence.SeverityCritical, 0, ""), secret("aws", "k"))
		bad.Image.User = evidence.User{Configured: "0", UID: ptr(int64(0)), GID: ptr(int64(0))}
		bad.Problems = []evidence.Problem{p}
		v := decide(strict(), bad)
		if v.Status != verdict.Failed {
			t.Errorf("%s problem and violations: %s", area, v.Status)
		}
		for _, r := range everything {
			if o := outcome(v, r); o.Result != verdict.Fail {
				t.Errorf("%s problem: violated %s is %s", area, r, o.Result)
			}
		}
	}
}

func TestWarningsLeaveTheVerdictAlone(t *testing.T) {
	p := rules(asWarning(critical), asWarning(secrets), asWarning(nonRoot), asWarning(noLatest))
	bad := found(vuln("CVE-1", evidence.SeverityCritical, 0, ""))
	bad.Image.User.UID = nil
	bad.Coverage.SecretScan = false
	v := decide(p, bad)
	if v.Status != verdict.Passed {
		t.Errorf("status %s", v.Status)
	}
	for rule, want := range map[string]verdict.Result{"no-critical": verdict.Warn, "no-secrets": verdict.Error, "runtime": verdict.Error, "tags": verdict.Pass} {
		if o := outcome(v, rule); o.Result != want {
			t.Errorf("%s: %s, want %s", rule, o.Result, want)
		}
	}
}

func TestRulesThatSayNothingAreErrors(t *testing.T) {
	for _, r := range []policy.Rule{
		{ID: "r", Group: "files"},
		{ID: "r", Group: policy.GroupVulnerabilities},
		{ID: "r", Config: &policy.ConfigRule{}},
		{ID: "r", Reference: &policy.ReferenceRule{}},
		{ID: "r", Reference: &policy.ReferenceRule{ForbiddenTags: []string{"[x"}}},
	} {
		if v := decide(rules(r), good()); v.Status != verdict.Errored || outcome(v, "r").Result != verdict.Error {
			t.Errorf("%+v: %s, %+v", r, v.Status, outcome(v, "r"))
		}
	}
}

// A rule whose action is none of the known ones fails.
func TestUnknownActionFails(t *testing.T) {
	r := critical
	r.Action = ""
	if v := decide(rules(r), found(vuln("CVE-1", evidence.SeverityCritical, 0, ""))); v.Status != verdict.Failed {
		t.Errorf("status %s", v.Status)
	}
}

func TestInputIsNotChanged(t *testing.T) {
	in := verdict.Input{Policy: optional(strict()), Reference: "app:1", EffectiveTime: now.In(time.FixedZone("x", 3600)),
		Evidence: []evidence.Evidence{found(secret("b", "z"), secret("a", "y"), vuln("CVE-1", evidence.SeverityLow, 0, ""), vuln("CVE-2", evidence.SeverityCritical, 1, "1"))},
		Problems: make([]evidence.Problem, 0, 8)}
	in.Policy.Platforms = policy.Platforms{List: []evidence.Platform{{OS: "x", Architecture: "y"}}}
	before := verdict.Input{Policy: optional(strict()), Reference: "app:1", EffectiveTime: in.EffectiveTime,
		Evidence: []evidence.Evidence{found(secret("b", "z"), secret("a", "y"), vuln("CVE-1", evidence.SeverityLow, 0, ""), vuln("CVE-2", evidence.SeverityCritical, 1, "1"))},
		Problems: []evidence.Problem{}}
	before.Policy.Platforms = in.Policy.Platforms
	first := verdict.Decide(in)
	if d := cmp.Diff(before, in, cmpopts.IgnoreUnexported(policy.Policy{})); d != "" {
		t.Errorf("the input changed:\n%s", d)
	}
	if d := cmp.Diff(first, verdict.Decide(in)); d != "" {
		t.Errorf("two decisions differ:\n%s", d)
	}
	if extra := in.Problems[:1][0]; extra.Message != "" {
		t.Errorf("the spare room of the input's problems was written to: %+v", extra)
	}
	if first.EffectiveTime.Location() != time.UTC {
		t.Errorf("the effective time is in %s", first.EffectiveTime.Location())
	}
}
