// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// rulesOf are so many rules, each with an id of its own.
func rulesOf(n int) string {
	var b strings.Builder
	b.WriteString("rules:\n  vulnerabilities:\n")
	for i := range n {
		fmt.Fprintf(&b, "    - {id: a%d, severity: [high, unknown]}\n", i)
	}
	return b.String()
}

// many repeats a format with the numbers from 0.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func authoritiesOf(n int) string {
	return "authorities:\n" + many(n, "  - {name: a%d, key: {env: A}}\n")
}

// namingOf are so many rules that name as many authorities.
func namingOf(n int, prefix, more string) string {
	if more != "" {
		return "rules:\n  attestations:\n" + many(n, "    - {id: r%[1]d, predicateType: vuln, authorities: ["+prefix+"%[1]d], "+more+"}\n")
	}
	return "rules:\n  signatures:\n" + many(n, "    - {id: r%[1]d, authorities: ["+prefix+"%[1]d]}\n")
}

// TestLoad_Large: a policy as large as one may be is read, or refused, in some seconds.
// Of 25,000 rules the second case took 37 s before, the third 220 s.
func TestLoad_Large(t *testing.T) {
	rules := rulesOf(6_000)
	var sections, waivers, files strings.Builder
	sections.WriteString("images:\n")
	for i := range 200 {
		fmt.Fprintf(&sections, "  - {match: [r.io/a%d], platforms: all}\n", i)
	}
	waivers.WriteString("waivers:\n")
	for i := range 5_000 {
		fmt.Fprintf(&waivers, "  - {id: w%d, rule: a0, until: 2026-01-01, owner: o, reason: r}\n", i)
	}
	files.WriteString("rules:\n  files:\n    - id: f\n      forbidden:\n")
	for i := range 40_000 {
		fmt.Fprintf(&files, "        - /a%d\n", i)
	}
	few := rulesOf(1)
	authorities := authoritiesOf(10_000)
	for name, tt := range map[string]struct{ own, enforced, want string }{
		"rules":                     {rules, "", ""},
		"rules twice":               {rules, rules, ""},
		"sections":                  {rules + sections.String(), "", "too many for so many rules and waivers"},
		"sections, few":             {few + sections.String(), "", ""},
		"sections twice":            {few + sections.String(), few + sections.String(), "more than 256 combinations"},
		"waivers":                   {few + waivers.String(), few, ""},
		"waivers twice":             {few + waivers.String(), few + strings.ReplaceAll(waivers.String(), "id: w", "id: e"), ""},
		"authorities":               {authorities + namingOf(2_000, "a", ""), "", ""},
		"authorities, twice":        {authoritiesOf(3_000) + few, authoritiesOf(3_000) + few, ""},
		"authorities, anew":         {authoritiesOf(3_000) + few, strings.ReplaceAll(authoritiesOf(3_000), "env: A", "env: B") + few, `"a0" is defined anew`},
		"authorities, unknown":      {authoritiesOf(1_000) + namingOf(3_000, "b", ""), "", `"b0" is no authority`},
		"authorities in one rule":   {authorities + "rules: {signatures: [{id: r, min: 10000, authorities: [" + many(10_000, "a%d, ") + "]}]}\n", "", ""},
		"regular expressions":       {"authorities:\n" + many(500, "  - {name: a%d, keyless: {identities: [{issuer: i, subjectRegExp: '"+strings.Repeat(`\pL{90}`, 20)+"'}]}}\n") + few, "", ""},
		"large regular expressions": {"authorities:\n" + many(500, "  - {name: a%d, keyless: {identities: [{issuer: i, subjectRegExp: '"+strings.Repeat(`\pL{1000}`, 20)+"'}]}}\n") + few, "", "stands for more than 2000 characters"},
		"conditions":                {namingOf(1, "a", "conditions: ["+many(20_000, "{path: a, equals: %d}, ")+"]") + authoritiesOf(1), namingOf(1, "a", "conditions: ["+many(20_000, "{path: a, equals: %d}, ")+"]") + authoritiesOf(1), ""},
		"globs":                     {files.String(), files.String(), ""},
	} {
		d := texts{"own": tt.own, "enforced": tt.enforced}
		var enforced []string
		if tt.enforced != "" {
			enforced = []string{"enforced"}
		}
		began := time.Now()
		p, err := d.enforce("own", enforced...)
		if err == nil {
			p.Notes()
			p.Explain()
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("%s: took %v", name, took)
		} else if testing.Verbose() {
			t.Logf("%s: %v", name, took)
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %.300v, want %q", name, err, tt.want)
		}
	}
}

// TestGlob_Braces: what the braces of a glob stand for is bounded.
func TestGlob_Braces(t *testing.T) {
	for glob, ok := range map[string]bool{
		"/{a,b}{c,d}":                     true,
		"/" + strings.Repeat("{a,a}", 30): false,
		"/" + strings.Repeat("{", 12) + "a" + strings.Repeat(",a}", 12): false,
		`/\{a,b\}`: true,
	} {
		_, err := texts{"own": fmt.Sprintf("rules: {files: [{id: f, forbidden: ['%s']}]}\n", glob)}.enforce("own")
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "more than 1000 globs") {
			t.Errorf("%s: %v", glob, err)
		}
	}
}

// TestEnforce_WholeSections: what stands below adds nothing to the sections of an
// enforced policy either.
func TestEnforce_WholeSections(t *testing.T) {
	const none = "rules: {config: [{id: c, user: non-root}]}\n"
	for name, tt := range map[string]struct{ enforced, own, want string }{
		"feed": {none + "images: [{match: [r.io/x], rules: {vulnerabilities: [{id: kev, known-exploited: true}]}}]\n",
			"feeds: {kev: {file: mine.json}}\n", "needs feeds.kev"},
		"unknown severity": {none + "images: [{match: [r.io/x], rules: {vulnerabilities: [{id: critical, severity: [critical]}]}}]\n",
			"unknown-severity: accept\n", "unknown severity"},
		"base": {none + "images: [{match: [r.io/x], rules: {vulnerabilities: [{id: critical, severity: [critical, unknown], origin: application}]}}]\n",
			"rules: {base: [{id: mine, images: [r.io/mine]}]}\n", "approved base images"},
	} {
		t.Run(name, func(t *testing.T) {
			wantRefused(t, texts{"own": tt.own, "enforced": tt.enforced, "mine.json": "{}"}, tt.want, "own", "enforced")
		})
	}
}
