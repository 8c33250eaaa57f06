// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"io"
	"net/textproto"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// runDpkg analyses files, by path, and returns the failures by path.
func runDpkg(t testing.TB, files map[string]string) (*analysis.Result, map[string]string) {
	t.Helper()
	stored, failures := analysis.Files{}, map[string]string{}
	for name, text := range files {
		stored[name] = keptFile(inMemory(name, []byte(text)))
	}
	res, err := analyzeDpkg(t.Context(), stored, func(path string, err error) { failures[path] = err.Error() })
	if err != nil {
		t.Fatal(err)
	}
	for i := range res.PackageInfos {
		sort.Sort(res.PackageInfos[i].Packages)
	}
	return res, failures
}

// unpackTxtar takes an archive of texts apart: https://pkg.go.dev/golang.org/x/tools/txtar
func unpackTxtar(b []byte) map[string]string {
	files := map[string]string{}
	for _, part := range strings.Split("\n"+string(b), "\n-- ")[1:] {
		name, text, _ := strings.Cut(part, " --\n")
		files[name] = text + "\n"
	}
	return files
}

func TestDpkgAsTrivyDoes(t *testing.T) {
	for name, c := range trivyTable(t, "pkg/dpkg/dpkg_test.go", "Test_dpkgAnalyzer_Analyze") {
		t.Run(name, func(t *testing.T) {
			archive := unquote(t, c["txtar"].(*ast.BasicLit))
			got, failures := runDpkg(t, unpackTxtar(trivyTestdata(t, "pkg/dpkg", archive)))
			var want analysis.Result
			setLiteral(t, reflect.ValueOf(&want.PackageInfos).Elem(), fieldOfLiteral(c["want"], "PackageInfos"))
			setLiteral(t, reflect.ValueOf(&want.SystemFiles).Elem(), fieldOfLiteral(c["want"], "SystemInstalledFiles"))
			if len(want.PackageInfos) == 0 || !reflect.DeepEqual(*got, want) {
				t.Errorf("got %+v\nwant %+v", *got, want)
			}
			if broken := name == "corrupsed"; (len(failures) > 0) != broken {
				t.Errorf("failures %q", failures)
			}
		})
	}
}

