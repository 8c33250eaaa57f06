// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

func listedAnalyzer(t testing.TB, typ analysis.Type) analysis.Analyzer {
	t.Helper()
	for _, a := range listed() {
		if a.Type == typ {
			return a
		}
	}
	t.Fatalf("no analyser %s", typ)
	return analysis.Analyzer{}
}

// TestListed expects what Trivy's own tests do. An empty want is for an error.
func TestListed(t *testing.T) {
	for _, tt := range []struct {
		typ        analysis.Type
		file, want string
	}{
		{analysis.TypeGemSpec, "ruby/gemspec/testdata/multiple_licenses.gemspec", "gemspec PATH\n |test-unit|3.3.7|unknown|Ruby,BSDL,PSFL|at PATH\n"},
		{analysis.TypeGemSpec, "ruby/gemspec/testdata/empty_name.gemspec", ""},
		{analysis.TypeCondaPkg, "conda/meta/testdata/pip-22.2.2-py38h06a4308_0.json", "conda-pkg PATH\n |pip|22.2.2|unknown|MIT|at PATH\n"},
		{analysis.TypeCondaPkg, "conda/meta/testdata/invalid.json", ""},
		{analysis.TypeComposerVendor, "php/composer/testdata/composer-vendor/happy/installed.json", "composer-vendor PATH\n" +
			" pear/log@1.13.3|pear/log|1.13.3|unknown|MIT|3-65 -> pear/pear_exception@v1.0.2\n" +
			" pear/pear_exception@v1.0.2|pear/pear_exception|v1.0.2|unknown|BSD-2-Clause|66-127\n"},
		{analysis.TypeComposerVendor, "php/composer/testdata/composer-vendor/sad/installed.json", ""},
		{analysis.TypeDotNetCore, "dotnet/deps/testdata/datacollector.deps.json", "dotnet-core PATH\n" +
			" Microsoft.VisualStudio.TestPlatform.Common/17.2.0-release-20220408-11|Microsoft.VisualStudio.TestPlatform.Common|17.2.0-release-20220408-11|root|15-19\n" +
			" Newtonsoft.Json/9.0.1|Newtonsoft.Json|9.0.1|unknown|8-14\n"},
		{analysis.TypeDotNetCore, "dotnet/deps/testdata/invalid.txt", ""},
		{analysis.TypePackagesProps, "dotnet/packagesprops/testdata/Packages.props", "packages-props PATH\n" +
			" Package1@22.1.4|Package1|22.1.4|unknown\n Package2@2.3.0|Package2|2.3.0|unknown\n"},
		{analysis.TypePackagesProps, "dotnet/packagesprops/testdata/Directory.Packages.props", "packages-props PATH\n" +
			" Package1@4.2.1|Package1|4.2.1|unknown\n Package2@8.2.0|Package2|8.2.0|unknown\n"},
		{analysis.TypePackagesProps, "dotnet/packagesprops/testdata/invalid.txt", ""},
	} {
		t.Run(tt.file, func(t *testing.T) {
			data, err := fs.ReadFile(trivyFS(t, "pkg/fanal/analyzer/language"), tt.file)
			if err != nil {
				t.Fatal(err)
			}
			f, done, err := storedBytes{tt.file, data}.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			res, err := listedAnalyzer(t, tt.typ).Analyze(t.Context(), f)
			if got, want := lines(res), strings.ReplaceAll(tt.want, "PATH", tt.file); got != want || (err != nil) != (want == "") {
				t.Errorf("got (%v)\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}

func TestWantsListed(t *testing.T) {
	for _, tt := range []struct {
		typ  analysis.Type
		path string
		want bool
	}{
		{analysis.TypeGemSpec, "usr/ank/specifications/default/ank.gemspec", true},
		{analysis.TypeGemSpec, "usr/ank/specifications/ank.gemspec", true},
		{analysis.TypeGemSpec, "usr/ank/specifications/ank.gemspec.bak", true}, // Trivy's pattern has no end
		{analysis.TypeGemSpec, "usr/ank/specifications/.gemspec", false},
		{analysis.TypeGemSpec, "usr/ank/specifications/ankgemspec", false},
		{analysis.TypeGemSpec, "specifications/ank.gemspec", false},
		{analysis.TypeGemSpec, "localRepo/default/ank.gemspec", false},
		{analysis.TypeGemSpec, "a/specifications/b\n.gemspec", false},
		{analysis.TypeGemSpec, "a\n/specifications/b.gemspec", true},
		{analysis.TypeCondaPkg, "home/u/miniconda3/envs/e/conda-meta/pip-22.2.2-py38h06a4308_0.json", true},
		{analysis.TypeCondaPkg, "home/u/miniconda3/envs/e/conda-meta/invalid.json", false},
		{analysis.TypeCondaPkg, "home/u/miniconda3/envs/conda-meta/a-b-c.json", false},
		{analysis.TypeCondaPkg, "opt/conda/conda-meta/a-b-c.json", false},
		{analysis.TypeCondaPkg, "opt/envs/e/conda-meta/a--c.json", false},
		{analysis.TypeComposerVendor, "app/vendor/composer/installed.json", true},
		{analysis.TypeComposerVendor, "installed.json", true},
		{analysis.TypeComposerVendor, "app/preinstalled.json", false},
		{analysis.TypeComposerVendor, "composer.lock", false},
		{analysis.TypeDotNetCore, "test/datacollector.deps.json", true},
		{analysis.TypeDotNetCore, "test/deps.json", false},
		{analysis.TypePackagesProps, "test/Directory.Packages.props", true},
		{analysis.TypePackagesProps, "test/PACKAGES.PROPS", true},
		{analysis.TypePackagesProps, "test/pac\u212aages.props", true}, // the Kelvin sign is a K
		{analysis.TypePackagesProps, "test/packages.prop\u017f", false},
		{analysis.TypePackagesProps, "test.props", false},
	} {
		if got := listedAnalyzer(t, tt.typ).Wants(tt.path, nil); got != tt.want {
			t.Errorf("%s wants %q: %v", tt.typ, tt.path, got)
		}
	}
}

func TestWantsLockFiles(t *testing.T) {
	for typ, names := range map[analysis.Type][]string{
		analysis.TypeCargo: {"Cargo.lock", "Cargo.toml"},
		analysis.TypeJulia: {"Manifest.toml", "Project.toml"},
		analysis.TypeNuget: {"packages.lock.json", "packages.config"},
	} {
		a := lockAnalyzer(t, typ)
		for _, name := range names {
			for p, want := range map[string]bool{name: true, "a/b/" + name: true, "a/x" + name: false, name + "x": false, strings.ToUpper(name): false} {
				if a.Wants(p, nil) != want {
					t.Errorf("%s wants %q: %v", typ, p, !want)
				}
			}
		}
	}
}

// layer is a layer of text files.
func layer(tree map[string]string) analysis.Files {
	files := analysis.Files{}
	for p, s := range tree {
		files[p] = storedBytes{p, []byte(s)}
	}
	return files
}

// TestCargoLeavesOut sees that what makes packages disappear from the result is told.
func TestCargoLeavesOut(t *testing.T) {
	lock := "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n"
	all := "cargo x/Cargo.lock\n a@1.2.3|a|1.2.3|unknown|1-3\n b@2.0.0|b|2.0.0|unknown|5-7\n"
	for _, tt := range []struct {
		name, toml, member string
		want, refused      string
	}{
		{"one used", "[package]\nname=\"app\"\n[dependencies]\na=\"1\"", "", "cargo x/Cargo.lock\n app|||root\n a@1.2.3|a|1.2.3|direct|1-3\n", ""},
		{"a requirement that is none", "[package]\nname=\"app\"\n[dependencies]\na=\"one\"", "", "cargo x/Cargo.lock\n app|||root\n", "x/Cargo.toml"},
		{"a member that cannot be read", "[package]\nname=\"app\"\n[workspace]\nmembers=[\"m\"]\n[dependencies]\na=\"1\"", "=",
			"cargo x/Cargo.lock\n app|||root\n a@1.2.3|a|1.2.3|direct|1-3\n", "x/m/Cargo.toml"},
		{"a root that cannot be read", "=", "", all, ""},
		{"members without end", "[workspace]\nmembers=[" + strings.Repeat("\"m\",", maxManifests+1) + "]", "", all, "x/Cargo.toml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told, refused := read(t, lockAnalyzer(t, analysis.TypeCargo), layer(map[string]string{
				"x/Cargo.lock": lock, "x/Cargo.toml": tt.toml, "x/m/Cargo.toml": tt.member}))
			if told != tt.want || strings.Join(refused, " ") != tt.refused {
				t.Errorf("got\n%s\nrefused %q", told, refused)
			}
		})
	}
}

func TestCargoRequirements(t *testing.T) {
	for _, tt := range []struct {
		version, requirement string
		want                 bool
	}{
		{"0.0.4", "0.0.3", false}, {"1.2.4", "1.2.3", true}, {"1.5.0", "^1.2", true}, {"1.3.4", "~ 1.2", false},
		{"1.2.4", "~ 1.2.3", true}, {"2.5.0", "< 2.5.0", false}, {"2.5.0", ">= 2.5, < 2.5.1", true},
		{"2.5.0", "= 2.5", true}, {"2.5.0", "*", true}, {"2.5.0", "2.5.*", true}, {"1.0.0-rc.1", "=1.0.0-rc.1", true},
		{"0.9.3+build", "0.9", true}, {"3.0.0", "1.0", false}, {"1.0.7", ">1, <2", false}, {"1.0.7", "1.*.*", true}, {"1.0.7", "1.x", true},
	} {
		if got, err := meets(tt.version, tt.requirement); err != nil || got != tt.want {
			t.Errorf("%s meets %s: %v, %v", tt.version, tt.requirement, got, err)
		}
	}
}

func TestMatchMembers(t *testing.T) {
	m := &manifests{files: layer(map[string]string{"Cargo.toml": "", "a/Cargo.toml": "", "a/b/Cargo.toml": "", "a/c/Cargo.toml": "", "a/Cargo.lock": "", "a/[/Cargo.toml": ""}), compares: 100}
	for pattern, want := range map[string]string{
		"a/Cargo.toml":           "[a/Cargo.toml]",
		"a/*/Cargo.toml":         "[a/[/Cargo.toml a/b/Cargo.toml a/c/Cargo.toml]",
		"*/Cargo.toml":           "[a/Cargo.toml]",
		"a/[bx]/Cargo.toml":      "[a/b/Cargo.toml]",
		"a/[/Cargo.toml":         "[]",
		"a/[^x/b]/Cargo.toml":    "[]",
		"a/\\c/Cargo.toml":       "[a/c/Cargo.toml]",
		"../a/Cargo.toml":        "[]",
		"missing/Cargo.toml":     "[]",
		"a/b/../../a/Cargo.toml": "[]", // callers clean their patterns
	} {
		if got, err := m.match(pattern); err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", pattern, got, err, want)
		}
	}
	m.compares = 3
	if _, err := m.match("*/Cargo.toml"); !errors.Is(err, errBudget) {
		t.Errorf("too many comparisons: %v", err)
	}
}

// TestLongChain has a chain of packages that a recursion would not survive.
func TestLongChain(t *testing.T) {
	const n = 100_000
	var lock strings.Builder
	for i := range n {
		fmt.Fprintf(&lock, "[[package]]\nname=\"p%d\"\nversion=\"1.0.0\"\ndependencies=[\"p%d\"]\n", i, (i+1)%n)
	}
	told, refused := read(t, lockAnalyzer(t, analysis.TypeCargo), layer(map[string]string{
		"Cargo.lock": lock.String(), "Cargo.toml": "[package]\nname=\"app\"\n[dependencies]\np0=\"1\"\n"}))
	if got := strings.Count(told, "\n"); got != n+2 || refused != nil {
		t.Errorf("%d lines, refused %v", got, refused)
	}
}

func TestHostileTOML(t *testing.T) {
	for name, s := range map[string]string{
		"arrays":        "a=" + strings.Repeat("[", 1_000_000),
		"inline tables": "a=" + strings.Repeat("{a=", 100_000),
		"dotted keys":   strings.Repeat("a.", 1_000_000) + "a=1",
		"spaced dots":   strings.Repeat("a . ", 100_000) + "a=1",
		"behind quotes": "a=" + strings.Repeat("[\"]\", ", 10_000),
		"behind lines":  "a=" + strings.Repeat("[\"\"\"]\n\"\"\", ", 10_000),
		"too large":     strings.Repeat("#", maxTOML+1),
	} {
		t.Run(name, func(t *testing.T) {
			for typ, p := range map[analysis.Type]string{analysis.TypeCargo: "Cargo.lock", analysis.TypeJulia: "Manifest.toml"} {
				if told, refused := read(t, lockAnalyzer(t, typ), layer(map[string]string{p: s})); told != "" || len(refused) != 1 {
					t.Errorf("%s: %q, refused %v", typ, told, refused)
				}
			}
		})
	}
}

// TestRefused has files that Trivy logs and drops.
func TestRefused(t *testing.T) {
	for p, typ := range map[string]analysis.Type{"a/Cargo.lock": analysis.TypeCargo, "a/Manifest.toml": analysis.TypeJulia,
		"a/packages.lock.json": analysis.TypeNuget, "a/packages.config": analysis.TypeNuget} {
		if told, refused := read(t, lockAnalyzer(t, typ), layer(map[string]string{p: "["})); told != "" || fmt.Sprint(refused) != "["+p+"]" {
			t.Errorf("%s: %q, refused %v", p, told, refused)
		}
	}
}

func TestNesting(t *testing.T) {
	for s, want := range map[string]int{
		"":                           0,
		"a = 1":                      0,
		"a = [[1], {b = 2}]":         2,
		"[a.b.c]\nd = 1.5":           3,
		"a = \"[[[[\"":               0,
		"a = '[[[\\'\nb = [1]":       1,
		"a = \"\\\"[[\"":             0,
		"a = \"\"\"[\n[\"\"\" # [[[": 0,
		"# [[[":                      0,
		"a = \"":                     0,
	} {
		if got := nesting([]byte(s)); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

func TestLockFilesStopWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, a := range lockFiles() {
		_, err := a.Analyze(ctx, layer(map[string]string{"Cargo.lock": "", "Manifest.toml": ""}), func(p string, err error) { t.Error(p, err) })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", a.Type, err)
		}
	}
}

// FuzzLockFiles has each of the analysers read anything.
func FuzzLockFiles(f *testing.F) {
	f.Add(uint8(0), "[[package]]\nname=\"a\"\nversion=\"1.0.0\"", "[workspace]\nmembers=[\"*\"]\n[dependencies]\na={version=\"1\"}")
	f.Add(uint8(1), "[[deps.A]]\nuuid=\"1\"\ndeps=[\"A\"]", "[deps]\nA=\"1\"")
	f.Add(uint8(2), `{"dependencies":{"net5":{"A":{"type":"Direct","resolved":"1"}}}}`, `<packages><package id="A" version="1"/></packages>`)
	names := [][2]string{{"Cargo.lock", "Cargo.toml"}, {"Manifest.toml", "Project.toml"}, {"packages.lock.json", "packages.config"}}
	f.Fuzz(func(t *testing.T, which uint8, lock, project string) {
		a := lockFiles()[int(which)%3]
		pair := names[int(which)%3]
		tree := fstest.MapFS{pair[0]: {Data: []byte(lock)}, pair[1]: {Data: []byte(project)}, "m/" + pair[1]: {Data: []byte(project)}}
		files := layerOf(t, a, tree)
		one, _ := read(t, a, files)
		if again, _ := read(t, a, files); which%3 == 0 && again != one {
			t.Errorf("not the same twice:\n%s\n%s", one, again)
		}
	})
}
