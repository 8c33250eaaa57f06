// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// onAlpine is an image of three layers, the first of which is the base's.
func onAlpine(fs ...evidence.Finding) evidence.Evidence {
	return with(func(ev *evidence.Evidence) {
		ev.Layers = []evidence.LayerFacts{{DiffID: "sha256:base", Digest: "sha256:b"}, {DiffID: "sha256:curl", CreatedBy: "RUN apk add curl"}, {DiffID: "sha256:app"}}
		ev.Base = &evidence.Base{Claims: []evidence.BaseClaim{{Source: evidence.ClaimFlag}}, Source: evidence.ClaimFlag, Reference: "docker.io/library/alpine:3.20.3",
			Digest: "sha256:b", Lineage: evidence.LineageProven, Layers: 1}
		ev.Findings = fs
	})
}

func in(layer, id string, f evidence.Finding) evidence.Finding {
	f.ID, f.Layer = id, evidence.Layer{DiffID: "sha256:" + layer}
	f.Package.Layer = f.Layer
	return f
}

func planOf(v verdict.Verdict) string {
	if v.Subjects[0].Plan == nil {
		return "none"
	}
	var s []string
	for _, a := range v.Subjects[0].Plan.Actions {
		text := fmt.Sprintf("%s %s %d/%d", a.Kind, a.Target, len(a.Clears), a.Remains)
		if a.To != "" {
			text = fmt.Sprintf("%s %s→%s %d/%d", a.Kind, a.Target, a.To, len(a.Clears), a.Remains)
		}
		if n := len(a.Brings); n > 0 {
			text += fmt.Sprintf("+%d", n)
		}
		s = append(s, text)
	}
	return strings.Join(s, "; ")
}

func TestPlan(t *testing.T) {
	openssl := func(id, version, fixed string) evidence.Finding {
		return in("base", id, distro("alpine", "openssl", version, fixed))
	}
	now3203 := []evidence.Finding{
		openssl("CVE-1", "1-r0", "1-r1"), openssl("CVE-2", "1-r0", "1-r2"), in("base", "CVE-3", distro("alpine", "busybox", "1-r0", "")),
		in("curl", "CVE-4", distro("alpine", "curl", "8-r0", "8-r1")), in("app", "CVE-5", lib("node-pkg", "lodash", "1.0.0", "")),
	}
	candidate := func(reference string, step verdict.Step, fs ...evidence.Finding) verdict.Candidate {
		return verdict.Candidate{Reference: "docker.io/library/alpine:" + reference, Step: step, Digest: "sha256:new", Evidence: &evidence.Evidence{
			Layers: []evidence.LayerFacts{{DiffID: "sha256:newer"}}, Findings: fs, Coverage: evidence.Coverage{OS: evidence.OSFacts{Family: "alpine", Release: reference}},
		}}
	}
	newer := func(id, name, version string) evidence.Finding {
		return in("newer", id, distro("alpine", name, version, ""))
	}
	for _, tt := range []struct {
		name   string
		lookup *verdict.BaseLookup
		want   string
	}{
		{"not looked up", nil, "upgrade openssl→1-r2 2/3; upgrade curl→8-r1 1/4; waive CVE-3 1/4; waive CVE-5 1/4"},
		{"all of the base", &verdict.BaseLookup{Candidates: []verdict.Candidate{candidate("3.20.8", verdict.StepPatch)}},
			"base docker.io/library/alpine→3.20.8 3/2; upgrade curl→8-r1 1/4; waive CVE-5 1/4"},
		{"a bigger step leaves the smaller one", &verdict.BaseLookup{Candidates: []verdict.Candidate{candidate("3.21.3", verdict.StepMinor)}},
			"base docker.io/library/alpine→3.21.3 3/2; upgrade openssl→1-r2 2/3; upgrade curl→8-r1 1/4; waive CVE-5 1/4"},
		{"some, in another version", &verdict.BaseLookup{Candidates: []verdict.Candidate{candidate("3.20.8", verdict.StepPatch, newer("CVE-2", "openssl", "1-r1"), newer("CVE-3", "busybox", "2-r0"))}},
			"base docker.io/library/alpine→3.20.8 1/4; upgrade openssl→1-r2 1/4; upgrade curl→8-r1 1/4; waive CVE-3 1/4; waive CVE-5 1/4"},
		{"new ones", &verdict.BaseLookup{Candidates: []verdict.Candidate{candidate("3.20.8", verdict.StepPatch, newer("CVE-9", "zlib", "1"))}},
			"base docker.io/library/alpine→3.20.8 3/3+1; upgrade curl→8-r1 1/4; waive CVE-5 1/4"},
		{"nothing", &verdict.BaseLookup{Candidates: []verdict.Candidate{candidate("3.20.8", verdict.StepPatch, now3203[0], now3203[1], now3203[2])}},
			"upgrade openssl→1-r2 2/3; upgrade curl→8-r1 1/4; waive CVE-3 1/4; waive CVE-5 1/4"},
		{"not known", &verdict.BaseLookup{Candidates: []verdict.Candidate{{Reference: "docker.io/library/alpine:3.20.8", Step: verdict.StepPatch, Problem: "gone"}}},
			"base docker.io/library/alpine→3.20.8 0/5; upgrade openssl→1-r2 2/3; upgrade curl→8-r1 1/4; waive CVE-3 1/4; waive CVE-5 1/4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			input := verdict.Input{Policy: rules(critical), Reference: "x", Evidence: []evidence.Evidence{onAlpine(now3203...)}, EffectiveTime: now}
			v := verdict.Decide(input)
			before := v.Subjects[0]
			v = verdict.WithBases(input, v, []*verdict.BaseLookup{tt.lookup})
			if got := planOf(v); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if v.Status != verdict.Failed || len(v.Subjects[0].Outcomes) != len(before.Outcomes) || v.Subjects[0].Status != before.Status {
				t.Error("the verdict is another")
			}
		})
	}
}

