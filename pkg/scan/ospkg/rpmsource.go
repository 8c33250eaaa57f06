// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// rpmSource is the file of a database. Trivy's library needs a copy on disk; it also
// reads in goroutines, where a hostile database ends the process or reads without end.
type rpmSource struct {
	ctx  context.Context
	file analysis.File
	size int64
}

// at returns n bytes. They are not to be changed.
func (s rpmSource) at(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || off > s.size || n > s.size-off {
		return nil, fmt.Errorf("it ends before byte %d: %w", off+n, io.ErrUnexpectedEOF)
	}
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	if s.file.Data != nil {
		return s.file.Data[off : off+n : off+n], nil
	}
	b := make([]byte, n)
	if got, err := s.file.ReadAt(b, off); got < len(b) {
		return nil, fmt.Errorf("read: %w", err)
	}
	return b, nil
}

// rpmHeaders yields the headers of a database in whichever format it is, each valid
// until the next. An error is the last.
func rpmHeaders(s rpmSource) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		start, err := s.at(0, min(s.size, 100))
		if err == nil && len(start) < 32 {
			err = fmt.Errorf("it has %d bytes: %w", len(start), io.ErrUnexpectedEOF)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		read := bdbHeaders
		switch {
		case isSQLite(start):
			read = sqliteHeaders
		case isNDB(start):
			read = ndbHeaders
		}
		stopped := errors.New("stopped")
		err = read(s, start, func(header []byte) error {
			if !yield(header, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && err != stopped {
			yield(nil, err)
		}
	}
}

// pageBudget makes sure that each page is read once: a page that leads back to another
// would be read for ever.
type pageBudget struct{ left int64 }

func (b *pageBudget) take() error {
	if b.left--; b.left < 0 {
		return errors.New("its pages are linked in a circle")
	}
	return nil
}
