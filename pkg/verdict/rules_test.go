// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func TestVulnerabilities(t *testing.T) {
	all := []evidence.Finding{
		vuln("CVE-1", evidence.SeverityCritical, 0, "3.1.4-r1"),
		vuln("CVE-2", evidence.SeverityHigh, 0, ""),
		vuln("CVE-3", evidence.SeverityHigh, 1, "4.17.21"),
		vuln("CVE-4", evidence.SeverityUnknown, 1, ""),
		vuln("CVE-5", evidence.SeverityLow, 0, ""),
		vuln("CVE-1", evidence.SeverityCritical, 0, "3.1.4-r1"), // the same again
		secret("aws", "k"),
	}
	sev := func(s ...evidence.Severity) []evidence.Severity { return s }
	for _, tt := range []struct {
		name   string
		rule   policy.VulnerabilityRule
		want   int
		result verdict.Result
	}{
		{"critical", policy.VulnerabilityRule{Severities: sev(evidence.SeverityCritical)}, 1, verdict.Fail},
		{"high", policy.VulnerabilityRule{Severities: sev(evidence.SeverityHigh)}, 2, verdict.Fail},
		{"medium", policy.VulnerabilityRule{Severities: sev(evidence.SeverityMedium)}, 0, verdict.Pass},
		{"unknown is not low", policy.VulnerabilityRule{Severities: sev(evidence.SeverityUnknown)}, 1, verdict.Fail},
		{"low is not unknown", policy.VulnerabilityRule{Severities: sev(evidence.SeverityLow)}, 1, verdict.Fail},
		{"no severity selects all", policy.VulnerabilityRule{}, 5, verdict.Fail},
		{"fixed", policy.VulnerabilityRule{Severities: sev(evidence.SeverityHigh), Fixed: ptr(true)}, 1, verdict.Fail},
		{"not fixed", policy.VulnerabilityRule{Fixed: ptr(false)}, 3, verdict.Fail},
		{"class", policy.VulnerabilityRule{PackageTypes: []string{"os"}}, 3, verdict.Fail},
		{"type", policy.VulnerabilityRule{PackageTypes: []string{"node-pkg"}}, 2, verdict.Fail},
		{"another type", policy.VulnerabilityRule{PackageTypes: []string{"jar"}}, 0, verdict.Pass},
		{"at the limit", policy.VulnerabilityRule{Severities: sev(evidence.SeverityHigh), Max: 2}, 2, verdict.Pass},
		{"over the limit", policy.VulnerabilityRule{Max: 4}, 5, verdict.Fail},
		{"a limit below zero", policy.VulnerabilityRule{Severities: sev(evidence.SeverityMedium), Max: -1}, 0, verdict.Pass},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := outcome(decide(rules(vulnRule("r", tt.rule)), found(all...)), "r")
			if o.Result != tt.result || len(o.Violations) != tt.want {
				t.Errorf("%s with %d violations (%s), want %s with %d", o.Result, len(o.Violations), o.Summary, tt.result, tt.want)
			}
			if o.Examined != 5 {
				t.Errorf("examined %d, want 5", o.Examined)
			}
		})
	}
}

func TestVulnerabilitiesOddFindings(t *testing.T) {
	beyond := vuln("CVE-1", evidence.Severity(9), 0, "")
	nameless := evidence.Finding{Kind: evidence.KindVulnerability, ID: "CVE-2", Severity: evidence.SeverityCritical}
	r := critical
	r.Vulnerabilities = &policy.VulnerabilityRule{Severities: r.Vulnerabilities.Severities, PackageTypes: []string{"alpine"}}
	if o := outcome(decide(rules(r), found(beyond, nameless)), "no-critical"); len(o.Violations) != 2 {
		t.Errorf("violations: %+v", o.Violations)
	}
	elsewhere := vuln("CVE-3", evidence.SeverityCritical, 1, "")
	elsewhere.Package.Path = "other/package.json"
	o := outcome(decide(rules(critical), found(vuln("CVE-3", evidence.SeverityCritical, 1, ""), elsewhere)), "no-critical")
	if len(o.Violations) != 2 {
		t.Errorf("one vulnerability in two files: %d violations", len(o.Violations))
	}
}

