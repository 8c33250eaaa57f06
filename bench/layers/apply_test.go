// SPDX-License-Identifier: Apache-2.0

// Package layers holds differential tests: how layers come together, and how packages
// are matched, against the real Trivy.

package layers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/package-url/packageurl-go"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/applier"
	"github.com/aquasecurity/trivy/pkg/fanal/artifact"
	sysfile "github.com/aquasecurity/trivy/pkg/fanal/handler/sysfile"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/apply"
)

// choice returns a number below n.
type choice func(n int) int

func random(seed uint64) choice { return rand.New(rand.NewPCG(seed, 5)).IntN }

// bytewise makes choices of the bytes of a fuzz input, and 0 when they are used up.
func bytewise(data []byte) choice {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b) % n
	}
}

func pick[T any](c choice, list ...T) T { return list[c(len(list))] }

// few is mostly small.
func (c choice) few(n int) int { return c(c(n) + 1) }

func (c choice) path() string {
	p := pick(c, "", "", "", "", "", "/")
	for range c(3) + 1 {
		p += pick(c, "a", "b", "app", "a.b", "node_modules") + "/"
	}
	return p + pick(c, "package.json", "a", "METADATA", "a.jar")
}

// deleted is a path that a layer deletes, or one of its parents.
func (c choice) deleted() string {
	p := pick(c, c.path(), c.path(), pick(c, databases...))
	for range c(5) {
		if i := bytes.LastIndexByte([]byte(p), '/'); i > 0 {
			p = p[:i]
		}
	}
	if p[0] == '/' {
		p = p[1:]
	}
	return p
}

var (
	databases = []string{"lib/apk/db/installed", "var/lib/dpkg/status", "var/lib/dpkg/status.d/a", "var/lib/dpkg/status.d/b", "var/lib/rpm/Packages", "a/sbom.json"}
	ecosystem = []ftypes.LangType{ftypes.NodePkg, ftypes.PythonPkg, ftypes.GemSpec, ftypes.Jar, ftypes.CondaPkg, ftypes.Cargo, ftypes.GoBinary, ftypes.NuGet,
		ftypes.DotNetCore, ftypes.PackagesProps, ftypes.Julia, ftypes.ComposerVendor, ftypes.RustBinary}
	systems = []ftypes.OS{{}, {}, {}, {Family: ftypes.Debian, Name: "12"}, {Family: ftypes.Ubuntu, Name: "24.04"}, {Family: ftypes.Ubuntu, Extended: true},
		{Family: ftypes.Alpine, Name: "3.20"}, {Family: ftypes.RedHat, Name: "9"}, {Family: ftypes.SLES, Name: "15"}, {Supplier: ftypes.SupplierSeal}, {Family: ftypes.Wolfi}}
)

func (c choice) packages(of string) ftypes.Packages {
	var out ftypes.Packages
	for range c.few(6) {
		p := ftypes.Package{Name: pick(c, "x", "y", "z", "@scope/x", "org:x", "github.com/o/x", ""), Version: pick(c, "1", "2", "1.0+b", ""),
			Release: pick(c, "", "", "1", "2"), Epoch: pick(c, 0, 0, 1), Arch: pick(c, "", "amd64"), SrcName: pick(c, "", "src"),
			Dev: c(8) == 0, Relationship: pick(c, ftypes.Relationships...), AnalyzedBy: ftypes.AnalyzerType(of)}
		if c(3) > 0 {
			p.ID = p.Name + "@" + p.Version
		}
		if c(3) == 0 {
			p.Licenses = []string{pick(c, "MIT", "GPL-2.0")}
		}
		if c(4) == 0 {
			p.InstalledFiles = []string{"/usr/bin/" + p.Name}
		}
		if c(6) == 0 {
			p.FilePath = c.path()
		}
		if c(8) == 0 {
			p.BuildInfo = &ftypes.BuildInfo{Nvr: "own"}
		}
		if of == "sbom" || c(10) == 0 {
			p.AnalyzedBy = "sbom"
			p.Identifier.PURL = packageurl.NewPackageURL(pick(c, "deb", "apk", "rpm", "npm"), pick(c, "debian", "alpine", "redhat", "suse", ""), "x", p.Version, nil, "")
			p.Identifier.BOMRef = pick(c, "", "ref")
			if c(2) == 0 {
				p.Layer = ftypes.Layer{Digest: pick(c, "sha256:elsewhere", ""), DiffID: "sha256:elsewhere"}
			}
		}
		out = append(out, p)
	}
	return out
}

