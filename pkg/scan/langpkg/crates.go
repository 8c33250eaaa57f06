// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"compress/zlib"
	"context"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxCrateList is how large the list of crates in a program may be, in bytes, packed
// and unpacked. A list of a thousand crates has 100 KiB.
const maxCrateList = 16 << 20

// crateList says whether a program has a list of crates (cargo-auditable writes JSON,
// packed with zlib, into a section), and refuses one that is too large: Trivy's
// parser unpacks it whole. What is damaged is left to that parser.
func crateList(ctx context.Context, r io.ReaderAt, h head) (found bool, err error) {
	defer recovered(&err)
	section, err := crateSection(ctx, r, h)
	if err != nil || section == nil {
		return false, err
	}
	packed := &io.LimitedReader{R: section, N: maxCrateList + 1}
	if z, err := zlib.NewReader(packed); err == nil {
		n, _ := io.Copy(io.Discard, io.LimitReader(z, maxCrateList+1))
		if n > maxCrateList {
			return false, fmt.Errorf("its list of crates unpacks to more than %d bytes", maxCrateList)
		}
	}
	if _, _ = io.Copy(io.Discard, packed); packed.N <= 0 {
		return false, fmt.Errorf("its list of crates has more than %d bytes", maxCrateList)
	}
	return true, nil
}

// crateSection finds the section, under its name and the one it had before; nil if
// there is none, or the file is not what its first bytes say.
func crateSection(ctx context.Context, r io.ReaderAt, h head) (io.Reader, error) {
	const name = ".dep-v0"
	switch {
	case h.isELF():
		f, err := elf.NewFile(r)
		if err != nil {
			return nil, nil
		}
		for _, n := range []string{name, ".rust-deps-v0"} {
			if s := f.Section(n); s != nil {
				return s.Open(), nil
			}
		}
	case h.isPE():
		f, err := pe.NewFile(r)
		if err != nil {
			return nil, nil
		}
		for _, n := range []string{name, "rdep-v0"} {
			if s := f.Section(n); s != nil {
				return s.Open(), nil
			}
		}
	case h.isMachO():
		f, err := macho.NewFile(r)
		if err != nil {
			return nil, nil
		}
		for _, n := range []string{name, "rust-deps-v0"} {
			if s := f.Section(n); s != nil {
				return s.Open(), nil
			}
		}
	case h.isWasm():
		return wasmSection(ctx, r, name)
	}
	return nil, nil
}

// wasmSection walks the sections of a WebAssembly module: a byte that is 0 for
// sections with a name, the length, for those the length of the name, the name, and
// the data. (WebAssembly Core Specification 1.0, 5.5.) Lengths are read from four
// bytes, as go-rustaudit does, which takes what follows less than four bytes from the
// end for no module.
func wasmSection(ctx context.Context, r io.ReaderAt, name string) (io.Reader, error) {
	var buf [4]byte
	length := func(at int64) (uint32, int64, error) {
		if n, err := r.ReadAt(buf[:], at); n < len(buf) {
			return 0, 0, err
		}
		v, n := binary.Uvarint(buf[:])
		if n <= 0 {
			return 0, 0, io.EOF
		}
		return uint32(v), at + int64(n), nil
	}
	for at, n := int64(8), 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if n, err := r.ReadAt(buf[:1], at); n < 1 {
			return nil, unlessEOF(err)
		}
		id := buf[0]
		size, at2, err := length(at + 1)
		if err != nil {
			return nil, unlessEOF(err)
		}
		next := at2 + int64(size)
		if at = next; id != 0 {
			continue
		}
		nameSize, at2, err := length(at2)
		if err != nil {
			return nil, unlessEOF(err)
		}
		// A name that ends after the file ends the walk, as any other would.
		if n, err := r.ReadAt(buf[:1], at2+int64(nameSize)-1); n < 1 && nameSize > 0 {
			return nil, unlessEOF(err)
		}
		if int(nameSize) != len(name) {
			continue
		}
		b := make([]byte, len(name))
		if n, err := r.ReadAt(b, at2); n < len(b) {
			return nil, unlessEOF(err)
		}
		if string(b) != name {
			continue
		}
		data := at2 + int64(nameSize)
		if data > next {
			return nil, errors.New("its list of crates ends before it begins")
		}
		return io.NewSectionReader(r, data, next-data), nil
	}
}

func unlessEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
