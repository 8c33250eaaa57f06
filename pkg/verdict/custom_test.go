// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

var house = policy.Rule{ID: "house", Group: policy.GroupCustom, Action: policy.ActionFail,
	Custom: &policy.CustomRule{Rego: []*policy.File{{Path: "house.rego"}}}}

// said is evidence with findings, on which the rule house has said something.
func said(deny, warn []evidence.CustomMessage, change ...func(*evidence.Evidence)) evidence.Evidence {
	return with(func(ev *evidence.Evidence) {
		ev.Findings = []evidence.Finding{
			vuln("CVE-2026-1", evidence.SeverityHigh, 0, "3.1.5-r0"), vuln("CVE-2026-1", evidence.SeverityHigh, 1, ""),
			secret("aws-key", "app/.env"),
		}
		ev.Findings[0].Aliases = []string{"GHSA-aaaa"}
		ev.Files = []evidence.File{{Path: "usr/bin/sudo", Layer: evidence.Layer{DiffID: "sha256:cc"}}}
		ev.Custom = []evidence.CustomResult{{Rule: "other"}, {Rule: "house", Deny: deny, Warn: warn}}
		for _, c := range change {
			c(ev)
		}
	})
}

func messages(texts ...string) []evidence.CustomMessage {
	var ms []evidence.CustomMessage
	for _, t := range texts {
		ms = append(ms, evidence.CustomMessage{Message: t})
	}
	return ms
}

func TestCustomResults(t *testing.T) {
	for name, test := range map[string]struct {
		ev     evidence.Evidence
		rule   policy.Rule
		result verdict.Result
		status verdict.Status
		said   string
	}{
		"nothing said":          {said(nil, nil), house, verdict.Pass, verdict.Passed, "nothing is denied"},
		"denied":                {said(messages("no sudo"), nil), house, verdict.Fail, verdict.Failed, "no sudo"},
		"denied and warned":     {said(messages("a", "b"), messages("c")), house, verdict.Fail, verdict.Failed, "2 violations"},
		"one severity, not all": {said([]evidence.CustomMessage{{Message: "a", Finding: "CVE-2026-1"}, {Message: "b"}}, nil), house, verdict.Fail, verdict.Failed, "3 violations (2 high)"},
		"warned":                {said(nil, messages("c")), house, verdict.Warn, verdict.Passed, "c"},
		"warned twice":          {said(nil, messages("c", "d")), house, verdict.Warn, verdict.Passed, "2 warnings"},
		"a rule that warns":     {said(messages("a"), nil), asWarning(house), verdict.Warn, verdict.Passed, "a"},
		"not evaluated":         {good(), house, verdict.Error, verdict.Errored, "not evaluated"},
		"warning, not known":    {good(), asWarning(house), verdict.Error, verdict.Passed, "not evaluated"},
		"a problem":             {said(nil, nil, func(ev *evidence.Evidence) { ev.Custom[1].Problem = "too slow" }), house, verdict.Error, verdict.Errored, "too slow"},
		"a problem and deny":    {said(messages("a"), messages("b"), func(ev *evidence.Evidence) { ev.Custom[1].Problem = "too slow" }), house, verdict.Error, verdict.Errored, "too slow"},
		"twice":                 {said(nil, nil, func(ev *evidence.Evidence) { ev.Custom[0].Rule = "house" }), house, verdict.Error, verdict.Errored, "more than once"},
		"no file":               {said(nil, nil), policy.Rule{ID: "house", Group: policy.GroupCustom, Custom: &policy.CustomRule{}}, verdict.Error, verdict.Errored, "names no file"},
		"a layer unread":        {said(nil, nil, unread), house, verdict.Error, verdict.Errored, "integrity could not be decided"},
		"warned, unread":        {said(nil, messages("c"), unread), house, verdict.Error, verdict.Errored, "integrity could not be decided"},
		"denied, unread":        {said(messages("a"), nil, unread), house, verdict.Fail, verdict.Failed, "a"},
		"an old database":       {said(nil, nil, func(ev *evidence.Evidence) { ev.Database = evidence.DatabaseState{} }), house, verdict.Error, verdict.Errored, "database"},
		"a platform is amiss": {said(nil, nil, func(ev *evidence.Evidence) {
			ev.Problems = []evidence.Problem{{Area: evidence.AreaPlatform, Message: "x"}}
		}), house, verdict.Error, verdict.Errored, "platforms"},
	} {
		t.Run(name, func(t *testing.T) {
			v := decide(rules(test.rule), test.ev)
			o := outcome(v, "house")
			if o.Result != test.result || !strings.Contains(o.Summary, test.said) {
				t.Errorf("%s: %s, want %s: %s", o.Result, o.Summary, test.result, test.said)
			}
			if v.Status != test.status && test.result != verdict.Error {
				t.Errorf("%s, want %s", v.Status, test.status)
			}
		})
	}
}

