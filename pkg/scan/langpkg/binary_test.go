// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"compress/zlib"
	"context"
	"debug/elf"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gobinary "github.com/aquasecurity/trivy/pkg/dependency/parser/golang/binary"
	rustbinary "github.com/aquasecurity/trivy/pkg/dependency/parser/rust/binary"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

const (
	goTestdata   = "pkg/fanal/analyzer/language/golang/binary/testdata/"
	rustTestdata = "pkg/fanal/analyzer/language/rust/binary/testdata/"
)

func TestGoBinary(t *testing.T) {
	const pep, ver, xerrors = "github.com/aquasecurity/go-pep440-version", "github.com/aquasecurity/go-version", "golang.org/x/xerrors"
	const pepV, verV, xerrorsV = "v0.0.0-20210121094942-22b2f8951d46", "v0.0.0-20210121072130-637058cfe492", "v0.0.0-20200804184101-5ec99f83aff1"
	got, err := analyzeBoth(t, analysis.TypeGoBinary, "bin/test", trivyData(t, goTestdata+"executable_gobinary"))
	if err != nil {
		t.Fatal(err)
	}
	want := one(ftypes.GoBinary, "bin/test",
		ftypes.Package{ID: "github.com/aquasecurity/test", Name: "github.com/aquasecurity/test", Relationship: ftypes.RelationshipRoot,
			DependsOn: []string{pep + "@" + pepV, ver + "@" + verV, xerrors + "@" + xerrorsV, "stdlib@v1.15.2"}},
		ftypes.Package{ID: "stdlib@v1.15.2", Name: "stdlib", Version: "v1.15.2", Relationship: ftypes.RelationshipDirect},
		ftypes.Package{ID: pep + "@" + pepV, Name: pep, Version: pepV},
		ftypes.Package{ID: ver + "@" + verV, Name: ver, Version: verV},
		ftypes.Package{ID: xerrors + "@" + xerrorsV, Name: xerrors, Version: xerrorsV})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRustBinary(t *testing.T) {
	got, err := analyzeBoth(t, analysis.TypeRustBinary, "bin/test", trivyData(t, rustTestdata+"executable_rust"))
	if err != nil {
		t.Fatal(err)
	}
	want := one(ftypes.RustBinary, "bin/test",
		ftypes.Package{ID: "crate_with_features@0.1.0", Name: "crate_with_features", Version: "0.1.0",
			Relationship: ftypes.RelationshipRoot, DependsOn: []string{"library_crate@0.1.0"}},
		ftypes.Package{ID: "library_crate@0.1.0", Name: "library_crate", Version: "0.1.0"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoBinary(t *testing.T) {
	files := map[string][]byte{
		"empty": {}, "short": []byte("\x7fELF"), "script": []byte("#!/bin/sh\nexec true; # and more\n"),
		"zeros": make([]byte, 4096), "class": append([]byte{0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52}, make([]byte, 64)...),
		"elf16": []byte("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
		"exe16": []byte("MZ\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
	}
	for _, n := range []string{"executable_bash", "broken_elf"} {
		files[n] = trivyData(t, goTestdata+n)
	}
	for n, b := range files {
		for _, typ := range []analysis.Type{analysis.TypeGoBinary, analysis.TypeRustBinary} {
			if res, err := analyzeBoth(t, typ, n, b); res != nil || err != nil {
				t.Errorf("%s: %s gave %v, %v", typ, n, res, err)
			}
		}
	}
}

func TestWantsBinary(t *testing.T) {
	for _, tt := range []struct {
		path string
		mode fs.FileMode
		want bool
	}{
		{"bin/a", 0o755, true}, {"bin/a", 0o100, true}, {"bin/a", 0o001, true}, {"bin/a", 0o644, false},
		{"bin/a.exe", 0o644, true}, {"a.exe/b", 0o644, false}, {"bin/l", fs.ModeSymlink | 0o777, false},
		{"bin/su", fs.ModeSetuid | 0o755, true},
	} {
		if got := wantsBinary(tt.path, fakeInfo{filepath.Base(tt.path), 1, tt.mode}); got != tt.want {
			t.Errorf("%s %v: %v", tt.path, tt.mode, got)
		}
	}
}

// TestFirstBytes compares what the first bytes rule out with Trivy's parsers: each
// format's magic, and that of others, before otherwise valid and invalid files.
func TestFirstBytes(t *testing.T) {
	programs := [][]byte{trivyData(t, goTestdata+"executable_gobinary"), trivyData(t, rustTestdata+"executable_rust"), make([]byte, 512)}
	for _, magic := range []string{"\x7fELF", "MZ", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe",
		"\x00\xfa\xed\xfe", "\xca\xfe\xba\xbe", "\xca\xfe\xba\xbf", "\x01\xdf", "\x01\xf7", "\x00\x00\x01\xeb", "\x00\x00\x8a\x97",
		"\x00\x00\x06\x47", "\x00asm\x01\x00\x00\x00", "\x00asm", "PK\x03\x04", "#!", "\x7fEL", "M", ""} {
		for i, b := range programs {
			b = append([]byte(magic), b[len(magic):]...)
			comparePlain(t, analysis.TypeGoBinary, gobinary.NewParser(), b, i, magic)
			comparePlain(t, analysis.TypeRustBinary, rustbinary.NewParser(), b, i, magic)
		}
	}
}

// comparePlain expects of an analyser what Trivy's does with the parser's answer.
func comparePlain(t *testing.T, typ analysis.Type, p packageParser, b []byte, i int, magic string) {
	t.Helper()
	pkgs, deps, err := parse(context.Background(), p, bytes.NewReader(b))
	switch err {
	case gobinary.ErrNonGoBinary, gobinary.ErrUnrecognizedExe, rustbinary.ErrNonRustBinary, rustbinary.ErrUnrecognizedExe:
		pkgs, deps, err = nil, nil, nil
	}
	lang := map[analysis.Type]ftypes.LangType{analysis.TypeGoBinary: ftypes.GoBinary, analysis.TypeRustBinary: ftypes.RustBinary}[typ]
	want := application(lang, "p", "", pkgs, deps)
	got, err2 := analyzeBoth(t, typ, "p", b)
	if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (err2 == nil) {
		t.Errorf("%s, file %d with %q: want error %v, got %v\n%s", typ, i, magic, err, err2, diff)
	}
}

// TestDamagedBuildInfo cuts a Go program and turns bits in its build information:
// whatever Trivy's parser says is said here.
func TestDamagedBuildInfo(t *testing.T) {
	program := trivyData(t, goTestdata+"executable_gobinary")
	at := bytes.Index(program, []byte("\xff Go buildinf:"))
	if at < 0 {
		t.Fatal("the test program has no build information")
	}
	for i := range 32 {
		b := bytes.Clone(program)
		b[at+i] ^= 0x41
		comparePlain(t, analysis.TypeGoBinary, gobinary.NewParser(), b, i, "turned")
	}
	for _, n := range []int{16, 17, 64, 1000, at, at + 20, len(program) - 1} {
		comparePlain(t, analysis.TypeGoBinary, gobinary.NewParser(), program[:n], n, "cut")
	}
}

// wasmModule is a module with one custom section.
func wasmModule(name string, data []byte) []byte {
	uleb := func(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }
	body := append(append(uleb(len(name)), name...), data...)
	b := append([]byte("\x00asm\x01\x00\x00\x00\x01\x01\x00"), 0)
	b = append(append(b, uleb(len(body))...), body...)
	return append(b, 2, 1, 0, 3, 1, 0, 0)
}

func packed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRustWasm(t *testing.T) {
	list := []byte(`{"packages":[{"name":"a","version":"1.0.0","root":true,"dependencies":[1]},{"name":"b","version":"2.0.0"}]}`)
	for name, b := range map[string][]byte{
		"good":     wasmModule(".dep-v0", packed(t, list)),
		"other":    wasmModule("producers", list),
		"unpacked": wasmModule(".dep-v0", list),
		"noJSON":   wasmModule(".dep-v0", packed(t, []byte("{"))),
		"longName": append([]byte("\x00asm\x01\x00\x00\x00\x00\x05\xff\xff\xff\x7f"), make([]byte, 32)...),
		"longData": append([]byte("\x00asm\x01\x00\x00\x00\x00\xff\xff\xff\x7f\x07.dep-v0"), make([]byte, 32)...),
		"cut":      wasmModule(".dep-v0", packed(t, list))[:20],
	} {
		comparePlain(t, analysis.TypeRustBinary, rustbinary.NewParser(), b, 0, name)
	}
}

func TestHostileCrateLists(t *testing.T) {
	bomb := packed(t, make([]byte, maxCrateList+1))
	for name, tt := range map[string]struct {
		module []byte
		want   string
	}{
		"bomb":     {wasmModule(".dep-v0", bomb), "unpacks to more than"},
		"large":    {wasmModule(".dep-v0", make([]byte, maxCrateList+10)), "has more than"},
		"backward": {append([]byte("\x00asm\x01\x00\x00\x00\x00\x01\x07.dep-v0"), make([]byte, 32)...), "ends before it begins"},
		"index":    {wasmModule(".dep-v0", packed(t, []byte(`{"packages":[{"name":"a","version":"1","dependencies":[7]}]}`))), "panicked"},
	} {
		res, err := analyzeBoth(t, analysis.TypeRustBinary, name, tt.module)
		if err == nil || !strings.Contains(err.Error(), tt.want) || res != nil {
			t.Errorf("%s: %v, %v", name, res, err)
		}
	}
}

func TestCancelledWasm(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := rustBinary(ctx, inMemory("a", wasmModule("x", nil))); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}

func FuzzRustBinary(f *testing.F) {
	program, err := os.ReadFile(trivyPath(f, rustTestdata+"executable_rust"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wasmModule(".dep-v0", packed(f, []byte(`{"packages":[]}`))))
	f.Add(wasmModule("x", nil))
	if e, err := elf.NewFile(bytes.NewReader(program)); err == nil && e.Section(".dep-v0") != nil {
		f.Add(program[:4096])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < 16 {
			return
		}
		comparePlain(t, analysis.TypeRustBinary, rustbinary.NewParser(), b, 0, "fuzz")
	})
}
