// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// good is evidence that passes every rule of strict.
func good() evidence.Evidence {
	pkgs := []evidence.Package{
		{Name: "openssl", Version: "3.1.4-r0", Type: "alpine", Class: evidence.ClassOS, PURL: "pkg:apk/alpine/openssl@3.1.4-r0?arch=x86_64", SourceName: "openssl"},
		{Name: "lodash", Version: "4.17.10", Type: "node-pkg", Class: evidence.ClassLanguage, PURL: "pkg:npm/lodash@4.17.10", Path: "app/node_modules/lodash/package.json"},
	}
	return evidence.Evidence{
		Subject: evidence.Subject{
			Reference: "registry.example.com/app:1.2", Name: "registry.example.com/app:1.2", Source: evidence.SourceRegistry,
			Digest: "sha256:aa", ImageID: "sha256:bb", Platform: evidence.Platform{OS: "linux", Architecture: "amd64"},
		},
		Image:    evidence.ImageFacts{User: evidence.User{Configured: "app", UID: ptr(int64(1000)), GID: ptr(int64(1000))}},
		Layers:   []evidence.LayerFacts{{DiffID: "sha256:cc", Verification: evidence.LayerVerified}},
		Packages: pkgs,
		Coverage: evidence.Coverage{
			OS: evidence.OSFacts{Family: "alpine", Release: "3.19.1"}, Packages: map[string]int{"alpine": 1, "node-pkg": 1},
			Files: 80, Bytes: 1 << 20, SecretScan: true,
		},
		Database: evidence.DatabaseState{Digest: "sha256:dd", UpdatedAt: ptr(now.Add(-6 * time.Hour))},
	}
}

// with changes a copy of good.
func with(change func(*evidence.Evidence)) evidence.Evidence {
	ev := good()
	change(&ev)
	return ev
}

func problem(p evidence.Problem) evidence.Evidence {
	return with(func(ev *evidence.Evidence) { ev.Problems = append(ev.Problems, p) })
}

// vuln is a vulnerability of the i-th package of good.
func vuln(id string, sev evidence.Severity, pkg int, fixed string) evidence.Finding {
	p := good().Packages[pkg]
	return evidence.Finding{Kind: evidence.KindVulnerability, ID: id, Severity: sev, Package: &p, FixedVersion: fixed}
}

func secret(id, path string) evidence.Finding {
	return evidence.Finding{Kind: evidence.KindSecret, ID: id, Severity: evidence.SeverityCritical, Title: "A key", Path: path, StartLine: 3}
}

func found(fs ...evidence.Finding) evidence.Evidence {
	return with(func(ev *evidence.Evidence) { ev.Findings = fs })
}

func vulnRule(id string, r policy.VulnerabilityRule) policy.Rule {
	return policy.Rule{ID: id, Group: policy.GroupVulnerabilities, Action: policy.ActionFail, Vulnerabilities: &r}
}

var (
	critical = vulnRule("no-critical", policy.VulnerabilityRule{Severities: []evidence.Severity{evidence.SeverityCritical, evidence.SeverityUnknown}})
	secrets  = policy.Rule{ID: "no-secrets", Group: policy.GroupSecrets, Action: policy.ActionFail, Secrets: &policy.SecretRule{}}
	nonRoot  = policy.Rule{ID: "runtime", Group: policy.GroupConfig, Action: policy.ActionFail, Config: &policy.ConfigRule{UserNonRoot: true}}
	noLatest = policy.Rule{ID: "tags", Group: policy.GroupReference, Action: policy.ActionFail, Reference: &policy.ReferenceRule{ForbiddenTags: []string{"latest", "dev-*"}}}
)

func rules(rs ...policy.Rule) *policy.Policy {
	return &policy.Policy{
		Name: "test", Source: "policy.yaml", Digest: "sha256:ee", Platforms: policy.Platforms{All: true},
		Database: policy.Database{MaxAge: 3 * 24 * time.Hour}, Rules: rs,
	}
}

func strict() *policy.Policy { return rules(critical, secrets, nonRoot, noLatest) }

func asWarning(r policy.Rule) policy.Rule {
	r.Action = policy.ActionWarn
	return r
}

func decide(p *policy.Policy, evs ...evidence.Evidence) verdict.Verdict {
	return verdict.Decide(verdict.Input{Policy: p, Reference: "registry.example.com/app:1.2", Evidence: evs, EffectiveTime: now})
}

func outcome(v verdict.Verdict, rule string) verdict.Outcome {
	for _, s := range v.Subjects {
		for _, o := range s.Outcomes {
			if o.Rule == rule {
				return o
			}
		}
	}
	return verdict.Outcome{}
}
