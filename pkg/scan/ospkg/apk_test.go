// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/aquasecurity/trivy/pkg/digest"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	apkversion "github.com/knqyf263/go-apk-version"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

const apkInstalled = "lib/apk/db/installed"

// trivyApk is Trivy's database, without the package that it has to show that Trivy
// drops it.
func trivyApk(t testing.TB) []byte {
	b := trivyData(t, "analyzer/pkg/apk/testdata/apk")
	const dropped = "P:invalidPackageWithoutAVersion\n\n"
	if !bytes.Contains(b, []byte(dropped)) {
		t.Fatal("the database is another one")
	}
	return bytes.Replace(b, []byte(dropped), nil, 1)
}

func TestApkAsTrivyExpects(t *testing.T) {
	src := newSource(t, "analyzer/pkg/apk/apk_test.go")
	packages, files := as[[]ftypes.Package](t, src.eval(src.known["pkgs"])), as[[]string](t, src.eval(src.known["files"]))
	if len(packages) < 10 || len(files) < 70 {
		t.Fatalf("%d packages, %d files are expected", len(packages), len(files))
	}
	got, err := run(t, analysis.TypeApk, apkInstalled, trivyApk(t))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, &analysis.Result{PackageInfos: []ftypes.PackageInfo{{FilePath: apkInstalled, Packages: packages}}, SystemFiles: files})
}

