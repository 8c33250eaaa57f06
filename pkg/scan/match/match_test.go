// SPDX-License-Identifier: Apache-2.0

package match

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/clock"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	tlog "github.com/aquasecurity/trivy/pkg/log"
	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
)

const advisories = `
- bucket: debian 12
  pairs:
    - {bucket: libc, pairs: [{key: CVE-2099-0001, value: {FixedVersion: "2", Severity: 1}}]}
    - {bucket: curl, pairs: [{key: CVE-2099-0001, value: {FixedVersion: "9", Severity: 4}}]}
- bucket: npm::GitHub Security Advisory npm
  pairs:
    - {bucket: x, pairs: [{key: CVE-2099-0002, value: {VulnerableVersions: ["< 2"], PatchedVersions: ["2"]}}]}
    - {bucket: y, pairs: [{key: CVE-2099-0003, value: {VulnerableVersions: ["< 2"]}}]}
- bucket: data-source
  pairs:
    - {key: debian 12, value: {ID: debian}}
- bucket: vulnerability
  pairs:
    - {key: CVE-2099-0001, value: {Title: one, VendorSeverity: {nvd: 3}}}
    - {key: CVE-2099-0002, value: {Title: two, VendorSeverity: {nvd: 2}}}
`

func openDatabase(t testing.TB, documents ...string) {
	t.Helper()
	tlog.SetDefault(slog.New(slog.DiscardHandler))
	var docs [][]byte
	for _, d := range documents {
		docs = append(docs, []byte(d))
	}
	dir := t.TempDir()
	if err := dbtest.Build(dir, dbtest.Spec{Documents: docs, NoJava: true}); err != nil {
		t.Fatal(err)
	}
	if err := db.Init(dir + "/db"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func node(dir, name, version string) ftypes.Package {
	return ftypes.Package{ID: name + "@" + version, Name: name, Version: version, FilePath: dir + "/package.json", Layer: ftypes.Layer{DiffID: "sha256:" + dir}}
}

// told are the vulnerabilities with their package, place, layer and severity.
func told(rs types.Results) []string {
	var out []string
	for _, r := range rs {
		out = append(out, fmt.Sprintf("%s %s %d %d", r.Class, r.Target, len(r.Packages), len(r.Secrets)))
		for _, v := range r.Vulnerabilities {
			//lint:ignore SA1019 FillInfo chose it by SeveritySource
			severity := v.Severity
			out = append(out, strings.TrimSpace(fmt.Sprint(v.VulnerabilityID, " ", v.PkgName, " ", v.InstalledVersion, " ", v.PkgPath, " ", v.Layer.DiffID, " ",
				severity, " ", v.SeveritySource, " ", v.VendorSeverity["debian"], " ", v.Status.String(), " ", v.Title)))
		}
	}
	return out
}

func TestRun(t *testing.T) {
	openDatabase(t, advisories)
	development := node("dev", "x", "1.0.0")
	development.Dev = true
	detail := ftypes.ArtifactDetail{
		OS:       ftypes.OS{Family: ftypes.Debian, Name: "12.5"},
		Packages: ftypes.Packages{{Name: "libc", Version: "1", SrcName: "libc", SrcVersion: "1"}, {Name: "curl", Version: "1", SrcName: "curl", SrcVersion: "1"}},
		Applications: ftypes.Applications{
			{Type: ftypes.NodePkg, Packages: ftypes.Packages{node("b", "x", "1.0.0"), node("a", "x", "1.0.0"), node("c", "x", "2.0.0"), node("d", "y", "1.0.0"), node("e", "x", ""), development}},
			{Type: ftypes.Cargo, FilePath: "app/Cargo.lock", Packages: ftypes.Packages{node("", "x", "1.0.0")}},
			{Type: ftypes.GemSpec, FilePath: "empty"},
		},
		Secrets: ftypes.Secrets{{FilePath: "app/.env", Findings: []ftypes.SecretFinding{{RuleID: "r", Severity: "HIGH"}}}},
	}
	got, err := Run(clock.With(t.Context(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), "image", &detail)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"os-pkgs image (debian 12.5) 2 0",
		"CVE-2099-0001 curl 1   CRITICAL debian CRITICAL fixed one",
		"CVE-2099-0001 libc 1   LOW debian LOW fixed one",
		"lang-pkgs Node.js 5 0",
		"CVE-2099-0002 x 1.0.0 a/package.json sha256:a MEDIUM nvd UNKNOWN fixed two",
		"CVE-2099-0002 x 1.0.0 b/package.json sha256:b MEDIUM nvd UNKNOWN fixed two",
		"CVE-2099-0003 y 1.0.0 d/package.json sha256:d UNKNOWN  UNKNOWN fixed",
		"lang-pkgs app/Cargo.lock 1 0",
		"secret app/.env 0 1",
	}
	if out := told(got.Results); !slices.Equal(out, want) {
		t.Errorf("%s\nwant\n%s", strings.Join(out, "\n"), strings.Join(want, "\n"))
	}
	if got.Unsupported || got.OS.Family != ftypes.Debian || got.OS.Eosl {
		t.Errorf("%+v", got.OS)
	}
}

func TestWhichDistribution(t *testing.T) {
	openDatabase(t, advisories)
	packages := ftypes.Packages{{Name: "libc", Version: "1"}}
	repo := &ftypes.Repository{Family: ftypes.Alpine, Release: "3.20"}
	cases := map[string]struct {
		detail      ftypes.ArtifactDetail
		want        ftypes.OS
		unsupported bool
		results     int
	}{
		"none":                     {ftypes.ArtifactDetail{}, ftypes.OS{}, false, 0},
		"packages without one":     {ftypes.ArtifactDetail{Packages: packages}, ftypes.OS{Family: "none"}, true, 0},
		"repository alone":         {ftypes.ArtifactDetail{Repository: repo}, ftypes.OS{Family: ftypes.Alpine, Name: "3.20"}, false, 1},
		"repository and packages":  {ftypes.ArtifactDetail{Repository: repo, Packages: packages}, ftypes.OS{Family: ftypes.Alpine, Name: "3.20"}, false, 1},
		"both":                     {ftypes.ArtifactDetail{Repository: repo, OS: ftypes.OS{Family: ftypes.Wolfi}}, ftypes.OS{Family: ftypes.Wolfi}, false, 1},
		"no longer maintained":     {ftypes.ArtifactDetail{OS: ftypes.OS{Family: ftypes.Debian, Name: "9"}}, ftypes.OS{Family: ftypes.Debian, Name: "9", Eosl: true}, false, 1},
		"without a detector":       {ftypes.ArtifactDetail{OS: ftypes.OS{Family: ftypes.Fedora, Name: "40"}, Packages: packages}, ftypes.OS{Family: ftypes.Fedora, Name: "40"}, true, 0},
		"without packages, always": {ftypes.ArtifactDetail{OS: ftypes.OS{Family: ftypes.ActiveState}}, ftypes.OS{Family: ftypes.ActiveState}, false, 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Run(clock.With(t.Context(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), "image", &c.detail)
			if err != nil {
				t.Fatal(err)
			}
			if got.OS != c.want || got.Unsupported != c.unsupported || len(got.Results) != c.results {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestUnique(t *testing.T) {
	v := func(id, pkg, path, fixed, severity string) types.DetectedVulnerability {
		//lint:ignore SA1019 it is what Trivy's FillInfo chose, and what decides here
		return types.DetectedVulnerability{VulnerabilityID: id, PkgName: pkg, PkgPath: path, FixedVersion: fixed, Vulnerability: dbtypes.Vulnerability{Severity: severity}}
	}
	var got []string
	for _, v := range unique([]types.DetectedVulnerability{
		v("CVE-2", "b", "", "1", "LOW"), v("CVE-1", "b", "", "2", "LOW"), v("CVE-1", "b", "", "3", "LOW"), v("CVE-1", "b", "", "1", "LOW"),
		v("CVE-3", "b", "", "", "HIGH"), v("CVE-9", "a", "y", "", "LOW"), v("CVE-9", "a", "x", "", "LOW"),
	}) {
		got = append(got, strings.TrimSpace(v.VulnerabilityID+" "+v.PkgName+v.PkgPath+" "+v.FixedVersion))
	}
	if want := []string{"CVE-9 ax", "CVE-9 ay", "CVE-3 b", "CVE-1 b 3", "CVE-2 b 1"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if unique(nil) != nil {
		t.Error("something of nothing")
	}
}

// What one of two packages writes into the severities is not the other's.
func TestDetailsAreNotShared(t *testing.T) {
	openDatabase(t, advisories)
	m := &memo{Operation: db.Config{}, known: map[string]answer{}}
	for range 2 {
		v, err := m.GetVulnerability("CVE-2099-0001")
		if err != nil || len(v.VendorSeverity) != 1 || v.Title != "one" {
			t.Fatalf("%+v, %v", v, err)
		}
		v.VendorSeverity["debian"] = dbtypes.SeverityLow
	}
	for range 2 {
		if _, err := m.GetVulnerability("CVE-2099-0009"); err == nil {
			t.Error("no error for what the database does not know")
		}
	}
}

func TestJobs(t *testing.T) {
	j := newJobs(t.Context())
	j.do(func() error { panic("x") })
	if err := j.wait(); err == nil || !strings.Contains(err.Error(), "panic: x") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j = newJobs(ctx)
	j.do(func() error { return nil })
	if err := j.wait(); err == nil {
		t.Error("a cancelled context is no error")
	}
}

// BenchmarkRun matches 20,000 packages of npm, of which a third has vulnerabilities and
// a third is another copy, beside 400 of Debian.
func BenchmarkRun(b *testing.B) {
	var text strings.Builder
	text.WriteString("- bucket: npm::GitHub Security Advisory npm\n  pairs:\n")
	for i := 0; i < 13_000; i += 2 {
		fmt.Fprintf(&text, "    - {bucket: p%d, pairs: [{key: CVE-2099-%d, value: {VulnerableVersions: [\"< 2\"], PatchedVersions: [\"2\"]}}]}\n", i, i%2000)
	}
	text.WriteString("- bucket: debian 12\n  pairs:\n")
	for i := range 400 {
		fmt.Fprintf(&text, "    - {bucket: d%d, pairs: [{key: CVE-2099-%d, value: {FixedVersion: \"2\", Severity: 1}}]}\n", i, i)
	}
	text.WriteString("- bucket: vulnerability\n  pairs:\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "    - {key: CVE-2099-%d, value: {Title: x, Description: %q, VendorSeverity: {nvd: 3}, References: [https://example.com/%d]}}\n", i, strings.Repeat("words ", 100), i)
	}
	openDatabase(b, text.String())
	source := ftypes.ArtifactDetail{OS: ftypes.OS{Family: ftypes.Debian, Name: "12.5"}, Applications: ftypes.Applications{{Type: ftypes.NodePkg}}}
	for i := range 20_000 {
		source.Applications[0].Packages = append(source.Applications[0].Packages, node(fmt.Sprintf("srv/%d", i), fmt.Sprintf("p%d", i%13_000), "1.0.0"))
	}
	for i := range 400 {
		name := fmt.Sprintf("d%d", i)
		source.Packages = append(source.Packages, ftypes.Package{Name: name, Version: "1", SrcName: name, SrcVersion: "1"})
	}
	for b.Loop() {
		detail := source
		detail.Packages = slices.Clone(source.Packages)
		detail.Applications = ftypes.Applications{{Type: ftypes.NodePkg, Packages: slices.Clone(source.Applications[0].Packages)}}
		r, err := Run(b.Context(), "image", &detail)
		if err != nil || len(r.Results) != 2 || len(r.Results[0].Vulnerabilities) != 400 || len(r.Results[1].Vulnerabilities) < 9_000 {
			b.Fatal(err, len(r.Results))
		}
	}
}
