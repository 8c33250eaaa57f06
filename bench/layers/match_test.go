// SPDX-License-Identifier: Apache-2.0

package layers

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	boltfixtures "github.com/aquasecurity/bolt-fixtures"
	"github.com/aquasecurity/trivy-db/pkg/db"
	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	bolt "go.etcd.io/bbolt"

	"github.com/aquasecurity/trivy/pkg/clock"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	tlog "github.com/aquasecurity/trivy/pkg/log"
	"github.com/aquasecurity/trivy/pkg/result"
	"github.com/aquasecurity/trivy/pkg/scan/langpkg"
	"github.com/aquasecurity/trivy/pkg/scan/local"
	"github.com/aquasecurity/trivy/pkg/scan/ospkg"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vulnerability"

	"github.com/ocigate/ocigate/pkg/scan/match"
)

// ready hands Trivy's service a detail as it is.
type ready struct{ ftypes.ArtifactDetail }

func (r ready) ApplyLayers(context.Context, string, []string) (ftypes.ArtifactDetail, error) {
	switch {
	case !r.OS.Detected():
		return r.ArtifactDetail, analyzer.ErrUnknownOS
	case r.Packages == nil:
		return r.ArtifactDetail, analyzer.ErrNoPkgsDetected
	}
	return r.ArtifactDetail, nil
}

// trivyMatches does what the CLI does with its default options.
func trivyMatches(ctx context.Context, name string, d ftypes.ArtifactDetail) (types.Results, ftypes.OS, error) {
	service := local.NewService(ready{d}, ospkg.NewScanner(), langpkg.NewScanner(), vulnerability.NewClient(db.Config{}))
	resp, err := service.Scan(ctx, name, "", nil, types.ScanOptions{PkgTypes: types.PkgTypes, PkgRelationships: ftypes.Relationships,
		Scanners:            types.Scanners{types.VulnerabilityScanner, types.SecretScanner, types.SBOMScanner},
		VulnSeveritySources: []dbtypes.SourceID{"auto"}})
	if err != nil {
		return nil, ftypes.OS{}, err
	}
	all := []dbtypes.Severity{dbtypes.SeverityUnknown, dbtypes.SeverityLow, dbtypes.SeverityMedium, dbtypes.SeverityHigh, dbtypes.SeverityCritical}
	for i := range resp.Results {
		if err := result.FilterResult(ctx, &resp.Results[i], result.IgnoreConfig{}, result.FilterOptions{Severities: all}); err != nil {
			return nil, ftypes.OS{}, err
		}
	}
	return resp.Results, resp.OS, nil
}

