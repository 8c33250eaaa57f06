// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// whoIs writes the authorities of a policy: name, whom it stands for, document and level.
func whoIs(p *Policy) string {
	var s []string
	for _, a := range p.Authorities {
		whom := "?"
		switch {
		case a.Key != nil && a.Keyless != nil:
			whom = "mixed"
		case a.Key != nil && a.Key.File != nil:
			whom = string(a.Key.File.Data)
		case a.Key != nil:
			whom = a.Key.Env
		case a.Keyless != nil:
			whom = a.Keyless.Identities[0].Subject
		}
		s = append(s, fmt.Sprintf("%s=%s@%s/%d", a.Name, whom, a.Source, a.Level))
	}
	return strings.Join(s, " ")
}

const (
	teamRule = "rules: {signatures: [{id: signed, authorities: [team]}]}\n"
	keyless  = "{identities: [{issuer: 'https://i', subject: me}]}"
)

// Within one level a later document's authority takes the place of an earlier one of
// its name as a whole.
func TestAuthoritiesExtends(t *testing.T) {
	const any = "rules: {secrets: [{id: any}]}\n"
	d := texts{
		"base": "authorities: [{name: team, key: {file: team.pub}, transparency-log: optional}, {name: other, key: {env: O}}]\n" + any,
		"two":  "authorities: [{name: team, keyless: " + keyless + ", timestamp: required}]\n" + any,
		"own":  "extends: [base, two]\nauthorities: [{name: third, key: {file: team.pub}}]\n" + teamRule,
	}
	p := accept(t, d, "own")
	want := "team=me@two/0 other=O@base/0 third=own/team.pub@own/0"
	if got := whoIs(p); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if a := p.Authority("team"); a.LogOptional || !a.TimestampRequired {
		t.Errorf("what was said of the key is said of the identities: %+v", a)
	}
	if p.Authority("none") != nil {
		t.Error("an authority of no name")
	}
	d["own"] = "extends: [two, base]\n" + teamRule
	if got := whoIs(accept(t, d, "own")); got != "team=base/team.pub@base/0 other=O@base/0" {
		t.Errorf("got %s", got)
	}
	// One document may not name two people alike.
	d["own"] = "authorities: [{name: team, key: {env: A}}, {name: team, key: {env: B}}]\n" + teamRule
	wantRefused(t, d, `"team" is taken by the authority at own:3:`[:32], "own")
}

