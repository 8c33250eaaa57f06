// SPDX-License-Identifier: Apache-2.0

package policy

import "strings"

// tightening says what a repository's policy may do to one key of an enforced one.
// TestEnforceTable wants one for every key of the language.
type tightening struct {
	// with is what stands beside the key in the rule or document, besides what every
	// rule of the group has; inner what stands beside it in its own mapping.
	with, inner string
	// have is the enforced value. tighter are accepted in its place, looser refused. The
	// same value is accepted, and null is always a mistake.
	have            string
	tighter, looser []string
	// add is accepted and narrow refused where the enforced policy lacks the key.
	add, narrow []string
	// joined marks a mapping whose pairs are joined with the enforced ones.
	joined bool
	// file marks the name of a file: the same name in another document is another file.
	file bool
	// required marks a key that no enforced rule lacks.
	required bool
	// why is set where there is nothing to compare: the key demands nothing, or it is in
	// the test that it names.
	why string
}

// bases are what the rules of a group have in the table: the first pair, and the second
// for the keys of the first.
func bases() map[Group][2][2]string {
	return map[Group][2][2]string{
		GroupVulnerabilities: {{"severity", "[critical, unknown]"}, {"known-exploited", "true"}},
		GroupSecrets:         {{"severity", "[low, medium, high, critical, unknown]"}, {"max", "7"}},
		GroupBase:            {{"images", "[alpine]"}, {"latest", "forbidden"}},
		GroupConfig:          {{"user", "non-root"}, {"onbuild", "forbidden"}},
		GroupFiles:           {{"setuid", "forbidden"}, {"devices", "forbidden"}},
		GroupLayers:          {{"max-count", "30"}, {"max-layer-size", "1GiB"}},
		GroupPackages:        {{"forbidden", "[telnet]"}, {"required", "[bash]"}},
		GroupLicences:        {{"forbidden", "[AGPL-3.0-only]"}, {"forbidden-families", "[restricted]"}},
		GroupReference:       {{"forbidden", "[latest]"}, {"digest", "required"}},
		GroupRuntime:         {{"non-root", "required"}, {"read-only-root", "required"}},
		GroupSignatures:      {{"authorities", "[a, b]"}, {"min", "1"}},
		GroupAttestations:    {{"authorities", "[a, b]"}, {"min", "1"}},
		GroupCustom:          {{"rego", "a.rego"}, {"title", "t"}},
	}
}

