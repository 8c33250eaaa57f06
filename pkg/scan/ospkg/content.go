// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"errors"
	"fmt"
	"io"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// maxDatabase is the greatest text, in bytes, that is read whole.
const maxDatabase = 128 << 20

// maxPackages is how many packages a database may list. The whole of Debian has fewer.
const maxPackages = 200_000

// maxNames bounds the memory, in bytes, for names of files and dependencies that one
// database may take.
const maxNames = 1 << 30

// allowance is memory that is left for names, in bytes.
type allowance int64

func (a *allowance) take(names, bytes int) error {
	if *a -= allowance(32*names + bytes); *a < 0 {
		return errors.New("it names too many files and dependencies")
	}
	return nil
}

// wholeFile is the content of f: valid as long as f, and not to be changed.
func wholeFile(f analysis.File) ([]byte, error) {
	if f.Data != nil {
		return f.Data, nil
	}
	b, err := io.ReadAll(io.LimitReader(f, maxDatabase+1))
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if len(b) > maxDatabase {
		return nil, fmt.Errorf("a file of more than %d bytes for a parser", maxDatabase)
	}
	return b, nil
}

// withStored opens a stored file, hands its content to use and releases it.
func withStored(s analysis.Stored, use func([]byte) error) error {
	f, release, err := s.Open()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer release()
	b, err := wholeFile(f)
	if err != nil {
		return err
	}
	return use(b)
}
