// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"testing"
	"time"
)

// FuzzEnforce: whatever stands below an enforced policy, what is enforced is there and
// demands at least as much.
func FuzzEnforce(f *testing.F) {
	const enforced = `platforms: [linux/amd64]
database: {max-age: 2d}
feeds: {kev: {file: kev.json, max-age: 7d}}
rules:
  vulnerabilities:
    - {id: exploited, known-exploited: true}
    - {id: budget, severity: [critical, high, unknown], max: 5}
  config: [{id: user, user: non-root}]
  files: [{id: files, setuid: [/bin/su], forbidden: ["/a/**"]}]
  signatures: [{id: signed, of: image, authorities: [team, build], min: 2, max-age: 9d, repository: match}]
  attestations: [{id: scanned, predicateType: [vuln, spdx], authorities: [team], conditions: [{path: a.b, equals: 1}]}]
  base: [{id: base, signed-by: [team]}]
authorities: [{name: team, key: {env: TEAM}}, {name: build, keyless: {identities: [{issuer: "https://i", subject: s}]}}]
waivers: [{id: w, rule: budget, finding: CVE-2024-1, until: 2026-01-01, reason: r, owner: o}]
`
	for _, s := range []string{
		"rules: {vulnerabilities: [{id: budget, max: 4}]}\n", "rules: {vulnerabilities: [{id: budget, max: 6}]}\n",
		"images: [{match: ['**'], rules: {config: [{id: user, action: fail}]}}]\n", "database: {max-age: 1d}\nfeeds: {vex: [{file: v}]}\n",
		"rules: {files: [{id: files, setuid: forbidden, forbidden: ['/a/**', '/b']}]}\nplatforms: [linux/amd64, linux/arm64]\n",
		"waivers: [{id: x, rule: user, until: 2026-01-01, reason: r, owner: o}]\nextends: [own, ocigate:x]\n",
		"authorities: [{name: team, key: {env: MINE}}]\n", "authorities: [{name: mine, key: {env: MINE}}]\nrules: {signatures: [{id: signed, authorities: [team]}]}\n",
		"authorities: [{name: team, key: {env: TEAM}}]\nrules: {attestations: [{id: scanned, predicateType: vuln, conditions: [{path: c, present: true}, {path: a.b, equals: '1'}]}]}\n",
		"rules: {base: [{id: base, signed-by: team}], signatures: [{id: signed, of: image, max-age: 8d}]}\n", "images: [{match: ['**'], rules: {signatures: [{id: signed, min: 1}]}}]\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, own string) {
		top, err := texts{"own": own, "enforced": enforced}.enforce("own", "enforced")
		if err != nil {
			return
		}
		for _, p := range append([]*Policy{top}, top.For([]string{"docker.io/library/a:1"})) {
			if p.Platforms.All || len(p.Platforms.List) == 0 || p.Database.MaxAge > top.Database.MaxAge || p.Feeds.KEV == nil || p.Feeds.KEV.File.Source != "enforced" {
				t.Errorf("loosened: %+v", p)
			}
			for _, id := range []string{"exploited", "budget", "user", "files"} {
				i := slices.IndexFunc(p.Rules, func(r Rule) bool { return r.ID == id })
				if i < 0 || p.Rules[i].Level != 0 || p.Rules[i].Action != ActionFail || !p.Rules[i].From.IsZero() {
					t.Fatalf("%s is not what it was", id)
				}
				switch r := p.Rules[i]; {
				case id == "budget" && (r.Vulnerabilities.Max > 5 || len(r.Vulnerabilities.Severities) < 3 || r.Vulnerabilities.Grace != nil),
					id == "exploited" && (r.Vulnerabilities.Max > 0 || !r.Vulnerabilities.KnownExploited || len(r.Vulnerabilities.Severities) > 0),
					id == "user" && !r.Config.UserNonRoot,
					id == "files" && (r.Files.Setuid == nil || len(r.Files.Setuid.Except) > 1 || !slices.Contains(r.Files.Paths, "/a/**") || len(r.Files.Except) > 0):
					t.Errorf("%s is loosened: %+v", id, r)
				}
			}
			checkSigners(t, p)
			for _, w := range p.Waivers {
				if w.ID != "w" && w.Level == 0 {
					t.Errorf("the waiver %s counts as the enforced policy's", w.ID)
				}
			}
		}
	})
}

