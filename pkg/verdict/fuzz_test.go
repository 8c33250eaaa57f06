// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func FuzzDecide(f *testing.F) {
	for _, ev := range []evidence.Evidence{
		good(), {}, found(vuln("CVE-1", evidence.SeverityCritical, 0, "1, 2")), found(secret("aws", "k")),
		problem(evidence.Problem{Area: evidence.AreaPackages, Message: "m"}),
	} {
		b, err := json.Marshal(ev)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "no-critical", "CVE-1", "pkg:apk/alpine/openssl", "**", "1.0~a", "1.0")
	}
	f.Fuzz(func(t *testing.T, b []byte, rule, finding, pkg, glob, from, to string) {
		var ev evidence.Evidence
		if json.Unmarshal(b, &ev) != nil {
			return
		}
		for i := range ev.Findings {
			if p := ev.Findings[i].Package; p != nil && i == 0 {
				p.Version, ev.Findings[i].FixedVersion = from, to
			}
		}
		p := strict()
		p.Coverage.UnreadableAccept = []string{glob}
		p.Waivers = []policy.Waiver{{ID: "w", Rule: rule, Finding: finding, Package: pkg, Path: glob, Until: today},
			{ID: "x", Rule: rule, Images: []string{glob}, Origin: pkg, Until: today, Recorded: &policy.Recorded{Date: today}}}
		p.WaiverLimits.FailOnDrift = len(b)%2 == 0
		before, _ := json.Marshal(ev)
		v := decide(p, ev)
		for _, s := range v.Subjects {
			verdict.Fixes(s)
		}
		after, _ := json.Marshal(ev)
		if !bytes.Equal(before, after) {
			t.Fatal("the input changed")
		}
		if v.Status == verdict.Passed && len(ev.Problems) > 0 {
			for _, pr := range ev.Problems {
				if pr.Area != evidence.AreaFile || pr.What == "" {
					t.Fatalf("%+v passes", pr)
				}
			}
		}
		if v.Status == verdict.Passed && ev.Database.UpdatedAt == nil {
			t.Fatal("passes without a database")
		}
	})
}