// TestAuthoritiesBelowEnforced: who stands for a name in an enforced document cannot be changed.
func TestAuthoritiesBelowEnforced(t *testing.T) {
	const inline = "authorities: [{name: team, key: {env: TEAM}}, {name: spare, keyless: " + keyless + "}]\n"
	d := texts{"owner": inline + teamRule, "filed": "authorities: [{name: team, key: {file: team.pub}}]\n" + teamRule}
	for doc, want := range map[string]string{
		"rules: {secrets: [{id: s}]}\n":                                                 "team=TEAM@owner/0 spare=me@owner/0",
		"authorities: [{name: mine, key: {env: MINE}}]\n":                               "team=TEAM@owner/0 spare=me@owner/0 mine=MINE@own/1",
		"authorities: [{name: mine, key: {env: MINE}}, {name: team, key: {env: TEAM}}]": "team=TEAM@owner/0 spare=me@owner/0 mine=MINE@own/1",
		inline: "team=TEAM@owner/0 spare=me@owner/0",
		"rules: {signatures: [{id: mine, authorities: [spare]}]}\n": "team=TEAM@owner/0 spare=me@owner/0",
		"extends: [owner]\n":                          "team=TEAM@owner/0 spare=me@owner/0",
		"rules: {base: [{id: b, signed-by: team}]}\n": "team=TEAM@owner/0 spare=me@owner/0",
	} {
		d["own"] = doc
		if got := whoIs(accept(t, d, "own", "owner")); got != want {
			t.Errorf("%s: got %s, want %s", doc, got, want)
		}
	}
	for doc, want := range map[string]string{
		"authorities: [{name: team, key: {env: MINE}}]\n":                                                                                  `own:3:22: authorities: "team" is defined anew; it is enforced at owner:3:15`,
		"authorities: [{name: x, key: {env: X}}, {name: spare, key: {env: MINE}}]\n":                                                       `"spare" is defined anew; it is enforced at owner:3:47`,
		"authorities: [{name: team, keyless: " + keyless + "}]\n":                                                                          "defined anew",
		"authorities: [{name: team, key: {env: TEAM}, transparency-log: optional}]\n":                                                      "defined anew",
		"authorities: [{name: team, key: {env: TEAM}, timestamp: required}]\n":                                                             "defined anew", // as a whole: it is simple, and safe
		"authorities: [{name: spare, keyless: {identities: [{issuer: 'https://i', subject: me}, {issuer: 'https://i', subject: you}]}}]\n": "defined anew",
		"authorities: [{name: \" team \", key: {env: MINE}}]\n":                                                                            "team",
		"authorities: [{name: \"te\\x61m\", key: {env: MINE}}]\n":                                                                          "defined anew",
		"authorities: [{name: team}]\n":                                                                                                    "needs one of key, keyless",
		"authorities: [{key: {env: MINE}}]\n":                                                                                              `required key "name" is missing`,
		"authorities: {team: {key: {env: MINE}}}\n":                                                                                        "must be a list",
		"authorities: null\n":   "has no value",
		"authorities: [null]\n": "has no value",
		"authorities: [{name: team, key: {env: TEAM}}, {name: team, key: {env: MINE}}]\n": "is taken by the authority at",
		"extends: [other]\n": `"team" is defined anew; it is enforced at owner:3:15`,
		"images: [{match: ['**'], authorities: [{name: team, key: {env: MINE}}]}]\n" + "rules: {secrets: [{id: s}]}\n":    `unknown key "authorities" in images[0]`,
		"authorities: [{name: mine, key: {env: MINE}}]\nrules: {signatures: [{id: signed, authorities: [mine]}]}\n":       "authorities loosens what is enforced at owner:",
		"authorities: [{name: mine, key: {env: MINE}}]\nrules: {signatures: [{id: signed, authorities: [team, mine]}]}\n": "authorities loosens",
		"images: [{match: ['**'], rules: {signatures: [{id: signed, authorities: [spare]}]}}]\n":                          "authorities loosens",
		"rules: {signatures: [{id: signed, of: base}]}\n":                                                                 "of loosens",
		"rules: {signatures: [{id: mine, authorities: [nobody]}]}\n":                                                      `"nobody" is no authority of this policy (authorities are team, spare)`,
	} {
		d["own"], d["other"] = doc, "authorities: [{name: team, key: {env: MINE}}]\n"
		wantRefused(t, d, want, "own", "owner")
	}
	// The same words in another document name another file.
	d["own"], d["own/team.pub"], d["filed/team.pub"] = "authorities: [{name: team, key: {file: team.pub}}]\n", "mine", "theirs"
	wantRefused(t, d, `"team" is defined anew`, "own", "filed")
	for _, own := range []string{"filed", "extending"} { // the very same document is no other
		d["extending"] = "extends: [filed]\n"
		if got := whoIs(accept(t, d, own, "filed")); got != "team=theirs@filed/0" {
			t.Errorf("%s: %s", own, got)
		}
	}
	for _, root := range []string{"file: r.json", "tuf: {mirror: 'https://t', root: r.json}", "ca: c, ctlog: l, rekor: r"} {
		d["own"] = "authorities: [{name: team, keyless: {identities: [{issuer: 'https://i', subject: me}], trusted-root: {" + root + "}}}]\n"
		d["rooted"] = d["own"] + teamRule
		wantRefused(t, d, `"team" is defined anew`, "own", "rooted")
	}
	// Two enforced policies agree, or are refused.
	d["own"], d["second"] = "rules: {secrets: [{id: s}]}\n", "authorities: [{name: team, key: {env: SECOND}}]\n"+"rules: {signatures: [{id: second, authorities: [team]}]}\n"
	wantRefused(t, d, `second:3:22: authorities: "team" is defined anew; it is enforced at owner:3:15`, "own", "owner", "second")
}

// An enforced policy is whole by itself: what stands below it defines nothing for it.
func TestEnforcedAuthoritiesWhole(t *testing.T) {
	const mine = "authorities: [{name: team, key: {env: MINE}}]\n"
	for name, enforced := range map[string]string{
		"signatures":   teamRule,
		"attestations": "rules: {attestations: [{id: sbom, predicateType: spdxjson, authorities: [team]}]}\n",
		"base":         "rules: {base: [{id: base, signed-by: [team]}]}\n",
		"section":      "rules: {secrets: [{id: s}]}\nimages: [{match: ['**'], rules: {signatures: [{id: signed, authorities: [team]}]}}]\n",
	} {
		d := texts{"owner": enforced, "own": mine, "first": mine + "rules: {secrets: [{id: t}]}\n"}
		t.Run(name, func(t *testing.T) {
			wantRefused(t, d, `"team" is no authority of this policy (define it under authorities:)`, "own", "owner")
			wantRefused(t, d, `"team" is no authority of this policy`, "own", "first", "owner")
			d["owner"] = mine + enforced
			d["own"] = "rules: {secrets: [{id: s}]}\n"
			accept(t, d, "own", "owner")
		})
	}
}

