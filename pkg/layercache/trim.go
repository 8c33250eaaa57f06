// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// The file of sizes says how much the directory holds, so that nobody has to look at
// all of it: its first line is when it was looked at, and each line after that a number
// of bytes, appended by whoever writes an entry. It may be wrong for a while, where
// somebody looks and somebody else writes; after a day the directory is looked at again.
const (
	sizesFile = ".sizes"
	sizesAge  = 24 * time.Hour
	maxSizes  = 1 << 20
)

// staleTemp is the age of a temporary file that nobody writes any more.
const staleTemp = 10 * time.Minute

// count adds to the file of sizes and returns the sum, if it is known.
func (d *dir) count(n int64) (int64, bool) {
	f, err := d.root.OpenFile(sizesFile, os.O_RDWR|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%d\n", n); err != nil {
		return 0, false
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, false
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSizes+1))
	if err != nil || len(b) > maxSizes {
		return 0, false
	}
	lines := bytes.Split(b, []byte("\n"))
	var total int64
	for i, line := range lines[:len(lines)-1] {
		n, err := strconv.ParseInt(string(line), 10, 64)
		switch {
		case err != nil || n < 0 || n > 1<<50:
			return 0, false
		case i > 0:
			total += n
		case d.now().Sub(time.Unix(n, 0)).Abs() > sizesAge:
			return 0, false
		}
	}
	return total, true
}

// trim looks at all entries and, if they are too much, removes those that were not used
// for longest, until a tenth of the room is free. Processes may do so at the same time.
func (d *dir) trim() error {
	var all []File
	var total int64
	var errs error
	for _, f := range slices.Collect(entryFiles(d.root, ".")) {
		if !f.Entry && d.now().Sub(f.Used) > staleTemp {
			errs = errors.Join(errs, ignoreMissing(d.root.Remove(f.Path)))
			continue
		}
		all = append(all, f)
		total += onDisk(f.Size)
	}
	if total > d.max {
		slices.SortFunc(all, func(a, b File) int { return a.Used.Compare(b.Used) })
		for _, f := range all {
			if total <= d.max/10*9 {
				break
			}
			if !f.Entry {
				continue
			}
			if err := ignoreMissing(d.root.Remove(f.Path)); err != nil {
				errs = errors.Join(errs, err)
				continue
			}
			total -= onDisk(f.Size)
		}
	}
	return errors.Join(errs, d.writeSizes(total))
}

func (d *dir) writeSizes(total int64) error {
	tmp := tempPrefix + rand.Text()
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d\n%d\n", d.now().Unix(), total)
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.root.Rename(tmp, sizesFile)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(d.root.Remove(tmp)))
	}
	return nil
}
