// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A hash table of Berkeley DB, in which rpm kept its headers up to version 4.15:
// https://github.com/berkeleydb/libdb/blob/v5.3.28/src/dbinc/db_page.h
const (
	bdbMagic = 0x061561

	bdbUnsortedPage, bdbOverflowPage, bdbMetadata, bdbHashPage = 2, 7, 8, 13
	// bdbOffPage is a value that stands in pages of its own, as headers do.
	bdbOffPage    = 3
	bdbPageHeader = 26
)

type bdb struct {
	rpmSource
	order    binary.ByteOrder
	pageSize int64
	budget   pageBudget
	value    []byte // memory for the value that is read
}

func bdbHeaders(s rpmSource, _ []byte, yield func([]byte) error) error {
	db, last, err := openBDB(s)
	if err != nil {
		return err
	}
	for n := range last + 1 {
		page, err := db.page(n)
		if err != nil {
			return err
		}
		if t := page[25]; t != bdbUnsortedPage && t != bdbHashPage {
			continue
		}
		if err := db.hashPage(page, yield); err != nil {
			return err
		}
	}
	return nil
}

func openBDB(s rpmSource) (db *bdb, last int64, err error) {
	meta, err := s.at(0, 512)
	if err != nil {
		return nil, 0, err
	}
	db = &bdb{rpmSource: s, order: binary.LittleEndian}
	if binary.BigEndian.Uint32(meta[12:]) == bdbMagic {
		db.order = binary.BigEndian
	}
	switch {
	case db.order.Uint32(meta[12:]) != bdbMagic:
		return nil, 0, errors.New("it is in no known format")
	case meta[24] != 0:
		return nil, 0, errors.New("it is encrypted")
	case meta[25] != bdbMetadata:
		return nil, 0, fmt.Errorf("its first page has the type %d", meta[25])
	}
	db.pageSize = int64(db.order.Uint32(meta[20:]))
	if db.pageSize < 512 || db.pageSize > 64<<10 || db.pageSize&(db.pageSize-1) != 0 {
		return nil, 0, fmt.Errorf("its pages have %d bytes", db.pageSize)
	}
	db.budget.left = s.size / db.pageSize
	return db, int64(db.order.Uint32(meta[32:])), nil
}

func (db *bdb) page(n int64) ([]byte, error) { return db.at(n*db.pageSize, db.pageSize) }

// hashPage yields the values of a page of keys and values. Those that stand in the
// page itself are rpm's own counters.
func (db *bdb) hashPage(page []byte, yield func([]byte) error) error {
	entries := int(db.order.Uint16(page[20:]))
	if entries%2 != 0 || bdbPageHeader+2*entries > len(page) {
		return fmt.Errorf("a page of its hash table has %d entries", entries)
	}
	for i := 1; i < entries; i += 2 {
		at := int(db.order.Uint16(page[bdbPageHeader+2*i:]))
		if at >= len(page) {
			return errors.New("an entry of its hash table is in no page")
		}
		if page[at] != bdbOffPage {
			continue
		}
		if at+12 > len(page) {
			return errors.New("an entry of its hash table is cut off")
		}
		value, err := db.overflow(int64(db.order.Uint32(page[at+4:])))
		if err != nil {
			return err
		}
		if err := yield(value); err != nil {
			return err
		}
	}
	return nil
}

// overflow reads a value that fills the pages from n on, each of which names the next.
// It is valid until the next.
func (db *bdb) overflow(n int64) ([]byte, error) {
	value := db.value[:0]
	for n != 0 {
		if err := db.budget.take(); err != nil {
			return nil, err
		}
		page, err := db.page(n)
		if err != nil {
			return nil, err
		}
		if page[25] != bdbOverflowPage {
			return nil, fmt.Errorf("page %d of a package has the type %d", n, page[25])
		}
		content := page[bdbPageHeader:]
		if n = int64(db.order.Uint32(page[16:])); n == 0 {
			used := int(db.order.Uint16(page[22:]))
			if used > len(content) {
				return nil, fmt.Errorf("the last page of a package has %d bytes", used)
			}
			content = content[:used]
		}
		if len(value)+len(content) > maxRpmHeader {
			return nil, fmt.Errorf("a package's header has more than %d bytes", maxRpmHeader)
		}
		value = append(value, content...)
	}
	db.value = value
	return value, nil
}
