// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Limits on what the section and symbol tables of a program may claim. Packages
// debug/elf, debug/pe and debug/macho copy each name: a table of short entries that all
// point to the beginning of one long string is gigabytes. Trivy's parser allocates what
// a symbol says is the size of a version.
const (
	maxSections    = 1 << 20
	maxSymbols     = 8 << 20
	maxTable       = 256 << 20
	maxVersionSize = 1 << 20
	// Names that share their ends are counted several times, so allow for some.
	spareNames = 64 << 20
)

// boundTables refuses a program whose tables unpack to far more than they are.
func boundTables(r io.ReaderAt, h head, symbols bool) error {
	switch {
	case h.isELF():
		return boundELF(r, h, symbols)
	case h.isPE():
		return boundPE(r)
	case h.isMachO():
		return boundMachO(r, h)
	case h.isFat():
		return boundFat(r)
	}
	return nil
}

// boundELF refuses an ELF program whose tables unpack to far more than they are, that
// of symbols only if they will be read. What it does not understand, or what is not
// there, it leaves to the parser.
func boundELF(r io.ReaderAt, h head, symbols bool) error {
	e, ok := readELF(r, h)
	// debug/elf refuses sections that do not fit into any file.
	if !ok || e.sections > math.MaxUint32 || !present(r, e.sectionsAt, e.sections*e.sectionSize) {
		return nil
	}
	if e.sections > maxSections || e.sections*e.sectionSize > maxTable {
		return fmt.Errorf("it has %d sections", e.sections)
	}
	raw, ok := readTable(r, e.sectionsAt, e.sections*e.sectionSize)
	if !ok {
		return nil
	}
	sections := make([]elfSection, e.sections)
	for i := range sections {
		sections[i] = e.section(raw[uint64(i)*e.sectionSize:])
	}
	if 0 < e.namesIn && e.namesIn < uint64(len(sections)) {
		at := func(i uint64) uint32 { return sections[i].name }
		if err := boundNames(r, sections[e.namesIn], e.sections, at); err != nil {
			return fmt.Errorf("its sections: %w", err)
		}
	}
	for _, s := range sections {
		if symbols && s.typ == 2 { // SHT_SYMTAB; debug/elf takes the first
			if uint64(s.link) >= uint64(len(sections)) {
				return nil
			}
			if err := e.boundSymbols(r, s, sections[s.link]); err != nil {
				return fmt.Errorf("its symbols: %w", err)
			}
			return nil
		}
	}
	return nil
}

// elfFile is what the header of an ELF file says (System V ABI, "ELF Header").
type elfFile struct {
	order                             binary.ByteOrder
	wide                              bool
	sectionsAt, sectionSize, sections uint64
	namesIn                           uint64
}

type elfSection struct {
	name, typ, link uint32
	flags, at, size uint64
}

func (s elfSection) compressed() bool { return s.flags&0x800 != 0 } // SHF_COMPRESSED

func readELF(r io.ReaderAt, h head) (e elfFile, ok bool) {
	switch h[5] {
	case 1:
		e.order = binary.LittleEndian
	case 2:
		e.order = binary.BigEndian
	default:
		return e, false
	}
	e.wide = h[4] == 2
	var b [64]byte
	n := 52
	if e.wide {
		n = 64
	}
	if got, _ := r.ReadAt(b[:n], 0); got < n {
		return e, false
	}
	smallest := uint64(40)
	if e.wide {
		e.sectionsAt, smallest = e.order.Uint64(b[40:]), 64
	} else {
		e.sectionsAt = uint64(e.order.Uint32(b[32:]))
	}
	e.sectionSize = uint64(e.order.Uint16(b[n-6:]))
	e.sections, e.namesIn = uint64(e.order.Uint16(b[n-4:])), uint64(e.order.Uint16(b[n-2:]))
	if e.sectionSize < smallest || e.sectionsAt == 0 {
		return e, false
	}
	if e.sections == 0 || e.namesIn == 0xffff { // too many for the header: the first section says
		first, ok := readTable(r, e.sectionsAt, e.sectionSize)
		if !ok {
			return e, false
		}
		s := e.section(first)
		if e.sections == 0 {
			e.sections = s.size
		}
		if e.namesIn == 0xffff {
			e.namesIn = uint64(s.link)
		}
	}
	return e, true
}

