// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"encoding/binary"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// A listing is everything that a layer's tar says about its entries but their
// content, whiteouts included: sorted by path, each path without what it has in common
// with the one before. 60,000 files take about a megabyte, and listings are merged
// without unpacking them.

// entryKind is what an entry of a listing is. The numbers are stored in the cache.
type entryKind uint8

const (
	kindWhiteout entryKind = iota + 1 // deletes the path of lower layers
	kindOpaque                        // hides what lower layers hold below the path
	kindDirectory
	kindFile
	kindSymlink
	kindHardlink
	kindFarLink // a hard link to something that is not in the same layer
	kindCharacter
	kindBlock
	kindFIFO
	kindZeroDevice // character device 0/0, which is how overlayfs writes a whiteout
	kindLast       = kindZeroDevice

	// kindImplied is never stored: a directory that only what is in it shows.
	kindImplied entryKind = 0
)

// rank orders the entries of one path; a layer has at most one of each rank.
func (k entryKind) rank() int { return int(min(k, kindDirectory)) }

func (k entryKind) isLink() bool {
	return k == kindSymlink || k == kindHardlink || k == kindFarLink
}

func (k entryKind) file() evidence.FileKind {
	switch k {
	case kindDirectory, kindImplied:
		return evidence.FileDirectory
	case kindSymlink:
		return evidence.FileSymlink
	case kindHardlink, kindFarLink:
		return evidence.FileHardlink
	case kindCharacter, kindZeroDevice:
		return evidence.FileCharacter
	case kindBlock:
		return evidence.FileBlock
	case kindFIFO:
		return evidence.FileFIFO
	default:
		return evidence.FileRegular
	}
}

// listed is one entry of a listing.
type listed struct {
	path   string
	target string
	size   int64
	uid    int64
	gid    int64
	caps   capSet
	mode   evidence.Mode
	kind   entryKind
}

// collector makes the listing of one layer.
type collector struct {
	entries []listed
	// privileged are the entries so far that a hard link would share a privilege with.
	privileged map[string]listed
}

func (c *collector) mark(name string, kind entryKind) {
	c.entries = append(c.entries, listed{path: rootless(name), kind: kind})
}

// add lists an entry of the tar. A hard link has the privileges of what it links to,
// whatever its own header says.
func (c *collector) add(name string, hdr *tar.Header) {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return
	}
	e := listed{path: rootless(name), kind: kindOf(hdr), uid: int64(hdr.Uid), gid: int64(hdr.Gid), mode: evidence.Mode(hdr.Mode) & 0o7777}
	switch {
	case e.kind == kindFile:
		e.size = hdr.Size
	case e.kind == kindHardlink:
		e.target = rootless(strings.TrimLeft(path.Clean(hdr.Linkname), "/"))
	case e.kind == kindSymlink:
		e.target = hdr.Linkname
	}
	if v, ok := hdr.PAXRecords[xattrCapability]; ok {
		e.caps = decodeCapability(v)
	}
	if e.kind == kindHardlink {
		if to, ok := c.privileged[e.target]; ok {
			e.mode, e.caps = e.mode|to.mode, e.caps|to.caps
		}
	}
	if e.kind != kindDirectory && (e.mode&(evidence.ModeSetuid|evidence.ModeSetgid|evidence.ModeWorldWritable) != 0 || e.caps != 0) {
		if c.privileged == nil {
			c.privileged = map[string]listed{}
		}
		c.privileged[e.path] = e
	} else if len(c.privileged) > 0 {
		delete(c.privileged, e.path)
	}
	c.entries = append(c.entries, e)
}

func kindOf(hdr *tar.Header) entryKind {
	switch hdr.Typeflag {
	case tar.TypeDir:
		return kindDirectory
	case tar.TypeSymlink:
		return kindSymlink
	case tar.TypeLink:
		return kindHardlink
	case tar.TypeChar:
		if hdr.Devmajor == 0 && hdr.Devminor == 0 {
			return kindZeroDevice
		}
		return kindCharacter
	case tar.TypeBlock:
		return kindBlock
	case tar.TypeFifo:
		return kindFIFO
	default: // what no runtime knows is shown rather than left out
		return kindFile
	}
}

// rootless writes the root directory as the empty path, which is above all others.
func rootless(name string) string {
	if name == "." {
		return ""
	}
	return strings.TrimSuffix(name, "/")
}

// comparePaths sorts a directory before what is in it and that before everything else.
func comparePaths[T string | []byte](a, b T) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	switch {
	case i < n && a[i] == '/':
		return -1
	case i < n && b[i] == '/':
		return 1
	case i < n:
		return int(a[i]) - int(b[i])
	default:
		return len(a) - len(b)
	}
}

// encode returns the listing. Of several entries of one path the last counts, as it
// does for a runtime.
func (c *collector) encode() []byte {
	slices.SortStableFunc(c.entries, func(a, b listed) int {
		if d := comparePaths(a.path, b.path); d != 0 {
			return d
		}
		return a.kind.rank() - b.kind.rank()
	})
	var out []byte
	last := ""
	for i := range c.entries {
		e := &c.entries[i]
		if i+1 < len(c.entries) && c.entries[i+1].path == e.path && c.entries[i+1].kind.rank() == e.kind.rank() {
			continue
		}
		if e.kind == kindHardlink && !c.has(e.target) {
			e.kind = kindFarLink
		}
		out = appendEntry(out, last, e)
		last = e.path
	}
	return out
}

