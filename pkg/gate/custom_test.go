// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// speaker denies what it finds in the first file of a rule.
type speaker struct{ seen []evidence.Evidence }

func (s *speaker) Evaluate(_ context.Context, rules []policy.Rule, ev evidence.Evidence, when time.Time) []evidence.CustomResult {
	s.seen = append(s.seen, ev)
	var results []evidence.CustomResult
	for _, r := range rules {
		result := evidence.CustomResult{Rule: r.ID}
		if text := string(r.Custom.Rego[0].Data); text != "" && when.Equal(at) {
			result.Deny = []evidence.CustomMessage{{Message: text}}
		}
		results = append(results, result)
	}
	return results
}

func (s *speaker) EvaluateAttestations(_ context.Context, rules []policy.Rule, own evidence.Subject, sigs *evidence.Signatures, when time.Time) {
	for i := range sigs.Items {
		for _, r := range rules {
			if own.ImageID != "" && when.Equal(at) {
				sigs.Items[i].Rego = append(sigs.Items[i].Rego, evidence.CustomResult{Rule: r.ID})
			}
		}
	}
}

type files map[string]string

func (f files) Load(_ context.Context, reference string, _ *policy.Document) (*policy.Document, error) {
	return &policy.Document{Source: reference, Data: []byte(f[reference]), Open: func(_ context.Context, name string) ([]byte, error) {
		if data, ok := f[name]; ok {
			return []byte(data), nil
		}
		return nil, fs.ErrNotExist
	}}, nil
}

func TestCustomRules(t *testing.T) {
	l := files{
		"p": `version: 1
name: p
rules: {custom: [{id: house, rego: all.rego}]}
images: [{match: [x], rules: {custom: [{id: house, rego: x.rego}]}}]
`,
		"all.rego": "all", "x.rego": "",
	}
	p, err := policy.Load(t.Context(), policy.Request{Policy: "p"}, l)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		destination string
		custom      CustomRules
		want        verdict.Status
		said        string
	}{
		"the rest":       {"y:1", &speaker{}, verdict.Failed, "all"},
		"a section":      {"x:1", &speaker{}, verdict.Passed, "nothing is denied"},
		"nobody to tell": {"y:1", nil, verdict.Errored, "not decided: the Rego rules were not evaluated"},
	} {
		t.Run(name, func(t *testing.T) {
			g := gateOf(index{"linux/amd64"}, clean)
			g.Custom = c.custom
			v, err := g.Check(t.Context(), Request{Reference: "oci:x", Destination: c.destination, Policy: p, EffectiveTime: at})
			if err != nil {
				t.Fatal(err)
			}
			outcomes := v.Subjects[0].Outcomes
			if o := outcomes[len(outcomes)-1]; v.Status != c.want || o.Rule != "house" || o.Summary != c.said {
				t.Errorf("%s: %s %s, want %s: %s", v.Status, o.Rule, o.Summary, c.want, c.said)
			}
			if s, ok := c.custom.(*speaker); ok && (len(s.seen) != 1 || len(s.seen[0].Packages) != 1 || s.seen[0].Subject.Destination != c.destination) {
				t.Errorf("the rules saw %+v", s.seen)
			}
		})
	}
}

// TestEnforcedCustomRules: what the feeds of a repository say does not reach the input
// of an enforced rule, which could otherwise be talked out of a finding.
func TestEnforcedCustomRules(t *testing.T) {
	l := files{
		"above": "version: 1\nname: above\nfeeds: {epss: {file: epss.csv}}\nrules: {custom: [{id: theirs, rego: all.rego}]}\n",
		"p": "version: 1\nname: p\nfeeds: {vex: {file: vex.json}, kev: {file: kev.json}}\n" +
			"rules: {custom: [{id: ours, rego: all.rego}]}\n",
		"all.rego": "", "vex.json": strings.Replace(statement(notAffected), "CVE-1", "CVE-2026-0001", 1),
		"kev.json": `{"dateReleased": "2026-11-01T00:00:00Z", "count": 1, "vulnerabilities": [{"cveID": "CVE-2026-0001", "dateAdded": "2026-10-01"}]}`,
		"epss.csv": "#model_version:v2026,score_date:2026-11-01T00:00:00Z\ncve,epss,percentile\nCVE-2026-0001,0.5,0.9\n",
	}
	p, err := policy.Load(t.Context(), policy.Request{Policy: "p", Enforce: []policy.Enforced{{Reference: "above"}}}, l)
	if err != nil {
		t.Fatal(err)
	}
	g := gateOf(index{"linux/amd64"}, func(ctx context.Context) (*evidence.Evidence, error) {
		e, err := vulnerable(ctx)
		e.Findings[0].ID = "CVE-2026-0001"
		return e, err
	})
	s := &speaker{}
	g.Custom = s
	if _, err := g.Check(t.Context(), Request{Reference: "oci:x", Policy: p, EffectiveTime: at}); err != nil {
		t.Fatal(err)
	}
	if len(s.seen) != 2 {
		t.Fatalf("%d inputs for rules of two levels", len(s.seen))
	}
	for i, own := range []bool{false, true} {
		ev := s.seen[i]
		f := ev.Findings[0]
		if (len(f.VEX) > 0) != own || (f.KnownExploited != nil) != own || f.EPSS == nil ||
			(ev.Feeds.KEV != nil) != own || (len(ev.Feeds.VEX) > 0) != own || ev.Feeds.EPSS == nil {
			t.Errorf("own level %v: %+v, feeds %+v", own, f, ev.Feeds)
		}
	}
}