func TestApkPackageThatTrivyDrops(t *testing.T) {
	_, err := run(t, analysis.TypeApk, apkInstalled, trivyData(t, "analyzer/pkg/apk/testdata/apk"))
	if want := "the package database lists packages that could not be read: invalidPackageWithoutAVersion"; text(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestUnreadApkPackages(t *testing.T) {
	const good = "P:musl\nV:1.2.5-r0\n\n"
	many := ""
	for i := range 7 {
		many += fmt.Sprintf("P:p%d\n\n", i)
	}
	for body, names := range map[string]string{
		good + "P:odd\nV:not a version\n\n":         "odd",
		good + "P:odd\nV:not a version":             "odd",
		"P:odd\nV:not a version\n\n" + good:         "odd",
		"P:odd\nV:1\nV:not a version\n\n":           "odd",
		"P:musl\nV:not a version\n\n" + good:        "musl",
		"P:none\n\n":                                "none",
		"P:none\nV:\n\n":                            "none",
		"P:first\nV:1\nP:second\nV:1\n":             "first",
		"V:1\n\n" + good:                            "(no name)",
		"P:\nV:1\n\n":                               "(no name)",
		"A:x86_64\nF:bin\nR:sh\n\n" + good:          "(no name)",
		"P:a\x00\nV:\xff\n":                         "a\x00",
		many:                                        "p0, p1, p2, p3, p4 and 2 more",
		"P:b\n\nP:a\n\nP:b\n\n":                     "a, b",
		"P:crlf\r\nV:1\r\n\r\nP:next\r\nV:\r\n\r\n": "next",
	} {
		res, err := run(t, analysis.TypeApk, apkInstalled, []byte(body))
		if want := "the package database lists packages that could not be read: " + names; text(err) != want || res != nil {
			t.Errorf("%q: %v, want %s", body, err, want)
		}
	}
}

// one is the only package of a database.
func one(t *testing.T, body string) ftypes.Package {
	t.Helper()
	res, err := run(t, analysis.TypeApk, apkInstalled, []byte(body))
	if err != nil || len(res.PackageInfos) != 1 || len(res.PackageInfos[0].Packages) != 1 {
		t.Fatalf("%q: %+v, %v", body, res, err)
	}
	return res.PackageInfos[0].Packages[0]
}

func TestApkFields(t *testing.T) {
	const head = "P:a\nV:1.0-r1\n"
	pkg := func(change func(p *ftypes.Package)) ftypes.Package {
		p := ftypes.Package{ID: "a@1.0-r1", Name: "a", Version: "1.0-r1"}
		change(&p)
		return p
	}
	for body, change := range map[string]func(p *ftypes.Package){
		head:                                     func(*ftypes.Package) {},
		"no field\n" + head + "x\n":              func(*ftypes.Package) {},
		"\n\n" + head + "\n \n":                  func(*ftypes.Package) {},
		"P:b\nV:1\nP:b\n" + "V:2_rc1\n":          func(p *ftypes.Package) { p.ID, p.Name, p.Version = "b@2_rc1", "b", "2_rc1" },
		head + "o:src\n":                         func(p *ftypes.Package) { p.SrcName, p.SrcVersion = "src", "1.0-r1" },
		head + "o:\n":                            func(p *ftypes.Package) { p.SrcVersion = "1.0-r1" },
		"o:a\n" + head:                           func(p *ftypes.Package) { p.SrcName, p.SrcVersion = "a", "1.0-r1" },
		"V:3\no:a\n" + head:                      func(p *ftypes.Package) { p.SrcName, p.SrcVersion = "a", "3" },
		head + "A:x86_64\nm:M <m@x>\n":           func(p *ftypes.Package) { p.Arch, p.Maintainer = "x86_64", "M <m@x>" },
		head + "L:MIT AND (Zlib OR GPL2)":        func(p *ftypes.Package) { p.Licenses = []string{"MIT", "Zlib", "GPL-2.0-only"} },
		head + "C:Q1\n":                          func(p *ftypes.Package) { p.Digest = "sha1:" },
		head + "C:AAEC\nC:!\n":                   func(p *ftypes.Package) { p.Digest = "md5:000102" },
		head + "C:Q2AAEC\n":                      func(*ftypes.Package) {},
		head + "C:" + strings.Repeat("AAAA", 50): func(p *ftypes.Package) { p.Digest = digest.Digest("md5:" + strings.Repeat("000000", 50)) },
		head + "D:a !a so:x=1 none>2\nD:so:x<3\np:so:x=4 cmd:y\n": func(p *ftypes.Package) { p.DependsOn = []string{"a@1.0-r1"} },
		head + "D:none\n": func(*ftypes.Package) {},
		head + "R:top\nF:b\nR:c\nR:../d\nR:\nF:/r/\nR:s/./t\nF:\nR:u\nF:.\nR:v\nF:..\nR:w\n": func(p *ftypes.Package) {
			p.InstalledFiles = []string{"top", "b/c", "d", "b", "/r/s/t", "u", "v", "../w"}
		},
	} {
		equal(t, one(t, body), pkg(change))
	}
}

func TestApkPackagesTogether(t *testing.T) {
	const body = "P:a\nV:1\nA:x\nF:usr\nR:a\nD:c d b\n\n" +
		"P:b\nV:1\nR:b\np:d=2\n\n" + // still in usr
		"P:b\nV:2\no:other\nF:lib\nR:b\n\n" + // a second b: its files and what it provides count
		"P:c\nV:1\np:b\n"
	got, err := run(t, analysis.TypeApk, "usr/"+apkInstalled, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, &analysis.Result{
		PackageInfos: []ftypes.PackageInfo{{FilePath: "usr/" + apkInstalled, Packages: []ftypes.Package{
			{ID: "a@1", Name: "a", Version: "1", Arch: "x", InstalledFiles: []string{"usr/a"}, DependsOn: []string{"b@1", "c@1"}},
			{ID: "b@1", Name: "b", Version: "1", InstalledFiles: []string{"usr/b"}},
			{ID: "c@1", Name: "c", Version: "1"},
		}}},
		SystemFiles: []string{"usr/a", "usr/b", "lib/b"},
	})
}

// An emptied database is a result: that packages are gone matters.
func TestEmptyApk(t *testing.T) {
	for _, body := range []string{"", "\n\n\n", "x"} {
		got, err := run(t, analysis.TypeApk, apkInstalled, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, got, &analysis.Result{PackageInfos: []ftypes.PackageInfo{{FilePath: apkInstalled}}})
	}
}

// Trivy stops at a line of 64 KiB.
func TestLongApkLines(t *testing.T) {
	long := strings.Repeat("x ", 70_000)
	for _, tag := range []string{"p", "D", "T", "m", "x"} {
		body := "P:long\nV:1.0-r0\n" + tag + ":" + long + "\n" + tag + ":" + long + long + "\n\nP:after\nV:1.0-r0\n"
		res, err := run(t, analysis.TypeApk, apkInstalled, []byte(body))
		if err != nil || len(res.PackageInfos[0].Packages) != 2 || res.PackageInfos[0].Packages[1].Name != "after" {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

// Small files that would fill the memory, or take for ever.
func TestApkBombs(t *testing.T) {
	dir := "F:" + strings.Repeat("d", 100_000) + "\n"
	up := "F:" + strings.Repeat("d/", 50_000) + "\n"
	var provides strings.Builder
	for i := range 1 << 20 {
		fmt.Fprintf(&provides, "%x ", i)
	}
	for name, body := range map[string]string{
		"a long directory":          "P:a\nV:1\n" + dir + strings.Repeat("R:f\n", 10_000),
		"short paths in a long one": "P:a\nV:1\n" + up + strings.Repeat("R:..\n", 10_000),
		"much that is provided":     "P:a\nV:1\n" + strings.Repeat("p:"+provides.String()+"\n", 9),
		"a licence":                 "P:a\nV:1\nL:" + strings.Repeat("MIT ", 3<<20),
	} {
		t.Run(name, func(t *testing.T) {
			res, err := analyzeApk(t.Context(), fileOf(apkInstalled, []byte(body), true))
			if err == nil || res != nil || !strings.Contains(err.Error(), "memory") {
				t.Error(err)
			}
		})
	}
}

func TestApkCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res, err := analyserOf(t, analysis.TypeApk).Analyze(ctx, fileOf(apkInstalled, []byte("P:a\nV:1\n"), true)); !errors.Is(err, context.Canceled) || res != nil {
		t.Errorf("%+v, %v", res, err)
	}
}

func FuzzApkPath(f *testing.F) {
	for _, s := range []string{"usr/bin\x00sh", "\x00a", "/\x00a", "a//b\x00c/", ".\x00.x", "..\x00..", "a/./b\x00../c", "a\x00"} {
		dir, name, _ := strings.Cut(s, "\x00")
		f.Add(dir, name)
	}
	f.Fuzz(func(t *testing.T, dir, name string) {
		if strings.ContainsAny(dir+name, "\r\n") {
			t.Skip()
		}
		res, err := run(t, analysis.TypeApk, apkInstalled, []byte("P:a\nV:1\nF:"+dir+"\nR:"+name+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if want := path.Join(dir, name); len(res.SystemFiles) != 1 || res.SystemFiles[0] != want {
			t.Errorf("%q, want %q", res.SystemFiles, want)
		}
	})
}

func FuzzPlainVersion(f *testing.F) {
	for _, s := range []string{"1.2.5-r0", "0", "00.0-r00", "1.", "1.2a", "1-r", "2023.10.1_p1-r2", "1..2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if isPlainVersion([]byte(v)) && !apkversion.Valid(v) {
			t.Errorf("%q is no version", v)
		}
	})
}

func FuzzApk(f *testing.F) {
	f.Add(trivyApk(f))
	f.Add([]byte("P:a\nV:1\no:b\nD:b !c d=1\np:d=2\nL:MIT\nC:Q1\nF:x\nR:y\n\nP:b\r\nV:1_p1-r2\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		res, err := run(t, analysis.TypeApk, apkInstalled, b)
		if err != nil {
			return
		}
		files := 0
		for _, p := range res.PackageInfos[0].Packages {
			files += len(p.InstalledFiles)
			if p.Empty() || p.ID != p.Name+"@"+p.Version || !apkversion.Valid(p.Version) {
				t.Errorf("%+v", p)
			}
		}
		if files > len(res.SystemFiles) {
			t.Errorf("%d files of packages, %d in all", files, len(res.SystemFiles))
		}
	})
}

// manyPackages is a database of packages such as those of Alpine.
func manyPackages(n, files int) []byte {
	var b bytes.Buffer
	licences := []string{"MIT", "GPL-2.0-or-later", "BSD-3-Clause AND (MIT OR Apache-2.0)", "LGPL-2.1-or-later WITH exception"}
	for i := range n {
		fmt.Fprintf(&b, "C:Q1p78yvTLG094tHE1+dToJGbmYzQE=\nP:package%d-libs\nV:1.%d.3-r%d\nA:x86_64\nS:85515\nI:167936\nT:What it is for, in a line\n"+
			"U:https://www.example.org/\nL:%s\no:package%d\nm:A Maintainer <maintainer%d@example.org>\nt:1695796100\nc:3c2f0fbb3ea39e0d8a2bd55fcbd2ce8c7bbb2bd6\n",
			i, i%40, i%7, licences[i%len(licences)], i, i%50)
		fmt.Fprintf(&b, "D:package%d-libs so:lib%d.so.1 so:libc.musl-x86_64.so.1 /bin/sh\np:so:lib%d.so.1=1.%d cmd:p%d=1\n", (i+1)%n, (i+7)%n, i, i, i)
		for j := range files {
			if j%10 == 0 {
				fmt.Fprintf(&b, "F:usr/lib/package%d/part%d\n", i, j/10)
			}
			fmt.Fprintf(&b, "R:file%d.so\na:0:0:755\nZ:Q1pcfTfDNEbNKQc2s1tia7da05M8Q=\n", j)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func BenchmarkApk(b *testing.B) {
	data := manyPackages(1000, 30)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := analyzeApk(b.Context(), fileOf(apkInstalled, data, true)); err != nil {
			b.Fatal(err)
		}
	}
}
