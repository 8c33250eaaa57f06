// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// planned failed for its base, and candidates were looked at. text stands wherever a
// registry, an image or an error has a say.
func planned(text string) verdict.Verdict {
	ev := image("shop:1.4")
	ev.Layers = []evidence.LayerFacts{{DiffID: "sha256:base"}, {DiffID: "sha256:app", CreatedBy: "RUN apk add apk-tools " + text}}
	ev.Base = &evidence.Base{Claims: []evidence.BaseClaim{{Source: evidence.ClaimFlag}}, Source: evidence.ClaimFlag, Reference: "docker.io/library/alpine:3.20.3",
		Digest: "sha256:b", Lineage: evidence.LineageProven, Layers: 1}
	for i := range 3 {
		f := osVuln(fmt.Sprintf("CVE-2026-%d", i), evidence.SeverityCritical, "openssl", "libssl3", "3.1.4-r0", "3.1.4-r1")
		f.Layer = evidence.Layer{DiffID: "sha256:base"}
		ev.Findings = append(ev.Findings, f)
	}
	own := osVuln("CVE-2026-9", evidence.SeverityCritical, "apk-tools", "apk-tools", "2.10.6-r0", "2.10.7-r0")
	own.Layer = evidence.Layer{DiffID: "sha256:app"}
	ev.Findings = append(ev.Findings, own)
	in := verdict.Input{Policy: production(), Reference: "shop:1.4", Evidence: []evidence.Evidence{ev}, EffectiveTime: now}
	in.Policy.Rules = []policy.Rule{in.Policy.Rules[0]}
	newer := &evidence.Evidence{Layers: []evidence.LayerFacts{{DiffID: "sha256:newer"}}, Findings: []evidence.Finding{ev.Findings[0]}}
	return verdict.WithBases(in, verdict.Decide(in), []*verdict.BaseLookup{{
		Problem: "registry.example.com answers 500 " + text,
		Candidates: []verdict.Candidate{
			{Reference: "docker.io/library/alpine:3.20.8", Digest: "sha256:n", Step: verdict.StepPatch, Evidence: newer},
			{Reference: "docker.io/library/alpine:3.21.3" + text, Step: verdict.StepMinor, Problem: "gone " + text},
		},
	}})
}

func planFormats() []format {
	return append(formats(), fixesFormat, format{"text", "txt", report.Text}, format{"json", "json", report.JSON},
		format{"html", "html", func(w io.Writer, v verdict.Verdict, o report.Options) error { return report.HTML(w, v, o) }})
}

// TestPlanIsShown: the sentence about the base is in every report that says what to do.
func TestPlanIsShown(t *testing.T) {
	for _, f := range planFormats() {
		got := string(rendered(t, f, planned("")))
		switch f.name {
		case "text", "markdown", "html", "json", "fixes":
		default:
			continue
		}
		for _, want := range []string{"clears 2 of 4", "docker.io/library/alpine:3.20.8", "answers 500", "not known what it clears: gone", "apk-tools&gt;=2.10.7-r0|apk-tools>=2.10.7-r0|apk-tools&#62;=2.10.7-r0"} {
			found := false
			for _, w := range strings.Split(want, "|") {
				found = found || strings.Contains(got, w)
			}
			if !found {
				t.Errorf("%s does not say %q:\n%.6000s", f.name, want, got)
			}
		}
	}
	golden(t, "planned.txt", rendered(t, format{"text", "txt", report.Text}, planned("")))
	golden(t, "planned.fixes.json", rendered(t, fixesFormat, planned("")))
}

func TestPlanIsSafe(t *testing.T) {
	for i, text := range hostileTexts() {
		v := planned(text)
		for _, f := range planFormats() {
			got := rendered(t, f, v)
			safe(t, string(got))
			if f.name == "html" && bytes.Contains(got, []byte("<script>alert")) {
				t.Errorf("%d: a script in the page", i)
			}
		}
		for _, s := range decoded(t, fixesFormat, rendered(t, fixesFormat, v)) {
			safe(t, s)
		}
	}
}