func tightenings() map[string]tightening {
	text := tightening{why: "a text; it demands nothing"}
	required := tightening{have: "required", add: []string{"required"}}
	forbidden := tightening{have: "forbidden", add: []string{"forbidden"}}
	forbids := tightening{have: "[/bin/su, /bin/ping]", tighter: []string{"[/bin/su]", "forbidden"}, looser: []string{"[/bin/su, /bin/evil]", "['/**']"}, add: []string{"forbidden"}}
	names := tightening{have: "[a, b]", tighter: []string{"[a, b, c]"}, looser: []string{"[a]", "[c]"}, add: []string{"[a]"}}
	values := tightening{have: "{a: '[0-9]+'}", tighter: []string{"{b: x}", "{a: '[0-9]+', b: x}"}, looser: []string{"{a: '.*'}"}, add: []string{"{a: x}"}, joined: true}
	limit := tightening{have: "20", tighter: []string{"19", "1"}, looser: []string{"21", "100000"}, add: []string{"5"}}
	size := tightening{have: "1GiB", tighter: []string{"1023MiB", "1GB", "1B"}, looser: []string{"2GiB", "1025MiB"}, add: []string{"1MiB"}}
	share := tightening{have: "10%", tighter: []string{"9%", "1%"}, looser: []string{"11%", "1B", "1GiB"}, add: []string{"1%", "1MiB"}}
	optional := tightening{have: "optional", tighter: []string{"required"}, narrow: []string{"optional"}}
	demanded := tightening{have: "required", looser: []string{"optional"}, add: []string{"required", "optional"}}
	some := tightening{have: "[os]", tighter: []string{"[os, node-pkg]"}, looser: []string{"[node-pkg]"}, narrow: []string{"[os]"}}
	origin := tightening{with: "base", have: "base", looser: []string{"application"}, narrow: []string{"base", "application"}}
	waiver := tightening{why: "whose waivers count: package verdict, TestWhoseWaivers"}
	platform := tightening{why: "TestEnforcedPlatformCoverage"}
	vex := tightening{why: "documents are added, and count for the rules of their own policy: TestFeedsBelowEnforced"}
	signer := tightening{why: "authorities are compared by name and as a whole: TestAuthoritiesBelowEnforced"}
	condition := tightening{why: "conditions are compared as a whole: rules.attestations.conditions"}
	whom := tightening{have: "[a, b]", tighter: []string{"[a]", "[b]"}, looser: []string{"[c]", "[a, b, c]"}, required: true}
	provenance := tightening{have: "[x, y]", tighter: []string{"[x]"}, looser: []string{"['**']", "[x, y, z]"}, add: []string{"[x]"}}
	source := tightening{have: "['https://h/a', 'https://h/b']", tighter: []string{"['https://h/a']"}, looser: []string{"['https://h/**']", "['https://h/a', 'https://h/b', 'https://h/c']"}, add: []string{"['https://h/a']"}}
	age := tightening{have: "30d", tighter: []string{"29d"}, looser: []string{"31d"}, add: []string{"90d"}}
	subject := tightening{have: "base", looser: []string{"image"}, add: []string{"image"}, narrow: []string{"base"}}
	match := tightening{have: "match", looser: []string{"source"}, add: []string{"match", "source"}}
	atLeast := tightening{have: "1", tighter: []string{"2"}, add: []string{"1", "2"}}
	table := map[string]tightening{
		"version": text, "name": text, "extends": {why: "resolved before anything is compared: TestEnforcedChain"},
		"platforms": {have: "[linux/amd64, linux/arm64]", tighter: []string{"[linux/arm64, linux/amd64, linux/s390x]"}, looser: []string{"[linux/amd64]", "all"},
			add: []string{"all"}, narrow: []string{"[linux/amd64]"}},
		"database":              {why: "a mapping"},
		"database.max-age":      {have: "3d", tighter: []string{"2d", "71h", "1h"}, looser: []string{"4d", "73h", "1w", "3650d"}, add: []string{"7d", "1d"}, narrow: []string{"8d"}},
		"database.java-max-age": {have: "3d", tighter: []string{"2d", "71h"}, looser: []string{"4d"}, add: []string{"3650d"}},
		"coverage":              {why: "a mapping"}, "coverage.unreadable": {why: "a mapping"},
		"coverage.os": optional, "coverage.packages": optional, "coverage.secrets": demanded, "coverage.base-secrets": demanded,
		"coverage.min-packages":      {have: "20", tighter: []string{"21"}, looser: []string{"19", "0"}, add: []string{"1"}},
		"coverage.package-types":     {have: "[os]", tighter: []string{"[os, node-pkg]"}, looser: []string{"[node-pkg]"}, add: []string{"[os]"}},
		"coverage.not-matched":       {have: "error", looser: []string{"show"}, add: []string{"error", "show"}},
		"coverage.unreadable.accept": {have: "['a/**', b]", tighter: []string{"[b]"}, looser: []string{"['**']", "[b, c]"}, narrow: []string{"[a]"}},
		"coverage.platforms":         platform, "coverage.platforms.os": platform, "coverage.platforms.packages": platform, "coverage.platforms.secrets": platform, "coverage.platforms.base-secrets": platform,
		"coverage.platforms.min-packages": platform, "coverage.platforms.package-types": platform, "coverage.platforms.not-matched": platform,
		"unknown-severity": {why: "changes no outcome; the enforced policy is checked by itself: TestEnforcedIsWhole"},

		"feeds": {why: "a mapping"}, "feeds.kev": {why: "a mapping"}, "feeds.epss": {why: "a mapping"}, "feeds.eol": {why: "a mapping"},
		"feeds.kev.file":     {have: "a.json", looser: []string{"b.json", "a.json"}, add: []string{"b.json"}, file: true},
		"feeds.epss.file":    {have: "a.json", looser: []string{"b.json", "a.json"}, add: []string{"b.json"}, file: true},
		"feeds.eol.file":     {have: "a.json", looser: []string{"b.json", "a.json"}, narrow: []string{"b.json"}, file: true},
		"feeds.kev.max-age":  {inner: "file: a.json", have: "3d", tighter: []string{"2d"}, looser: []string{"4d"}, add: []string{"14d"}},
		"feeds.epss.max-age": {inner: "file: a.json", have: "3d", tighter: []string{"2d"}, looser: []string{"4d"}, add: []string{"14d"}},
		"feeds.vex":          vex, "feeds.vex.file": vex, "feeds.vex.format": vex, "feeds.vex.author": vex, "feeds.vex.max-age": vex,
		"feeds.vex.signature": vex, "feeds.vex.key": vex, "feeds.vex.key.file": vex,

		"rules.*":             {why: "rules are compared by id"},
		"rules.*.id":          {why: "a new id is a new rule: TestEnforcedRules"},
		"rules.*.title":       text,
		"rules.*.remediation": text,
		"rules.*.action":      {have: "warn", tighter: []string{"fail"}, add: []string{"fail"}, narrow: []string{"warn"}},
		"rules.*.from":        {have: "2026-06-01", tighter: []string{"2026-05-31", "2000-01-01"}, looser: []string{"2026-06-02", "2099-12-31"}, narrow: []string{"2000-01-01", "2026-06-01"}},

		"rules.vulnerabilities.severity": {have: "[critical, unknown]", tighter: []string{"[unknown, critical, high]"}, looser: []string{"[critical]", "[unknown, high]"}, narrow: []string{"[critical, unknown]"}},
		"rules.vulnerabilities.fixed":    {have: "true", looser: []string{"false"}, narrow: []string{"true", "false"}},
		"rules.vulnerabilities.status":   {have: "[fixed]", tighter: []string{"[fixed, affected]"}, looser: []string{"[affected]"}, narrow: []string{"[fixed]"}},
		"rules.vulnerabilities.origin":   origin, "rules.vulnerabilities.package-type": some,
		"rules.vulnerabilities.packages":        {have: "[openssl]", tighter: []string{"[openssl, curl]"}, looser: []string{"[curl]"}, narrow: []string{"[openssl]"}},
		"rules.vulnerabilities.except-packages": {have: "[a, b]", tighter: []string{"[a]"}, looser: []string{"[a, b, c]", "['**']"}, narrow: []string{"[a]"}},
		"rules.vulnerabilities.paths":           {have: "['opt/**']", tighter: []string{"['opt/**', usr]"}, looser: []string{"[usr]"}, narrow: []string{"['**']"}},
		"rules.vulnerabilities.cvss":            {why: "a mapping"}, "rules.vulnerabilities.epss": {why: "a mapping"}, "rules.vulnerabilities.grace": {why: "a mapping"},
		"rules.vulnerabilities.cvss.min":        {have: "7", tighter: []string{"6.9", "0.1"}, looser: []string{"7.1", "10"}, narrow: []string{"0.1", "9"}},
		"rules.vulnerabilities.cvss.unscored":   {inner: "min: 7", have: "exclude", tighter: []string{"include"}, narrow: []string{"exclude"}, add: []string{"include"}},
		"rules.vulnerabilities.known-exploited": {with: "kev", have: "true", narrow: []string{"true"}},
		"rules.vulnerabilities.epss.min":        {with: "epss", have: "0.5", tighter: []string{"0.4"}, looser: []string{"0.6"}, narrow: []string{"0.1"}},
		"rules.vulnerabilities.epss.unscored":   {with: "epss", inner: "min: 0.5", have: "exclude", tighter: []string{"include"}, narrow: []string{"exclude"}, add: []string{"include"}},
		"rules.vulnerabilities.grace.days":      {have: "14", tighter: []string{"13", "1"}, looser: []string{"15"}, narrow: []string{"1"}},
		"rules.vulnerabilities.grace.undated":   {inner: "days: 7", have: "fail", add: []string{"fail"}},
		"rules.vulnerabilities.grace.since":     {inner: "days: 7", have: "first-seen", tighter: []string{"publication"}, narrow: []string{"first-seen"}, add: []string{"publication"}},
		"rules.vulnerabilities.max":             {have: "20", tighter: []string{"19", "0"}, looser: []string{"21"}, add: []string{"0"}, narrow: []string{"1"}},
		"rules.vulnerabilities.end-of-life":     {why: "makes another rule of it: TestEnforcedRules"},
		"rules.vulnerabilities.within":          {with: "end-of-life", have: "30d", tighter: []string{"31d"}, looser: []string{"29d", "1d"}, add: []string{"1d"}},

		"rules.secrets.severity": {have: "[high, critical]", tighter: []string{"[critical, high, low]"}, looser: []string{"[high]"}, narrow: []string{"[high]", "[low, medium, high, critical, unknown]"}},
		"rules.secrets.max":      {have: "20", tighter: []string{"19"}, looser: []string{"21"}, add: []string{"0"}, narrow: []string{"1"}},

		"rules.base.images": {have: "[alpine, debian]", tighter: []string{"[alpine]"}, looser: []string{"['**']", "[alpine, evil]"}, add: []string{"[alpine]"}},
		"rules.base.pinned": {have: "true", looser: []string{"false"}, add: []string{"true", "false"}},
		"rules.base.latest": forbidden, "rules.base.current": required,
		"rules.base.signed-by": {with: "signers", have: "[a, b]", tighter: []string{"[a]", "b"}, looser: []string{"c", "[a, c]", "[a, b, c]"}, add: []string{"a", "[a, b]"}},
		"rules.base.max-age":   {have: "30d", tighter: []string{"29d"}, looser: []string{"31d"}, add: []string{"90d"}},
		"rules.base.scratch":   {have: "allowed", tighter: []string{"forbidden"}, add: []string{"forbidden"}, narrow: []string{"allowed"}},

		"rules.config.user":  {have: "non-root", tighter: []string{"numeric-non-root"}, add: []string{"non-root", "numeric-non-root"}},
		"rules.config.ports": {why: "a mapping"}, "rules.config.volumes": {why: "a mapping"}, "rules.config.labels": {why: "a mapping"}, "rules.config.annotations": {why: "a mapping"},
		"rules.config.env": {why: "a mapping"}, "rules.config.history": {why: "a mapping"}, "rules.config.created": {why: "a mapping"},
		"rules.config.ports.min":       {have: "1024", tighter: []string{"1025"}, looser: []string{"1023", "1"}, add: []string{"1024"}},
		"rules.config.ports.max":       {have: "9000", tighter: []string{"8999"}, looser: []string{"9001"}, add: []string{"65535"}},
		"rules.config.ports.allowed":   {have: "[8080, 8443]", tighter: []string{"[8080]"}, looser: []string{"[8080, 22]"}, add: []string{"[8080]"}},
		"rules.config.ports.forbidden": {have: "[22]", tighter: []string{"[22, 23]"}, looser: []string{"[23]"}, add: []string{"[22]"}},
		"rules.config.entrypoint":      required, "rules.config.exec-form": required,
		"rules.config.healthcheck":       {have: "required", looser: []string{"forbidden"}, add: []string{"required", "forbidden"}},
		"rules.config.volumes.allowed":   {have: "[/data, /tmp]", tighter: []string{"[/data]"}, looser: []string{"['/**']"}, add: []string{"[/data]"}},
		"rules.config.volumes.forbidden": {have: "[/data]", tighter: []string{"[/data, /tmp]"}, looser: []string{"[/tmp]"}, add: []string{"[/data]"}},
		"rules.config.labels.required":   names, "rules.config.labels.forbidden": names, "rules.config.labels.values": values,
		"rules.config.annotations.required": names, "rules.config.annotations.forbidden": names, "rules.config.annotations.values": values,
		"rules.config.env.required": names, "rules.config.env.forbidden": names, "rules.config.env.values": values,
		"rules.config.env-secrets":          forbidden,
		"rules.config.history.forbidden":    {have: "[curl]", tighter: []string{"[curl, wget]"}, looser: []string{"[wget]"}, add: []string{"[curl]"}},
		"rules.config.history.accept":       {inner: "forbidden: [curl]", have: "[a, b]", tighter: []string{"[a]"}, looser: []string{"[c]", "[a, b, c]"}, narrow: []string{"[a]"}},
		"rules.config.architectures":        {have: "[amd64, arm64]", tighter: []string{"[amd64]"}, looser: []string{"[amd64, s390x]"}, add: []string{"[amd64]"}},
		"rules.config.created.max-age":      {have: "30d", tighter: []string{"29d"}, looser: []string{"31d"}, add: []string{"90d"}},
		"rules.config.created.reproducible": {inner: "max-age: 30d", have: "accept", tighter: []string{"refuse"}, narrow: []string{"accept"}, add: []string{"refuse"}},
		"rules.config.onbuild":              forbidden,

		"rules.files.setuid": forbids, "rules.files.world-writable": forbids, "rules.files.devices": forbids,
		"rules.files.setgid": withNarrow(forbids, "[/bin/su]", "allowed"), "rules.files.capabilities": withNarrow(forbids, "[/bin/su]", "allowed"),
		"rules.files.forbidden":         {have: "['**/x']", tighter: []string{"['**/x', /y]"}, looser: []string{"[/y]"}, add: []string{"[/x]"}},
		"rules.files.forbidden-classes": {have: "[shell]", tighter: []string{"[shell, dotenv]"}, looser: []string{"[dotenv]"}, add: []string{"[shell]"}},
		"rules.files.except":            {with: "forbidden", have: "[/a, /b]", tighter: []string{"[/a]"}, looser: []string{"['/**']"}, narrow: []string{"[/a]"}},
		"rules.files.hidden":            {have: "[/a]", tighter: []string{"[/a, /b]"}, looser: []string{"[/b]"}, add: []string{"[/a]"}},
		"rules.files.max-hidden-size":   {have: "1GiB", tighter: []string{"1023MiB", "2MiB"}, looser: []string{"2GiB"}, add: []string{"1MiB"}},

		"rules.layers.max-count": limit, "rules.layers.max-size": size, "rules.layers.max-layer-size": size, "rules.layers.max-compressed-size": size,
		"rules.layers.max-wasted": share, "rules.layers.max-growth": share, "rules.layers.build-cache-order": required,

		"rules.packages.forbidden": names, "rules.packages.required": names,
		"rules.packages.package-type": {have: "[os]", looser: []string{"[os, node-pkg]", "[language]"}, narrow: []string{"[os]"}},

		"rules.licences.forbidden":          {have: "[MIT]", tighter: []string{"[MIT, GPL-3.0-only]"}, looser: []string{"[GPL-3.0-only]"}, add: []string{"[MIT]"}},
		"rules.licences.allowed":            {have: "[MIT, Apache-2.0]", tighter: []string{"[MIT]"}, looser: []string{"['*']", "[MIT, BSD-3-Clause]"}, narrow: []string{"[MIT]"}},
		"rules.licences.forbidden-families": {have: "[restricted]", tighter: []string{"[restricted, forbidden]"}, looser: []string{"[forbidden]"}, add: []string{"[restricted]"}},
		"rules.licences.allowed-families":   {have: "[notice, permissive]", tighter: []string{"[notice]"}, looser: []string{"[notice, restricted]"}, narrow: []string{"[notice]"}},
		"rules.licences.unknown":            {have: "accept", tighter: []string{"fail"}, add: []string{"fail"}, narrow: []string{"accept"}},
		"rules.licences.origin":             origin, "rules.licences.package-type": some,
		"rules.licences.except-packages": {have: "[a, b]", tighter: []string{"[a]"}, looser: []string{"['**']"}, narrow: []string{"[a]"}},

		"rules.reference.of":                     {have: "source", looser: []string{"destination"}, narrow: []string{"source", "destination"}},
		"rules.reference.forbidden":              names,
		"rules.reference.tags":                   {have: "['v*', '1.*']", tighter: []string{"['v*']"}, looser: []string{"['*']", "['v*', main]"}, add: []string{"['v*']"}},
		"rules.reference.tag-pattern":            {have: "'v[0-9]+'", looser: []string{"'.*'"}, add: []string{"'v[0-9]+'"}},
		"rules.reference.registries":             {have: "[a.example.com, b.example.com]", tighter: []string{"[a.example.com]"}, looser: []string{"['*']"}, add: []string{"[a.example.com]"}},
		"rules.reference.repositories":           {have: "['a/**', 'b/**']", tighter: []string{"['a/**']"}, looser: []string{"['**']"}, add: []string{"['a/**']"}},
		"rules.reference.forbidden-repositories": {have: "['a/**']", tighter: []string{"['a/**', 'b/**']"}, looser: []string{"['b/**']"}, add: []string{"['a/**']"}},
		"rules.reference.digest":                 required,

		"rules.runtime.read-only-root": required, "rules.runtime.non-root": required, "rules.runtime.no-new-privileges": required,
		"rules.runtime.capabilities": {have: "[CHOWN, SETUID]", tighter: []string{"[CHOWN]", "none"}, looser: []string{"[CHOWN, SYS_ADMIN]"}, add: []string{"none"}},

		"rules.signatures.of": subject, "rules.attestations.of": subject, "rules.signatures.authorities": whom, "rules.attestations.authorities": whom,
		"rules.signatures.min": atLeast, "rules.attestations.min": atLeast, "rules.signatures.max-age": age, "rules.attestations.max-age": age,
		"rules.signatures.repository": match, "rules.attestations.repository": match,
		"rules.attestations.predicateType": {have: "[slsaprovenance, slsaprovenance1]", tighter: []string{"slsaprovenance1", "[slsaprovenance]"},
			looser: []string{"[slsaprovenance, slsaprovenance1, vuln]", "vuln", "['https://evil.example/x']"}, required: true},
		"rules.attestations.builder": provenance, "rules.attestations.source": source, "rules.attestations.build-type": provenance,
		"rules.attestations.conditions": {have: "[{path: a, equals: 1}, {path: b.c, max-age: 3d}]", tighter: []string{"[{path: b.c, max-age: 3d}, {path: a, equals: 1}, {path: d, present: true}]"},
			looser: []string{"[{path: a, equals: 1}]", "[{path: a, equals: 1}, {path: b.c, max-age: 4d}]", "[{path: a, present: true}]"},
			add:    []string{"[{path: a, equals: 1}]"}},
		"rules.attestations.rego": {why: "a file, as rules.custom.rego: TestAttestationRego"},

		"rules.custom.rego": {why: "a file: TestFeedsBelowEnforced"},

		"waivers": waiver, "waivers.id": waiver, "waivers.rule": waiver, "waivers.finding": waiver, "waivers.package": waiver, "waivers.path": waiver, "waivers.image": waiver,
		"waivers.platform": waiver, "waivers.origin": waiver, "waivers.until": waiver, "waivers.reason": waiver, "waivers.owner": waiver, "waivers.reference": waiver, "waivers.recorded": waiver,
		"waivers.recorded.date": waiver, "waivers.recorded.severity": waiver, "waivers.recorded.fixed": waiver, "waivers.recorded.known-exploited": waiver,
		"waiver-files": waiver, "waiver-limits": {why: "a mapping"},
		"waiver-limits.max-horizon": {have: "90d", tighter: []string{"89d"}, looser: []string{"91d"}, add: []string{"3650d"}},
		"waiver-limits.same-day":    {have: "4", tighter: []string{"3"}, looser: []string{"5"}, add: []string{"5", "2"}, narrow: []string{"6"}},
		"waiver-limits.on-drift":    {have: "fail", looser: []string{"show"}, add: []string{"fail", "show"}},
		"waiver-limits.reference":   {have: "required", looser: []string{"optional"}, add: []string{"required", "optional"}},
		"images":                    {why: "TestSectionsBelowEnforced"}, "images.match": {why: "TestSectionsBelowEnforced"},
	}
	for _, path := range allPaths() {
		if strings.HasPrefix(path, "authorities") {
			table[path] = signer
		}
		if strings.HasPrefix(path, "rules.attestations.conditions.") {
			table[path] = condition
		}
	}
	return table
}

func withNarrow(t tightening, values ...string) tightening {
	t.narrow = values
	return t
}
