// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func packageRule(r policy.PackageRule) policy.Rule {
	return policy.Rule{ID: "r", Group: policy.GroupPackages, Action: policy.ActionFail, Packages: &r}
}

func licenceRule(r policy.LicenceRule) policy.Rule {
	return policy.Rule{ID: "r", Group: policy.GroupLicences, Action: policy.ActionFail, Licences: &r}
}

func TestPackages(t *testing.T) {
	for _, tt := range []struct {
		name string
		rule policy.PackageRule
		want verdict.Result
		says string
	}{
		{"forbidden", policy.PackageRule{Forbidden: []string{"curl", "openssl"}}, verdict.Fail, "openssl 3.1.4-r0 (alpine) is forbidden"},
		{"by pattern", policy.PackageRule{Forbidden: []string{"lod*"}}, verdict.Fail, `lodash 4.17.10 (app/node_modules/lodash/package.json) is forbidden by "lod*"`},
		{"by URL", policy.PackageRule{Forbidden: []string{"pkg:npm/*"}}, verdict.Fail, "lodash"},
		{"by version", policy.PackageRule{Forbidden: []string{"lodash@4.17.1?"}}, verdict.Fail, "lodash"},
		{"by URL and version", policy.PackageRule{Forbidden: []string{"pkg:npm/lodash@4.*"}}, verdict.Fail, "lodash"},
		{"another version", policy.PackageRule{Forbidden: []string{"lodash@3.*"}}, verdict.Pass, "2 packages looked at"},
		{"not there", policy.PackageRule{Forbidden: []string{"curl"}}, verdict.Pass, ""},
		{"of another type", policy.PackageRule{Forbidden: []string{"openssl"}, PackageTypes: []string{"language"}}, verdict.Pass, "1 package looked at"},
		{"required", policy.PackageRule{Required: []string{"openssl", "pkg:npm/lodash"}}, verdict.Pass, ""},
		{"missing", policy.PackageRule{Required: []string{"openssl", "ca-*"}}, verdict.Fail, "no package is ca-*, which is required"},
		{"missing in this version", policy.PackageRule{Required: []string{"openssl@1.*"}}, verdict.Fail, "openssl@1.*"},
		{"missing in this type", policy.PackageRule{Required: []string{"lodash"}, PackageTypes: []string{"os"}}, verdict.Fail, "lodash"},
		{"nothing demanded", policy.PackageRule{}, verdict.Error, "demands nothing"},
	} {
		if o := outcome(decide(rules(packageRule(tt.rule)), good()), "r"); o.Result != tt.want || !strings.Contains(o.Summary, tt.says) {
			t.Errorf("%s: %s: %s", tt.name, o.Result, o.Summary)
		}
	}
}

func TestPackagesThatMayBeMissing(t *testing.T) {
	for name, ev := range map[string]evidence.Evidence{
		"a database of packages that is gone": problem(evidence.Problem{Area: evidence.AreaPackages, Analyzer: "apk", Message: "m"}),
		"a file that was not read":            problem(evidence.Problem{Area: evidence.AreaFile, What: "x/package.json", Analyzer: "node-pkg", Message: "m"}),
		"a layer that was not read":           problem(evidence.Problem{Area: evidence.AreaIntegrity, Message: "m"}),
		"nothing":                             {},
		"no database": with(func(ev *evidence.Evidence) {
			ev.Packages, ev.Database = nil, evidence.DatabaseState{}
		}),
	} {
		for _, r := range []policy.Rule{packageRule(policy.PackageRule{Forbidden: []string{"curl"}}), licenceRule(policy.LicenceRule{Forbidden: []string{"GPL-3.0*"}, UnknownAccepted: true})} {
			if o := outcome(decide(optional(rules(r)), ev), "r"); o.Result != verdict.Error {
				t.Errorf("%s: %s rule: %s: %s", name, r.Group, o.Result, o.Summary)
			}
		}
	}
	old := with(func(ev *evidence.Evidence) { ev.Database.UpdatedAt = ptr(now.AddDate(-1, 0, 0)) })
	if o := outcome(decide(rules(packageRule(policy.PackageRule{Forbidden: []string{"curl"}})), old), "r"); o.Result != verdict.Pass {
		t.Errorf("the age of the database changes no list of packages: %s: %s", o.Result, o.Summary)
	}
}