func (c choice) layer(n int) ftypes.BlobInfo {
	b := ftypes.BlobInfo{SchemaVersion: 2, Size: int64(n), Digest: fmt.Sprint("sha256:stored", n), DiffID: fmt.Sprint("sha256:plain", n), CreatedBy: fmt.Sprint("step ", n)}
	b.OS = pick(c, systems...)
	if c(4) == 0 {
		b.Repository = &ftypes.Repository{Family: ftypes.Alpine, Release: pick(c, "3.19", "3.20")}
	}
	if c(4) == 0 {
		b.BuildInfo = &ftypes.BuildInfo{ContentSets: []string{fmt.Sprint("set", n)}}
	}
	for range c.few(4) {
		b.OpaqueDirs = append(b.OpaqueDirs, c.deleted()+pick(c, "", "/"))
	}
	for range c.few(4) {
		b.WhiteoutFiles = append(b.WhiteoutFiles, c.deleted())
	}
	for range c.few(4) {
		b.PackageInfos = append(b.PackageInfos, ftypes.PackageInfo{FilePath: pick(c, databases...), Packages: c.packages(pick(c, "apk", "dpkg", "rpm", "sbom"))})
	}
	for range c.few(8) {
		t := pick(c, ecosystem...)
		b.Applications = append(b.Applications, ftypes.Application{Type: t, FilePath: pick(c, c.path(), c.path(), c.path(), ""), Packages: c.packages(string(t))})
	}
	for range c.few(4) {
		s := ftypes.Secret{FilePath: pick(c, "a/.env", "b/.env")}
		for i := range c(4) + 1 {
			s.Findings = append(s.Findings, ftypes.SecretFinding{RuleID: pick(c, "aws", "gcp", "key"), StartLine: i + c(2), Severity: "HIGH"})
		}
		b.Secrets = append(b.Secrets, s)
	}
	for range c.few(4) {
		l := ftypes.LicenseFile{Type: pick(c, ftypes.LicenseTypeDpkg, ftypes.LicenseTypeDpkg, ftypes.LicenseTypeFile), PkgName: pick(c, "x", "y", "z")}
		l.FilePath = "usr/share/doc/" + l.PkgName + "/copyright"
		for range c(3) {
			l.Findings = append(l.Findings, ftypes.LicenseFinding{Name: pick(c, "MIT", "GPL-2.0", "BSD")})
		}
		b.Licenses = append(b.Licenses, l)
	}
	return b
}

func (c choice) image() []ftypes.BlobInfo {
	var out []ftypes.BlobInfo
	for n := range c(6) {
		out = append(out, c.layer(n))
	}
	return out
}

