// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"fmt"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// BenchmarkDecide decides a policy of 100 rules over 10,000 findings.
func BenchmarkDecide(b *testing.B) {
	in := large(10_000, 100)
	for b.Loop() {
		if v := verdict.Decide(in); v.Status != verdict.Failed {
			b.Fatal(v.Status)
		}
	}
}

func large(findings, rules int) verdict.Input {
	var fs []evidence.Finding
	for i := range findings {
		f := vuln(fmt.Sprintf("CVE-2026-%05d", (i*7919)%findings), evidence.Severity(i%5), i%2, "1.2.3")
		f.Package.Name, f.Package.Path = fmt.Sprintf("package-%d", i%700), fmt.Sprintf("usr/lib/node_modules/p%d/package.json", i%700)
		f.Layer = evidence.Layer{DiffID: fmt.Sprintf("sha256:%d", i%12)}
		fs = append(fs, f)
	}
	evidence.SortFindings(fs) // as collectors leave them
	pol := strict()
	pol.Rules = nil
	for i := range rules {
		r := critical
		r.ID = fmt.Sprintf("rule-%d", i)
		own := *r.Vulnerabilities
		own.Severities = []evidence.Severity{evidence.Severity(i % 5)}
		r.Vulnerabilities = &own
		pol.Rules = append(pol.Rules, r)
	}
	for i := range 100 {
		pol.Waivers = append(pol.Waivers, policy.Waiver{ID: fmt.Sprintf("w%d", i), Finding: fmt.Sprintf("CVE-2026-%05d", i), Until: now.AddDate(0, 1, 0)})
	}
	return verdict.Input{Policy: pol, Reference: "app:1", EffectiveTime: now, Evidence: []evidence.Evidence{found(fs...)}}
}
