// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	gobinary "github.com/aquasecurity/trivy/pkg/dependency/parser/golang/binary"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// elfSpec is a small 64-bit ELF file: section 1 has the names of sections, 2 symbols, 3
// their names.
type elfSpec struct {
	sections    int // more, without a name of their own
	names       string
	namesFlags  uint64
	symbols     int
	symbolName  uint32
	symbolSize  uint64
	symbolNames string
	tableFlags  uint64
}

func (s elfSpec) bytes() []byte {
	var out bytes.Buffer
	le := binary.LittleEndian
	put := func(v any) { _ = binary.Write(&out, le, v) }
	count := 4 + s.sections
	symbols := make([]byte, 24*s.symbols)
	for i := range s.symbols {
		le.PutUint32(symbols[24*i:], s.symbolName)
		le.PutUint16(symbols[24*i+6:], 1)
		le.PutUint64(symbols[24*i+16:], s.symbolSize)
	}
	at := uint64(64 + 64*count)
	out.WriteString("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	put(struct {
		Type, Machine        uint16
		Version              uint32
		Entry, Phoff, Shoff  uint64
		Flags                uint32
		Ehsize, Phsize, Phn  uint16
		Shsize, Shn, Shnames uint16
	}{2, 62, 1, 0, 0, 64, 0, 64, 56, 0, 64, uint16(count), 1})
	section := func(typ uint32, flags uint64, data int, link uint32) {
		put(struct {
			Name, Type                uint32
			Flags, Addr, Offset, Size uint64
			Link, Info                uint32
			Align, Entry              uint64
		}{0, typ, flags, 0, at, uint64(data), link, 0, 1, 24})
		at += uint64(data)
	}
	section(0, 0, 0, 0)
	section(3, s.namesFlags, len(s.names), 0)
	section(2, s.tableFlags, len(symbols), 3)
	section(3, 0, len(s.symbolNames), 0)
	for range s.sections {
		section(1, 0, 0, 0)
	}
	out.WriteString(s.names)
	out.Write(symbols)
	out.WriteString(s.symbolNames)
	return out.Bytes()
}

func TestBoundELF(t *testing.T) {
	long := strings.Repeat("x", 1<<20) + "\x00"
	for name, tt := range map[string]struct {
		spec elfSpec
		want string
	}{
		"plain":               {elfSpec{names: "\x00", symbols: 3, symbolNames: "a\x00"}, ""},
		"long section names":  {elfSpec{names: long, sections: 1000}, "its sections: the names are far longer"},
		"long symbol names":   {elfSpec{names: "\x00", symbols: 1000, symbolNames: long}, "its symbols: the names are far longer"},
		"many short names":    {elfSpec{names: "\x00", symbols: 1000, symbolNames: "a\x00" + long}, ""},
		"compressed names":    {elfSpec{names: strings.Repeat("\x00", 32), namesFlags: 0x800}, "its sections: the table of names is compressed"},
		"compressed symbols":  {elfSpec{names: "\x00", symbols: 3, tableFlags: 0x800}, "its symbols: the table is compressed"},
		"long version":        {elfSpec{names: "\x00", symbols: 1, symbolNames: "main.version.str\x00", symbolSize: 1 << 40}, "its symbols: a string of 1099511627776 bytes"},
		"large variable":      {elfSpec{names: "\x00", symbols: 1, symbolNames: "main.buffer\x00", symbolSize: 1 << 40}, ""},
		"name out of reach":   {elfSpec{names: "\x00", symbols: 1000, symbolName: 1 << 30, symbolNames: long, symbolSize: 1 << 40}, ""},
		"name without an end": {elfSpec{names: "\x00", symbols: 1, symbolNames: strings.Repeat("y", 5000), symbolSize: 1 << 40}, "its symbols: a string of"},
	} {
		b := tt.spec.bytes()
		for _, data := range [][]byte{b, bytes.Clone(b)} {
			err := boundELF(bytes.NewReader(data), head(data[:16]), true)
			if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", name, err, tt.want)
			}
		}
		if res, err := analyzeBoth(t, analysis.TypeGoBinary, "a", b); (err == nil) != (tt.want == "") || res != nil {
			t.Errorf("%s: %v, %v", name, res, err)
		}
	}
}

// TestBoundELFOfRealPrograms: what is there passes, whole and cut.
func TestBoundELFOfRealPrograms(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][]byte{b, b[:len(b)/2], b[:100], trivyData(t, goTestdata+"executable_gobinary"), trivyData(t, rustTestdata+"executable_rust")} {
		if err := boundELF(bytes.NewReader(p), head(p[:16]), true); err != nil {
			t.Error(err)
		}
	}
	comparePlain(t, analysis.TypeGoBinary, gobinary.NewParser(), b, 0, "the test itself")
}

func FuzzBoundELF(f *testing.F) {
	f.Add(elfSpec{names: "\x00", symbols: 3, symbolNames: "a\x00"}.bytes(), true)
	wide := elfSpec{names: "\x00"}.bytes()
	wide[4] = 1
	f.Add(wide, false)
	f.Fuzz(func(t *testing.T, b []byte, symbols bool) {
		if len(b) < 16 {
			return
		}
		err := boundELF(bytes.NewReader(b), head(b[:16]), symbols)
		if err != nil && len(b) < 1<<12 && !strings.Contains(err.Error(), "compressed") && !strings.Contains(err.Error(), "a string of") {
			t.Errorf("a file of %d bytes: %v", len(b), err)
		}
	})
}

func BenchmarkBoundELF(b *testing.B) {
	program := trivyData(b, goTestdata+"executable_gobinary")
	for b.Loop() {
		if err := boundELF(bytes.NewReader(program), head(program[:16]), true); err != nil {
			b.Fatal(err)
		}
	}
}
