// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/policy"
)

// explained writes each setting as one line: path, value, place.
func explained(p *policy.Policy) string {
	var b strings.Builder
	for _, s := range p.Explain() {
		place := fmt.Sprintf("%s:%d", s.Source, s.Line)
		if s.Default {
			place = "default"
		}
		if s.Enforced {
			place += " enforced"
		}
		fmt.Fprintf(&b, "%s = %s (%s)\n", s.Path, s.Value, place)
	}
	return b.String()
}

func TestExplain(t *testing.T) {
	l := loader{
		"owner": document("owner", "database: {max-age: 3d}\nrules: {secrets: [{id: no-secrets}]}\n"),
		"base":  document("base", "rules:\n  vulnerabilities:\n    - id: serious\n      severity: [critical, unknown]\n      title: Nothing serious\n"),
		"own": document("own", "extends: [base]\nwaiver-files: [more]\nunknown-severity: accept\nrules: {vulnerabilities: [{id: serious, max: 2}]}\nfeeds: {kev: {file: kev.json}}\n"+
			"images:\n  - match: [payments]\n    rules: {vulnerabilities: [{id: serious, max: 0}]}\n  - match: [legacy/**]\n    rules: {secrets: [{id: no-secrets, title: Old}]}\n"),
		"more":     "version: 1\nwaivers:\n  - id: w.1\n    rule: serious\n    until: 2026-12-31\n    reason: >-\n      two\n      lines\n    owner: o\n",
		"kev.json": "{}",
	}
	p, err := load(t, l, "own", "owner")
	if err != nil {
		t.Fatal(err)
	}
	want := `version = 1 (owner:1 enforced)
name = own (own:2)
platforms = all (default)
database.max-age = 3d (owner:3 enforced)
coverage.os = required (default)
coverage.packages = required (default)
unknown-severity = accept (own:5)
feeds.kev.file = kev.json (own:7)
rules.vulnerabilities[serious].id = serious (base:5)
rules.vulnerabilities[serious].severity = [critical, unknown] (base:6)
rules.vulnerabilities[serious].title = Nothing serious (base:7)
rules.vulnerabilities[serious].max = 2 (own:6)
rules.vulnerabilities[serious].action = fail (default)
rules.vulnerabilities[serious].remediation = Upgrade the packages to versions that fix the vulnerabilities, in the image or by a newer base image. Where there is no fix, remove the package or record a waiver with an end date. (default)
rules.secrets[no-secrets].id = no-secrets (owner:4 enforced)
rules.secrets[no-secrets].action = fail (default)
rules.secrets[no-secrets].title = No secrets (default)
rules.secrets[no-secrets].remediation = Revoke the secret, then build the image without it: deleting the file in a later layer leaves it in the earlier one. Pass secrets at run time, or to the build by a secret mount. (default)
waivers[w.1].id = w.1 (more:3)
waivers[w.1].rule = serious (more:4)
waivers[w.1].until = 2026-12-31 (more:5)
waivers[w.1].reason = two lines (more:6)
waivers[w.1].owner = o (more:9)
`
	if diff := cmp.Diff(want, explained(p)); diff != "" {
		t.Error(diff)
	}
	payments := []string{"payments:1"}
	if got := explained(p.For(payments)); !strings.Contains(got, "serious].max = 0 (own:10)") {
		t.Errorf("the section is not in\n%s", got)
	}
	if got := p.SectionsFor(payments); len(got) != 1 || got[0].Source != "own" || got[0].Position.Line != 9 || got[0].Match[0] != "payments" {
		t.Errorf("sections %+v", got)
	}
	if got := p.SectionsFor([]string{"shop:1"}); len(got) != 0 || len(p.Sections()) != 2 {
		t.Errorf("sections %+v of %+v", got, p.Sections())
	}
	var paths []string
	for _, part := range p.Parts() {
		paths = append(paths, fmt.Sprint(part.Level, part.Source, part.Path))
	}
	if diff := cmp.Diff([]string{"0owner", "1own", "1ownmore", "1base", "1ownkev.json"}, paths); diff != "" {
		t.Error(diff)
	}
}

// TestDigestCoversTheManifest: the digest can be recomputed from what is printed.
func TestDigestCoversTheManifest(t *testing.T) {
	l := loader{"base": valid, "own": document("own", "extends: [base]\n")}
	p, err := load(t, l, "own")
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(strings.Join(p.Manifest(), "\n")+"\n")))
	if p.Digest != sum || len(p.Manifest()) != 2 {
		t.Errorf("digest %s of %q, want %s", p.Digest, p.Manifest(), sum)
	}
	one, err := load(t, l, "base")
	if err != nil {
		t.Fatal(err)
	}
	if one.Digest != one.Parts()[0].Digest || len(one.Parts()) != 1 {
		t.Errorf("digest %s of %+v", one.Digest, one.Parts())
	}
	if (&policy.Policy{}).Explain() != nil || len((&policy.Policy{}).SectionsFor(nil)) != 0 {
		t.Error("a policy made by hand explains itself")
	}
}
