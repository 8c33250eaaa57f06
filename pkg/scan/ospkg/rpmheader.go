// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
)

// maxRpmHeader is the greatest header, in bytes, that rpm itself accepts.
const maxRpmHeader = 256 << 20

// rpmHeader is what a header of the database says about its package. The slices are
// valid as long as the header's bytes: names that a zero byte separates, nil for none.
type rpmHeader struct {
	name, version, release, arch, source, licence, vendor, modularity string
	md5                                                               string
	epoch                                                             int

	provides, requires            []byte
	baseNames, dirNames, dirIndex []byte
}

// The tags of a header that are looked at, and the types of values:
// https://rpm-software-management.github.io/rpm/manual/tags.html
const (
	tagHeaderImage, tagHeaderImmutable, tagFirst = 61, 63, 100

	tagSigMD5, tagName, tagVersion, tagRelease, tagEpoch, tagVendor, tagLicence = 261, 1000, 1001, 1002, 1003, 1011, 1014
	tagArch, tagSourceRpm, tagProvideName, tagRequireName                       = 1022, 1044, 1047, 1049
	tagDirIndexes, tagBaseNames, tagDirNames, tagModularityLabel                = 1116, 1117, 1118, 5096

	typeInt32, typeString, typeBinary, typeStrings, typeI18N = 4, 6, 7, 8, 9
)

// rpmTypeSizes are the sizes of values by type; zero for strings, and for what has none.
var rpmTypeSizes = [...]int64{0, 1, 1, 2, 4, 8, 0, 1, 0, 0}

type rpmEntry struct {
	tag, typ, offset, count int64
}

// rpmEntryAt reads the first entry of an index.
func rpmEntryAt(index []byte) rpmEntry {
	word := func(at int) int64 { return int64(binary.BigEndian.Uint32(index[at : at+4])) }
	return rpmEntry{tag: word(0), typ: word(4), offset: word(8), count: word(12)}
}

// parseRpmHeader reads a header: the number of entries, the size of the data, the
// entries, the data. The first entry usually says how many entries belong to the
// signed region; what follows was added when the package was installed.
func parseRpmHeader(b []byte) (*rpmHeader, error) {
	if len(b) < 8 {
		return nil, errors.New("a header is cut off")
	}
	n, size := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	end := 8 + 16*n + size
	if n < 1 || end > maxRpmHeader || end > int64(len(b)) {
		return nil, fmt.Errorf("a header of %d entries and %d bytes of data, of which %d are there", n, size, len(b))
	}
	index, data := b[8:8+16*n], b[8+16*n:end]
	first, region, err := rpmRegion(index, data)
	if err != nil {
		return nil, err
	}
	h := &rpmHeader{}
	used := int64(0)
	for _, list := range [][]byte{index[16*first : 16*region], index[16*region:]} {
		if used, err = h.read(list, data, used); err != nil {
			return nil, err
		}
	}
	if used += 16 * first; used != size { // the region's entry stands at its end once more
		return nil, fmt.Errorf("a header has %d bytes of data, of which %d are values", size, used)
	}
	return h, nil
}

// rpmRegion says which entries are the region's: those from first to before end. A
// header of version 3 has no region.
func rpmRegion(index, data []byte) (first, end int64, err error) {
	n := int64(len(index) / 16)
	e := rpmEntryAt(index)
	switch {
	case e.tag >= tagFirst:
		return 0, n, nil
	case e.tag < tagHeaderImage || e.tag > tagHeaderImmutable || e.typ != typeBinary || e.count != 16 || e.offset+16 > int64(len(data)):
		return 0, 0, errors.New("the first entry of a header is no region")
	}
	// The copy's offset leads back from the copy to the beginning of the entries.
	back := -int64(int32(binary.BigEndian.Uint32(data[e.offset+8:])))
	if back%16 != 0 || back < 16 || back > 16*n {
		return 0, 0, errors.New("the region of a header has no valid size")
	}
	if e.offset == 0 {
		return 1, n, nil
	}
	return 1, back / 16, nil
}

// read takes over the values of entries, of which the later ones count, and adds
// their size to used.
func (h *rpmHeader) read(index, data []byte, used int64) (int64, error) {
	for ; len(index) > 0; index = index[16:] {
		e := rpmEntryAt(index)
		if e.tag < tagFirst || e.typ >= int64(len(rpmTypeSizes)) || e.offset >= int64(len(data)) {
			return 0, fmt.Errorf("an entry of a header (tag %d, type %d) has no place", e.tag, e.typ)
		}
		length, err := e.length(data)
		if err != nil {
			return 0, err
		}
		if len(index) > 16 && e.isText() {
			// Up to the next value, with what fills the gap: zero bytes.
			length = rpmEntryAt(index[16:]).offset - e.offset
		}
		if length <= 0 || e.offset+length > int64(len(data)) {
			return 0, fmt.Errorf("an entry of a header (tag %d) has no valid size", e.tag)
		}
		if err := h.set(e, data[e.offset:e.offset+length]); err != nil {
			return 0, err
		}
		if size := rpmTypeSizes[e.typ]; size > 1 {
			used += (size - used%size) % size
		}
		used += length
	}
	return used, nil
}

