// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

const (
	nodeTestdata   = "pkg/fanal/analyzer/language/nodejs/pkg/testdata/"
	pythonTestdata = "pkg/fanal/analyzer/language/python/packaging/testdata/"
)

func TestPackageJSON(t *testing.T) {
	const p = "app/node_modules/lodash/package.json"
	got, err := analyzeBoth(t, analysis.TypeNodePkg, p, trivyData(t, nodeTestdata+"package.json"))
	want := one(ftypes.NodePkg, p, ftypes.Package{ID: "lodash@5.0.0", Name: "lodash", Version: "5.0.0", Licenses: []string{"MIT"}, FilePath: p})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err := analyzeBoth(t, analysis.TypeNodePkg, p, trivyData(t, nodeTestdata+"noname.json")); got != nil || err != nil {
		t.Errorf("without a name: %v, %v", got, err)
	}
	for name, text := range map[string]string{
		"sad":        string(trivyData(t, nodeTestdata+"sad.json")),
		"empty":      "",
		"array":      `[]`,
		"badName":    `{"name":"a b","version":"1"}`,
		"number":     `{"name":"a","version":1}`,
		"workspaces": `{"name":"a","version":"1","workspaces":[1]}`,
		"nested":     `{"name":"a","version":"1","workspaces":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`,
	} {
		if got, err := analyzeBoth(t, analysis.TypeNodePkg, p, []byte(text)); err == nil || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestWants(t *testing.T) {
	for _, tt := range []struct {
		wants func(string, fs.FileInfo) bool
		path  string
		want  bool
	}{
		{wantsPackageJSON, "package.json", true}, {wantsPackageJSON, "a/package.json", true}, {wantsPackageJSON, "a/xpackage.json", false},
		{wantsPackageJSON, "a/package.json/b", false}, {wantsPackageJSON, "json", false}, {wantsPackageJSON, "", false},
		{wantsEgg, "a/b.egg", true}, {wantsEgg, "a/b.egg/x", false}, {wantsEgg, ".egg", true}, {wantsEgg, "egg", false},
		{wantsPython, "python2.7/site-packages/cssutils-1.0-py2.7.egg/EGG-INFO/PKG-INFO", true},
		{wantsPython, "Amazon/AWSCLIV2/cryptography-3.3.2-py3.8.egg-info/METADATA", true},
		{wantsPython, "python3.8/site-packages/wrapt-1.12.1.egg-info", true},
		{wantsPython, "python3.8/site-packages/wrapt-1.12.1.egg-info/PKG-INFO", true},
		{wantsPython, "python3.8/site-packages/wrapt-1.12.1.dist-info/METADATA", true},
		{wantsPython, "python3.8/site-packages/wrapt-1.12.1.dist-info/LICENSE", true},
		{wantsPython, "random/PKG-INFO", false},
		{wantsSBOM, "test/result.cdx", true}, {wantsSBOM, "test/result.spdx", true}, {wantsSBOM, "test/result.cdx.json", true},
		{wantsSBOM, "test/result.spdx.json", true}, {wantsSBOM, "test/result.json", false}, {wantsSBOM, "a.spdx/b", false}, {wantsSBOM, "cdx.json", false},
		{wantsSBOM, "site-packages/xgboost-3.1.2.dist-info/sboms/auditwheel.cdx.json", false},
		{wantsSBOM, "site-packages/xgboost-3.1.2.dist-info/sboms/auditwheel.spdx", false},
		{wantsJar, "a.jar", true}, {wantsJar, "a/b.WAR", true}, {wantsJar, "a.eAr", true}, {wantsJar, "a.par", true}, {wantsJar, ".jar", true},
		{wantsJar, "jar", false}, {wantsJar, "a.jar/b", false}, {wantsJar, "ajar", false}, {wantsJar, "a.tar", false}, {wantsJar, "", false},
	} {
		if got := tt.wants(tt.path, nil); got != tt.want {
			t.Errorf("%q: %v", tt.path, got)
		}
	}
}

func TestPython(t *testing.T) {
	mit := []string{"MIT License"}
	for _, tt := range []struct {
		dir, path, name, version string
		licences                 []string
	}{
		{"happy-egg", "distlib-0.3.1.egg-info/PKG-INFO", "distlib", "0.3.1", []string{"Python license"}},
		{"classifier-license-egg", "setuptools-51.3.3.egg-info/PKG-INFO", "setuptools", "51.3.3", mit},
		{"classifier-license-dist", "setuptools-51.3.3.dist-info/METADATA", "setuptools", "51.3.3", mit},
		{"happy-dist", "distlib-0.3.1.dist-info/METADATA", "distlib", "0.3.1", []string{"Python license"}},
		// Trivy's own test takes any confidence and finds one more.
		{"license-file-dist", "typing_extensions-4.4.0.dist-info/METADATA", "typing_extensions", "4.4.0", []string{"BeOpen", "CNRI-Python-GPL-Compatible", "Python-2.0"}},
	} {
		res, failed := analyzePost(t, python()[0], wantedBelow(t, python()[0], pythonTestdata+tt.dir))
		want := one(ftypes.PythonPkg, tt.path, ftypes.Package{Name: tt.name, Version: tt.version, Licenses: tt.licences, FilePath: tt.path})
		if diff := cmp.Diff(want, res); diff != "" || len(failed) > 0 {
			t.Errorf("%s: %v\n%s", tt.dir, failed, diff)
		}
	}
}

// wantedBelow are the files that an analyser wants of a directory of Trivy's source.
func wantedBelow(t testing.TB, a analysis.PostAnalyzer, dir string) analysis.Files {
	t.Helper()
	files := map[string][]byte{}
	fsys := os.DirFS(trivyPath(t, dir))
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !a.Wants(p, nil) {
			return err
		}
		files[p], err = fs.ReadFile(fsys, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return storedFiles(files)
}

func TestPythonFailures(t *testing.T) {
	good := []byte("Metadata-Version: 2.1\nName: good\nVersion: 1\nLicense-File: sub/LICENSE\n\ntext\n")
	files := storedFiles(map[string][]byte{
		"a.dist-info/METADATA":    good, // its licence file is missing
		"b.dist-info/METADATA":    []byte("Name: b\n"),
		"c.dist-info/PKG-INFO":    []byte("nothing"),
		"c2.dist-info/PKG-INFO":   good, // readable, and no package to Trivy
		"d.egg-info":              {},
		"e.egg-info/PKG-INFO":     []byte("Name: e\nVersion: 2\nLicense: MIT\n"),
		"f.egg/EGG-INFO/PKG-INFO": []byte(": \n"),
		"g.dist-info/RECORD":      []byte("whatever"),
		// As Trivy, what comes before a line that is no header counts.
		"h.dist-info/METADATA":          []byte("Name: h\nVersion: 3\nBad header\xff\nLicense: BSD\n"),
		"i.dist-info/METADATA":          []byte("Name: i\nVersion: 4\nLicense-File: LICENSE\n"),
		"j.dist-info/METADATA":          nil,
		"k.dist-info/METADATA":          []byte("Name: k\nVersion: 5\nLicense-File: LICENSE\n"),
		"k.dist-info/LICENSE":           make([]byte, maxLicence+1),
		"l.dist-info/licences/METADATA": []byte("Name: l\nVersion: 6\n"),
	})
	files["i.dist-info/LICENSE"] = stored{err: errors.New("gone")}
	files["j.dist-info/METADATA"] = stored{err: errors.New("gone as well")}
	res, failed := analyzePost(t, python()[0], files)
	want := []string{"b.dist-info/METADATA", "c.dist-info/PKG-INFO", "d.egg-info", "f.egg/EGG-INFO/PKG-INFO",
		"i.dist-info/METADATA", "j.dist-info/METADATA", "k.dist-info/METADATA"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(failed))); diff != "" {
		t.Error(diff, failed)
	}
	var got []string
	for _, a := range res.Applications {
		got = append(got, fmt.Sprint(a.FilePath, " ", a.Packages[0].Name, " ", a.Packages[0].Licenses))
	}
	want = []string{"a.dist-info/METADATA good []", "e.egg-info/PKG-INFO e [MIT]", "h.dist-info/METADATA h []", "l.dist-info/licences/METADATA l []"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPythonCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, a := range []analysis.PostAnalyzer{python()[0], Jar(nil)} {
		res, err := a.Analyze(ctx, storedFiles(map[string][]byte{"a.egg-info": nil}), func(string, error) { t.Error("a file failed") })
		if res != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, %v", a.Type, res, err)
		}
	}
}

func TestEgg(t *testing.T) {
	for file, p := range map[string]*ftypes.Package{
		"egg-zip/kitchen-1.2.6-py2.7.egg":              {Name: "kitchen", Version: "1.2.6", Licenses: []string{"GNU Library or Lesser General Public License (LGPL)"}},
		"egg-zip-with-license-file/sample_package.egg": {Name: "sample_package", Version: "0.1", Licenses: []string{"MIT"}},
		"no-req-files/no-required-files.egg":           nil,
	} {
		path := "lib/" + filepath.Base(file)
		var want *analysis.Result
		if p != nil {
			p.FilePath = path
			want = one(ftypes.PythonPkg, path, *p)
		}
		got, err := analyzeBoth(t, analysis.TypePythonEgg, path, trivyData(t, pythonTestdata+file))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", file, err, diff)
		}
	}
}

func zipped(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostileEggs(t *testing.T) {
	const good = "Name: a\nVersion: 1\nLicense-File: LICENSE\n"
	long := strings.Repeat("x", maxEggInfo+1)
	broken := zipped(t, "EGG-INFO/PKG-INFO", good)
	broken[bytes.Index(broken, []byte("PKG-INFO"))+12] ^= 0xff
	for name, b := range map[string][]byte{
		"no zip": []byte("nothing"), "empty": {}, "broken": broken,
		"bomb":    zipped(t, "EGG-INFO/PKG-INFO", good+"\n"+long),
		"licence": zipped(t, "EGG-INFO/PKG-INFO", good, "LICENSE", long),
		"no name": zipped(t, "EGG-INFO/PKG-INFO", "Version: 1\n"),
	} {
		if res, err := analyzeBoth(t, analysis.TypePythonEgg, "a.egg", b); err == nil || res != nil {
			t.Errorf("%s: %v, %v", name, res, err)
		}
	}
}