// checkSigners checks what FuzzEnforce's policy demands of signatures.
func checkSigners(t *testing.T, p *Policy) {
	t.Helper()
	team, build := p.Authority("team"), p.Authority("build")
	if team == nil || team.Key == nil || team.Key.Env != "TEAM" || team.LogOptional || team.Level != 0 ||
		build == nil || build.Keyless == nil || len(build.Keyless.Identities) != 1 || build.Keyless.Identities[0].Subject != "s" || build.Keyless.SCTOptional || build.LogOptional {
		t.Fatalf("authorities are not who they were: %+v", p.Authorities)
	}
	own := func(names []string) bool {
		return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return name != "team" && name != "build" })
	}
	for _, r := range p.Rules {
		switch {
		case r.ID == "signed" && (!own(r.Signatures.Authorities) || r.Signatures.Min < 2 || r.Signatures.Of != SignedImage || r.Signatures.MaxAge > 9*24*time.Hour || r.Signatures.Repository != RepositoryMatch),
			r.ID == "base" && !own(r.Base.SignedBy),
			r.ID == "scanned" && (!own(r.Attestations.Authorities) || len(r.Attestations.Conditions) < 1 || r.Attestations.Of != SignedImage ||
				!slices.ContainsFunc(r.Attestations.Conditions, func(c Condition) bool { return c.Path == "a.b" && c.Equals != nil && c.Equals.Number != nil })):
			t.Errorf("%s is loosened: %+v", r.ID, r)
		}
	}
}

// FuzzPath: a path is refused, or has steps that each lead somewhere.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"a", "a.b[0].c[*]", `a["b.c"].d`, "[*]", "a..b", "a[", `a["`, "a[01]", "$.a", "a[?(@.b)]", `a["\\"]`, ".", "[", "a]", "a[9999]", "a[10000]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		steps, ok := parsePath(s)
		if ok != (len(steps) > 0) {
			t.Fatalf("%q: %v, %+v", s, ok, steps)
		}
		for _, step := range steps {
			kinds := 0
			for _, is := range []bool{step.Key != "", step.Index != nil, step.All} {
				if is {
					kinds++
				}
			}
			if kinds != 1 || step.Index != nil && (*step.Index < 0 || *step.Index > maxIndex) {
				t.Errorf("%q: %+v", s, step)
			}
		}
	})
}

// FuzzWaivers: a file of waivers is read or refused, and each waiver names something and ends.
func FuzzWaivers(f *testing.F) {
	f.Add([]byte("version: 1\nwaivers:\n  - {id: w, rule: a, until: 2026-01-01, reason: r, owner: o}\n"))
	f.Add([]byte("version: 1\nwaivers:\n  - id: w\n    finding: CVE-2024-1\n    package: pkg:deb/debian/openssl\n    until: 2026-01-01\n    reason: |\n      r\n    owner: o\n    image: [a/**]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		ws, err := ParseWaivers("f", data)
		if (err == nil) == (len(ws) == 0) {
			t.Fatalf("%d waivers and %v", len(ws), err)
		}
		for _, w := range ws {
			if w.ID == "" || w.Rule == "" && w.Finding == "" || w.Until.IsZero() || w.Reason == "" || w.Owner == "" {
				t.Errorf("incomplete: %+v", w)
			}
		}
	})
}

// FuzzName: a name that is read is read again from what it is written as, and globs
// neither panic nor take long.
func FuzzName(f *testing.F) {
	for _, s := range []string{"alpine", "r.io:5000/a/b:1@sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "INDEX.docker.io/a", "[::1]:5000/a", "a:", "@"} {
		f.Add(s, "*/a/**:{1,2}@sha256:*")
	}
	f.Fuzz(func(t *testing.T, s, glob string) {
		n, err := ParseName(s)
		if err != nil {
			if n != (Name{}) {
				t.Errorf("%+v and %v", n, err)
			}
		} else if again, err := ParseName(n.String()); err != nil || again != n {
			t.Errorf("%q is %+v and then %+v, %v", s, n, again, err)
		}
		if alternatives(glob) <= maxAlternatives && len(glob) <= 200 && len(s) <= 300 {
			MatchReference(glob, s)
			BaseRule{Images: []string{glob}}.Approves(s, []string{"sha256:aa"}, true)
		}
	})
}