func (e rpmEntry) isText() bool {
	return e.typ == typeString || e.typ == typeStrings || e.typ == typeI18N
}

// length is the size of a value, in bytes.
func (e rpmEntry) length(data []byte) (int64, error) {
	if size := rpmTypeSizes[e.typ]; size > 1 && e.offset%size != 0 {
		return 0, fmt.Errorf("an entry of a header (tag %d) is not aligned", e.tag)
	}
	if !e.isText() {
		return rpmTypeSizes[e.typ] * e.count, nil
	}
	if e.typ == typeString && e.count != 1 {
		return 0, fmt.Errorf("an entry of a header (tag %d) is one text %d times", e.tag, e.count)
	}
	at := e.offset
	for range e.count {
		i := bytes.IndexByte(data[at:], 0)
		if i < 0 {
			return 0, fmt.Errorf("an entry of a header (tag %d) is a text without end", e.tag)
		}
		at += int64(i) + 1
	}
	return at - e.offset, nil
}

// set keeps a value that is looked at.
func (h *rpmHeader) set(e rpmEntry, value []byte) error {
	typ := int64(typeString)
	var text *string
	var list *[]byte
	switch e.tag {
	case tagName:
		text = &h.name
	case tagVersion:
		text = &h.version
	case tagRelease:
		text = &h.release
	case tagArch:
		text = &h.arch
	case tagSourceRpm:
		text = &h.source
	case tagLicence:
		text = &h.licence
	case tagVendor:
		text = &h.vendor
	case tagModularityLabel:
		text = &h.modularity
	case tagProvideName:
		typ, list = typeStrings, &h.provides
	case tagRequireName:
		typ, list = typeStrings, &h.requires
	case tagBaseNames:
		typ, list = typeStrings, &h.baseNames
	case tagDirNames:
		typ, list = typeStrings, &h.dirNames
	case tagDirIndexes, tagEpoch:
		typ = typeInt32
	default:
		if e.tag == tagSigMD5 {
			h.md5 = hex.EncodeToString(value)
		}
		return nil
	}
	if e.typ != typ {
		return fmt.Errorf("an entry of a header (tag %d) has the type %d", e.tag, e.typ)
	}
	switch {
	case text != nil:
		if *text = string(bytes.TrimRight(value, "\x00")); *text == "(none)" && (e.tag == tagSourceRpm || e.tag == tagLicence || e.tag == tagVendor) {
			*text = ""
		}
	case list != nil:
		*list = bytes.TrimRight(value, "\x00")
	case e.tag == tagDirIndexes:
		h.dirIndex = value
	default:
		h.epoch = int(int32(binary.BigEndian.Uint32(value)))
	}
	return nil
}

// names says how many names the lists hold besides files, and of how many bytes.
func (h *rpmHeader) names() (n, size int) {
	for _, list := range [][]byte{h.provides, h.requires, h.dirNames} {
		n, size = n+1+bytes.Count(list, []byte{0}), size+len(list)
	}
	return n, size
}

// files are the paths of the package's files: each base name has the number of its
// directory.
func (h *rpmHeader) files(left *allowance) ([]string, error) {
	if h.baseNames == nil || h.dirNames == nil || len(h.dirIndex) < 4 {
		return nil, nil
	}
	dirs := strings.Split(string(h.dirNames), "\x00")
	count := len(h.dirIndex) / 4
	if count != bytes.Count(h.baseNames, []byte{0})+1 || len(dirs) > count {
		return nil, fmt.Errorf("the lists of files of %s do not fit together", excerpt([]byte(h.name)))
	}
	for i, d := range dirs {
		dirs[i] = dirPrefix(d)
	}
	if err := left.take(count, 0); err != nil {
		return nil, err
	}
	files := make([]string, count)
	rest := h.baseNames
	for i := range files {
		dir := binary.BigEndian.Uint32(h.dirIndex[4*i:])
		if int64(dir) >= int64(len(dirs)) {
			return nil, fmt.Errorf("a file of %s is in no directory", excerpt([]byte(h.name)))
		}
		var base []byte
		base, rest, _ = cutZero(rest)
		if err := left.take(0, len(dirs[dir])+len(base)); err != nil {
			return nil, err
		}
		files[i] = dirs[dir] + string(base)
		if len(base) == 0 || base[0] == '.' || bytes.IndexByte(base, '/') >= 0 {
			files[i] = path.Join(dirs[dir], string(base))
		}
	}
	return files, nil
}

// dirPrefix is what path.Join puts in front of a base name.
func dirPrefix(dir string) string {
	if dir == "" {
		return ""
	}
	switch dir = path.Clean(dir); dir {
	case ".":
		return ""
	case "/":
		return "/"
	}
	return dir + "/"
}

func cutZero(b []byte) (name, rest []byte, more bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i], b[i+1:], true
	}
	return b, nil, false
}
