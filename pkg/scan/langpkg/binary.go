// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"debug/plan9obj"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"strings"

	gobinary "github.com/aquasecurity/trivy/pkg/dependency/parser/golang/binary"
	rustbinary "github.com/aquasecurity/trivy/pkg/dependency/parser/rust/binary"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

func binaries() []analysis.Analyzer {
	return []analysis.Analyzer{
		{Type: analysis.TypeGoBinary, Version: 1, Wants: wantsBinary, Head: headIs(isGoFormat), Analyze: goBinary},
		{Type: analysis.TypeRustBinary, Version: 1, Wants: wantsBinary, Head: headIs(isRustFormat), Analyze: rustBinary},
	}
}

// wantsBinary is true for whatever may be run.
func wantsBinary(path string, info fs.FileInfo) bool {
	if strings.HasSuffix(path, ".exe") {
		return true
	}
	mode := info.Mode()
	return mode.IsRegular() && mode&0o111 != 0
}

// headIs decides by the beginning of a file whether there is more to read.
func headIs(format func(head) bool) func(string, []byte) bool {
	return func(_ string, b []byte) bool {
		var h head
		return copy(h[:], b) == len(h) && format(h)
	}
}

// goBinary reads the build information that Go's linker leaves in a program.
func goBinary(ctx context.Context, f analysis.File) (*analysis.Result, error) {
	head, err := readHead(f)
	if err != nil || !isGoFormat(head) {
		return nil, err
	}
	r := content(f)
	if err := boundTables(r, head, true); err != nil {
		return nil, err
	}
	pkgs, deps, err := parse(ctx, gobinary.NewParser(), r)
	switch {
	case errors.Is(err, gobinary.ErrUnrecognizedExe), errors.Is(err, gobinary.ErrNonGoBinary):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return application(ftypes.GoBinary, f.Path, "", pkgs, deps), nil
}

// rustBinary reads the list of crates that cargo-auditable leaves in a program.
func rustBinary(ctx context.Context, f analysis.File) (*analysis.Result, error) {
	head, err := readHead(f)
	if err != nil || !isRustFormat(head) {
		return nil, err
	}
	r := content(f)
	if err := boundTables(r, head, false); err != nil {
		return nil, err
	}
	if found, err := crateList(ctx, r, head); err != nil || !found {
		return nil, err
	}
	pkgs, deps, err := parse(ctx, rustbinary.NewParser(), r)
	switch {
	case errors.Is(err, rustbinary.ErrUnrecognizedExe), errors.Is(err, rustbinary.ErrNonRustBinary):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return application(ftypes.RustBinary, f.Path, "", pkgs, deps), nil
}

// head is the beginning of a file. Both parsers take a shorter file for no program.
type head [16]byte

// readHead returns zeros for a file that is shorter.
func readHead(f analysis.File) (h head, err error) {
	if f.Data != nil {
		if len(f.Data) >= len(h) {
			copy(h[:], f.Data)
		}
		return h, nil
	}
	n, err := f.ReadAt(h[:], 0)
	switch {
	case n == len(h):
		return h, nil
	case errors.Is(err, io.EOF):
		return head{}, nil
	}
	return head{}, err
}

func (h head) isELF() bool { return string(h[:4]) == "\x7fELF" }
func (h head) isPE() bool  { return string(h[:2]) == "MZ" }
func (h head) isMachO() bool {
	return string(h[:3]) == "\xfe\xed\xfa" || string(h[1:4]) == "\xfa\xed\xfe"
}

// isFat is true for Mach-O of several architectures, and for Java classes.
func (h head) isFat() bool {
	return string(h[:4]) == "\xca\xfe\xba\xbe" || string(h[:4]) == "\xca\xfe\xba\xbf"
}
func (h head) isWasm() bool { return string(h[:8]) == "\x00asm\x01\x00\x00\x00" }

// isGoFormat knows the formats of debug/buildinfo: besides these fat Mach-O, XCOFF
// and Plan 9.
func isGoFormat(h head) bool {
	if h.isELF() || h.isPE() || h.isMachO() || h.isFat() {
		return true
	}
	switch binary.BigEndian.Uint32(h[:]) {
	case plan9obj.Magic386, plan9obj.MagicAMD64, plan9obj.MagicARM:
		return true
	}
	return h[0] == 0x01 && (h[1] == 0xdf || h[1] == 0xf7)
}

// isRustFormat knows the formats of go-rustaudit. It lists fat Mach-O, too, but reads
// such a file as if it were not fat, and never finds anything.
func isRustFormat(h head) bool { return h.isELF() || h.isPE() || h.isMachO() || h.isWasm() }
