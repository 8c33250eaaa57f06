// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// unscanned is what is known without a layer.
func unscanned(ev evidence.Evidence) evidence.Evidence {
	ev.Packages, ev.Findings, ev.Coverage, ev.Database = nil, nil, evidence.Coverage{}, evidence.DatabaseState{}
	for i := range ev.Layers {
		ev.Layers[i].Verification = evidence.LayerNotVerified
	}
	return ev
}

func results(v verdict.Verdict) map[string]verdict.Result {
	out := map[string]verdict.Result{}
	for _, s := range v.Subjects {
		for _, o := range s.Outcomes {
			out[o.Rule] = o.Result
		}
	}
	return out
}

func TestScopeOfSignatures(t *testing.T) {
	base := baseRule("b", policy.BaseRule{Pinned: true, SignedBy: []string{"platform"}})
	p := trusting(critical, signatureRule(signers("release")), base, noLatest)
	signed := unscanned(basedOn(nil, item("platform")))
	signed.Subject.IndexDigest, signed.Signatures = indexDigest, signatures(item("release"))
	unsigned := signed
	unsigned.Signatures = signatures()
	in := verdict.Input{Policy: p, Reference: "app:1", EffectiveTime: now, Scope: verdict.ScopeSignatures, Evidence: []evidence.Evidence{signed}}
	v := verdict.Decide(in)
	if v.Status != verdict.Passed || v.Scope != verdict.ScopeSignatures || v.ExitCode() != verdict.ExitPassed {
		t.Errorf("%s %q %+v", v.Status, v.Scope, results(v))
	}
	if got := results(v); len(got) != 5 || got["image"]+got["platforms"]+got["limits"]+got["s"]+got["b"] != "passpasspasspasspass" {
		t.Errorf("%v", got)
	}
	in.Evidence = []evidence.Evidence{signed, unsigned}
	if v := verdict.Decide(in); v.Status != verdict.Failed {
		t.Errorf("unsigned: %s", v.Status)
	}
	for name, change := range map[string]func(*verdict.Input){
		"no layers":     func(in *verdict.Input) { in.Evidence[0].Layers = nil },
		"nothing":       func(in *verdict.Input) { in.Evidence = nil },
		"no signatures": func(in *verdict.Input) { in.Evidence[0].Signatures = nil },
		"no such rules": func(in *verdict.Input) { in.Policy = strict() },
		"another scope": func(in *verdict.Input) { in.Scope = "licences" },
		"a digest differs": func(in *verdict.Input) {
			in.Evidence[0].Problems = []evidence.Problem{{Area: evidence.AreaIntegrity, Message: "not the digest"}}
		},
		"an unknown area": func(in *verdict.Input) { in.Evidence[0].Problems = []evidence.Problem{{Area: "x", Message: "y"}} },
		"a limit": func(in *verdict.Input) {
			in.Evidence[0].Problems = []evidence.Problem{{Area: evidence.AreaLimit, Message: "y"}}
		},
	} {
		in := in
		in.Evidence = []evidence.Evidence{signed}
		change(&in)
		if v := verdict.Decide(in); v.Status != verdict.Errored {
			t.Errorf("%s: %s %v", name, v.Status, results(v))
		}
	}
	v = verdict.Decide(in)
	v.Status, v.Scope = verdict.Passed, "licences"
	if v.ExitCode() != verdict.ExitErrored {
		t.Error("a pass of a scope of the future exits 0")
	}
}

// TestScopeAndScratch: what only layers show is not examined, and nothing passes for it.
func TestScopeAndScratch(t *testing.T) {
	ev := unscanned(basedOn(lineageOf(evidence.LineageScratch)))
	s := signers("platform")
	s.Of = policy.SignedBase
	p := trusting(baseRule("b", policy.BaseRule{ScratchAllowed: true}), signatureRule(s))
	in := verdict.Input{Policy: p, EffectiveTime: now, Scope: verdict.ScopeSignatures, Evidence: []evidence.Evidence{ev}}
	if got := results(verdict.Decide(in)); got["b"] != verdict.Skip || got["s"] != verdict.Skip {
		t.Errorf("%v", got)
	}
	in.Policy = trusting(baseRule("b", policy.BaseRule{Pinned: true}))
	if got := results(verdict.Decide(in)); got["b"] != verdict.Fail {
		t.Errorf("%v", got)
	}
}

