// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	rpmdb "github.com/knqyf263/go-rpmdb/pkg"
	_ "modernc.org/sqlite" // the library's driver

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// rpmDatabases are real databases in all formats, by path.
func rpmDatabases(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(sourceOf(t, "github.com/knqyf263/go-rpmdb"), "pkg/testdata/*/*"))
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, filepath.Join(sourceOf(t, "github.com/aquasecurity/trivy"), "pkg/fanal/analyzer/pkg/rpm/testdata/valid"))
	if len(list) < 10 {
		t.Fatalf("only %d databases", len(list))
	}
	return list
}

// The library that Trivy uses reads the same packages.
func TestRpmDatabases(t *testing.T) {
	formats := map[string]int{}
	for _, name := range rpmDatabases(t) {
		t.Run(filepath.Base(filepath.Dir(name)), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			formats[string(data[:4])]++
			want := listWithLibrary(t, name)
			for how, f := range map[string]analysis.File{"memory": inMemory("Packages", data), "disk": onDisk(inMemory("Packages", data))} {
				res, err := analyzeRpm(t.Context(), f)
				if err != nil {
					t.Fatalf("%s: %v", how, err)
				}
				comparePackages(t, res.PackageInfos[0].Packages, want)
			}
		})
	}
	if formats["SQLi"] == 0 || formats["RpmP"] == 0 || len(formats) < 3 {
		t.Errorf("formats %v", formats)
	}
}

func listWithLibrary(t *testing.T, name string) []*rpmdb.PackageInfo {
	t.Helper()
	copied := filepath.Join(t.TempDir(), "db") // the directory of modules is read-only
	data, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(copied, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := rpmdb.Open(copied)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list, err := db.ListPackages()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func comparePackages(t *testing.T, got ftypes.Packages, want []*rpmdb.PackageInfo) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("%d packages, want %d", len(got), len(want))
	}
	providers := map[string]string{}
	for i, w := range want {
		for _, p := range w.Provides {
			providers[p] = got[i].ID
		}
	}
	for i, w := range want {
		p := got[i]
		files, err := w.InstalledFileNames()
		if err != nil {
			t.Fatal(err)
		}
		if p.Repository.Class == ftypes.RepositoryClassThirdParty {
			files = nil
		}
		var depends []string
		for _, r := range w.Requires {
			if id := providers[r]; id != "" && id != p.ID && !slices.Contains(depends, id) {
				depends = append(depends, id)
			}
		}
		slices.Sort(depends)
		licence, md5 := strings.Join(p.Licenses, ""), strings.TrimPrefix(string(p.Digest), "md5:")
		arch := p.Arch
		if arch == "None" {
			arch = ""
		}
		left := []any{p.Name, p.Version, p.Release, p.Epoch, p.SrcEpoch, arch, p.Maintainer, p.Modularitylabel, licence, md5, p.InstalledFiles, p.DependsOn}
		right := []any{w.Name, w.Version, w.Release, w.EpochNum(), w.EpochNum(), w.Arch, w.Vendor, w.Modularitylabel, w.License, w.SigMD5, files, depends}
		if !reflect.DeepEqual(left, right) {
			t.Fatalf("package %d: got\n%q\nwant\n%q", i, left, right)
		}
		if name, _, _, ok := splitSourceRpm(w.SourceRpm); p.SrcName != name || ok != (w.SourceRpm != "") {
			t.Errorf("source %q of %q", p.SrcName, w.SourceRpm)
		}
	}
}

