// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// boundPE is boundELF for Windows programs (Microsoft PE and COFF Specification): the
// names of symbols and sections are in a table behind that of the symbols.
func boundPE(r io.ReaderAt) error {
	le := binary.LittleEndian
	dos, ok := readTable(r, 0, 96)
	if !ok {
		return nil
	}
	base := uint64(le.Uint32(dos[0x3c:])) + 4
	header, ok := readTable(r, base-4, 24)
	if !ok || string(header[:4]) != "PE\x00\x00" {
		return nil
	}
	header = header[4:]
	sections, optional := uint64(le.Uint16(header[2:])), uint64(le.Uint16(header[16:]))
	symbolsAt, symbols := le.Uint32(header[8:]), le.Uint32(header[12:])
	names := elfSection{at: uint64(symbolsAt + 18*symbols)} // debug/pe lets it overflow, too
	if length, ok := readTable(r, names.at, 4); ok && symbolsAt != 0 {
		names.size = uint64(le.Uint32(length))
	}
	if symbolsAt != 0 && present(r, uint64(symbolsAt), 18*uint64(symbols)) {
		if err := boundCOFFSymbols(r, uint64(symbolsAt), uint64(symbols), names); err != nil {
			return fmt.Errorf("its symbols: %w", err)
		}
	}
	raw, ok := readTable(r, base+20+optional, 40*sections)
	if !ok {
		return nil
	}
	relocations := 0
	err := boundNames(r, names, sections, func(i uint64) uint32 {
		if raw[40*i] != '/' {
			return uint32(names.size) //nolint:gosec // read from four bytes
		}
		offset := uint32(0)
		for _, c := range raw[40*i+1 : 40*i+8] {
			if c < '0' || c > '9' {
				break
			}
			offset = offset*10 + uint32(c-'0')
		}
		return offset
	})
	if err != nil {
		return fmt.Errorf("its sections: %w", err)
	}
	for i := range sections {
		relocations += int(le.Uint16(raw[40*i+32:]))
	}
	return boundRelocations(relocations)
}

// boundCOFFSymbols knows that a name of up to eight bytes stands in the entry; else the
// first four are zero.
func boundCOFFSymbols(r io.ReaderAt, at, n uint64, names elfSection) error {
	if n > maxSymbols {
		return fmt.Errorf("there are %d", n)
	}
	raw, ok := readTable(r, at, 18*n)
	if !ok {
		return nil
	}
	return boundNames(r, names, n, func(i uint64) uint32 {
		if binary.LittleEndian.Uint32(raw[18*i:]) != 0 {
			return uint32(names.size) //nolint:gosec // read from four bytes
		}
		return binary.LittleEndian.Uint32(raw[18*i+4:])
	})
}

// boundRelocations is for those of all sections, which may say that they have the same.
func boundRelocations(n int) error {
	if n > maxSymbols {
		return fmt.Errorf("its sections have %d relocations", n)
	}
	return nil
}

// boundMachO is boundELF for programs of macOS (mach-o/loader.h).
func boundMachO(r io.ReaderAt, h head) error {
	order, wide := binary.ByteOrder(binary.LittleEndian), h[0]&1 != 0
	if h[0] == 0xfe {
		order, wide = binary.BigEndian, h[3]&1 != 0
	}
	header, entry := uint64(28), uint64(12)
	if wide {
		header, entry = 32, 16
	}
	raw, ok := readTable(r, 0, header)
	if !ok {
		return nil
	}
	commands, ok := readTable(r, header, uint64(order.Uint32(raw[20:])))
	if !ok {
		return nil
	}
	seen, relocations := map[uint32]bool{}, 0
	for len(commands) >= 8 {
		command, size := order.Uint32(commands), uint64(order.Uint32(commands[4:]))
		if size < 8 || size > uint64(len(commands)) {
			return nil
		}
		switch command {
		case symtab, dysymtab:
			if seen[command] {
				return errors.New("it has several tables of symbols")
			}
			seen[command] = true
		case segment, segment64:
			relocations += countRelocations(order, commands[:size], command == segment64)
			if err := boundRelocations(relocations); err != nil {
				return err
			}
		}
		if command == symtab && size >= 24 {
			word := func(i int) uint64 { return uint64(order.Uint32(commands[i:])) }
			names := elfSection{at: word(16), size: word(20)}
			if err := boundNlist(r, order, entry, word(8), word(12), names); err != nil {
				return fmt.Errorf("its symbols: %w", err)
			}
		}
		commands = commands[size:]
	}
	return nil
}

// The load commands that name tables (LC_SYMTAB and so on).
const segment, symtab, dysymtab, segment64 = 0x1, 0x2, 0xb, 0x19

// countRelocations adds up those of the sections of a segment. A number that no file
// has room for counts as too many.
func countRelocations(order binary.ByteOrder, command []byte, wide bool) (n int) {
	header, section, at := 56, 68, 52
	if wide {
		header, section, at = 72, 80, 60
	}
	for command = command[min(header, len(command)):]; len(command) >= section; command = command[section:] {
		n += int(order.Uint32(command[at:]))
	}
	return n
}

func boundNlist(r io.ReaderAt, order binary.ByteOrder, entry, at, n uint64, names elfSection) error {
	if !present(r, at, n*entry) {
		return nil
	}
	if n > maxSymbols {
		return fmt.Errorf("there are %d", n)
	}
	raw, ok := readTable(r, at, n*entry)
	if !ok {
		return nil
	}
	return boundNames(r, names, n, func(i uint64) uint32 { return order.Uint32(raw[i*entry:]) })
}

// boundFat looks at each program of a file for several architectures. For a Java class
// of version 52 these are 52, none of which is a program.
func boundFat(r io.ReaderAt) error {
	const max = 32
	raw, ok := readTable(r, 0, 8)
	if !ok {
		return nil
	}
	n := binary.BigEndian.Uint32(raw[4:])
	for i := range uint64(min(n, max+1)) {
		arch, ok := readTable(r, 8+20*i, 20)
		if !ok {
			return nil
		}
		at, size := binary.BigEndian.Uint32(arch[8:]), binary.BigEndian.Uint32(arch[12:])
		part := io.NewSectionReader(r, int64(at), int64(size))
		var h head
		if n, _ := part.ReadAt(h[:], 0); n < len(h) || !h.isMachO() {
			return nil // debug/macho refuses all if one is no program
		}
		if i == max {
			return fmt.Errorf("it has %d programs for different architectures", n)
		}
		if err := boundMachO(part, h); err != nil {
			return err
		}
	}
	return nil
}