func TestWantedDpkgFiles(t *testing.T) {
	for name, c := range trivyTable(t, "pkg/dpkg/dpkg_test.go", "Test_dpkgAnalyzer_Required") {
		path := unquote(t, c["filePath"].(*ast.BasicLit))
		if got, want := wantsDpkg(path, nil), c["want"].(*ast.Ident).Name == "true"; got != want {
			t.Errorf("%s: %s: %t", name, path, got)
		}
	}
	for path, want := range map[string]bool{"var/lib/dpkg/status.d/a/b": false, "var/lib/dpkg/info/a/b.md5sums": false, "var/lib/dpkg": false,
		"var/lib/dpkg/status-old": false, "x/var/lib/dpkg/status": false, "var/lib/dpkg/infox/a.md5sums": false} {
		if got := wantsDpkg(path, nil); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

const installedA = "Package: a\nStatus: install ok installed\nVersion: 1\n"

func TestWhatDpkgCannotRead(t *testing.T) {
	const status = "var/lib/dpkg/status"
	for name, c := range map[string]struct{ text, failure string }{
		"whole":                 {installedA, ""},
		"empty lines at end":    {installedA + "\n\n\n\n", ""},
		"removed, no version":   {installedA + "\nPackage: b\nStatus: deinstall ok config-files\n\n", ""},
		"no header":             {installedA + "\nthis is no header\n", `paragraph 2 of the package database: a line is no field: "this is no header"`},
		"continuation":          {installedA + "\n more\n", `paragraph 2 of the package database: it begins with a continuation line: " more\n"`},
		"control characters":    {installedA + "\nPackage: b\x00\n", `paragraph 2 of the package database: a field holds control characters: "Package: b\x00"`},
		"version that is none":  {installedA + "\nPackage: b\nVersion: _:_\n", "the package database lists packages that could not be read: b"},
		"no version":            {installedA + "\nPackage: b\n", "the package database lists packages that could not be read: b"},
		"source's version":      {installedA + "\nPackage: b\nVersion: 1\nSource: c (x)\n", "the package database lists packages that could not be read: b"},
		"read in another":       {installedA + "\nPackage: a\nVersion: x\n", ""},
		"hidden by empty lines": {installedA + "\n\nPackage: b\nVersion: 1\n", "paragraph 2 of the package database: text follows an empty line that does not end the paragraph"},
		"hidden by CRLF":        {installedA + "\r\nPackage: b\nVersion: 1\n", "paragraph 1 of the package database: text follows an empty line that does not end the paragraph"},
		"hidden by a blank":     {installedA + " \nPackage: b\nVersion: 1\n", "paragraph 1 of the package database: it names two packages"},
		"many":                  {strings.Repeat("Package: b\n\nPackage: c\n\nPackage: d\n\nPackage: e\n\nPackage: f\n\nPackage: g\n\nPackage: h\n\n", 2) + installedA, "the package database lists packages that could not be read: b, c, d, e, f and 2 more"},
	} {
		t.Run(name, func(t *testing.T) {
			res, failures := runDpkg(t, map[string]string{status: c.text})
			if failures[status] != c.failure {
				t.Errorf("failure %q, want %q", failures[status], c.failure)
			}
			if p := res.PackageInfos[0].Packages; len(p) != 1 || p[0].Name != "a" {
				t.Errorf("packages %+v", p)
			}
		})
	}
}

// Trivy gives up on a file with such a paragraph, and reads the other files.
func TestLongParagraph(t *testing.T) {
	for n, want := range map[int]int{maxParagraph - len(installedA) - len("Description: ") - 1: 2, maxParagraph: 1} {
		res, failures := runDpkg(t, map[string]string{
			"var/lib/dpkg/status":     installedA + "Description: " + strings.Repeat("x", n),
			"var/lib/dpkg/status.d/a": "Package: b\nVersion: 2\n",
		})
		if len(res.PackageInfos) != want || (len(failures) == 0) != (want == 2) {
			t.Errorf("%d bytes: %+v, %q", n, res.PackageInfos, failures)
		}
	}
}

func TestTooManyDpkgPackages(t *testing.T) {
	var many strings.Builder
	for i := range maxPackages {
		fmt.Fprintf(&many, "Package: %d\nVersion: 1\n\n", i)
	}
	res, failures := runDpkg(t, map[string]string{"var/lib/dpkg/status": many.String(), "var/lib/dpkg/status.d/one": installedA})
	if len(res.PackageInfos) != 1 || failures["var/lib/dpkg/status.d/one"] != errManyPackages.Error() {
		t.Errorf("%d databases, %q", len(res.PackageInfos), failures)
	}
	left := allowance(100)
	if _, ok, err := parseMD5Sums([]byte("x  a\nx  b\nx  c\n"), &left); ok || err == nil {
		t.Error("no limit of files")
	}
}

func TestFilesOfDpkgPackages(t *testing.T) {
	res, failures := runDpkg(t, map[string]string{
		"var/lib/dpkg/status":                installedA + "\nPackage: b\nVersion: 1\nArchitecture: amd64\n\nPackage: c\nVersion: 1\nMaintainer: GitHub\n\nPackage: d\nVersion: 1\n",
		"var/lib/dpkg/info/a.md5sums":        "x  from/info\n",
		"var/lib/dpkg/status.d/a.md5sums":    "malformed\n",
		"var/lib/dpkg/info/b:amd64.md5sums":  "x  b/2\r\nx  b/1",
		"var/lib/dpkg/info/c.md5sums":        "x  c\n",
		"var/lib/dpkg/info/d.md5sums":        "x  " + strings.Repeat("d", bufio.MaxScanTokenSize) + "\n",
		"var/lib/dpkg/info/missing.md5sums":  "x  missing\n",
		"var/lib/dpkg/status.d/none.md5sums": "",
	})
	want := map[string][]string{"a": {"/from/info"}, "b": {"/b/1", "/b/2"}, "c": nil, "d": nil}
	for _, p := range res.PackageInfos[0].Packages {
		if !reflect.DeepEqual(p.InstalledFiles, want[p.Name]) {
			t.Errorf("%s: %q", p.Name, p.InstalledFiles)
		}
		if third := p.Repository.Class == ftypes.RepositoryClassThirdParty; third != (p.Name == "c") {
			t.Errorf("%s: %+v", p.Name, p.Repository)
		}
	}
	if len(failures) > 0 || !reflect.DeepEqual(res.SystemFiles, []string{"/from/info", "/b/1", "/b/2"}) {
		t.Errorf("%q, %q", res.SystemFiles, failures)
	}
}

type unreadableFile struct{}

func (unreadableFile) Open() (analysis.File, func(), error) {
	return analysis.File{}, nil, errors.New("no such thing")
}

func TestUnreadableDpkgFiles(t *testing.T) {
	files := analysis.Files{"var/lib/dpkg/available": unreadableFile{}, "var/lib/dpkg/info/a.md5sums": unreadableFile{}, "var/lib/dpkg/status.d/b": unreadableFile{},
		"var/lib/dpkg/status": keptFile(onDisk(inMemory("status", []byte(installedA))))}
	failures := map[string]error{}
	res, err := analyzeDpkg(t.Context(), files, func(path string, err error) { failures[path] = err })
	if err != nil || len(failures) != 3 || len(res.PackageInfos) != 1 {
		t.Errorf("%+v, %v, %v", res, failures, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := analyzeDpkg(ctx, files, func(string, error) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestTooLargeForMemory(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "status"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(maxDatabase + 1); err != nil {
		t.Fatal(err)
	}
	if _, err := wholeFile(analysis.File{Content: f}); err == nil {
		t.Error("it was read")
	}
}

// mimeHeaders reads paragraphs as Trivy does.
func mimeHeaders(data []byte) (list []textproto.MIMEHeader, fail []bool, err error) {
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(make([]byte, 0, maxParagraph), maxParagraph)
	s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if atEOF && len(data) == 0 {
			return 0, nil, nil
		}
		if i := bytes.Index(data, []byte("\n\n")); i >= 0 {
			return i + 2, data[:i], nil
		}
		if atEOF {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	for s.Scan() {
		h, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(s.Bytes()))).ReadMIMEHeader()
		list, fail = append(list, h), append(fail, err != nil && !errors.Is(err, io.EOF))
	}
	return list, fail, s.Err()
}

func FuzzParagraphs(f *testing.F) {
	for _, s := range []string{installedA, installedA + "\n\n" + installedA, "a: b\r\n\r\nc: d", " x: y", "Version:\n 1\n\t2 \n \nversion: 3", "x : y\n:z", "ä: b\n\nA: ä\x01",
		"Source: a (1)\r\n", "Package: a\nPackage: b", "\n\n\n\nSHA256: x\n\nsha256:\ty\n", "a:\n   "} {
		f.Add([]byte(s))
	}
	f.Fuzz(compareParagraphs)
}

func TestLimitOfParagraphs(t *testing.T) {
	for n := maxParagraph - 5; n < maxParagraph+3; n++ {
		compareParagraphs(t, []byte("a:"+strings.Repeat("x", n-2)))
		compareParagraphs(t, []byte("a:"+strings.Repeat("x", n-4)+"\n\nb:\n"))
	}
}

// compareParagraphs reads data as Trivy does and in our way.
func compareParagraphs(t *testing.T, data []byte) {
	names := [fields]string{"Package", "Status", "Version", "Source", "Depends", "Maintainer", "Architecture", "SHA256"}
	want, fail, wantErr := mimeHeaders(data)
	n := 0
	var p paragraph
	for text, err := range paragraphs(data) {
		if err != nil {
			if wantErr == nil {
				t.Fatal(err)
			}
			wantErr = nil
			break
		}
		if n == len(want) {
			t.Fatalf("a paragraph too many: %q", text)
		}
		err = p.parse(text)
		if (err != nil && !hides(err)) != fail[n] {
			t.Fatalf("%q: error %v", text, err)
		}
		for i, name := range names {
			if got := p.get(i); !fail[n] && got != want[n].Get(name) {
				t.Fatalf("%q: %s is %q, want %q", text, name, got, want[n].Get(name))
			}
		}
		n++
	}
	if n != len(want) || wantErr != nil {
		t.Fatalf("%d paragraphs of %d, missed error %v", n, len(want), wantErr)
	}
}

func FuzzDpkg(f *testing.F) {
	f.Add([]byte(installedA+"Depends: a (>= 1) | b, c"), []byte("x  a/b\ny  c"))
	f.Add([]byte("Package: a\nVersion: 1:2-3\nSource: x y (4)\n\n\n"), []byte("\n"))
	f.Fuzz(func(t *testing.T, status, list []byte) {
		res, _ := runDpkg(t, map[string]string{"var/lib/dpkg/status": string(status), "var/lib/dpkg/info/a.md5sums": string(list), "var/lib/dpkg/available": string(status)})
		for _, info := range res.PackageInfos {
			for _, p := range info.Packages {
				if p.Name == "" || p.Version == "" || p.SrcName == "" || p.SrcVersion == "" {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}

func largeDpkg() analysis.Files {
	files := analysis.Files{}
	var status strings.Builder
	for i := range 500 {
		fmt.Fprintf(&status, "Package: lib%d\nStatus: install ok installed\nPriority: optional\nInstalled-Size: 100\nMaintainer: Debian <x@debian.org>\nArchitecture: amd64\nMulti-Arch: same\nSource: src%d (1.%d-1)\nVersion: 1.%d-1+b1\n", i, i/2, i, i)
		fmt.Fprintf(&status, "Depends: lib%d (>= 1.2), lib%d | libnone, lib%d:any, libc6 (>= 2.34)\nConffiles:\n%s", (i+1)%500, (i*7)%500, (i*3)%500, strings.Repeat(" /etc/a/b/c/d/e 0123456789abcdef0123456789abcdef\n", 5))
		fmt.Fprintf(&status, "Description: a library\n%sHomepage: https://example.org/\n\n", strings.Repeat(" This text goes on and on and says what the library is good for.\n", 12))
		var list strings.Builder
		for j := range 200 {
			fmt.Fprintf(&list, "0123456789abcdef0123456789abcdef  usr/share/lib%d/directory/file-%04d.txt\n", i, j)
		}
		name := fmt.Sprintf("var/lib/dpkg/info/lib%d.md5sums", i)
		files[name] = keptFile(inMemory(name, []byte(list.String())))
	}
	files["var/lib/dpkg/status"] = keptFile(inMemory("var/lib/dpkg/status", []byte(status.String())))
	return files
}

func BenchmarkDpkg(b *testing.B) {
	files := largeDpkg()
	b.ReportAllocs()
	for b.Loop() {
		res, err := analyzeDpkg(b.Context(), files, func(_ string, err error) { b.Error(err) })
		if err != nil || len(res.SystemFiles) != 100_000 {
			b.Fatal(len(res.SystemFiles), err)
		}
	}
}
