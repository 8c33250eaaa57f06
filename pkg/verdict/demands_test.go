// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func TestCoverageDemands(t *testing.T) {
	arm := evidence.Platform{OS: "linux", Architecture: "arm64"}
	amd := evidence.Platform{OS: "linux", Architecture: "amd64"}
	scratch := with(func(ev *evidence.Evidence) {
		ev.Packages, ev.Coverage.Packages, ev.Coverage.OS = nil, nil, evidence.OSFacts{}
	})
	notMatched := with(func(ev *evidence.Evidence) { ev.Coverage.NotMatched = []string{"cocoapods"} })
	for _, tt := range []struct {
		name    string
		demand  policy.Coverage
		ev      evidence.Evidence
		rule    string
		want    verdict.Result
		summary string
	}{
		{"enough packages", policy.Coverage{MinPackages: 2}, good(), "coverage.packages", verdict.Pass, "2 packages"},
		{"too few packages", policy.Coverage{MinPackages: 3}, good(), "coverage.packages", verdict.Error, "2 packages found, where the policy demands 3"},
		{"too few where none is needed", policy.Coverage{MinPackages: 1, PackagesOptional: true}, scratch, "coverage.packages", verdict.Error, "demands 1"},
		{"types are there", policy.Coverage{PackageTypes: []string{"os", "node-pkg", "alpine"}}, good(), "coverage.packages", verdict.Pass, ""},
		{"a type is missing", policy.Coverage{PackageTypes: []string{"os", "gobinary"}}, good(), "coverage.packages", verdict.Error, "gobinary"},
		{"a class is missing", policy.Coverage{PackageTypes: []string{"language"}, PackagesOptional: true}, scratch, "coverage.packages", verdict.Error, "language"},
		{"not matched is shown", policy.Coverage{}, notMatched, "coverage.packages", verdict.Pass, ""},
		{"not matched is refused", policy.Coverage{NotMatchedError: true}, notMatched, "coverage.packages", verdict.Error, "cocoapods"},
		{"optional packages are visible in a pass", policy.Coverage{PackagesOptional: true}, good(), "coverage.packages", verdict.Pass, "optional by policy"},
		{"optional packages are visible where none is there", policy.Coverage{PackagesOptional: true}, scratch, "coverage.packages", verdict.Pass, "accepted by policy"},
		{"optional system is visible in a pass", policy.Coverage{OSOptional: true}, good(), "coverage.os", verdict.Pass, "alpine 3.19.1; optional by policy"},
		{"accepted files are visible in a pass", policy.Coverage{UnreadableAccept: []string{"a/**"}}, good(), "coverage.files", verdict.Pass, "1 glob of unreadable files accepted by policy"},

		{"optional on another platform", policy.Coverage{Platforms: []policy.PlatformCoverage{{Platform: arm, Said: []string{"packages"}, Coverage: policy.Coverage{PackagesOptional: true}}}},
			scratch, "coverage.packages", verdict.Error, "no package"},
		{"optional on this platform", policy.Coverage{Platforms: []policy.PlatformCoverage{{Platform: amd, Said: []string{"packages"}, Coverage: policy.Coverage{PackagesOptional: true}}}},
			good(), "coverage.packages", verdict.Pass, "optional by policy on linux/amd64"},
		{"required on this platform", policy.Coverage{PackagesOptional: true, Platforms: []policy.PlatformCoverage{{Platform: amd, Said: []string{"packages"}}}},
			scratch, "coverage.packages", verdict.Error, "no package"},
		{"what a platform does not say stays", policy.Coverage{MinPackages: 9, Platforms: []policy.PlatformCoverage{{Platform: amd, Said: []string{"os"}}}},
			good(), "coverage.packages", verdict.Error, "demands 9"},

		{"secrets searched", policy.Coverage{SecretsRequired: true}, good(), "coverage.secrets", verdict.Pass, "80 files searched"},
		{"secrets not searched", policy.Coverage{SecretsRequired: true}, with(func(ev *evidence.Evidence) { ev.Coverage.SecretScan = false }), "coverage.secrets", verdict.Error, "not searched"},
		{"base not searched", policy.Coverage{BaseSecretsRequired: true}, with(func(ev *evidence.Evidence) { ev.Coverage.BaseLayers = 2 }), "coverage.secrets", verdict.Error, "2 layers of a base image were not"},
		{"base not searched, which is visible", policy.Coverage{SecretsRequired: true}, with(func(ev *evidence.Evidence) { ev.Coverage.BaseLayers = 1 }), "coverage.secrets", verdict.Pass, "optional by policy"},
		{"the policy does not speak of it", policy.Coverage{}, good(), "coverage.secrets", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := strict()
			p.Coverage = tt.demand
			o := outcome(decide(p, tt.ev), tt.rule)
			if o.Result != tt.want || !strings.Contains(o.Summary, tt.summary) {
				t.Errorf("%s: %s, want %s: %s", o.Result, o.Summary, tt.want, tt.summary)
			}
		})
	}
}

func TestJavaDatabaseAge(t *testing.T) {
	java := func(at *time.Time) evidence.Evidence {
		return with(func(ev *evidence.Evidence) {
			ev.Database.Java = &evidence.DatabaseState{Digest: "sha256:1", UpdatedAt: at, Origin: "mirror"}
		})
	}
	week := 7 * 24 * time.Hour
	for _, tt := range []struct {
		name    string
		maxAge  time.Duration
		ev      evidence.Evidence
		want    verdict.Result
		summary string
	}{
		{"no jar", week, good(), verdict.Pass, ""},
		{"recent", week, java(ptr(now.Add(-week))), verdict.Pass, "Java database of 2026-03-03T12:00:00Z, 7d old; at most 7d allowed"},
		{"old", week, java(ptr(now.Add(-week - 1))), verdict.Error, "where the policy allows 7d"},
		{"old, no limit", 0, java(ptr(now.Add(-100 * week))), verdict.Pass, "700d old"},
		{"from the future", week, java(ptr(now.Add(week))), verdict.Error, "after the effective time"},
		{"without a date", week, java(nil), verdict.Error, "does not say when"},
		{"without a date, no limit", 0, java(nil), verdict.Pass, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := strict()
			p.Database.JavaMaxAge = tt.maxAge
			o := outcome(decide(p, tt.ev), "database")
			if o.Result != tt.want || !strings.Contains(o.Summary, tt.summary) {
				t.Errorf("%s: %s, want %s: %s", o.Result, o.Summary, tt.want, tt.summary)
			}
		})
	}
}