// headerOf makes a header of version 3 of what Trivy's tests give.
func headerOf(p *rpmdb.PackageInfo) []byte {
	var index, data bytes.Buffer
	count := uint32(0)
	add := func(tag, typ, n int, value []byte) {
		if typ == typeInt32 {
			for data.Len()%4 != 0 {
				data.WriteByte(0)
			}
		}
		_ = binary.Write(&index, binary.BigEndian, []uint32{uint32(tag), uint32(typ), uint32(data.Len()), uint32(n)})
		data.Write(value)
		count++
	}
	for _, s := range []struct {
		tag   int
		value string
	}{{tagName, p.Name}, {tagVersion, p.Version}, {tagRelease, p.Release}, {tagArch, p.Arch}, {tagVendor, p.Vendor}, {tagSourceRpm, p.SourceRpm}} {
		add(s.tag, typeString, 1, []byte(s.value+"\x00"))
	}
	if len(p.BaseNames) > 0 {
		indexes := binary.BigEndian.AppendUint32(nil, 0)[:0]
		for _, i := range p.DirIndexes {
			indexes = binary.BigEndian.AppendUint32(indexes, uint32(i))
		}
		add(tagBaseNames, typeStrings, len(p.BaseNames), []byte(strings.Join(p.BaseNames, "\x00")+"\x00"))
		add(tagDirNames, typeStrings, len(p.DirNames), []byte(strings.Join(p.DirNames, "\x00")+"\x00"))
		add(tagDirIndexes, typeInt32, len(p.DirIndexes), indexes)
	}
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, count), uint32(data.Len()))
	return slices.Concat(head, index.Bytes(), data.Bytes())
}

