// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/policy"
)

const github = "keyless: {identities: [{issuer: 'https://token.example', subject: 'https://g.example/a'}, {issuer: 'https://i', subjectRegExp: 'b[0-9]'}]}"

// TestExplainAuthorities: each authority by name, whom it stands for and where that
// stands, and what is demanded without a word.
func TestExplainAuthorities(t *testing.T) {
	l := loader{
		"owner": document("owner", "authorities:\n  - name: team\n    key:\n      file: team.pub\n    transparency-log: optional\nrules:\n  signatures:\n    - {id: signed, authorities: [team]}\n"),
		"own": document("own", "authorities:\n  - {name: build, "+github+"}\nrules:\n  attestations:\n    - id: scan-result\n      predicateType: vuln\n      authorities: [build]\n"+
			"      conditions:\n        - {path: a, equals: 1}\n        - path: b\n          present: true\n"),
		"team.pub": "key",
	}
	p, err := load(t, l, "own", "owner")
	if err != nil {
		t.Fatal(err)
	}
	want := `authorities[team].name = team (owner:4 enforced)
authorities[team].key.file = team.pub (owner:6 enforced)
authorities[team].transparency-log = optional (owner:7 enforced)
authorities[build].name = build (own:4)
authorities[build].keyless.identities[0].issuer = https://token.example (own:4)
authorities[build].keyless.identities[0].subject = https://g.example/a (own:4)
authorities[build].keyless.identities[1].issuer = https://i (own:4)
authorities[build].keyless.identities[1].subjectRegExp = b[0-9] (own:4)
authorities[build].keyless.trusted-root = the public good instance (default)
authorities[build].keyless.sct = required (default)
authorities[build].transparency-log = required (default)
rules.signatures[signed].id = signed (owner:10 enforced)
rules.signatures[signed].authorities = [team] (owner:10 enforced)
rules.signatures[signed].action = fail (default)
rules.signatures[signed].title = The image is signed by team (team without the transparency log) (default)
rules.signatures[signed].remediation = Sign the image by its digest with cosign, as team. (default)
rules.attestations[scan-result].id = scan-result (own:7)
rules.attestations[scan-result].predicateType = vuln (own:8)
rules.attestations[scan-result].authorities = [build] (own:9)
rules.attestations[scan-result].conditions[0].path = a (own:11)
rules.attestations[scan-result].conditions[0].equals = 1 (own:11)
rules.attestations[scan-result].conditions[1].path = b (own:12)
rules.attestations[scan-result].conditions[1].present = true (own:13)
rules.attestations[scan-result].action = fail (default)
rules.attestations[scan-result].title = The image has an attestation of type vuln by build (default)
rules.attestations[scan-result].remediation = Attest the image by its digest with cosign attest, as build. (default)
`
	var got strings.Builder
	for line := range strings.Lines(explained(p)) {
		if strings.HasPrefix(line, "authorities") || strings.HasPrefix(line, "rules") {
			got.WriteString(line)
		}
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

// TestSignatureTitles pins the sentences, among them what is not demanded.
func TestSignatureTitles(t *testing.T) {
	const authorities = "authorities: [{name: a, key: {env: A}}, {name: lax, key: {env: L}, transparency-log: optional}, {name: nosct, " +
		"keyless: {identities: [{issuer: i, subject: s}], sct: optional}}, {name: both, transparency-log: optional, keyless: {identities: [{issuer: i, subject: s}], sct: optional}}]\n"
	for rule, want := range map[string]string{
		"signatures: [{id: x, authorities: [a]}]":                                                 "The image is signed by a",
		"signatures: [{id: x, authorities: [lax]}]":                                               "The image is signed by lax (lax without the transparency log)",
		"signatures: [{id: x, of: base, authorities: [a, nosct, both], min: 2}]":                  "The base image is signed by 2 of a, nosct, both (nosct without certificate transparency, both without the transparency log and certificate transparency)",
		"signatures: [{id: x, authorities: [a], max-age: 30d}]":                                   "The image is signed by a, at most 30 days ago",
		"signatures: [{id: x, authorities: [lax], title: Signed}]":                                "Signed",
		"attestations: [{id: x, predicateType: spdx, authorities: [a, lax]}]":                     "The image has an attestation of type spdxjson by a or lax (lax without the transparency log)",
		"attestations: [{id: x, predicateType: spdxjson, authorities: [a]}]":                      "The image has an attestation of type spdxjson by a",
		"attestations: [{id: x, predicateType: slsaprovenance02, authorities: [a]}]":              "The image has an attestation of type slsaprovenance by a",
		"attestations: [{id: x, predicateType: [vuln, 'https://e.example/t'], authorities: [a]}]": "The image has an attestation of type vuln or https://e.example/t by a",
		"attestations: [{id: x, predicateType: 'https://openvex.dev/ns', authorities: [a]}]":      "The image has an attestation of type https://openvex.dev/ns by a",
		"base: [{id: x, signed-by: lax}]":                                                         "The base image is signed by lax (lax without the transparency log)",
	} {
		for _, data := range []string{authorities + "rules: {" + rule + "}\n", "rules: {" + rule + "}\n" + authorities} {
			p, err := policy.Parse("f", []byte(document("x", data)))
			if err != nil {
				t.Errorf("%s: %v", rule, err)
				continue
			}
			if got := p.Rules[0].Title; got != want {
				t.Errorf("%s:\n got %q\nwant %q", rule, got, want)
			}
			if r := p.Rules[0].Remediation; !strings.HasSuffix(r, ".") {
				t.Errorf("%s: remediation %q", rule, r)
			}
		}
	}
}

func notes(p *policy.Policy) string {
	var b strings.Builder
	for _, d := range p.Notes() {
		b.WriteString(d.String() + "\n")
	}
	return b.String()
}

func TestNotes(t *testing.T) {
	const id = "keyless: {identities: [{issuer: i, subject: s}]"
	l := loader{
		"own": document("own", "authorities:\n  - {name: unused, key: {env: U}}\n  - {name: nosct, "+id+", sct: optional}}\n  - {name: nolog, "+id+"}, transparency-log: optional}\n"+
			"  - {name: own-ca, "+id+", sct: optional, trusted-root: {ca: f, rekor: f}}}\n  - {name: key, key: {file: f}, transparency-log: optional}\n  - {name: same-key, key: {file: g}}\n"+
			"rules:\n  signatures:\n    - {id: base, of: base, authorities: [nosct, key]}\n    - {id: four-eyes, authorities: [nosct, nolog], min: 2}\n    - {id: two-keys, authorities: [key, own-ca, same-key], min: 2}\n    - {id: fine, authorities: [key, own-ca], min: 2}\n"+
			"images: [{match: [a], rules: {attestations: [{id: att, of: base, predicateType: vuln, authorities: [key]}]}}]\n"),
		"f": "bytes", "g": "bytes",
	}
	p, err := load(t, l, "own")
	if err != nil {
		t.Fatal(err)
	}
	want := `own:4:5: authority "unused" is used by no rule (name it in a rule, or leave it out)
own:5:5: authority "nosct" accepts certificates of the public good instance that no certificate transparency log has seen: nobody would notice one that was issued wrongly (leave sct out)
own:6:5: authority "nolog" accepts signatures of the public good instance that are not in its log: nobody would notice that an identity was stolen and used (leave transparency-log out)
own:12:7: rule "base" is about the base image, and no rule demands that the lineage is proven (add a rule under base, which demands that the image's layers prove its base)
own:13:7: rule "four-eyes" wants 2 signers, and nosct and nolog can be the same (let no two of its authorities stand for the same signer)
own:14:7: rule "two-keys" wants 2 signers, and key and same-key can be the same (let no two of its authorities stand for the same signer)
own:16:46: rule "att" is about the base image, and no rule demands that the lineage is proven (add a rule under base, which demands that the image's layers prove its base)
`
	if diff := cmp.Diff(want, notes(p)); diff != "" {
		t.Error(diff)
	}
	// What is enforced, or only extended, is its owner's affair; a base rule is enough.
	l["repository"] = document("repository", "rules: {base: [{id: b, pinned: true}]}\n")
	if p, err = load(t, l, "repository", "own"); err != nil || notes(p) != "" {
		t.Errorf("%v\n%s", err, notes(p))
	}
	l["extending"] = document("extending", "extends: [own]\nrules: {base: [{id: b, pinned: true}]}\n")
	if p, err = load(t, l, "extending"); err != nil || strings.Contains(notes(p), "unused") || strings.Contains(notes(p), "lineage") || !strings.Contains(notes(p), "leave sct out") {
		t.Errorf("%v\n%s", err, notes(p))
	}
	for _, file := range []string{"baseline", "strict", "cis-docker", "runtime-hardened"} {
		p, err := policy.Load(t.Context(), policy.Request{Policy: "ocigate:" + file}, withFiles{})
		if err != nil || notes(p) != "" {
			t.Errorf("%s: %v\n%s", file, err, notes(p))
		}
	}
}