func TestSecrets(t *testing.T) {
	ev := found(secret("aws", "a"), secret("aws", "a"), secret("aws", "b"))
	if o := outcome(decide(rules(secrets), ev), "no-secrets"); o.Result != verdict.Fail || len(o.Violations) != 2 {
		t.Errorf("%s: %+v", o.Result, o.Violations)
	}
	r := secrets
	r.Secrets = &policy.SecretRule{Severities: []evidence.Severity{evidence.SeverityLow}}
	if o := outcome(decide(rules(r), ev), "no-secrets"); o.Result != verdict.Pass {
		t.Errorf("another severity: %s", o.Result)
	}
	r.Secrets = &policy.SecretRule{Max: 2}
	if o := outcome(decide(rules(r), ev), "no-secrets"); o.Result != verdict.Pass || len(o.Violations) != 2 {
		t.Errorf("tolerated: %s, %d violations", o.Result, len(o.Violations))
	}
	unread := problem(evidence.Problem{Area: evidence.AreaFile, What: "big.bin", Analyzer: "secret", Message: "m"})
	if o := outcome(decide(rules(secrets), unread), "no-secrets"); o.Result != verdict.Error {
		t.Errorf("a file that was not searched: %s", o.Result)
	}
}

func TestUser(t *testing.T) {
	id := func(n int64) *int64 { return &n }
	for _, tt := range []struct {
		name string
		user evidence.User
		area evidence.Area
		want verdict.Result
		says string
	}{
		{"by name", evidence.User{Configured: "app", UID: id(7), GID: id(7)}, "", verdict.Pass, "uid 7"},
		{"none", evidence.User{}, "", verdict.Fail, "sets no USER"},
		{"blank", evidence.User{Configured: " "}, "", verdict.Fail, "sets no USER"},
		{"root", evidence.User{Configured: "root", UID: id(0), GID: id(0)}, "", verdict.Fail, "uid 0"},
		{"root by another name", evidence.User{Configured: "toor", UID: id(0), GID: id(5)}, "", verdict.Fail, "uid 0"},
		{"root group", evidence.User{Configured: "1000", UID: id(1000), GID: id(0)}, "", verdict.Fail, "root group"},
		{"not resolved", evidence.User{Configured: "app", Reason: "no /etc/passwd"}, "", verdict.Error, "cannot resolve USER app: no /etc/passwd"},
		{"group not resolved", evidence.User{Configured: "app:g", UID: id(7)}, "", verdict.Error, "cannot resolve the group"},
		{"nothing read", evidence.User{}, evidence.AreaImage, verdict.Error, "not known"},
		{"scan failed before the user was read", evidence.User{}, evidence.AreaScan, verdict.Error, "not known"},
		{"no USER is certain once the configuration was read", evidence.User{UID: id(0), GID: id(0)}, evidence.AreaLimit, verdict.Fail, "sets no USER"},
		{"numbers need no layer", evidence.User{Configured: "7:8", UID: id(7), GID: id(8)}, evidence.AreaIntegrity, verdict.Pass, "gid 8"},
		{"a name needs every layer", evidence.User{Configured: "app", UID: id(7), GID: id(7)}, evidence.AreaIntegrity, verdict.Error, "integrity"},
		{"a group by default needs every layer", evidence.User{Configured: "7", UID: id(7), GID: id(0)}, evidence.AreaIntegrity, verdict.Error, "integrity"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := good()
			ev.Image.User = tt.user
			if tt.area != "" {
				ev.Problems = []evidence.Problem{{Area: tt.area, Message: "m"}}
			}
			o := outcome(decide(rules(nonRoot), ev), "runtime")
			if o.Result != tt.want || !strings.Contains(o.Summary, tt.says) {
				t.Errorf("%s: %s; want %s, with %q", o.Result, o.Summary, tt.want, tt.says)
			}
		})
	}
}

