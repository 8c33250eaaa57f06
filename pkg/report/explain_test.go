// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// rich has a finding with all that can be known of one.
func rich() verdict.Verdict {
	v := verdicts()["failed"]
	s := &v.Subjects[0]
	s.Evidence.Layers[1].CreatedBy = "RUN apk add openssl"
	for i := range s.Evidence.Findings {
		f := &s.Evidence.Findings[i]
		if f.ID == "CVE-2021-3450" {
			f.Layer = evidence.Layer{DiffID: sha("3")}
			f.Title, f.SeveritySource, f.CVSS, f.EPSS = "openssl: CA check bypass", "nvd", 7.4, ptr(0.0123)
			f.Published, f.KnownExploited, f.Aliases, f.URL = ptr(now.AddDate(-5, 0, 0)), ptr(now.AddDate(-1, 0, 0)), []string{"GHSA-8hfj-xrj2-pm22"}, "https://avd.aquasec.com/nvd/cve-2021-3450"
			f.VEX = []evidence.VEXStatement{{Status: "not_affected", Justification: "vulnerable_code_not_in_execute_path", Source: "vex/shop.json", Author: "payments"}}
		}
	}
	return v
}

func TestExplain(t *testing.T) {
	for name, c := range map[string]struct {
		verdict verdict.Verdict
		id      string
	}{
		"explain-finding":  {rich(), "cve-2021-3450"},
		"explain-secret":   {rich(), "aws-access-key-id"},
		"explain-rule":     {verdicts()["forecast"], "fixable-high"},
		"explain-builtin":  {verdicts()["error"], "coverage.files"},
		"explain-platform": {verdicts()["several"], "runtime"},
		"explain-hostile":  {verdicts()["hostile"], verdicts()["hostile"].Subjects[0].Evidence.Findings[0].ID},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := report.Explain(c.verdict, c.id)
			if err != nil {
				t.Fatal(err)
			}
			var text, doc bytes.Buffer
			if err := errors.Join(report.ExplainText(&text, e, options), report.WriteJSON(&doc, e)); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".txt", text.Bytes())
			safe(t, text.String())
			safe(t, doc.String())
			if !json.Valid(doc.Bytes()) || strings.Contains(doc.String(), ": null") {
				t.Errorf("JSON: %.300s", doc.String())
			}
		})
	}
}

// States are the ways in which a rule looks at a finding.
func TestExplainStates(t *testing.T) {
	v := rich()
	for id, want := range map[string]string{
		"CVE-2021-36159":      "no-critical counts, fixable-high not selected, medium-budget not selected",
		"CVE-2019-1":          "no-critical not selected, fixable-high not selected, medium-budget counts",
		"GHSA-8hfj-xrj2-pm22": "no-critical not selected, fixable-high counts, medium-budget not selected",
		"aws-access-key-id":   "no-secrets counts",
	} {
		e, err := report.Explain(v, id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		var got []string
		for _, r := range e.Findings[0].Rules {
			got = append(got, r.Rule+" "+r.State)
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("%s: %s, want %s", id, s, want)
		}
	}
	e, err := report.Explain(v, "CVE-2021-3450")
	if err != nil || len(e.Findings) != 2 || e.Findings[1].Rules[1].Waiver != "w-2026-014" || e.Findings[1].Layer != 2 {
		t.Errorf("%+v, %v", e.Findings, err)
	}
}

func TestExplainUnknown(t *testing.T) {
	for id, want := range map[string]string{
		"no-critcal": "no-critical",
		"2021-36159": "CVE-2021-36159",
		"CVE-2020-":  "CVE-2020-8200",
		"runtme":     "runtime",
	} {
		_, err := report.Explain(rich(), id)
		var unknown *report.UnknownIDError
		if !errors.As(err, &unknown) || !slices.Contains(unknown.Near, want) || len(unknown.Near) > 5 {
			t.Errorf("%s: %v %+v", id, err, unknown)
		}
	}
	_, err := report.Explain(verdict.Verdict{}, "")
	var unknown *report.UnknownIDError
	if !errors.As(err, &unknown) || len(unknown.Near) != 0 {
		t.Errorf("got %v", err)
	}
}
