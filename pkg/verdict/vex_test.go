// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// VEX statements count by the level of the document that the policy names.
func TestVEXStatements(t *testing.T) {
	na := evidence.VEXStatement{Status: "not_affected", Justification: "j", Source: "v.json"}
	level := func(s evidence.VEXStatement, n int) evidence.VEXStatement { s.Level = n; return s }
	bare := na
	bare.Justification = ""
	for name, tt := range map[string]struct {
		statements []evidence.VEXStatement
		enforced   bool
		waives     bool
	}{
		"none":                          {nil, false, false},
		"not affected":                  {[]evidence.VEXStatement{na}, false, true},
		"without justification":         {[]evidence.VEXStatement{bare}, false, false},
		"fixed":                         {[]evidence.VEXStatement{{Status: "fixed"}}, false, true},
		"affected":                      {[]evidence.VEXStatement{{Status: "affected", Justification: "j"}}, false, false},
		"no status":                     {[]evidence.VEXStatement{{Justification: "j"}}, false, false},
		"own level, enforced rule":      {[]evidence.VEXStatement{level(na, 1)}, true, false},
		"enforced level, enforced rule": {[]evidence.VEXStatement{level(na, 1), level(na, 0)}, true, true},
		"enforced level, own rule":      {[]evidence.VEXStatement{na}, false, true},
	} {
		p := rules(critical)
		p.Documents = []policy.DocumentRef{{Enforced: true}, {}}
		p.Rules[0].Level = 1
		if tt.enforced {
			p.Rules[0].Level = 0
		}
		p.Waivers = []policy.Waiver{{ID: "w", Finding: "CVE-2", Until: today}}
		f := vuln("CVE-1", evidence.SeverityCritical, 0, "")
		f.VEX = tt.statements
		v := decide(p, found(f))
		o := outcome(v, "no-critical")
		if (v.Status == verdict.Passed) != tt.waives || tt.waives && (len(o.Waived) != 1 || !strings.HasPrefix(o.Waived[0].Waiver, "vex:")) {
			t.Errorf("%s: %s %+v", name, v.Status, o)
		}
	}
	s := secret("aws", "k")
	s.VEX = []evidence.VEXStatement{na}
	if v := decide(rules(secrets), found(s)); v.Status != verdict.Failed {
		t.Errorf("a secret: %s", v.Status)
	}
}
