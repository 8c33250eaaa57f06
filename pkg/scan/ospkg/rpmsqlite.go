// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// The part of SQLite's file format that a table of headers needs: the tables' b-trees
// with their overflow pages. https://www.sqlite.org/fileformat.html
const (
	sqliteMagic = "SQLite format 3\x00"

	sqliteInterior, sqliteLeaf = 5, 13
	// sqliteDepth is more than a tree of the greatest file has.
	sqliteDepth = 20
)

func isSQLite(start []byte) bool { return string(start[:len(sqliteMagic)]) == sqliteMagic }

type sqlite struct {
	rpmSource
	pageSize int64
	usable   int64 // of each page, in bytes
	budget   pageBudget
	record   []byte // memory for a record that goes on in overflow pages
	left     int64  // what rows may still hold, in bytes: as much as the file
}

// sqliteHeaders reads the column blob of the table Packages.
func sqliteHeaders(s rpmSource, start []byte, yield func([]byte) error) error {
	if len(start) < 100 {
		return errors.New("its head is cut off")
	}
	db := &sqlite{rpmSource: s, pageSize: int64(binary.BigEndian.Uint16(start[16:]))}
	if db.pageSize == 1 {
		db.pageSize = 64 << 10
	}
	db.usable = db.pageSize - int64(start[20])
	if db.pageSize < 512 || db.pageSize&(db.pageSize-1) != 0 || db.usable < 480 {
		return fmt.Errorf("its pages have %d bytes, of which %d are usable", db.pageSize, db.usable)
	}
	if encoding := binary.BigEndian.Uint32(start[56:]); encoding > 1 {
		return errors.New("its texts are not in UTF-8")
	}
	db.budget.left, db.left = s.size/db.pageSize, s.size
	root, err := db.packages()
	if err != nil {
		return err
	}
	return db.rows(root, 0, func(row []sqliteValue) error {
		if len(row) != 2 || !row[1].isText() && !row[1].isBlob() {
			return errors.New("a row of the table Packages holds no header")
		}
		return yield(row[1].data)
	})
}

// packages finds the root page of the table Packages in the schema, whose columns are
// type, name, table name, root page and the statement that made it.
func (db *sqlite) packages() (root int64, err error) {
	err = db.rows(1, 0, func(row []sqliteValue) error {
		if len(row) < 5 || !strings.EqualFold(string(row[1].data), "Packages") {
			return nil
		}
		// Whatever else has that name may hide packages.
		if string(row[0].data) != "table" || root != 0 || !isPackagesTable(string(row[4].data)) {
			return errors.New("the table Packages is not as rpm makes it")
		}
		root = row[3].integer()
		return nil
	})
	if err == nil && root < 1 {
		err = errors.New("it has no table Packages")
	}
	return root, err
}

// isPackagesTable says whether a statement makes a table with the columns of rpm's.
func isPackagesTable(statement string) bool {
	plain := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n'\"`[]", r) {
			return -1
		}
		return r
	}, strings.ToLower(statement))
	columns, ok := strings.CutPrefix(plain, "createtablepackages(hnumintegerprimarykey")
	if !ok {
		return false
	}
	columns = strings.TrimPrefix(columns, "autoincrement")
	return columns == ",blobblobnotnull)" || columns == ",blobblob)"
}

// rows yields the rows of the table below a page, in their order.
func (db *sqlite) rows(n int64, depth int, yield func([]sqliteValue) error) error {
	page, err := db.page(n)
	if err != nil {
		return err
	}
	head := page
	if n == 1 {
		head = page[100:]
	}
	cells := int64(binary.BigEndian.Uint16(head[3:]))
	size := int64(8)
	if head[0] == sqliteInterior {
		size = 12
	}
	if head[0] != sqliteInterior && head[0] != sqliteLeaf || size+2*cells > int64(len(head)) || depth > sqliteDepth {
		return fmt.Errorf("page %d is none of a table", n)
	}
	for i := range cells {
		at := int64(binary.BigEndian.Uint16(head[size+2*i:]))
		if at+4 > db.usable {
			return fmt.Errorf("a cell of page %d is cut off", n)
		}
		if head[0] == sqliteInterior {
			err = db.rows(int64(binary.BigEndian.Uint32(page[at:])), depth+1, yield)
		} else {
			err = db.cell(page[at:db.usable], yield)
		}
		if err != nil {
			return err
		}
	}
	if head[0] == sqliteInterior {
		return db.rows(int64(binary.BigEndian.Uint32(head[8:])), depth+1, yield)
	}
	return nil
}