func TestLicences(t *testing.T) {
	is := func(list ...string) []string { return list }
	for _, tt := range []struct {
		name     string
		licences []string
		rule     policy.LicenceRule
		want     string // empty: accepted
	}{
		{"forbidden", is("GPL-3.0-or-later"), policy.LicenceRule{Forbidden: is("GPL-3.0*")}, "is under GPL-3.0-or-later, which is forbidden by GPL-3.0*"},
		{"forbidden by its old name", is("GPLv3+"), policy.LicenceRule{Forbidden: is("gpl-3.0")}, "is under GPL-3.0-or-later"},
		{"not forbidden", is("MIT"), policy.LicenceRule{Forbidden: is("GPL-3.0*")}, ""},
		{"a choice", is("MIT OR GPL-3.0-only"), policy.LicenceRule{Forbidden: is("GPL-3.0*")}, ""},
		{"no choice", is("MIT AND GPL-3.0-only"), policy.LicenceRule{Forbidden: is("GPL-3.0*")}, "GPL-3.0-only"},
		{"a list is no choice", is("MIT", "GPL-3.0-only"), policy.LicenceRule{Forbidden: is("GPL-3.0*")}, "GPL-3.0-only"},
		{"a choice of two evils", is("GPL-3.0-only OR AGPL-3.0-only"), policy.LicenceRule{Forbidden: is("*GPL-3.0*")}, "forbidden"},
		{"exception", is("GPL-2.0-only WITH Classpath-exception-2.0"), policy.LicenceRule{Forbidden: is("GPL-2.0*")}, "WITH Classpath"},
		{"exception that is allowed by name", is("GPL-2.0-with-classpath-exception"), policy.LicenceRule{Forbidden: is("GPL-2.0*"), Allowed: is("GPL-2.0-only WITH Classpath-*", "MIT")}, ""},
		{"allowed", is("mit"), policy.LicenceRule{Allowed: is("MIT")}, ""},
		{"not allowed", is("ISC"), policy.LicenceRule{Allowed: is("MIT")}, "is under ISC, which is not among those that are allowed"},
		{"forbidden beats allowed", is("GPL-3.0-only"), policy.LicenceRule{Allowed: is("*"), Forbidden: is("GPL-3.0-only")}, "forbidden"},
		{"family", is("LGPL-2.1+"), policy.LicenceRule{ForbiddenFamilies: is("restricted")}, "is under LGPL-2.1-or-later, of the family restricted, which is forbidden"},
		{"another family", is("MPL-2.0"), policy.LicenceRule{ForbiddenFamilies: is("restricted")}, ""},
		{"allowed family", is("Apache-2.0"), policy.LicenceRule{AllowedFamilies: is("notice")}, ""},
		{"allowed besides a family", is("MPL-2.0"), policy.LicenceRule{AllowedFamilies: is("notice"), Allowed: is("MPL-2.0")}, ""},
		{"family not allowed", is("MPL-2.0"), policy.LicenceRule{AllowedFamilies: is("notice")}, "not among those"},
		{"no family", is("BlueOak-1.0.0"), policy.LicenceRule{ForbiddenFamilies: is("restricted")}, "is under BlueOak-1.0.0, which belongs to no family"},
		{"no family matters without families", is("BlueOak-1.0.0"), policy.LicenceRule{Forbidden: is("GPL-3.0*")}, ""},
		{"none stated", nil, policy.LicenceRule{Forbidden: is("GPL-3.0*")}, "states no licence"},
		{"blank", is(" ", ""), policy.LicenceRule{Forbidden: is("GPL-3.0*")}, "states no licence"},
		{"none stated, accepted", nil, policy.LicenceRule{Allowed: is("MIT"), UnknownAccepted: true}, ""},
		{"not understood", is("custom:foo"), policy.LicenceRule{Forbidden: is("GPL-3.0*")}, `is under "custom:foo", which is no licence of the SPDX list`},
		{"not understood, accepted", is("custom:foo"), policy.LicenceRule{Forbidden: is("GPL-3.0*"), UnknownAccepted: true}, ""},
		{"not understood, allowed by name", is("custom:foo"), policy.LicenceRule{Allowed: is("custom:*")}, ""},
		{"a way out of what is not understood", is("custom:foo OR MIT"), policy.LicenceRule{Allowed: is("MIT")}, ""},
		{"accepted does not excuse what is known", is("custom:foo", "GPL-3.0-only"), policy.LicenceRule{Forbidden: is("GPL-3.0*"), UnknownAccepted: true}, "GPL-3.0-only"},
		{"of another type", is("GPL-3.0-only"), policy.LicenceRule{Forbidden: is("GPL-3.0*"), PackageTypes: is("jar")}, ""},
		{"excepted", is("GPL-3.0-only"), policy.LicenceRule{Forbidden: is("GPL-3.0*"), ExceptPackages: is("pkg:apk/alpine/open*")}, ""},
		{"not of the base", is("GPL-3.0-only"), policy.LicenceRule{Forbidden: is("GPL-3.0*"), Origin: "base"}, ""},
	} {
		ev := with(func(ev *evidence.Evidence) {
			ev.Packages = ev.Packages[:1]
			ev.Packages[0].Licenses = tt.licences
		})
		o := outcome(decide(rules(licenceRule(tt.rule)), ev), "r")
		ok := o.Result == verdict.Pass && len(o.Violations) == 0
		if tt.want != "" {
			ok = o.Result == verdict.Fail && len(o.Violations) == 1 && strings.Contains(o.Violations[0].Message, tt.want) && o.Violations[0].Package != nil
		}
		if !ok {
			t.Errorf("%s: %s: %s", tt.name, o.Result, o.Summary)
		}
	}
	if o := outcome(decide(rules(licenceRule(policy.LicenceRule{Forbidden: is("MIT"), UnknownAccepted: true})), good()), "r"); !strings.Contains(o.Summary, "2 without a known licence, accepted") {
		t.Errorf("what is accepted is said: %s", o.Summary)
	}
	if o := outcome(decide(rules(licenceRule(policy.LicenceRule{})), good()), "r"); o.Result != verdict.Error {
		t.Errorf("a rule that demands nothing: %s", o.Result)
	}
}
