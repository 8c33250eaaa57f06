// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const ownerDocument = `
database: {max-age: 3d}
coverage: {packages: optional}
feeds: {kev: {file: kev.json}}
unknown-severity: accept
rules:
  vulnerabilities:
    - {id: exploited, known-exploited: true, severity: [high, critical]}
    - {id: budget, severity: [medium], max: 20}
    - {id: soft, severity: [low], action: warn, max: 5}
  secrets: [{id: no-secrets}]
  custom: [{id: house, rego: [rego/a.rego, rego/b.rego]}]
waiver-limits: {max-horizon: 90d}
waivers: [{id: owners, rule: no-secrets, until: 2026-12-31, reason: r, owner: o}]
`

func accept(t *testing.T, d texts, own string, enforced ...string) *Policy {
	t.Helper()
	p, err := d.enforce(own, enforced...)
	if err != nil {
		t.Fatalf("%s: %v", d[own], err)
	}
	return p
}

func find(t *testing.T, p *Policy, id string) Rule {
	t.Helper()
	i := slices.IndexFunc(p.Rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		t.Fatalf("no rule %s in %s", id, ids(p))
	}
	return p.Rules[i]
}

func TestEnforcedRules(t *testing.T) {
	d := texts{"owner": ownerDocument}
	for name, doc := range map[string]string{
		"a new rule":               "rules: {config: [{id: mine, user: non-root}]}\n",
		"a new lax rule":           "rules: {vulnerabilities: [{id: mine, severity: [medium], max: 1000, action: warn}]}\n",
		"nothing":                  "rules: {secrets: [{id: no-secrets}]}\n",
		"tighter":                  "rules: {vulnerabilities: [{id: soft, action: fail, max: 0}]}\n",
		"other words":              "rules: {secrets: [{id: no-secrets, title: t, remediation: r}]}\n",
		"no rules at all":          "database: {max-age: 1d}\n",
		"it says what is enforced": ownerDocumentWithoutFiles(),
	} {
		d["own"] = doc
		p := accept(t, d, "own", "owner")
		for _, id := range []string{"exploited", "budget", "soft", "no-secrets", "house"} {
			if r := find(t, p, id); r.Level != 0 || r.Source != "owner" || !p.EnforcedLevel(r.Level) {
				t.Errorf("%s: %s stands in %s, level %d", name, id, r.Source, r.Level)
			}
		}
		if v := find(t, p, "budget").Vulnerabilities; v.Max > 20 {
			t.Errorf("%s: %+v", name, v)
		}
		for _, r := range p.Rules {
			if r.ID == "mine" && (r.Level != 1 || p.EnforcedLevel(r.Level)) {
				t.Errorf("%s: level %d", name, r.Level)
			}
		}
	}
	for doc, want := range map[string]string{
		"rules: {secrets: [{id: budget}]}\n":                                                                      `"budget" is taken by the rule at`,
		"rules: {vulnerabilities: [{id: no-secrets, severity: [low]}]}\n":                                         `"no-secrets" is taken by the rule at`,
		"rules: {secrets: [{id: no-secrets}, {id: no-secrets, max: 9}]}\n":                                        `"no-secrets" is taken by the rule at`,
		"rules: {vulnerabilities: [{id: budget, max: 21}]}\n":                                                     "rules.vulnerabilities[0].max loosens what is enforced at owner:11:45",
		"rules: {vulnerabilities: [{id: exploited, fixed: true}]}\n":                                              "rules.vulnerabilities[0].fixed loosens what is enforced at owner:10:7, which does not have it",
		"rules: {vulnerabilities: [{id: exploited, max: 1}]}\n":                                                   "max loosens",
		"rules: {vulnerabilities: [{id: exploited, action: warn}]}\n":                                             "action loosens",
		"rules: {vulnerabilities: [{id: exploited, from: 2027-01-01}]}\n":                                         "from loosens",
		"rules: {vulnerabilities: [{id: exploited, grace: {days: 1}}]}\n":                                         "grace.days loosens",
		"rules: {vulnerabilities: [{id: budget, end-of-life: forbidden}]}\n":                                      "end-of-life loosens",
		"rules: {vulnerabilities: [{id: budget}, {id: budget, max: 999}]}\n":                                      `"budget" is taken`,
		"rules: {vulnerabilities: null}\n":                                                                        "has no value",
		"rules: {vulnerabilities: []}\n":                                                                          "is an empty list",
		"rules: null\n":                                                                                           "has no value",
		"rules: {vulnerabilities: [null]}\n":                                                                      "has no value",
		"rules: {vulnerabilities: [{severity: [low], max: 9}]}\n":                                                 `required key "id" is missing`,
		"rules: {vulnerabilities: [{id: null, max: 9}]}\n":                                                        "has no value",
		"rules: {vulnerabilities: [{id: mine}]}\n":                                                                `required key "severity" is missing`,
		"x: &a {id: budget, max: 99}\nrules: {vulnerabilities: [*a]}\n":                                           "not allowed",
		"rules: {vulnerabilities: [{id: budget, <<: {max: 99}}]}\n":                                               "merge keys are not allowed",
		"rules: {vulnerabilities: [{id: budget, max: 1, max: 99}]}\n":                                             "duplicate key",
		"rules: {secrets: [{id: x}]}\nrules: {vulnerabilities: [{id: budget, max: 99}]}\n":                        "duplicate key",
		"rules: {vulnerabilities: [{id: budget, \"max\": 99}]}\n":                                                 "max loosens",
		"rules: {\"vulnerabilities\": [{\"id\": \"budget\", max: 99}]}\n":                                         "max loosens",
		"? rules\n: {vulnerabilities: [{id: budget, max: 99}]}\n":                                                 "max loosens",
		"rules: {vulnerabilities: [{? [id] : budget, max: 99}]}\n":                                                "keys must be strings",
		"rules: {secrets: [{id: x}]}\ndatabase: {max-age: 4d}\n":                                                  "database.max-age loosens what is enforced at owner:4:21",
		"rules: {secrets: [{id: x}]}\ncoverage: {os: optional}\n":                                                 "coverage.os loosens what is enforced at owner:5:11, which does not have it",
		"rules: {secrets: [{id: x}]}\nplatforms: [linux/amd64]\n":                                                 "platforms loosens what is enforced at owner:1:1, which does not have it",
		"rules: {secrets: [{id: x}]}\nwaiver-limits: {max-horizon: 91d}\n":                                        "waiver-limits.max-horizon loosens",
		"rules: {secrets: [{id: x}]}\nwaiver-limits: {same-day: 6}\n":                                             "waiver-limits.same-day loosens",
		"rules: {secrets: [{id: x}]}\nfeeds: {kev: {file: mine.json}}\n":                                          "feeds.kev.file loosens",
		"rules: {secrets: [{id: x}]}\nfeeds: {kev: {file: kev.json}}\n":                                           "feeds.kev.file loosens",
		"rules: {custom: [{id: house, rego: [rego/a.rego, rego/b.rego, c.rego]}]}\n":                              "rego loosens",
		"rules: {custom: [{id: house, rego: mine.rego}]}\n":                                                       "rego loosens",
		"rules: {secrets: [{id: x}]}\nwaivers: [{id: owners, rule: x, until: 2026-12-31, reason: r, owner: o}]\n": `"owners" is taken by the waiver at`,
	} {
		d["own"] = doc
		wantRefused(t, d, want, "own", "owner")
	}
	// What is a default of the language is enforced, too.
	d["bare"] = "rules: {secrets: [{id: no-secrets}]}\n"
	for doc, want := range map[string]string{
		"database: {max-age: 8d}\n":                                                          "database.max-age loosens what is enforced at bare:1:1, which does not have it",
		"coverage: {os: optional}\n":                                                         "coverage.os loosens what is enforced at bare:1:1, which does not have it",
		"coverage: {packages: optional}\n":                                                   "coverage.packages loosens",
		"coverage: {unreadable: {accept: ['**']}}\n":                                         "coverage.unreadable.accept loosens",
		"platforms: [linux/amd64]\n":                                                         "platforms loosens",
		"rules: {secrets: [{id: no-secrets, max: 1}]}\n":                                     "max loosens",
		"images: [{match: ['**'], coverage: {os: optional}}]\nrules: {secrets: [{id: x}]}\n": "coverage.os loosens",
	} {
		d["own"] = doc
		wantRefused(t, d, want, "own", "bare")
	}
}

// ownerDocumentWithoutFiles is the enforced policy as a repository may repeat it.
func ownerDocumentWithoutFiles() string {
	s := strings.Replace(ownerDocument, "feeds: {kev: {file: kev.json}}\n", "", 1)
	return strings.Replace(s, "  custom: [{id: house, rego: [rego/a.rego, rego/b.rego]}]\n", "", 1)
}

// A waiver that the repository repeats stays the owner's.
func TestRepeatedWaiver(t *testing.T) {
	p := accept(t, texts{"owner": ownerDocument, "own": ownerDocumentWithoutFiles()}, "own", "owner")
	if len(p.Waivers) != 1 || p.Waivers[0].Level != 0 || p.Waivers[0].Source != "owner" {
		t.Errorf("%+v", p.Waivers)
	}
}

// Files of the enforced policy are read beside it, whatever the repository's says.
func TestFeedsBelowEnforced(t *testing.T) {
	d := texts{
		"owner": ownerDocument, "owner/kev.json": "the owner's", "own/kev.json": "mine", "owner/vex.json": "owner vex", "own/vex.json": "my vex",
		"own": "feeds: {epss: {file: epss.csv}, kev: {max-age: 1d}}\nrules: {vulnerabilities: [{id: exploited, severity: [critical, high, low]}], custom: [{id: house, title: t}, {id: mine, rego: rego/a.rego}]}\n",
	}
	p := accept(t, d, "own", "owner")
	if kev := p.Feeds.KEV; kev == nil || string(kev.File.Data) != "the owner's" || kev.File.Level != 0 || kev.MaxAge == 0 {
		t.Errorf("%+v", p.Feeds.KEV)
	}
	for _, r := range p.Rules {
		if r.Custom == nil {
			continue
		}
		for _, f := range r.Custom.Rego {
			want := map[string]string{"house": "owner/", "mine": "own/"}[r.ID] + f.Path
			if string(f.Data) != want {
				t.Errorf("%s reads %s, want %s", r.ID, f.Data, want)
			}
		}
	}
	d["owner"] = strings.Replace(ownerDocument, "feeds: {", "feeds: {vex: [{file: vex.json}], ", 1)
	d["own"] = "feeds: {vex: [{file: vex.json}]}\nrules: {secrets: [{id: x}]}\n"
	p = accept(t, d, "own", "owner")
	if len(p.Feeds.VEX) != 2 || p.Feeds.VEX[0].File.Level != 0 || string(p.Feeds.VEX[0].File.Data) != "owner vex" ||
		p.Feeds.VEX[1].File.Level != 1 || string(p.Feeds.VEX[1].File.Data) != "my vex" {
		b, _ := json.Marshal(p.Feeds.VEX)
		t.Errorf("%s", b)
	}
}

func TestEnforcedPlatformCoverage(t *testing.T) {
	d := texts{"owner": `