func (c *collector) has(name string) bool {
	i, _ := slices.BinarySearchFunc(c.entries, name, func(e listed, name string) int { return comparePaths(e.path, name) })
	for ; i < len(c.entries) && c.entries[i].path == name; i++ {
		if c.entries[i].kind.rank() == kindDirectory.rank() {
			return true
		}
	}
	return false
}

// The byte before an entry's numbers is its kind, with these bits for what follows.
const (
	hasOwner  = 0x10
	hasSize   = 0x20
	hasCaps   = 0x40
	hasTarget = 0x80
	kindBits  = 0x0f
)

func appendEntry(b []byte, last string, e *listed) []byte {
	shared := 0
	for shared < len(last) && shared < len(e.path) && last[shared] == e.path[shared] {
		shared++
	}
	b = binary.AppendUvarint(b, uint64(shared))
	b = binary.AppendUvarint(b, uint64(len(e.path)-shared))
	b = append(b, e.path[shared:]...)
	flags := byte(e.kind)
	if e.uid != 0 || e.gid != 0 {
		flags |= hasOwner
	}
	if e.size != 0 {
		flags |= hasSize
	}
	if e.caps != 0 {
		flags |= hasCaps
	}
	if e.target != "" {
		flags |= hasTarget
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(e.mode))
	if flags&hasOwner != 0 {
		b = binary.AppendVarint(binary.AppendVarint(b, e.uid), e.gid)
	}
	if flags&hasSize != 0 {
		b = binary.AppendUvarint(b, uint64(e.size))
	}
	if flags&hasCaps != 0 {
		b = binary.AppendUvarint(b, uint64(e.caps))
	}
	if flags&hasTarget != 0 {
		b = append(binary.AppendUvarint(b, uint64(len(e.target))), e.target...)
	}
	return b
}

// layerEntry is what one layer says about a path.
type layerEntry struct {
	layer  int
	kind   entryKind
	mode   evidence.Mode
	uid    int64
	gid    int64
	size   int64
	caps   capSet
	target []byte // part of the listing
}

// decoder reads a listing, which may come from a damaged cache: it ends with an error
// and never reads out of bounds.
type decoder struct {
	data []byte
	// path and layerEntry are those of the entry that next found; last is the path before.
	path, last []byte
	layerEntry
	started bool
	err     error
}

var errListing = errors.New("the listing of a layer's files is damaged")

// maxPath bounds one path or link target of a listing, maxSize one file: sums of sizes
// do not overflow.
const (
	maxPath = 1 << 20
	maxSize = 1 << 50
)

func (d *decoder) next() bool {
	if d.err != nil || len(d.data) == 0 {
		return false
	}
	shared, suffix := d.uvarint(), d.bytes(d.uvarint())
	if d.err != nil || shared > uint64(len(d.path)) || len(suffix)+int(shared) > maxPath {
		d.err = errListing
		return false
	}
	rank := d.kind.rank()
	d.path, d.last = append(append(d.last[:0], d.path[:shared]...), suffix...), d.path
	d.entry()
	if d.err != nil {
		return false
	}
	if order := comparePaths(d.last, d.path); d.started && (order > 0 || order == 0 && rank >= d.kind.rank()) {
		d.err = errListing
		return false
	}
	d.started = true
	return true
}

func (d *decoder) entry() {
	flags := d.bytes(1)
	if d.err != nil {
		return
	}
	d.layerEntry = layerEntry{layer: d.layer, kind: entryKind(flags[0] & kindBits), mode: evidence.Mode(d.uvarint())}
	if flags[0]&hasOwner != 0 {
		d.uid, d.gid = d.varint(), d.varint()
	}
	if flags[0]&hasSize != 0 {
		d.size = int64(d.uvarint())
	}
	if flags[0]&hasCaps != 0 {
		d.caps = capSet(d.uvarint())
	}
	if flags[0]&hasTarget != 0 {
		d.target = d.bytes(d.uvarint())
	}
	if d.kind == kindImplied || d.kind > kindLast || d.mode > 0o7777 || d.size < 0 || d.size > maxSize {
		d.err = errListing
	}
}

func (d *decoder) uvarint() uint64 {
	n, size := binary.Uvarint(d.data)
	if size <= 0 {
		d.err, d.data = errListing, nil
		return 0
	}
	d.data = d.data[size:]
	return n
}

func (d *decoder) varint() int64 {
	n, size := binary.Varint(d.data)
	if size <= 0 {
		d.err, d.data = errListing, nil
		return 0
	}
	d.data = d.data[size:]
	return n
}

func (d *decoder) bytes(n uint64) []byte {
	if n > maxPath || n > uint64(len(d.data)) {
		d.err, d.data = errListing, nil
		return nil
	}
	b := d.data[:n]
	d.data = d.data[n:]
	return b
}

// checkListing says whether a listing can be read to its end.
func checkListing(b []byte) error {
	d := decoder{data: b}
	for d.next() {
	}
	return d.err
}