// sorted are values as JSON, in an order of their own.
func sorted[T any](t *testing.T, list []T) []string {
	t.Helper()
	var out []string
	for _, v := range list {
		out = append(out, text(t, v))
	}
	slices.Sort(out)
	return out
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// detail is what is compared: the order of packages that Trivy's order leaves open is
// made one, and packages of the distribution are apart.
func detail(t *testing.T, d ftypes.ArtifactDetail) (packages []string, rest string) {
	t.Helper()
	packages = sorted(t, d.Packages)
	d.Packages = nil
	var apps []any
	for _, a := range d.Applications {
		apps = append(apps, []any{a.Type, a.FilePath, a.Packages == nil, sorted(t, a.Packages)})
	}
	slices.SortStableFunc(apps, func(a, b any) int { return bytes.Compare([]byte(text(t, a)), []byte(text(t, b))) })
	d.Applications = nil
	return packages, text(t, []any{d, apps})
}

// trivys is Trivy's result without the hashes that we leave out.
func trivys(blobs []ftypes.BlobInfo) ftypes.ArtifactDetail {
	d := applier.ApplyLayers(blobs)
	for i := range d.Packages {
		d.Packages[i].Identifier.UID = ""
	}
	for _, a := range d.Applications {
		for i := range a.Packages {
			a.Packages[i].Identifier.UID = ""
		}
	}
	return d
}

// checkLayers compares with Trivy, which is run again where it takes one of several
// packages by chance: ours must then be one that it takes, too.
func checkLayers(t *testing.T, image func() []ftypes.BlobInfo) {
	t.Helper()
	blobs := image()
	before := text(t, blobs)
	d := apply.Layers(blobs)
	if text(t, blobs) != before {
		t.Fatal("the layers were changed")
	}
	if !sort.IsSorted(d.Packages) || !sort.IsSorted(d.Applications) {
		t.Fatal("not sorted")
	}
	got, gotRest := detail(t, d)
	possible := map[string]bool{}
	missing := ""
	for range 60 {
		want, wantRest := detail(t, trivys(image()))
		if gotRest != wantRest {
			t.Fatalf("got\n%s\nTrivy\n%s", gotRest, wantRest)
		}
		if len(got) != len(want) {
			t.Fatalf("got\n%s\nTrivy\n%s", got, want)
		}
		for _, p := range want {
			possible[p] = true
		}
		i := slices.IndexFunc(got, func(p string) bool { return !possible[p] })
		if i < 0 {
			return
		}
		missing = got[i]
	}
	t.Fatalf("Trivy has no %s in\n%s", missing, before)
}

func TestLayersEqualTrivy(t *testing.T) {
	for seed := range uint64(4000) {
		checkLayers(t, func() []ftypes.BlobInfo { return random(seed).image() })
		if t.Failed() {
			t.Fatal("seed ", seed)
		}
	}
}

func FuzzLayersEqualTrivy(f *testing.F) {
	for seed := range uint64(20) {
		c, data := random(seed), make([]byte, 400)
		for i := range data {
			data[i] = byte(c(256))
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		checkLayers(t, func() []ftypes.BlobInfo { return bytewise(data).image() })
	})
}

func TestSystemFilesEqualTrivy(t *testing.T) {
	handler, err := sysfile.NewSystemFileFilteringPostHandler(artifact.Option{})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(2000) {
		c := random(seed)
		b := c.layer(0)
		b.Applications = append(b.Applications, ftypes.Application{Type: ftypes.PythonPkg, FilePath: "usr/lib/python2.7/argparse.egg-info"})
		var files []string
		for range c(20) {
			files = append(files, pick(c, "/", "")+pick(c, c.path(), "", "/"))
		}
		before := text(t, b.Applications)
		got := apply.WithoutSystemFiles(b.Applications, files)
		if text(t, b.Applications) != before {
			t.Fatalf("seed %d: the applications were changed", seed)
		}
		gotText := text(t, got)
		if err := handler.Handle(t.Context(), &analyzer.AnalysisResult{SystemInstalledFiles: files}, &b); err != nil {
			t.Fatal(err)
		}
		if want := text(t, b.Applications); gotText != want {
			t.Fatalf("seed %d: got\n%s\nTrivy\n%s", seed, gotText, want)
		}
	}
}

// many is an image of ten layers with 20,000 packages of npm, each in a file of its own,
// and a database of Debian that grows from layer to layer.
func many() []ftypes.BlobInfo {
	var out []ftypes.BlobInfo
	var names ftypes.Packages
	for n := range 10 {
		b := ftypes.BlobInfo{DiffID: fmt.Sprint("sha256:plain", n), OS: ftypes.OS{Family: ftypes.Debian, Name: "12"}}
		for i := range 2000 {
			name := fmt.Sprintf("package-%d-%d", n, i)
			path := "srv/app/node_modules/" + name + "/package.json"
			b.Applications = append(b.Applications, ftypes.Application{Type: ftypes.NodePkg, FilePath: path,
				Packages: ftypes.Packages{{ID: name + "@1.0.0", Name: name, Version: "1.0.0", FilePath: path}}})
			if i < 100 {
				names = append(names, ftypes.Package{ID: name + "@1", Name: name, Version: "1"})
			}
		}
		b.PackageInfos = []ftypes.PackageInfo{{FilePath: "var/lib/dpkg/status", Packages: slices.Clone(names)}}
		out = append(out, b)
	}
	return out
}

func BenchmarkLayers(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		blobs := many()
		for b.Loop() {
			apply.Layers(blobs)
		}
	})
	b.Run("Trivy", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			blobs := many() // Trivy changes them
			b.StartTimer()
			applier.ApplyLayers(blobs)
		}
	})
}

func BenchmarkSystemFiles(b *testing.B) {
	var files []string
	for i := range 100_000 {
		files = append(files, fmt.Sprintf("/usr/share/doc/package-%d/copyright", i))
	}
	var apps []ftypes.Application
	for _, l := range many() {
		apps = append(apps, l.Applications...)
	}
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			apply.WithoutSystemFiles(apps, files)
		}
	})
	b.Run("Trivy", func(b *testing.B) {
		handler, err := sysfile.NewSystemFileFilteringPostHandler(artifact.Option{})
		for b.Loop() {
			blob := ftypes.BlobInfo{Applications: apps}
			if err != nil || handler.Handle(b.Context(), &analyzer.AnalysisResult{SystemInstalledFiles: files}, &blob) != nil {
				b.Fatal(err)
			}
		}
	})
}