func (e elfFile) section(b []byte) elfSection {
	s := elfSection{name: e.order.Uint32(b), typ: e.order.Uint32(b[4:])}
	if e.wide {
		s.flags, s.at, s.size, s.link = e.order.Uint64(b[8:]), e.order.Uint64(b[24:]), e.order.Uint64(b[32:]), e.order.Uint32(b[40:])
		return s
	}
	word := func(i int) uint64 { return uint64(e.order.Uint32(b[i:])) }
	s.flags, s.at, s.size, s.link = word(8), word(16), word(20), e.order.Uint32(b[24:])
	return s
}

// boundSymbols looks at the names of all symbols, and at the sizes of those that
// Trivy's parser may take for a version.
func (e elfFile) boundSymbols(r io.ReaderAt, table, names elfSection) error {
	entry, sizeAt := uint64(16), 8
	if e.wide {
		entry, sizeAt = 24, 16
	}
	n := table.size / entry
	switch {
	case table.compressed():
		return errors.New("the table is compressed")
	case !present(r, table.at, table.size):
		return nil
	case n > maxSymbols:
		return fmt.Errorf("there are %d", n)
	}
	raw, ok := readTable(r, table.at, n*entry)
	if !ok {
		return nil
	}
	for i := range n {
		b := raw[i*entry+uint64(sizeAt):]
		size := uint64(0)
		if e.wide {
			size = e.order.Uint64(b)
		} else {
			size = uint64(e.order.Uint32(b))
		}
		if name := uint64(e.order.Uint32(raw[i*entry:])); size > maxVersionSize && names.nameHasSuffix(r, name, ".str") {
			return fmt.Errorf("a string of %d bytes", size)
		}
	}
	return boundNames(r, names, n, func(i uint64) uint32 { return e.order.Uint32(raw[i*entry:]) })
}

// nameHasSuffix looks at the name at an offset of a table of names. One of more than
// 4 KiB has any suffix.
func (s elfSection) nameHasSuffix(r io.ReaderAt, offset uint64, suffix string) bool {
	if s.compressed() || offset >= s.size {
		return s.compressed()
	}
	var b [4096]byte
	n, _ := r.ReadAt(b[:min(uint64(len(b)), s.size-offset)], int64(s.at+offset)) //nolint:gosec // a negative offset reads nothing
	end := bytes.IndexByte(b[:n], 0)
	if end < 0 {
		return n == len(b)
	}
	return bytes.HasSuffix(b[:end], []byte(suffix))
}

// boundNames adds up the lengths of n names in a table.
func boundNames(r io.ReaderAt, names elfSection, n uint64, at func(i uint64) uint32) error {
	switch {
	case names.compressed():
		return errors.New("the table of names is compressed")
	case !present(r, names.at, names.size):
		return nil
	case names.size > maxTable:
		return fmt.Errorf("the table of names has %d bytes", names.size)
	case n*names.size <= spareNames:
		return nil
	}
	table, ok := readTable(r, names.at, names.size)
	if !ok {
		return nil
	}
	left := int64(spareNames + 4*names.size) //nolint:gosec // bounded above
	for i := range n {
		offset := uint64(at(i))
		if offset >= uint64(len(table)) {
			continue
		}
		length := bytes.IndexByte(table[offset:], 0)
		if length < 0 {
			length = len(table) - int(offset) //nolint:gosec // within the table
		}
		if left -= int64(length); left < 0 {
			return errors.New("the names are far longer than their table")
		}
	}
	return nil
}

// present says whether a table ends within the file.
func present(r io.ReaderAt, at, size uint64) bool {
	if size == 0 {
		return true
	}
	end := at + size - 1
	if int64(at) < 0 || int64(end) < 0 || end < at { //nolint:gosec // that is what is asked
		return false
	}
	var b [1]byte
	n, _ := r.ReadAt(b[:], int64(end)) //nolint:gosec // not negative
	return n == 1
}

// readTable reads a table of a size that is known to be bearable.
func readTable(r io.ReaderAt, at, size uint64) (b []byte, ok bool) {
	if size > maxTable || !present(r, at, size) {
		return nil, false
	}
	b = make([]byte, size)
	n, _ := r.ReadAt(b, int64(at)) //nolint:gosec // it is present
	return b, uint64(n) == size
}