// Files of authorities are their document's own, wherever it is extended, and the digest covers them.
func TestAuthorityFiles(t *testing.T) {
	const roots = "authorities:\n  - {name: team, key: {file: team.pub, trusted-root: {file: root.json}}}\n" +
		"  - {name: tuf, keyless: {identities: [{issuer: 'https://i', subject: s}], trusted-root: {tuf: {mirror: 'https://t/x', root: tuf.json}}}}\n" +
		"  - {name: ca, keyless: {identities: [{issuer: 'https://i', subject: s}], trusted-root: {ca: ca, tsa: tsa, rekor: rekor, ctlog: ctlog}}}\n"
	d := texts{"base": roots + "rules: {secrets: [{id: any}]}\n", "own": "extends: [base]\n" + teamRule}
	files := []string{"team.pub", "root.json", "tuf.json", "ca", "tsa", "rekor", "ctlog"}
	for _, f := range files {
		d["base/"+f], d["own/"+f] = "base's "+f, "own's "+f
	}
	p := accept(t, d, "own")
	k, tuf, ca := p.Authorities[0].Key, p.Authorities[1].Keyless.TrustedRoot.TUF, p.Authorities[2].Keyless.TrustedRoot
	var got []string
	for _, f := range []*File{k.File, k.TrustedRoot.File, tuf.Root, ca.CA, ca.TSA, ca.Rekor, ca.CTLog} {
		got = append(got, string(f.Data))
	}
	for i, f := range files {
		if got[i] != "base's "+f {
			t.Errorf("%s is %s", f, got[i])
		}
		changed := texts{}
		for k, v := range d {
			changed[k] = v
		}
		changed["base/"+f] = "another"
		if accept(t, changed, "own").Digest == p.Digest {
			t.Errorf("the digest does not cover %s", f)
		}
		if !slices.ContainsFunc(p.Parts(), func(part Part) bool { return part.Path == f && part.Source == "base" }) {
			t.Errorf("%s is no part", f)
		}
	}
	if tuf.Mirror != "https://t/x" {
		t.Errorf("mirror %s", tuf.Mirror)
	}
}

