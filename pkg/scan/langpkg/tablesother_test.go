// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	gobinary "github.com/aquasecurity/trivy/pkg/dependency/parser/golang/binary"
	rustbinary "github.com/aquasecurity/trivy/pkg/dependency/parser/rust/binary"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// peFile has symbols that all have their name at the beginning of names.
func peFile(sections, symbols int, names string, relocations uint16) []byte {
	le := binary.LittleEndian
	b := make([]byte, 96+24+40*sections)
	copy(b, "MZ")
	le.PutUint32(b[0x3c:], 96)
	copy(b[96:], "PE\x00\x00\x64\x86")
	le.PutUint16(b[96+6:], uint16(sections))
	le.PutUint32(b[96+12:], uint32(len(b)))
	le.PutUint32(b[96+16:], uint32(symbols))
	for i := range sections {
		copy(b[120+40*i:], "/4")
		le.PutUint16(b[120+40*i+32:], relocations)
	}
	for range symbols {
		b = append(b, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0)
	}
	return append(le.AppendUint32(b, uint32(len(names)+4)), names...)
}

// machoFile has as many symbol tables as is said, with symbols as those of peFile.
func machoFile(tables, symbols int, names string, relocations uint32) []byte {
	le := binary.LittleEndian
	commands := 152 + 24*tables
	b := make([]byte, 32+commands)
	le.PutUint32(b, 0xfeedfacf)
	le.PutUint32(b[12:], 2)
	le.PutUint32(b[16:], uint32(1+tables))
	le.PutUint32(b[20:], uint32(commands))
	le.PutUint32(b[32:], segment64)
	le.PutUint32(b[36:], 152)
	le.PutUint32(b[32+64:], 1)
	le.PutUint32(b[32+72+60:], relocations)
	for i := range tables {
		c := b[32+152+24*i:]
		for j, v := range []uint32{symtab, 24, uint32(len(b)), uint32(symbols), uint32(len(b) + 16*symbols), uint32(len(names))} {
			le.PutUint32(c[4*j:], v)
		}
	}
	return append(append(b, make([]byte, 16*symbols)...), names...)
}

func fatFile(programs ...[]byte) []byte {
	be := binary.BigEndian
	b := be.AppendUint32([]byte("\xca\xfe\xba\xbe"), uint32(len(programs)))
	at := 8 + 20*len(programs)
	for i, p := range programs {
		for _, v := range []int{i + 1, 0, at, len(p), 0} {
			b = be.AppendUint32(b, uint32(v))
		}
		at += len(p)
	}
	return append(b, bytes.Join(programs, nil)...)
}

func TestBoundOtherPrograms(t *testing.T) {
	long := strings.Repeat("x", 1<<20) + "\x00"
	small := machoFile(1, 1, "a\x00", 0)
	many := make([][]byte, 33)
	for i := range many {
		many[i] = small
	}
	class := append([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x41"), make([]byte, 4096)...)
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"PE":                     {peFile(1, 1, "a\x00", 0), ""},
		"PE, long names":         {peFile(1, 1000, long, 0), "its symbols: the names"},
		"PE, long section names": {peFile(1000, 0, long, 0), "its sections: the names"},
		"PE, relocations":        {peFile(1000, 0, "a\x00", 0xffff), "its sections have"},
		"Mach-O":                 {small, ""},
		"Mach-O, long names":     {machoFile(1, 1000, long, 0), "its symbols: the names"},
		"Mach-O, many tables":    {machoFile(2, 1, "a\x00", 0), "it has several"},
		"Mach-O, relocations":    {machoFile(1, 1, "a\x00", 1<<31), "its sections have"},
		"fat":                    {fatFile(small, small), ""},
		"fat, long names":        {fatFile(small, machoFile(1, 1000, long, 0)), "its symbols: the names"},
		"fat, many":              {fatFile(many...), "it has 33 programs"},
		"Java class":             {class, ""},
		"DOS program":            {bytes.Replace(peFile(1000, 0, long, 0), []byte("PE"), []byte("NE"), 1), ""},
	} {
		res, err := analyzeBoth(t, analysis.TypeGoBinary, "a", tt.file)
		if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) || res != nil {
			t.Errorf("%s: got %v, %v; want %q", name, res, err, tt.want)
		}
	}
}

// TestRealPrograms: what is there passes, whole and cut, in each format.
func TestRealPrograms(t *testing.T) {
	parsers := map[string]packageParser{"golang": gobinary.NewParser(), "rust": rustbinary.NewParser()}
	types := map[string]analysis.Type{"golang": analysis.TypeGoBinary, "rust": analysis.TypeRustBinary}
	programs := 0
	for _, lang := range []string{"golang", "rust"} {
		dir := "pkg/dependency/parser/" + lang + "/binary/testdata"
		entries, err := os.ReadDir(trivyPath(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b := trivyData(t, dir+"/"+e.Name())
			for _, b := range [][]byte{b, b[:len(b)/2], b[:len(b)*9/10], fatFile(b, b[:len(b)/2])} {
				comparePlain(t, types[lang], parsers[lang], b, len(b), e.Name())
			}
			if res, err := analyzeBoth(t, types[lang], "a", b); err == nil && res != nil {
				programs++
			}
		}
	}
	if programs < 9 {
		t.Errorf("found packages in %d programs only", programs)
	}
}

func FuzzBoundTables(f *testing.F) {
	f.Add(peFile(1, 1, "a\x00", 0))
	f.Add(machoFile(1, 1, "a\x00", 0))
	f.Add(fatFile(machoFile(1, 1, "a\x00", 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 16 {
			_ = boundTables(bytes.NewReader(b), head(b[:16]), true) // it does not panic
		}
	})
}