// fixtures opens the database of Trivy's integration tests, and returns the packages
// that it knows by bucket.
func fixtures(t testing.TB) map[string][]string {
	t.Helper()
	tlog.SetDefault(slog.New(slog.DiscardHandler))
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/trivy").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "integration/testdata/fixtures/db/*.yaml"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d fixtures: %v", len(files), err)
	}
	dir := t.TempDir()
	loader, err := boltfixtures.New(db.Path(dir), files)
	if err == nil {
		err = errors.Join(loader.Load(), loader.Close(), db.Init(dir))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	known := map[string][]string{}
	err = db.Config{}.Connection().View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			return b.ForEachBucket(func(k []byte) error {
				known[string(name)] = append(known[string(name)], string(k))
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// languages are types by the prefix of their buckets.
var languages = map[string][]ftypes.LangType{
	"npm::": {ftypes.NodePkg}, "pip::": {ftypes.PythonPkg}, "rubygems::": {ftypes.GemSpec}, "maven::": {ftypes.Jar}, "go::": {ftypes.GoBinary},
	"cargo::": {ftypes.Cargo, ftypes.RustBinary}, "composer::": {ftypes.ComposerVendor}, "nuget::": {ftypes.NuGet, ftypes.DotNetCore, ftypes.PackagesProps},
	"julia::": {ftypes.Julia}, "conda": {ftypes.CondaPkg},
}

// inventory is made of packages that the database knows.
func (c choice) inventory(known map[string][]string) ftypes.ArtifactDetail {
	names := func(prefix string) []string {
		var out []string
		for bucket, list := range known {
			if strings.HasPrefix(bucket, prefix) {
				out = append(out, list...)
			}
		}
		slices.Sort(out)
		return append(slices.Compact(out), "unheard-of")
	}
	d := ftypes.ArtifactDetail{OS: pick(c, ftypes.OS{}, ftypes.OS{Family: ftypes.Debian, Name: "9.8"}, ftypes.OS{Family: ftypes.Alpine, Name: "3.9.4"},
		ftypes.OS{Family: ftypes.Alpine, Name: "3.10.2"}, ftypes.OS{Family: ftypes.Ubuntu, Name: "18.04"}, ftypes.OS{Family: ftypes.RedHat, Name: "7.9"},
		ftypes.OS{Family: ftypes.CentOS, Name: "7.6"}, ftypes.OS{Family: ftypes.Amazon, Name: "2"}, ftypes.OS{Family: ftypes.Oracle, Name: "8"},
		ftypes.OS{Family: ftypes.Rocky, Name: "8.5"}, ftypes.OS{Family: ftypes.Photon, Name: "3.0"}, ftypes.OS{Family: ftypes.Fedora, Name: "40"},
		ftypes.OS{Family: ftypes.OpenSUSELeap, Name: "15.1"}, ftypes.OS{Family: ftypes.ActiveState}, ftypes.OS{Family: ftypes.Wolfi})}
	if c(4) == 0 {
		d.Repository = &ftypes.Repository{Family: ftypes.Alpine, Release: "3.10"}
	}
	for range c(3) * 20 {
		name := pick(c, names("")...)
		p := ftypes.Package{Name: name, SrcName: name, Version: pick(c, "0.1", "1.0", "99"), Release: pick(c, "", "1.el7"), Arch: "x86_64", Layer: ftypes.Layer{DiffID: "sha256:a"}}
		p.SrcVersion, p.SrcRelease, p.ID = p.Version, p.Release, name+"@"+p.Version
		d.Packages = append(d.Packages, p)
	}
	prefixes := make([]string, 0, len(languages))
	for p := range languages {
		prefixes = append(prefixes, p)
	}
	slices.Sort(prefixes)
	for range c(6) {
		prefix := pick(c, prefixes...)
		app := ftypes.Application{Type: pick(c, languages[prefix]...), FilePath: pick(c, "", "a", "b")}
		for range c(3) * 60 {
			p := ftypes.Package{Name: pick(c, names(prefix)...), Version: pick(c, "0.0.1", "1.0.0", "4.17.4", "99.0.0", "bad!version", ""), FilePath: pick(c, "", "x", "y"),
				Dev: c(9) == 0, Relationship: pick(c, ftypes.Relationships...), Layer: ftypes.Layer{DiffID: pick(c, "sha256:a", "sha256:b")}}
			p.ID = pick(c, "", p.Name+"@"+p.Version)
			app.Packages = append(app.Packages, p)
		}
		d.Applications = append(d.Applications, app)
	}
	for range c(3) {
		d.Secrets = append(d.Secrets, ftypes.Secret{FilePath: pick(c, "a", "b"), Findings: []ftypes.SecretFinding{{RuleID: "aws", Severity: "CRITICAL"}}})
	}
	d.Sort()
	return d
}

// same is what is compared of results: packages in the order that Trivy leaves open, and
// vulnerabilities as they stand.
func same(t *testing.T, rs types.Results) []string {
	t.Helper()
	var out []string
	for _, r := range rs {
		// Of one package that is listed twice under one path Trivy takes a layer by chance.
		for i := range r.Vulnerabilities {
			r.Vulnerabilities[i].Layer = ftypes.Layer{}
		}
		packages := sorted(t, r.Packages)
		r.Packages, r.MisconfSummary = nil, nil
		out = append(out, text(t, []any{packages, r}))
	}
	slices.Sort(out) // results of one path have no order of their own
	return out
}

func TestMatchesEqualTrivy(t *testing.T) {
	known := fixtures(t)
	ctx := clock.With(t.Context(), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	vulnerabilities := 0
	for seed := range uint64(300) {
		want, wantOS, err := trivyMatches(ctx, "image", random(seed).inventory(known))
		if err != nil {
			t.Fatal(err)
		}
		d := random(seed).inventory(known)
		got, err := match.Run(ctx, "image", &d)
		if err != nil {
			t.Fatal(err)
		}
		if got.OS != wantOS {
			t.Fatalf("seed %d: %+v, Trivy %+v", seed, got.OS, wantOS)
		}
		if a, b := same(t, got.Results), same(t, want); !slices.Equal(a, b) {
			t.Fatalf("seed %d: got\n%s\nTrivy\n%s", seed, strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
		for _, r := range got.Results {
			vulnerabilities += len(r.Vulnerabilities)
		}
	}
	if vulnerabilities < 1000 {
		t.Errorf("only %d vulnerabilities were compared", vulnerabilities)
	}
	t.Logf("%d vulnerabilities", vulnerabilities)
}

func BenchmarkMatch(b *testing.B) {
	known := fixtures(b)
	var names []string
	for bucket, list := range known {
		if strings.HasPrefix(bucket, "npm::") {
			names = append(names, list...)
		}
	}
	inventory := func() ftypes.ArtifactDetail {
		app := ftypes.Application{Type: ftypes.NodePkg}
		for i := range 20_000 {
			p := ftypes.Package{Name: names[i%len(names)], Version: "0.0.1", FilePath: "srv/" + names[i%len(names)] + strings.Repeat("x", i%50) + "/package.json"}
			if i%3 > 0 { // most have no advisories
				p.Name += strings.Repeat("y", i%400)
			}
			app.Packages = append(app.Packages, p)
		}
		return ftypes.ArtifactDetail{Applications: ftypes.Applications{app}}
	}
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			d := inventory()
			if _, err := match.Run(b.Context(), "image", &d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Trivy", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := trivyMatches(b.Context(), "image", inventory()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