coverage:
  packages: optional
  platforms:
    linux/arm64: {os: optional, packages: required, min-packages: 5}
rules: {secrets: [{id: no-secrets}]}
`}
	for doc, ok := range map[string]bool{
		"{linux/arm64: {os: required}}":    true,
		"{linux/arm64: {os: optional}}":    true, // as enforced
		"{linux/arm64: {min-packages: 5}}": true,
		"{linux/s390x: {packages: required, secrets: required, base-secrets: required, not-matched: error, os: required}}": true,
		"{linux/arm64/v8: {packages: required}}": true,
		"{linux/arm64: {packages: optional}}":    false,
		"{linux/arm64/v8: {packages: optional}}": false,
		"{linux/s390x: {os: optional}}":          false,
		"{linux/s390x: {packages: optional}}":    false, // as enforced, but elsewhere
		"{linux/arm64: {min-packages: 4}}":       false,
		"{linux/arm64/v8: {min-packages: 9}}":    false, // numbers stand beside platforms
		"{linux/amd64: {package-types: [os]}}":   false,
		"{linux/amd64: {not-matched: show}}":     false,
	} {
		d["own"] = "coverage: {platforms: " + doc + "}\nrules: {secrets: [{id: x}]}\n"
		if !ok {
			wantRefused(t, d, "coverage.platforms loosens what is enforced", "own", "owner")
			continue
		}
		p := accept(t, d, "own", "owner")
		arm, by := p.Coverage.On(evidence.Platform{OS: "linux", Architecture: "arm64"})
		if arm.PackagesOptional || arm.MinPackages < 5 || len(by) == 0 {
			t.Errorf("%s: %+v", doc, arm)
		}
	}
}

func TestSectionsBelowEnforced(t *testing.T) {
	owner := ownerDocument + `
