// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/policy"
)

const withFeeds = "feeds: {kev: {file: kev.json, max-age: 14d}, epss: {file: epss.csv}, eol: {file: eol.json}}\nunknown-severity: accept\n"

func TestFeeds(t *testing.T) {
	l := loader{"kev.json": "k", "epss.csv": "e", "eol.json": "o", "p": document("p", withFeeds+`
rules:
  vulnerabilities:
    - {id: kev, known-exploited: true}
    - {id: likely, epss: {min: 0.1}, max: 1}
    - {id: both, severity: [high], known-exploited: true, cvss: {min: 7}, epss: {min: 0.5, unscored: exclude}, fixed: true}
`)}
	p, err := load(t, l, "p")
	if err != nil {
		t.Fatal(err)
	}
	f := p.Feeds
	if string(f.KEV.File.Data) != "k" || string(f.EPSS.File.Data) != "e" || string(f.EOL.File.Data) != "o" || f.KEV.MaxAge.Hours() != 14*24 || f.EPSS.MaxAge != 0 {
		t.Errorf("%+v", f)
	}
	for i, want := range []string{
		"No known exploited vulnerabilities", "At most 1 vulnerability of EPSS 0.1 or more or unscored",
		"No known exploited high vulnerabilities of CVSS 7 or more or unscored and EPSS 0.5 or more that have a fix",
	} {
		if p.Rules[i].Title != want {
			t.Errorf("%q, want %q", p.Rules[i].Title, want)
		}
	}
	delete(l, "kev.json")
	if _, err := load(t, l, "p"); err == nil || !strings.Contains(err.Error(), "kev.json") {
		t.Errorf("a feed that is missing: %v", err)
	}
}