func TestPlanTexts(t *testing.T) {
	ev := onAlpine(in("base", "CVE-1", distro("alpine", "openssl", "1-r0", "1-r1")), in("curl", "CVE-4", distro("alpine", "curl", "8-r0", "")), secret("key", "a"), secret("key", "b"))
	a := decide(rules(critical, secrets), ev).Subjects[0].Plan.Actions
	if len(a) != 3 {
		t.Fatalf("%+v", a)
	}
	if up := a[0]; up.Origin != verdict.OriginBase || !strings.Contains(up.Text, "comes with the base docker.io/library/alpine:3.20.3") || up.Layer.Number != 1 || up.Layer.Digest != "sha256:b" {
		t.Errorf("%+v", up)
	}
	if change := a[1]; change.Kind != verdict.ActionChange || len(change.Clears) != 2 || change.Command != "" || change.Until != "" {
		t.Errorf("%+v", change)
	}
	want := "ocigate waiver add --verdict verdict.json --finding CVE-4 --package curl --until 2026-04-09 --reason no-fix-exists-yet --owner OWNER --file waivers.yaml"
	if w := a[2]; w.Kind != verdict.ActionWaive || w.Command != want || w.Until != "2026-04-09" || w.Text != "no fix exists yet for CVE-4 in curl: waive until 2026-04-09, or remove the package" {
		t.Errorf("%+v", w)
	}
}

// TestWaiverThatIsProposed holds to what the policy allows.
func TestWaiverThatIsProposed(t *testing.T) {
	last := func(p *policy.Policy, f evidence.Finding) verdict.Action {
		actions := decide(p, found(f)).Subjects[0].Plan.Actions
		return actions[len(actions)-1]
	}
	unfixed := distro("alpine", "curl", "8-r0", "")
	p := rules(critical)
	p.WaiverLimits = policy.WaiverLimits{MaxHorizon: 7 * 24 * time.Hour, ReferenceRequired: true}
	a := last(p, unfixed)
	if a.Until != "2026-03-17" || !strings.Contains(a.Command, "--until 2026-03-17 ") || !strings.Contains(a.Command, " --reference TICKET ") {
		t.Errorf("%+v", a)
	}
	for _, name := range []string{"x;reboot", "--file=/etc/passwd", "x y", "x\ny", "$(id)"} {
		hostile := unfixed
		hostile.Package = &evidence.Package{Name: name, Version: "1", Class: evidence.ClassOS}
		if a := last(rules(critical), hostile); a.Command != "" || a.Until == "" {
			t.Errorf("%q: %+v", name, a)
		}
		hostile = unfixed
		hostile.ID = name
		if a := last(rules(critical), hostile); a.Command != "" {
			t.Errorf("%q: %+v", name, a)
		}
	}
	if v := decide(rules(critical), good()); v.Subjects[0].Plan != nil {
		t.Errorf("the plan of a pass: %+v", v.Subjects[0].Plan)
	}
	if v := decide(rules(asWarning(critical)), found(unfixed)); v.Subjects[0].Plan != nil {
		t.Errorf("the plan of a warning: %+v", v.Subjects[0].Plan)
	}
}