// Rules in per-image sections name the authorities of the whole, and the titles follow.
func TestAuthoritiesInSections(t *testing.T) {
	p := accept(t, texts{"own": "authorities: [{name: team, key: {env: T}}, {name: lax, key: {env: L}, transparency-log: optional}]\n" + teamRule +
		"images:\n  - {match: [shop], rules: {signatures: [{id: signed, authorities: [team, lax]}]}}\n  - {match: [raw], rules: {attestations: [{id: sbom, of: base, predicateType: spdx, authorities: [lax]}]}}\n"}, "own")
	names := func(list []Authority) string {
		var s []string
		for _, a := range list {
			s = append(s, a.Name)
		}
		return strings.Join(s, " ")
	}
	shop, raw := p.For([]string{"shop:1"}), p.For([]string{"raw:1"})
	got := []string{
		names(p.AuthoritiesOf(SignedImage)), names(p.AuthoritiesOf(SignedBase)), names(shop.AuthoritiesOf(SignedImage)),
		names(raw.AuthoritiesOf(SignedImage)), names(raw.AuthoritiesOf(SignedBase)), find(t, p, "signed").Title, find(t, shop, "signed").Title,
	}
	want := []string{"team", "", "team lax", "team", "lax", "The image is signed by team", "The image is signed by team or lax (lax without the transparency log)"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestAttestationRego: modules are the enforced document's own, and found for all images.
func TestAttestationRego(t *testing.T) {
	const rule = "authorities: [{name: team, key: {env: T}}]\nrules: {attestations: [{id: tests, predicateType: test-result, authorities: [team], rego: a.rego}, {id: sbom, predicateType: spdx, authorities: [team]}]}\n"
	d := texts{"owner": rule, "owner/a.rego": "strict", "own/a.rego": "loose", "own/b.rego": "loose", "own": "rules: {attestations: [{id: tests, title: t}]}\nimages: [{match: [shop], rules: {attestations: [{id: tests, title: u}]}}]\n"}
	p := accept(t, d, "own", "owner")
	rules := p.AttestationRegoRules()
	if len(rules) != 2 || rules[0].Title != "t" || rules[1].Title != "u" {
		t.Fatalf("rules %+v", rules)
	}
	for _, r := range rules {
		if len(r.Attestations.Rego) != 1 || string(r.Attestations.Rego[0].Data) != "strict" {
			t.Errorf("%+v", r.Attestations.Rego)
		}
	}
	if !p.AsksPredicate(SignedImage, "https://in-toto.io/attestation/test-result/v0.1") || p.AsksPredicate(SignedBase, "https://in-toto.io/attestation/test-result/v0.1") ||
		p.AsksPredicate(SignedImage, "https://spdx.dev/Document") {
		t.Error("predicates are asked for wrongly")
	}
	for doc, want := range map[string]string{
		"rules: {attestations: [{id: tests, rego: a.rego}]}\n":           "rego loosens",
		"rules: {attestations: [{id: tests, rego: [a.rego, b.rego]}]}\n": "rego loosens",
		"rules: {attestations: [{id: sbom, rego: b.rego}]}\n":            "rego loosens",
	} {
		d["own"] = doc
		wantRefused(t, d, want, "own", "owner")
	}
}

// TestKeepsEnforcedConditions: a condition that is repeated with a text for its number
// stays the number.
func TestKeepsEnforcedConditions(t *testing.T) {
	const head = "authorities: [{name: team, key: {env: T}}]\nrules: {attestations: [{id: r, predicateType: vuln, authorities: [team], conditions: [{path: a, equals: 1}]}]}\n"
	p := accept(t, texts{"owner": head, "own": "rules: {attestations: [{id: r, conditions: [{path: a, equals: '1'}, {path: b, present: true}]}]}\n"}, "own", "owner")
	if c := find(t, p, "r").Attestations.Conditions; len(c) != 2 || c[0].Equals.Number == nil {
		t.Errorf("%+v", c)
	}
}

func TestIsMirror(t *testing.T) {
	for s, want := range map[string]bool{
		"https://tuf.example.com": true, "https://tuf.example.com:8443/a/b-c_d.~e/": true, "https://10.0.0.1/x": true,
		"http://localhost:5000/x": true, "http://127.0.0.1": true, "http://127.255.3.4:80/": true, "http://[::1]:9/x": true, "https://TUF.example.com": true,
		"http://tuf.example.com": false, "http://10.0.0.1": false, "http://0.0.0.0": false, "http://127.0.0.1.example.com": false, "http://127.example.com": false,
		"http://127.0.0.256": false, "http://127.0.0.01": false, "http://127.0.1": false, "http://localhost.example.com": false, "http://x.localhost": false,
		"http://[::2]": false, "http://[::ffff:127.0.0.1]": false, "http://LOCALHOST": false, "http://localhost:": false, "https://h:0": false, "https://h:99999": false,
		"http://localhost@evil.example": false, "https://u:p@h": false, "https://h?q": false, "https://h/?q": false, "https://h/#f": false, "https://h/a b": false,
		"https://h\\@e": false, "https:///x": false, "https://": false, "ftp://h": false, "HTTPS://h": false, "file:///etc": false, "h": false, "": false, "https://ⅼocalhost": false,
	} {
		if got := isMirror(s); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

// TestWideRegexps: the usual ways to write "anybody" are refused.
func TestWideRegexps(t *testing.T) {
	parse := func(issuer, subject string) error {
		_, err := texts{"own": fmt.Sprintf("authorities: [{name: team, keyless: {identities: [{issuerRegExp: '%s', subjectRegExp: '%s'}]}}]\n", issuer, subject) + teamRule}.enforce("own")
		return err
	}
	const issuer, subject = `https://token\.actions\.githubusercontent\.com`, `https://github\.com/acme/.+@refs/heads/main`
	if err := parse(issuer, subject); err != nil {
		t.Fatal(err)
	}
	wide := []string{
		".*", ".+", "(?s).*", "^.*$", "^.+$", "(.*)", "((.+))", "(?i).*", "(?s:.*)", ".*?", ".{1,200}", ".{0,}", `[\s\S]*`, `[\d\D]+`, `[^x]*|.*`, "a|.*", "|", "a|", "()", "a*", "x?",
		`\S+`, "[^ ]+", "(?:)", "[[:print:]]+", `[\x00-\x{10FFFF}]+`, ".*.*", "(a|.)+", `\pL*.*`, "$", "^",
	}
	for _, re := range wide {
		if err := parse(re, subject); err == nil || !strings.Contains(err.Error(), "matches a") {
			t.Errorf("issuer %s: %v", re, err)
		}
		if err := parse(issuer, re); err == nil || !strings.Contains(err.Error(), "matches a") {
			t.Errorf("subject %s: %v", re, err)
		}
	}
	for _, re := range []string{"https://.*", "http.*", "https?://.+"} {
		if err := parse(re, subject); err == nil || !strings.Contains(err.Error(), "matches anything") {
			t.Errorf("issuer %s: %v", re, err)
		}
	}
	for _, re := range []string{`.*@acme\.com`, `https://github\.com/.*`, `(alice|bob)@acme\.com`} {
		if err := parse(issuer, re); err != nil {
			t.Errorf("subject %s: %v", re, err)
		}
	}
}