// TestTightenPackages tries to loosen each key of these groups below an enforced policy.
func TestTightenPackages(t *testing.T) {
	enforced := withFeeds + `
rules:
  vulnerabilities:
    - {id: all, severity: [critical, unknown], max: 3, cvss: {min: 7}}
    - {id: some, severity: [high], status: [affected, fixed], packages: [a, b], except-packages: [x, y], paths: [p/**], origin: base, grace: {days: 7, since: first-seen}, epss: {min: 0.2, unscored: exclude}}
    - {id: kev, known-exploited: true}
    - {id: eol, end-of-life: forbidden, within: 30d}
  base: [{id: approved, images: [alpine]}]
  packages: [{id: pk, forbidden: [curl, wget], required: [ca], package-type: [os]}]
  licences: [{id: li, forbidden: [GPL-3.0*], allowed-families: [notice, unencumbered], unknown: accept, package-type: [os], except-packages: [x]}]
`
	vulnerabilities := func(s string) string { return "rules: {vulnerabilities: [{" + s + "}]}\n" }
	packages := func(s string) string { return "rules: {packages: [{id: pk, " + s + "}]}\n" }
	licences := func(s string) string { return "rules: {licences: [{id: li, " + s + "}]}\n" }
	for mine, ok := range map[string]bool{
		vulnerabilities("id: all, severity: [critical, unknown, high]"): true,
		vulnerabilities("id: all, severity: [critical]"):                false,
		vulnerabilities("id: all, cvss: {min: 6}"):                      true,
		vulnerabilities("id: all, cvss: {min: 8}"):                      false,
		vulnerabilities("id: all, cvss: {unscored: exclude}"):           false,
		vulnerabilities("id: all, cvss: {unscored: include}"):           true,
		vulnerabilities("id: all, epss: {min: 0.1}"):                    false,
		vulnerabilities("id: all, known-exploited: true"):               false,
		vulnerabilities("id: all, grace: {days: 1}"):                    false,
		vulnerabilities("id: all, status: [affected]"):                  false,
		vulnerabilities("id: all, origin: base"):                        false,
		vulnerabilities("id: all, packages: ['**']"):                    false,
		vulnerabilities("id: all, except-packages: [z]"):                false,
		vulnerabilities("id: all, paths: ['**']"):                       false,
		vulnerabilities("id: all, max: 2"):                              true,
		vulnerabilities("id: all, max: 4"):                              false,
		vulnerabilities("id: all, fixed: true"):                         false,
		vulnerabilities("id: some, status: [affected, fixed, unknown]"): true,
		vulnerabilities("id: some, status: [fixed]"):                    false,
		vulnerabilities("id: some, packages: [a, b, c]"):                true,
		vulnerabilities("id: some, packages: [a]"):                      false,
		vulnerabilities("id: some, except-packages: [x]"):               true,
		vulnerabilities("id: some, except-packages: [x, y, z]"):         false,
		vulnerabilities("id: some, paths: [p/**, q/**]"):                true,
		vulnerabilities("id: some, paths: [q/**]"):                      false,
		vulnerabilities("id: some, origin: application"):                false,
		vulnerabilities("id: some, grace: {days: 5}"):                   true,
		vulnerabilities("id: some, grace: {days: 8}"):                   false,
		vulnerabilities("id: some, grace: {since: publication}"):        true,
		vulnerabilities("id: some, epss: {min: 0.1}"):                   true,
		vulnerabilities("id: some, epss: {min: 0.3}"):                   false,
		vulnerabilities("id: some, epss: {unscored: include}"):          true,
		vulnerabilities("id: kev, severity: [critical]"):                false,
		vulnerabilities("id: eol, within: 90d"):                         true,
		vulnerabilities("id: eol, within: 7d"):                          false,
		vulnerabilities("id: new, severity: [high], grace: {days: 90}"): true,
		packages("forbidden: [curl, wget, nc]"):                         true,
		packages("forbidden: [curl]"):                                   false,
		packages("required: [ca, tz]"):                                  true,
		packages("required: [tz]"):                                      false,
		packages("package-type: [os, language]"):                        false,
		licences("forbidden: [GPL-3.0*, MIT]"):                          true,
		licences("forbidden: [MIT]"):                                    false,
		licences("allowed: [GPL-2.0-only]"):                             false,
		licences("allowed-families: [notice]"):                          true,
		licences("allowed-families: [notice, restricted]"):              false,
		licences("forbidden-families: [restricted]"):                    true,
		licences("unknown: fail"):                                       true,
		licences("package-type: [os, jar]"):                             true,
		licences("package-type: [jar]"):                                 false,
		licences("origin: base"):                                        false,
		licences("except-packages: [x, y]"):                             false,
		"feeds: {kev: {max-age: 7d}}\n":                                 true,
		"feeds: {kev: {max-age: 30d}}\n":                                false,
		"feeds: {kev: {file: other.json}}\n":                            false,
		// The same name beneath another document is another file.
		"feeds: {kev: {file: kev.json}}\n":   false,
		"feeds: {epss: {max-age: 7d}}\n":     true,
		"feeds: {eol: {file: other.json}}\n": false,
	} {
		l := loader{"kev.json": "k", "epss.csv": "e", "eol.json": "o", "other.json": "x", "above": document("above", enforced), "p": document("p", mine)}
		p, err := load(t, l, "p", "above")
		var parse *policy.ParseError
		if ok && err != nil || !ok && (!errors.As(err, &parse) || !strings.Contains(err.Error(), "loosens what is enforced")) {
			t.Errorf("%s: accepted %v, %v", mine, p != nil, err)
		}
	}
}

// TestFeedBelowEnforced pins that feeds may be added where no enforced rule needs them.
func TestFeedBelowEnforced(t *testing.T) {
	l := loader{"kev.json": "k", "eol.json": "o", "above": document("above", owner),
		"kev": document("p", "feeds: {kev: {file: kev.json}}\nrules: {vulnerabilities: [{id: k, known-exploited: true}]}\n"),
		"eol": document("p", "feeds: {eol: {file: eol.json}}\n")}
	if _, err := load(t, l, "kev", "above"); err != nil {
		t.Error(err)
	}
	if _, err := load(t, l, "eol", "above"); err == nil || !strings.Contains(err.Error(), "loosens") {
		t.Errorf("end-of-life dates out of the repository: %v", err)
	}
}
