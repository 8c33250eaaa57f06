// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The database that SUSE uses: a header, pages of slots, and blocks of 16 bytes to
// which the slots point:
// https://github.com/rpm-software-management/rpm/blob/rpm-4.17.0-release/lib/backend/ndb/rpmpkg.c
const (
	ndbMagic     = "RpmP"
	ndbSlotMagic = "Slot"
	ndbBlobMagic = "BlbS"
	ndbBlock     = 16
	ndbPage      = 4096
	ndbMaxPages  = 2048
)

func isNDB(start []byte) bool {
	return string(start[:4]) == ndbMagic && binary.LittleEndian.Uint32(start[4:]) == 0 && binary.LittleEndian.Uint32(start[12:]) != 0
}

func ndbHeaders(s rpmSource, start []byte, yield func([]byte) error) error {
	pages := int64(binary.LittleEndian.Uint32(start[12:]))
	if pages > ndbMaxPages {
		return fmt.Errorf("it has %d pages of slots", pages)
	}
	slots, err := s.at(0, pages*ndbPage)
	if err != nil {
		return err
	}
	slots = slots[2*ndbBlock:] // the header takes the place of two
	left := s.size
	for ; len(slots) > 0; slots = slots[ndbBlock:] {
		if string(slots[:4]) != ndbSlotMagic {
			return errors.New("a slot has not the form of one")
		}
		pkg := binary.LittleEndian.Uint32(slots[4:])
		if pkg == 0 {
			continue // free
		}
		at := ndbBlock * int64(binary.LittleEndian.Uint32(slots[8:]))
		head, err := s.at(at, ndbBlock)
		if err != nil {
			return err
		}
		if string(head[:4]) != ndbBlobMagic || binary.LittleEndian.Uint32(head[4:]) != pkg {
			return fmt.Errorf("package %d is not where its slot says", pkg)
		}
		size := int64(binary.LittleEndian.Uint32(head[12:]))
		if left -= size; left < 0 || size > maxRpmHeader {
			return errors.New("its packages are larger than it")
		}
		blob, err := s.at(at+ndbBlock, size)
		if err != nil {
			return err
		}
		if err := yield(blob); err != nil {
			return err
		}
	}
	return nil
}