func unread(ev *evidence.Evidence) { ev.Layers[0].Verification = evidence.LayerNotVerified }

func TestWhatMessagesMean(t *testing.T) {
	denied := func(m evidence.CustomMessage) []verdict.Violation {
		return outcome(decide(rules(house), said([]evidence.CustomMessage{m}, nil)), "house").Violations
	}
	vs := denied(evidence.CustomMessage{Message: "m", Finding: "CVE-2026-1"})
	if len(vs) != 2 || vs[0].Finding == nil || vs[1].Finding == nil || vs[0].Finding.PackageName() == vs[1].Finding.PackageName() || vs[0].Message == vs[1].Message {
		t.Errorf("each package counts: %+v", vs)
	}
	vs = denied(evidence.CustomMessage{Message: "m", Finding: "GHSA-aaaa", Package: "pkg:apk/alpine/openssl"})
	if len(vs) != 1 || vs[0].Finding == nil || vs[0].Message != "m" || !strings.Contains(vs[0].Fix, "3.1.5-r0") {
		t.Errorf("got %+v", vs)
	}
	vs = denied(evidence.CustomMessage{Message: "m", Finding: "aws-key", Path: "/app/.env", Fix: "revoke"})
	if len(vs) != 1 || vs[0].Finding == nil || vs[0].Fix != "revoke" {
		t.Errorf("got %+v", vs)
	}
	vs = denied(evidence.CustomMessage{Message: "m", Finding: "no-sudo", Path: "/usr/bin/sudo", Package: "openssl"})
	if len(vs) != 1 || vs[0].Finding != nil || vs[0].ID != "no-sudo" || vs[0].Layer.DiffID != "sha256:cc" || vs[0].Package.Version == "" {
		t.Errorf("got %+v", vs)
	}
	vs = denied(evidence.CustomMessage{Message: "m", Finding: "CVE-2026-1", Package: "none"})
	if len(vs) != 1 || vs[0].Finding != nil || vs[0].Package.Name != "none" {
		t.Errorf("got %+v", vs)
	}
}

// TestWaivedCustomViolations proves that what a custom rule denies is waived like
// what any other does.
func TestWaivedCustomViolations(t *testing.T) {
	deny := []evidence.CustomMessage{{Message: "m", Finding: "CVE-2026-1"}, {Message: "n", Finding: "no-sudo", Path: "usr/bin/sudo"}}
	warn := []evidence.CustomMessage{{Message: "w", Finding: "no-curl"}}
	w := policy.Waiver{ID: "w", Until: now.AddDate(0, 1, 0), Reason: "r", Owner: "o"}
	on := func(change func(*policy.Waiver)) policy.Waiver { w := w; change(&w); return w }
	for name, test := range map[string]struct {
		waivers                      []policy.Waiver
		violations, warnings, waived int
		result                       verdict.Result
	}{
		"none":            {nil, 3, 1, 0, verdict.Fail},
		"the rule":        {[]policy.Waiver{on(func(w *policy.Waiver) { w.Rule = "house" })}, 0, 0, 4, verdict.Pass},
		"another rule":    {[]policy.Waiver{on(func(w *policy.Waiver) { w.Rule = "other" })}, 3, 1, 0, verdict.Fail},
		"one finding":     {[]policy.Waiver{on(func(w *policy.Waiver) { w.Finding = "CVE-2026-1" })}, 1, 1, 2, verdict.Fail},
		"of one package":  {[]policy.Waiver{on(func(w *policy.Waiver) { w.Finding, w.Package = "CVE-2026-1", "lodash" })}, 2, 1, 1, verdict.Fail},
		"by path":         {[]policy.Waiver{on(func(w *policy.Waiver) { w.Rule, w.Path = "house", "/usr/bin/*" })}, 2, 1, 1, verdict.Fail},
		"all that denies": {[]policy.Waiver{on(func(w *policy.Waiver) { w.Finding = "CVE-2026-1" }), on(func(w *policy.Waiver) { w.Finding = "no-sudo" })}, 0, 1, 3, verdict.Warn},
		"expired":         {[]policy.Waiver{on(func(w *policy.Waiver) { w.Rule, w.Until = "house", now.AddDate(0, 0, -2) })}, 3, 1, 0, verdict.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			p := rules(house)
			for i, w := range test.waivers {
				w.Position.Line = i + 1
				p.Waivers = append(p.Waivers, w)
			}
			o := outcome(decide(p, said(deny, warn)), "house")
			if len(o.Violations) != test.violations || len(o.Warnings) != test.warnings || len(o.Waived) != test.waived || o.Result != test.result {
				t.Errorf("%s, %d violations, %d warnings, %d waived; want %+v", o.Result, len(o.Violations), len(o.Warnings), len(o.Waived), test)
			}
		})
	}
}