images:
  - match: ["registry.example.com/strict/**"]
    rules: {vulnerabilities: [{id: budget, max: 0}], config: [{id: strict-user, user: non-root}]}
  - match: ["registry.example.com/loose/**"]
    rules: {vulnerabilities: [{id: budget, max: 99}]}
`
	d := texts{"owner": owner}
	for rest, want := range map[string]string{
		"rules: {vulnerabilities: [{id: budget, max: 99}]}\n":                                "max loosens what is enforced at",
		"rules: {vulnerabilities: [{id: budget, max: 1}]}\n":                                 "max loosens what is enforced at owner:20:49", // the strict section
		"rules: {config: [{id: strict-user, user: non-root, action: warn}]}\n":               "action loosens",
		"images: [{match: ['**'], rules: {vulnerabilities: [{id: budget, max: 21}]}}]\n":     "max loosens",
		"images: [{match: ['**'], rules: {secrets: [{id: no-secrets, action: warn}]}}]\n":    "action loosens",
		"images: [{match: ['**'], database: {max-age: 4d}}]\n":                               "database.max-age loosens",
		"images: [{match: ['**'], platforms: [linux/amd64]}]\n":                              "platforms loosens",
		"images: [{match: ['**'], coverage: {os: optional}}]\n":                              "coverage.os loosens",
		"images: [{match: [never/matches], rules: {secrets: [{id: no-secrets, max: 1}]}}]\n": "max loosens",
		"images: [{match: ['**'], rules: {secrets: [{id: budget}]}}]\n":                      `"budget" is taken`,
		"images: [{match: ['**'], feeds: {kev: {file: mine.json}}}]\n":                       "unknown key",
		"images: [{match: ['**'], enforce: []}]\n":                                           "unknown key",
		"images: [{match: ['**'], images: [{match: ['**'], database: {max-age: 9d}}]}]\n":    "unknown key",
		"images: null\n": "has no value",
		"images: [{match: null, rules: {secrets: [{id: y}]}}]\n":  "has no value",
		"images: [{rules: {secrets: [{id: y}]}}]\n":               `required key "match" is missing`,
		"images: [{match: ['*'], rules: {secrets: [{id: y}]}}]\n": "can match no image name",
	} {
		d["own"] = rest
		wantRefused(t, d, want, "own", "owner")
	}
	d["own"] = "rules: {vulnerabilities: [{id: budget, max: 0}]}\nimages: [{match: ['**/strict/**'], rules: {secrets: [{id: mine}]}}]\n"
	p := accept(t, d, "own", "owner")
	if !p.EnforcesByName() {
		t.Error("the enforced sections are not seen")
	}
	for name, want := range map[string]int{"registry.example.com/strict/a:1": 0, "registry.example.com/loose/a:1": 0, "a:1": 0} {
		if got := find(t, p.For([]string{name}), "budget").Vulnerabilities.Max; got != want {
			t.Errorf("%s: max %d", name, got)
		}
	}
	d["own"] = "rules: {secrets: [{id: x}]}\n"
	p = accept(t, d, "own", "owner")
	for name, want := range map[string]int{"registry.example.com/strict/a:1": 0, "registry.example.com/loose/a:1": 99, "a:1": 20,
		"registry.example.com/loose/../strict/a:1": 20, "registry.example.com/strict/a:1/../../loose/a": 20, "registry.example.com/loose/A:1": 20} {
		if got := find(t, p.For([]string{name}), "budget").Vulnerabilities.Max; got != want {
			t.Errorf("%s: max %d, want %d", name, got, want)
		}
	}
	if p := accept(t, texts{"owner": ownerDocument, "own": "rules: {secrets: [{id: x}]}\nimages: [{match: ['**'], rules: {secrets: [{id: y}]}}]\n"}, "own", "owner"); p.EnforcesByName() {
		t.Error("the repository's own sections are taken for enforced ones")
	}
}

// What an enforced policy extends is enforced; what the repository's extends is not.
func TestEnforcedChain(t *testing.T) {
	d := texts{
		"base":  "rules: {secrets: [{id: no-secrets, max: 2}], config: [{id: user, user: non-root}]}\n",
		"owner": "extends: [base]\nrules: {secrets: [{id: no-secrets, max: 1}]}\n",
		"lax":   "rules: {secrets: [{id: no-secrets, max: 50}]}\n",
		"loose": "extends: [base]\n",
		"same":  "extends: [owner]\nrules: {secrets: [{id: no-secrets, max: 0}]}\n",
	}
	p := accept(t, d, "same", "owner")
	if r := find(t, p, "no-secrets"); r.Level != 0 || r.Secrets.Max != 0 || find(t, p, "user").Level != 0 {
		t.Errorf("%+v", r)
	}
	d["own"] = "extends: [lax]\n"
	wantRefused(t, d, "lax:3:41: rules.secrets[0].max loosens what is enforced at owner:4:41", "own", "owner")
	d["own"] = "extends: [lax]\nrules: {secrets: [{id: no-secrets, max: 1}]}\n"
	if p := accept(t, d, "own", "owner"); find(t, p, "no-secrets").Secrets.Max != 1 {
		t.Error("what the repository's policy resolves to counts, not what it extends")
	}
	// base stands below owner here, and there it is looser.
	wantRefused(t, d, "max loosens", "loose", "owner")
	// Two enforced policies: both hold, and the second only tightens the first.
	d["second"] = "database: {max-age: 1d}\nrules: {secrets: [{id: no-secrets, max: 0}], reference: [{id: tags, forbidden: [latest]}]}\n"
	d["own"] = "rules: {config: [{id: mine, user: non-root}]}\n"
	p = accept(t, d, "own", "owner", "second")
	if got := ids(p); got != "secrets/no-secrets@0 config/user@0 config/mine@2 reference/tags@1" {
		t.Error(got)
	}
	if find(t, p, "no-secrets").Secrets.Max != 0 || !p.EnforcedLevel(0) || !p.EnforcedLevel(1) || p.EnforcedLevel(2) || p.EnforcedLevel(-1) || p.EnforcedLevel(3) {
		t.Errorf("%+v", p.Documents)
	}
	wantRefused(t, d, "owner:", "own", "second", "owner") // in this order owner loosens second
	for doc, want := range map[string]string{
		"rules: {reference: [{id: tags, forbidden: [dev]}]}\n":          "at second:4:",
		"rules: {secrets: [{id: no-secrets, max: 1}]}\n":                "at second:4:",
		"database: {max-age: 2d}\n":                                     "at second:3:",
		"rules: {config: [{id: user, action: warn, user: non-root}]}\n": "at base:3:",
	} {
		d["own"] = doc
		wantRefused(t, d, want, "own", "owner", "second")
	}
}

// What cannot be read is said with who asked for it, and a file is never called like a
// policy of the binary.
func TestEnforcedIsNamed(t *testing.T) {
	_, err := texts{"own": "rules: {secrets: [{id: a}]}\n"}.enforce("own", "nothing")
	if err == nil || !strings.HasSuffix(err.Error(), "(set by --enforce)") {
		t.Error(err)
	}
	for name, want := range map[string]string{"./ocigate:strict": "./ocigate:strict", "a/b.yaml": "a/b.yaml", "./b:c/d": "./b:c/d"} {
		if got := Beside("own.yaml", name); got != want {
			t.Errorf("%s is called %s", name, got)
		}
	}
}

// An enforced policy must be whole by itself.
func TestEnforcedIsWhole(t *testing.T) {
	for doc, want := range map[string]string{
		"database: {max-age: 1d}\n":                                                                             "owner:1:1: the policy has no rules",
		"rules: {vulnerabilities: [{id: a, severity: [critical]}]}\n":                                           "no vulnerabilities rule says what becomes of findings of unknown severity",
		"rules: {vulnerabilities: [{id: a, known-exploited: true}]}\nunknown-severity: accept\n":                "feeds.kev",
		"rules: {vulnerabilities: [{id: a, severity: [critical, unknown], origin: application}]}\n":             "approved base images",
		"rules: {secrets: [{id: a}]}\nwaivers: [{id: w, rule: mine, until: 2026-12-31, reason: r, owner: o}]\n": `"mine" is not a rule`,
		"extends: [nothing]\n": "nothing",
	} {
		d := texts{"owner": doc, "own": "unknown-severity: accept\nfeeds: {kev: {file: k.json}}\nrules: {secrets: [{id: mine}], base: [{id: approved, images: ['**']}]}\n"}
		wantRefused(t, d, want, "own", "owner")
	}
}