func (db *sqlite) page(n int64) ([]byte, error) {
	if n < 1 {
		return nil, errors.New("a page has the number 0")
	}
	if err := db.budget.take(); err != nil {
		return nil, err
	}
	return db.at((n-1)*db.pageSize, db.pageSize)
}

// cell reads a row: the size of its record, its number, and the record, which may go
// on in overflow pages.
func (db *sqlite) cell(cell []byte, yield func([]sqliteValue) error) error {
	size, n := varint(cell)
	_, m := varint(cell[n:])
	if n == 0 || m == 0 || size > maxRpmHeader {
		return fmt.Errorf("a row of %d bytes", size)
	}
	if db.left -= int64(size) + 2; db.left < 0 {
		return errors.New("its rows are larger than it")
	}
	record, err := db.payload(cell[n+m:], int64(size))
	if err != nil {
		return err
	}
	row, err := parseSQLiteRecord(record)
	if err != nil {
		return err
	}
	return yield(row)
}

// payload puts together what stands in the page and what in overflow pages, each of
// which begins with the number of the next. It is valid until the next one.
func (db *sqlite) payload(local []byte, size int64) ([]byte, error) {
	inPage := size
	if most := db.usable - 35; size > most {
		least := (db.usable-12)*32/255 - 23
		if inPage = least + (size-least)%(db.usable-4); inPage > most {
			inPage = least
		}
	}
	rest := size - inPage
	if inPage > int64(len(local)) || rest > 0 && inPage+4 > int64(len(local)) {
		return nil, errors.New("a row is cut off")
	}
	if rest == 0 {
		return local[:inPage], nil
	}
	b := append(db.record[:0], local[:inPage]...)
	for next := int64(binary.BigEndian.Uint32(local[inPage:])); rest > 0; {
		page, err := db.page(next)
		if err != nil {
			return nil, err
		}
		part := page[4:min(db.usable, 4+rest)]
		b, rest = append(b, part...), rest-int64(len(part))
		next = int64(binary.BigEndian.Uint32(page))
	}
	db.record = b
	return b, nil
}

// sqliteValue is a column's value with its type.
type sqliteValue struct {
	typ  uint64
	data []byte
}

func (v sqliteValue) isBlob() bool { return v.typ >= 12 && v.typ%2 == 0 }
func (v sqliteValue) isText() bool { return v.typ >= 13 && v.typ%2 == 1 }

// integer is 0 for anything else.
func (v sqliteValue) integer() int64 {
	if v.typ == 9 {
		return 1
	}
	n := int64(0)
	if v.typ >= 1 && v.typ <= 6 {
		for _, c := range v.data {
			n = n<<8 | int64(c)
		}
	}
	return n
}

// parseSQLiteRecord reads a record: the size of its head, the columns' types, their
// values.
func parseSQLiteRecord(b []byte) ([]sqliteValue, error) {
	errCut := errors.New("a record is cut off")
	size, n := varint(b)
	if n == 0 || size < uint64(n) || size > uint64(len(b)) {
		return nil, errCut
	}
	types, values := b[n:size], b[size:]
	var row []sqliteValue
	for len(types) > 0 {
		typ, n := varint(types)
		length := sqliteLength(typ)
		if n == 0 || length > uint64(len(values)) || len(row) == 100 {
			return nil, errCut
		}
		row = append(row, sqliteValue{typ, values[:length]})
		types, values = types[n:], values[length:]
	}
	return row, nil
}

func sqliteLength(typ uint64) uint64 {
	switch {
	case typ >= 12:
		return (typ - 12) / 2
	case typ >= 10:
		return math.MaxUint64 // reserved
	}
	return [...]uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0}[typ]
}

// varint reads an integer of SQLite's and says how many bytes it has; 0 if it is cut off.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 8 {
		v = v<<7 | uint64(b[n]&0x7f)
		if n++; b[n-1] < 0x80 {
			return v, n
		}
	}
	if n == 8 && len(b) > 8 {
		return v<<8 | uint64(b[8]), 9
	}
	return 0, 0
}
