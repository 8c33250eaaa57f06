// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/package-url/packageurl-go"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

func layer(n int, edit func(*ftypes.BlobInfo)) ftypes.BlobInfo {
	b := ftypes.BlobInfo{Digest: fmt.Sprint("sha256:stored", n), DiffID: fmt.Sprint("sha256:plain", n), CreatedBy: fmt.Sprint("step ", n)}
	if edit != nil {
		edit(&b)
	}
	return b
}

func npm(path, name, version string) ftypes.Application {
	return ftypes.Application{Type: ftypes.NodePkg, FilePath: path,
		Packages: ftypes.Packages{{ID: name + "@" + version, Name: name, Version: version, FilePath: path, AnalyzedBy: "node-pkg"}}}
}

func dpkg(path string, names ...string) ftypes.PackageInfo {
	info := ftypes.PackageInfo{FilePath: path}
	for _, n := range names {
		info.Packages = append(info.Packages, ftypes.Package{ID: n + "@1", Name: n, Version: "1", AnalyzedBy: "dpkg"})
	}
	return info
}

// told are the packages with the digit of their layer.
func told(d ftypes.ArtifactDetail) string {
	var out []string
	one := func(p ftypes.Package) {
		out = append(out, p.Name+strings.TrimPrefix(p.Layer.DiffID, "sha256:plain"))
	}
	for _, p := range d.Packages {
		one(p)
	}
	for _, a := range d.Applications {
		for _, p := range a.Packages {
			one(p)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestWhatIsDeleted(t *testing.T) {
	base := func(b *ftypes.BlobInfo) {
		b.PackageInfos = []ftypes.PackageInfo{dpkg("var/lib/dpkg/status", "libc")}
		b.Applications = []ftypes.Application{npm("app/a/package.json", "a", "1"), npm("app/b/package.json", "b", "1"), npm("app-c/package.json", "c", "1")}
	}
	whiteout := func(paths ...string) func(*ftypes.BlobInfo) {
		return func(b *ftypes.BlobInfo) { b.WhiteoutFiles = paths }
	}
	opaque := func(paths ...string) func(*ftypes.BlobInfo) {
		return func(b *ftypes.BlobInfo) { b.OpaqueDirs = paths }
	}
	cases := map[string]struct {
		above []func(*ftypes.BlobInfo)
		want  string
	}{
		"nothing":                  {nil, "a0 b0 c0 libc0"},
		"a file":                   {[]func(*ftypes.BlobInfo){whiteout("app/a/package.json")}, "b0 c0 libc0"},
		"its directory":            {[]func(*ftypes.BlobInfo){whiteout("app/a")}, "b0 c0 libc0"},
		"a parent":                 {[]func(*ftypes.BlobInfo){whiteout("app")}, "c0 libc0"},
		"part of a name":           {[]func(*ftypes.BlobInfo){whiteout("ap", "app/a/package", "app/a/package.json/x", "pp")}, "a0 b0 c0 libc0"},
		"the database":             {[]func(*ftypes.BlobInfo){whiteout("var/lib/dpkg")}, "a0 b0 c0"},
		"opaque":                   {[]func(*ftypes.BlobInfo){opaque("app/")}, "c0 libc0"},
		"opaque, without a slash":  {[]func(*ftypes.BlobInfo){opaque("app")}, "c0 libc0"},
		"an opaque root, as Trivy": {[]func(*ftypes.BlobInfo){opaque("")}, "a0 b0 c0 libc0"},
		"two layers":               {[]func(*ftypes.BlobInfo){whiteout("app/a"), whiteout("app/b", "app-c")}, "libc0"},
		"a parent, then a child":   {[]func(*ftypes.BlobInfo){whiteout("app"), whiteout("app/a")}, "c0 libc0"},
		"a child, then the parent": {[]func(*ftypes.BlobInfo){whiteout("app/a"), whiteout("app")}, "c0 libc0"},
		"Trivy's own key":          {[]func(*ftypes.BlobInfo){whiteout("app/a/package.json/type:node-pkg", "var/lib/dpkg/status/type:ospkg")}, "a0 b0 c0 libc0"},
		"and brought back": {[]func(*ftypes.BlobInfo){whiteout("app"), func(b *ftypes.BlobInfo) {
			b.Applications = []ftypes.Application{npm("app/a/package.json", "a", "1"), npm("app/b/package.json", "b", "2")}
		}}, "a0 b2 c0 libc0"},
		"and brought back at once": {[]func(*ftypes.BlobInfo){func(b *ftypes.BlobInfo) {
			b.OpaqueDirs, b.Applications = []string{"app/"}, []ftypes.Application{npm("app/d/package.json", "d", "1")}
		}}, "c0 d1 libc0"},
		"a database that grows": {[]func(*ftypes.BlobInfo){func(b *ftypes.BlobInfo) {
			b.PackageInfos = []ftypes.PackageInfo{dpkg("var/lib/dpkg/status", "libc", "curl")}
		}}, "a0 b0 c0 curl1 libc0"},
		"a database that shrinks": {[]func(*ftypes.BlobInfo){func(b *ftypes.BlobInfo) {
			b.PackageInfos = []ftypes.PackageInfo{dpkg("var/lib/dpkg/status", "curl")}
		}}, "a0 b0 c0 curl1"},
		"a path of its own": {[]func(*ftypes.BlobInfo){func(b *ftypes.BlobInfo) {
			b.Applications = []ftypes.Application{npm("/app/a/package.json", "z", "1")}
		}}, "b0 c0 libc0 z1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			blobs := []ftypes.BlobInfo{layer(0, base)}
			for i, edit := range c.above {
				blobs = append(blobs, layer(i+1, edit))
			}
			if got := told(Layers(blobs)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestPackages(t *testing.T) {
	old, build := &ftypes.BuildInfo{Nvr: "old"}, &ftypes.BuildInfo{ContentSets: []string{"rhel"}}
	blobs := []ftypes.BlobInfo{
		layer(0, func(b *ftypes.BlobInfo) {
			b.OS = ftypes.OS{Family: ftypes.Debian, Name: "12"}
			b.PackageInfos = []ftypes.PackageInfo{dpkg("var/lib/dpkg/status", "libc")}
			b.PackageInfos[0].Packages[0].InstalledFiles = []string{"/lib/libc.so"}
			b.Licenses = []ftypes.LicenseFile{{Type: ftypes.LicenseTypeDpkg, FilePath: "usr/share/doc/libc/copyright", PkgName: "libc",
				Findings: ftypes.LicenseFindings{{Name: "LGPL-2.1"}, {Name: "MIT"}}}}
		}),
		layer(1, func(b *ftypes.BlobInfo) {
			b.BuildInfo = build
			b.PackageInfos = []ftypes.PackageInfo{dpkg("var/lib/dpkg/status", "libc", "curl"), dpkg("var/lib/dpkg/status.d/libc", "libc"),
				{FilePath: "opt/sbom.json", Packages: ftypes.Packages{
					{ID: "libc@1", Name: "libc", Version: "1", AnalyzedBy: "sbom", SrcName: "of the SBOM"},
					{ID: "musl@1", Name: "musl", Version: "1", AnalyzedBy: "sbom", Identifier: ftypes.PkgIdentifier{PURL: packageurl.NewPackageURL("apk", "alpine", "musl", "1", nil, "")}},
					{ID: "zlib@1", Name: "zlib", Version: "1", AnalyzedBy: "sbom", BuildInfo: old, Layer: ftypes.Layer{DiffID: "sha256:plain9"},
						Identifier: ftypes.PkgIdentifier{PURL: packageurl.NewPackageURL("deb", "debian", "zlib", "1", nil, "")}},
				}}}
		}),
	}
	d := Layers(blobs)
	if got := told(d); got != "curl1 libc0 zlib9" {
		t.Fatal(got)
	}
	curl, libc, zlib := d.Packages[0], d.Packages[1], d.Packages[2]
	if !slices.Equal(libc.Licenses, []string{"LGPL-2.1", "MIT"}) || !slices.Equal(libc.InstalledFiles, []string{"/lib/libc.so"}) || libc.SrcName != "" {
		t.Errorf("%+v", libc)
	}
	if got := libc.Identifier.PURL.String(); got != "pkg:deb/debian/libc@1?distro=debian-12" {
		t.Error(got)
	}
	if libc.BuildInfo != build || curl.BuildInfo != build || zlib.BuildInfo != old {
		t.Errorf("build infos %v, %v, %v", libc.BuildInfo, curl.BuildInfo, zlib.BuildInfo)
	}
	if d.Licenses != nil {
		t.Errorf("licences %v", d.Licenses)
	}
}

func TestApplications(t *testing.T) {
	lock := func(versions ...string) ftypes.Application {
		app := ftypes.Application{Type: ftypes.Cargo, FilePath: "app/Cargo.lock", Packages: ftypes.Packages{}}
		for _, v := range versions {
			app.Packages = append(app.Packages, ftypes.Package{Name: "x" + v, Version: v})
		}
		return app
	}
	d := Layers([]ftypes.BlobInfo{
		layer(0, func(b *ftypes.BlobInfo) {
			b.Applications = []ftypes.Application{lock("1", "2"), npm("a/package.json", "a", "1"), {Type: ftypes.GemSpec, FilePath: "x.gemspec"}}
		}),
		layer(1, func(b *ftypes.BlobInfo) {
			b.Applications = []ftypes.Application{lock("2", "3"), npm("b/package.json", "", "")}
		}),
		layer(2, func(b *ftypes.BlobInfo) {
			b.Applications = []ftypes.Application{{Type: ftypes.NuGet, FilePath: "app/Cargo.lock"}}
		}),
	})
	if got := told(d); got != "1 a0 x20 x31" {
		t.Error(got)
	}
	var apps []string
	for _, a := range d.Applications {
		apps = append(apps, fmt.Sprintf("%s %q %d", a.Type, a.FilePath, len(a.Packages)))
	}
	if want := []string{`cargo "app/Cargo.lock" 2`, `node-pkg "" 2`, `nuget "app/Cargo.lock" 0`}; !slices.Equal(apps, want) {
		t.Errorf("%q", apps)
	}
	for _, p := range d.Applications[1].Packages {
		if url := p.Identifier.PURL; (p.Name == "") != (url == nil) || url != nil && url.String() != "pkg:npm/a@1" {
			t.Errorf("%q has the URL %v", p.Name, url)
		}
	}
}

func TestSecrets(t *testing.T) {
	secret := func(path string, rules ...string) ftypes.Secret {
		s := ftypes.Secret{FilePath: path}
		for i, r := range rules {
			s.Findings = append(s.Findings, ftypes.SecretFinding{RuleID: r, StartLine: i})
		}
		return s
	}
	d := Layers([]ftypes.BlobInfo{
		layer(0, func(b *ftypes.BlobInfo) { b.Secrets = []ftypes.Secret{secret("b", "aws", "aws", "gcp", "gcp", "k8s")} }),
		layer(1, func(b *ftypes.BlobInfo) {
			b.WhiteoutFiles = []string{"b"}
			b.Secrets = []ftypes.Secret{secret("a", "aws", "aws")}
		}),
		layer(2, func(b *ftypes.BlobInfo) { b.Secrets = []ftypes.Secret{secret("b", "aws", "aws")} }),
	})
	var got []string
	for _, s := range d.Secrets {
		for _, f := range s.Findings {
			got = append(got, fmt.Sprint(s.FilePath, " ", f.RuleID, f.StartLine, " ", f.Layer.CreatedBy))
		}
	}
	want := []string{"a aws0 step 1", "a aws1 step 1", "b aws0 step 2", "b aws1 step 2", "b gcp2 step 0", "b k8s4 step 0"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// The layers are shared: a second image of the same layers must get the same.
func TestLayersStayAsTheyAre(t *testing.T) {
	blobs := synthetic(3, 40)
	before, err := json.Marshal(blobs)
	if err != nil {
		t.Fatal(err)
	}
	first := Layers(blobs)
	for i := range first.Applications {
		for j := range first.Applications[i].Packages {
			first.Applications[i].Packages[j].Name = "changed"
		}
	}
	after, err := json.Marshal(blobs)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("the layers were changed")
	}
	if !reflect.DeepEqual(Layers(blobs), Layers(blobs)) {
		t.Error("two calls differ")
	}
}

func TestNoLayers(t *testing.T) {
	if d := Layers(nil); !reflect.DeepEqual(d, ftypes.ArtifactDetail{}) {
		t.Errorf("%+v", d)
	}
}

func TestWithoutSystemFiles(t *testing.T) {
	apps := []ftypes.Application{
		npm("usr/lib/node_modules/npm/package.json", "npm", "1"),
		npm("app/package.json", "app", "1"),
		{Type: ftypes.Jar, FilePath: "app/a.jar", Packages: ftypes.Packages{{Name: "x", FilePath: "app/a.jar"}, {Name: "y", FilePath: "app/a.jar/y.jar"}, {Name: "z"}}},
		{Type: ftypes.PythonPkg, FilePath: "usr/lib/python2.7/wsgiref.egg-info"},
		{Type: ftypes.NuGet, FilePath: "", Packages: ftypes.Packages{{Name: "n", FilePath: "gone"}}},
		{Type: ftypes.Cargo, FilePath: "Cargo.lock", Packages: ftypes.Packages{}},
	}
	before := fmt.Sprint(apps)
	got := WithoutSystemFiles(apps, []string{"/", "", "/usr/lib/node_modules/npm/package.json", "app/a.jar/y.jar", "//app/package.json", "/gone"})
	var names []string
	for _, a := range got {
		names = append(names, a.FilePath+":")
		for _, p := range a.Packages {
			names = append(names, p.Name)
		}
		if len(a.Packages) == 0 && a.Packages != nil {
			t.Errorf("%s has packages that are empty, not nil", a.FilePath)
		}
	}
	if s := strings.Join(names, " "); s != "app/package.json: app app/a.jar: x z : Cargo.lock:" {
		t.Error(s)
	}
	if fmt.Sprint(apps) != before {
		t.Error("the argument was changed")
	}
	if WithoutSystemFiles(nil, []string{"/a"}) != nil {
		t.Error("applications from nothing")
	}
}

// synthetic makes layers that each bring packages of npm and of Debian, and delete
// some of those below.
func synthetic(layers, each int) []ftypes.BlobInfo {
	var blobs []ftypes.BlobInfo
	var names []string
	for l := range layers {
		blobs = append(blobs, layer(l, func(b *ftypes.BlobInfo) {
			b.OS = ftypes.OS{Family: ftypes.Debian, Name: "12"}
			for i := range each {
				name := fmt.Sprintf("package-%d-%d", l, i)
				names = append(names, name)
				b.Applications = append(b.Applications, npm(fmt.Sprintf("srv/app/node_modules/%s/package.json", name), name, "1.0.0"))
			}
			b.PackageInfos = []ftypes.PackageInfo{dpkg("var/lib/dpkg/status", names[:len(names)/10]...)}
			for i := 0; i < each && l > 0; i += 10 {
				b.WhiteoutFiles = append(b.WhiteoutFiles, fmt.Sprintf("srv/app/node_modules/package-%d-%d", l-1, i))
			}
		}))
	}
	return blobs
}

func BenchmarkLayers(b *testing.B) {
	blobs := synthetic(10, 2000)
	for b.Loop() {
		Layers(blobs)
	}
}

func BenchmarkWithoutSystemFiles(b *testing.B) {
	apps := synthetic(1, 20_000)[0].Applications
	var files []string
	for i := range 100_000 {
		files = append(files, fmt.Sprintf("/usr/share/doc/package-%d/copyright", i))
	}
	for b.Loop() {
		WithoutSystemFiles(apps, files)
	}
}