func TestScopeLeavesWaiversOut(t *testing.T) {
	p := trusting(critical, signatureRule(signers("release")))
	until := now.AddDate(0, 1, 0)
	p.Waivers = []policy.Waiver{{ID: "cve", Finding: "CVE-1", Until: until}, {ID: "sig", Rule: "s", Until: until}}
	in := verdict.Input{Policy: p, EffectiveTime: now, Scope: verdict.ScopeSignatures, Evidence: []evidence.Evidence{unscanned(signedBy())}}
	v := verdict.Decide(in)
	if v.Status != verdict.Passed || len(v.Waivers) != 1 || v.Waivers[0].ID != "sig" || v.Waivers[0].Use != verdict.WaiverUsed {
		t.Errorf("%s %+v", v.Status, v.Waivers)
	}
}

func TestFailFast(t *testing.T) {
	p := trusting(critical, signatureRule(signers("release")), noLatest)
	p.Coverage.SecretsRequired = true
	warns := trusting(critical, asWarning(signatureRule(signers("release"))))
	for name, c := range map[string]struct {
		policy *policy.Policy
		evs    []evidence.Evidence
		want   verdict.Status
	}{
		"unsigned":              {p, []evidence.Evidence{signedBy()}, verdict.Failed},
		"signed":                {p, []evidence.Evidence{signedBy(item("release"))}, verdict.Errored},
		"one of two":            {p, []evidence.Evidence{signedBy(item("release")), signedBy()}, verdict.Failed},
		"could not check":       {p, []evidence.Evidence{good()}, verdict.Errored},
		"nothing about signers": {strict(), []evidence.Evidence{good()}, verdict.Errored},
		"nothing":               {p, nil, verdict.Errored},
		"a warning":             {warns, []evidence.Evidence{signedBy()}, verdict.Errored},
	} {
		for i := range c.evs {
			c.evs[i] = unscanned(c.evs[i])
		}
		v := verdict.Decide(verdict.Input{Policy: c.policy, EffectiveTime: now, FailFast: true, Evidence: c.evs})
		if v.Status != c.want || !v.FailedFast {
			t.Errorf("%s: %s %v", name, v.Status, results(v))
		}
		for _, s := range v.Subjects {
			if s.Status == verdict.Passed {
				t.Errorf("%s: a subject passes", name)
			}
			for _, o := range s.Outcomes {
				examined := o.Group == string(policy.GroupSignatures) || o.Rule == verdict.RuleImage || o.Rule == verdict.RulePlatforms || o.Rule == verdict.RuleLimits
				if (o.Result == verdict.Skip) == examined || !examined && o.Summary != "not examined: failed signatures ended the run" {
					t.Errorf("%s: %s is %s: %s", name, o.Rule, o.Result, o.Summary)
				}
			}
		}
	}
	torn := unscanned(signedBy())
	torn.Problems = []evidence.Problem{{Area: evidence.AreaIntegrity, Message: "torn"}}
	if o := outcome(verdict.Decide(verdict.Input{Policy: p, EffectiveTime: now, FailFast: true, Evidence: []evidence.Evidence{torn}}), verdict.RuleImage); o.Result != verdict.Error {
		t.Errorf("a problem is lost: %s", o.Result)
	}
	if (verdict.Verdict{Status: verdict.Passed, FailedFast: true}).ExitCode() != verdict.ExitErrored {
		t.Error("a pass that failed fast exits 0")
	}
	if c := verdict.Forecast(verdict.Input{Policy: p, EffectiveTime: now, FailFast: true, Evidence: []evidence.Evidence{unscanned(signedBy())}}, now.AddDate(0, 0, 5)); len(c) != 0 {
		t.Errorf("forecast %+v", c)
	}
}

// TestForecastOfSignatures: what will be too old is foretold, in a verdict on signatures too.
func TestForecastOfSignatures(t *testing.T) {
	s := signers("release")
	s.MaxAge = 72 * time.Hour
	made := attestationRule(func(r *policy.AttestationRule) {
		r.Conditions = []policy.Condition{{Path: "at", Steps: []policy.Step{{Key: "at"}}, MaxAge: 96 * time.Hour}}
	})
	made.ID = "made"
	p := trusting(critical, signatureRule(s), made)
	ev := unscanned(signedBy(item("release"), attestation(slsa, map[string]any{"at": "2026-03-08T12:00:00Z"}, "release")))
	changes := verdict.Forecast(verdict.Input{Policy: p, EffectiveTime: now, Scope: verdict.ScopeSignatures, Evidence: []evidence.Evidence{ev}}, now.AddDate(0, 0, 7))
	var got []string
	for _, c := range changes {
		got = append(got, c.Date+" "+c.Rule+" "+string(c.To))
	}
	if want := "2026-03-11 s fail, 2026-03-12 made fail"; strings.Join(got, ", ") != want {
		t.Errorf("got %v", got)
	}
}