func TestReference(t *testing.T) {
	const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, tt := range []struct {
		name string
		sub  evidence.Subject
		want verdict.Result
	}{
		{"tag", evidence.Subject{Source: "registry", Reference: "app:1.2"}, verdict.Pass},
		{"latest", evidence.Subject{Source: "registry", Reference: "app:latest"}, verdict.Fail},
		{"pattern", evidence.Subject{Source: "registry", Reference: "app:dev-7"}, verdict.Fail},
		{"no tag", evidence.Subject{Source: "registry", Reference: "app"}, verdict.Fail},
		{"no tag behind a port", evidence.Subject{Source: "registry", Reference: "localhost:5000/app"}, verdict.Fail},
		{"digest", evidence.Subject{Source: "registry", Reference: "app@sha256:" + hex64}, verdict.Pass},
		{"forbidden tag with digest", evidence.Subject{Source: "registry", Reference: "app:latest@sha256:" + hex64}, verdict.Fail},
		{"a name that lost its tag", evidence.Subject{Source: "registry", Reference: "app:latest@sha256:" + hex64, Name: "r.io/app@sha256:" + hex64}, verdict.Fail},
		{"transport", evidence.Subject{Source: "docker-daemon", Reference: "docker-daemon:app"}, verdict.Fail},
		{"transport with slashes", evidence.Subject{Source: "registry", Reference: "docker://app:1.2"}, verdict.Pass},
		{"image id", evidence.Subject{Source: "docker-daemon", Reference: "sha256:" + hex64}, verdict.Pass},
		{"image id with transport", evidence.Subject{Source: "docker-daemon", Reference: "docker-daemon:sha256:" + hex64}, verdict.Pass},
		{"short image id", evidence.Subject{Source: "docker-daemon", Reference: hex64[:12]}, verdict.Pass},
		{"full name", evidence.Subject{Source: "docker-daemon", Reference: "app", Name: "docker.io/library/app:latest"}, verdict.Fail},
		{"a registry's other tags do not count", evidence.Subject{Source: "registry", Reference: "app:1", Tags: []string{"latest"}}, verdict.Pass},
		{"archive without tag", evidence.Subject{Source: "docker-archive", Reference: "app.tar"}, verdict.Skip},
		{"archive with tag", evidence.Subject{Source: "docker-archive", Reference: "app.tar", Tags: []string{"r.io:5000/app:1"}}, verdict.Pass},
		{"archive with two tags", evidence.Subject{Source: "docker-archive", Reference: "app.tar", Tags: []string{"app:1", "app:latest"}}, verdict.Fail},
		{"layout with a bare tag", evidence.Subject{Source: "oci", Reference: "oci:dir", Tags: []string{"dev-1"}}, verdict.Fail},
		{"archive by name", evidence.Subject{Source: "oci-archive", Reference: "oci-archive:x.tar", Name: "docker.io/library/app:latest"}, verdict.Fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := good()
			tt.sub.Digest = "sha256:aa"
			ev.Subject = tt.sub
			if o := outcome(decide(rules(noLatest), ev), "tags"); o.Result != tt.want {
				t.Errorf("%s: %s, want %s", o.Result, o.Summary, tt.want)
			}
		})
	}
}

func TestAcceptedByPolicy(t *testing.T) {
	static := func(ev *evidence.Evidence) {
		ev.Packages, ev.Coverage.Packages, ev.Coverage.OS = nil, nil, evidence.OSFacts{}
	}
	p := optional(strict())
	if v := decide(p, with(static)); v.Status != verdict.Passed || !strings.Contains(outcome(v, "coverage.packages").Summary, "accepted by policy") {
		t.Errorf("no packages: %s, %+v", v.Status, outcome(v, "coverage.packages"))
	}
	unexamined := problem(evidence.Problem{Area: evidence.AreaPackages, What: "npm", Message: "the database holds no advisories for npm"})
	if v := decide(p, unexamined); v.Status != verdict.Errored {
		t.Errorf("packages that were listed but not examined: %s", v.Status)
	}
	binary := with(func(ev *evidence.Evidence) {
		static(ev)
		ev.Packages, ev.Coverage.Packages = good().Packages[1:], map[string]int{"node-pkg": 1}
	})
	if v := decide(strict(), binary); v.Status != verdict.Passed {
		t.Errorf("language packages on scratch: %s, %+v", v.Status, v.Subjects[0].Outcomes)
	}
}

// Of a finding that stands twice in unsorted evidence, the graver counts.
func TestGraverOfTwo(t *testing.T) {
	v := decide(rules(critical), found(vuln("CVE-1", evidence.SeverityLow, 0, ""), vuln("CVE-1", evidence.SeverityCritical, 0, "")))
	if o := outcome(v, "no-critical"); v.Status != verdict.Failed || len(o.Violations) != 1 {
		t.Errorf("%s: %+v", v.Status, o)
	}
}
