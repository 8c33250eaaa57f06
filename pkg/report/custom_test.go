// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// TestCustomMessages pins that the words of a custom rule are shown, whatever they are about.
func TestCustomMessages(t *testing.T) {
	house := policy.Rule{ID: "house", Group: policy.GroupCustom, Action: policy.ActionFail, Custom: &policy.CustomRule{Rego: []*policy.File{{Path: "a.rego"}}}}
	text := func(deny, warn []evidence.CustomMessage) string {
		ev := image("registry.example.com/shop:1")
		ev.Findings = []evidence.Finding{osVuln("CVE-2026-1", evidence.SeverityHigh, "openssl", "openssl", "3.0", "3.1")}
		ev.Custom = []evidence.CustomResult{{Rule: "house", Deny: deny, Warn: warn}}
		v := run("registry.example.com/shop:1", func(in *verdict.Input) {
			p := *in.Policy
			p.Rules = []policy.Rule{house}
			in.Policy = &p
		}, ev)
		var b bytes.Buffer
		if err := report.Text(&b, v, options); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	on := evidence.CustomMessage{Message: "TLS \x1b[2J is ours", Finding: "CVE-2026-1"}
	fact := evidence.CustomMessage{Message: "zz no owner"}
	got := text([]evidence.CustomMessage{on, fact}, []evidence.CustomMessage{{Message: "soon"}})
	safe(t, got)
	for _, want := range []string{"2 violations (1 high)\n", "    - zz no owner\n    - TLS ", "    warnings:\n    - soon\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if got := text(nil, []evidence.CustomMessage{{Message: "soon"}}); strings.Count(got, "soon") != 1 || !strings.Contains(got, "Warnings") {
		t.Errorf("a single warning is the summary:\n%s", got)
	}
	if got := text([]evidence.CustomMessage{on}, nil); !strings.Contains(got, "is ours") {
		t.Errorf("the message is missing:\n%s", got)
	}
}

func TestEvidence(t *testing.T) {
	for name, v := range verdicts() {
		var b bytes.Buffer
		if err := report.Evidence(&b, v, options); err != nil {
			t.Fatal(err)
		}
		d, err := evidence.ReadDocument(b.Bytes())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		safe(t, b.String())
		if len(d.Evidence) != len(v.Subjects) || len(d.Problems) != len(v.Problems) || !d.EffectiveTime.Equal(v.EffectiveTime) || d.Reference == "" && v.Reference != "" {
			t.Errorf("%s: something is lost", name)
		}
	}
}