func TestRpmPackagesAsTrivyDoes(t *testing.T) {
	for name, c := range trivyTable(t, "pkg/rpm/rpm_test.go", "Test_rpmPkgAnalyzer_listPkgs") {
		if c["wantErr"] != nil {
			continue // of its mock
		}
		var given []rpmdb.PackageInfo
		var want ftypes.Packages
		var wantFiles []string
		setLiteral(t, reflect.ValueOf(&given).Elem(), fieldOfLiteral(c["mock"], "packages"))
		setLiteral(t, reflect.ValueOf(&want).Elem(), c["wantPkgs"])
		setLiteral(t, reflect.ValueOf(&wantFiles).Elem(), c["wantFiles"])
		db := rpmPackages{provides: map[string]string{}, left: maxNames}
		for i := range given {
			if err := db.add(headerOf(&given[i])); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		db.resolve()
		if !reflect.DeepEqual(db.packages, want) || !reflect.DeepEqual(db.files, wantFiles) {
			t.Errorf("%s: got %+v\nwant %+v", name, db.packages, want)
		}
	}
}

func TestWantedRpmFiles(t *testing.T) {
	for name, want := range map[string]bool{"var/lib/rpm/Packages": true, "usr/lib/sysimage/rpm/rpmdb.sqlite": true, "usr/share/rpm/rpmdb.sqlite": true,
		"usr/share/rpm/Packages": false, "var/lib/rpm/rpmdb.sqlite-wal": false, "x/var/lib/rpm/Packages": false} {
		if got := wantsRpm(name, nil); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestSplitSourceRpm(t *testing.T) {
	for file, want := range map[string][3]string{"glibc-2.17-307.el7.1.src.rpm": {"glibc", "2.17", "307.el7.1"}, "elasticsearch-5.6.16-1-src.rpm": {},
		"": {}, "a.rpm": {}, "a-1.rpm": {}, "a-1.src.rpm": {}} {
		name, version, release, ok := splitSourceRpm(file)
		if got := [3]string{name, version, release}; got != want || ok != (want[0] != "") {
			t.Errorf("%s: %q", file, got)
		}
	}
}

func TestBrokenRpmDatabases(t *testing.T) {
	if _, err := analyzeRpm(t.Context(), inMemory("Packages", []byte("broken"))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	for _, name := range rpmDatabases(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := analyzeRpm(t.Context(), inMemory("Packages", data))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{31, 99, 600, 5000, len(data) / 2, len(data) - 4097} {
			if res, err := analyzeRpm(t.Context(), inMemory("Packages", data[:n])); err == nil && len(res.PackageInfos[0].Packages) != len(whole.PackageInfos[0].Packages) {
				t.Errorf("%s: %d bytes give %d packages of %d and no error", name, n, len(res.PackageInfos[0].Packages), len(whole.PackageInfos[0].Packages))
			}
		}
	}
}

// bdbWith makes a table of hashes with one off-page value that begins in page 2.
func bdbWith(pages ...[]byte) []byte {
	meta := make([]byte, 512)
	binary.LittleEndian.PutUint32(meta[12:], bdbMagic)
	binary.LittleEndian.PutUint32(meta[20:], 512)
	meta[25] = bdbMetadata
	binary.LittleEndian.PutUint32(meta[32:], 1)
	hash := make([]byte, 512)
	hash[25] = bdbHashPage
	binary.LittleEndian.PutUint16(hash[20:], 2)
	binary.LittleEndian.PutUint16(hash[28:], 100)
	hash[100] = bdbOffPage
	binary.LittleEndian.PutUint32(hash[104:], 2)
	return slices.Concat(slices.Concat([][]byte{meta, hash}...), slices.Concat(pages...))
}

func overflowPage(typ byte, next uint32, content []byte) []byte {
	page := make([]byte, 512)
	binary.LittleEndian.PutUint32(page[16:], next)
	binary.LittleEndian.PutUint16(page[22:], uint16(len(content)))
	page[25] = typ
	copy(page[bdbPageHeader:], content)
	return page
}

// With these Trivy's library ends the process, or reads for ever.
func TestHostileBerkeleyDB(t *testing.T) {
	header := headerOf(&rpmdb.PackageInfo{Name: "a", Version: "1", Release: "2", Arch: "noarch"})
	res, err := analyzeRpm(t.Context(), inMemory("Packages", bdbWith(overflowPage(bdbOverflowPage, 0, header))))
	if err != nil || res.PackageInfos[0].Packages[0].ID != "a@1-2.noarch" {
		t.Fatalf("%+v, %v", res, err)
	}
	odd := bdbWith(overflowPage(bdbOverflowPage, 0, header))
	binary.LittleEndian.PutUint16(odd[512+28:], 0xffff)
	for name, data := range map[string][]byte{
		"circle":           bdbWith(overflowPage(bdbOverflowPage, 2, nil)),
		"other type":       bdbWith(overflowPage(bdbHashPage, 0, header)),
		"beyond the end":   bdbWith(overflowPage(bdbOverflowPage, 1<<31, nil)),
		"entry in no page": odd,
		"no value":         bdbWith(overflowPage(bdbOverflowPage, 0, nil)),
	} {
		if res, err := analyzeRpm(t.Context(), inMemory("Packages", data)); err == nil {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

func TestHostileRpmHeaders(t *testing.T) {
	good := headerOf(&rpmdb.PackageInfo{Name: "a", Version: "1", BaseNames: []string{"x", "y"}, DirNames: []string{"/"}, DirIndexes: []int32{0, 0}})
	if _, err := parseRpmHeader(good); err != nil {
		t.Fatal(err)
	}
	for at := range good {
		for _, b := range []byte{0, 1, 0x7f, 0xff} {
			bad := bytes.Clone(good)
			bad[at] = b
			left := allowance(maxNames)
			if h, err := parseRpmHeader(bad); err == nil {
				_, _ = h.files(&left)
			}
		}
	}
	for _, p := range []rpmdb.PackageInfo{
		{Vendor: "SUSE", BaseNames: []string{"x"}, DirNames: []string{"/"}, DirIndexes: []int32{-1}},
		{Vendor: "SUSE", BaseNames: []string{"x"}, DirNames: []string{"/"}, DirIndexes: []int32{1}},
		{Vendor: "SUSE", BaseNames: []string{"x"}, DirNames: []string{"/"}, DirIndexes: []int32{0, 0}},
		{Vendor: "SUSE", BaseNames: []string{"x"}, DirNames: []string{"/", "/a"}, DirIndexes: []int32{0}},
	} {
		db := rpmPackages{provides: map[string]string{}, left: maxNames}
		if err := db.add(headerOf(&p)); err == nil {
			t.Errorf("%+v: %+v", p, db.packages)
		}
	}
}

// A few bytes of a header name gigabytes of paths: one long directory of many files.
func TestLongPaths(t *testing.T) {
	p := rpmdb.PackageInfo{Vendor: "SUSE", DirNames: []string{"/" + strings.Repeat("d", 1<<20)}, BaseNames: slices.Repeat([]string{"x"}, 4096), DirIndexes: make([]int32, 4096)}
	db := rpmPackages{provides: map[string]string{}, left: maxNames}
	if err := db.add(headerOf(&p)); err == nil {
		t.Error("it was read")
	}
}

func TestPackagesTable(t *testing.T) {
	for statement, want := range map[string]bool{
		"CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)":    true,
		"CREATE TABLE Packages (\n hnum INTEGER PRIMARY KEY,\n blob BLOB NOT NULL\n)":            true,
		"CREATE TABLE Packages (blob BLOB NOT NULL, hnum INTEGER PRIMARY KEY)":                   false,
		"CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL) WITHOUT ROWID":     false,
		"CREATE VIEW Packages AS SELECT 1 AS hnum, '' AS blob":                                   false,
		"CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, x, blob BLOB NOT NULL)":                false,
		"CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob AS (x) BLOB, x INT)": false,
	} {
		if got := isPackagesTable(statement); got != want {
			t.Errorf("%s: %t", statement, got)
		}
	}
}

func FuzzRpmHeader(f *testing.F) {
	f.Add(headerOf(&rpmdb.PackageInfo{Name: "a", Vendor: "SUSE", BaseNames: []string{"x", ".y"}, DirNames: []string{"/", "/a/"}, DirIndexes: []int32{0, 1}}))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x10"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		db := rpmPackages{provides: map[string]string{}, left: maxNames}
		if db.add(b) == nil {
			db.resolve()
		}
	})
}

func FuzzRpmDatabase(f *testing.F) {
	header := headerOf(&rpmdb.PackageInfo{Name: "a", Version: "1"})
	f.Add(bdbWith(overflowPage(bdbOverflowPage, 0, header)))
	slots := make([]byte, ndbPage)
	copy(slots, ndbMagic)
	slots[12] = 1
	for at := 32; at < len(slots); at += ndbBlock {
		copy(slots[at:], ndbSlotMagic)
	}
	slots[36], slots[41] = 1, 1
	blob := slices.Concat([]byte(ndbBlobMagic), []byte{1, 0, 0, 0, 0, 0, 0, 0, byte(len(header)), 0, 0, 0}, header)
	f.Add(slices.Concat(slots, blob))
	f.Add(sqliteSample)
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = analyzeRpm(t.Context(), inMemory("Packages", b))
		_, _ = analyzeRpm(t.Context(), onDisk(inMemory("Packages", b)))
	})
}

// sqliteSample is the head of a database of two pages of 512 bytes whose schema is empty.
var sqliteSample = func() []byte {
	b := make([]byte, 1024)
	copy(b, sqliteMagic)
	b[16], b[59], b[100] = 2, 1, sqliteLeaf
	return b
}()

func BenchmarkRpm(b *testing.B) {
	for _, name := range rpmDatabases(b) {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(filepath.Base(filepath.Dir(name)), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := analyzeRpm(b.Context(), inMemory("Packages", data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestDigestOfHeader(t *testing.T) {
	h := rpmHeader{}
	if err := h.set(rpmEntry{tag: tagSigMD5, typ: typeBinary}, []byte{0xab}); err != nil || h.md5 != hex.EncodeToString([]byte{0xab}) {
		t.Errorf("%q, %v", h.md5, err)
	}
}
