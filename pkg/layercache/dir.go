// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"
	"time"
)

// subdirectory is that of the entries in the cache directory.
const subdirectory = "layers"

// dir keeps entries as files KIND/xx/NAME. An entry is written to a temporary file and
// renamed, and never changed: processes need not wait for each other, and one that is
// killed leaves nothing worse than a temporary file. Nothing is synced: what a crash of
// the machine damages is found by its seal.
//
// Every path is opened beneath root: a link that leads out of it is an error.
type dir struct {
	root *os.Root
	max  int64
	now  func() time.Time
	// foreign is set where somebody else can write to the directory.
	foreign bool
}

// openDir opens the subdirectory of a cache directory, and makes both if they are missing.
func openDir(cacheDir string, limit int64) (*dir, error) {
	if err := os.MkdirAll(cacheDir, 0o700); err != nil {
		return nil, err
	}
	outer, err := os.OpenRoot(cacheDir)
	if err != nil {
		return nil, err
	}
	defer outer.Close()
	if err := outer.MkdirAll(subdirectory, 0o700); err != nil {
		return nil, err
	}
	root, err := outer.OpenRoot(subdirectory)
	if err != nil {
		return nil, err
	}
	info, err := root.Stat(".")
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &dir{root: root, max: limit, now: time.Now, foreign: othersCanWrite(info)}, nil
}

func (d *dir) close() { _ = d.root.Close() } // nothing was written through it

// entryPath spreads entries over 256 directories of each kind.
func entryPath(kind, name string) string { return path.Join(kind, name[:2], name) }

// get returns an entry and when it was last used.
func (d *dir) get(kind, name string) ([]byte, time.Time, error) {
	// What is no file must not make this process wait.
	f, err := d.root.OpenFile(entryPath(kind, name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, time.Time{}, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSealed {
		return nil, time.Time{}, errSeal
	}
	b := make([]byte, info.Size())
	_, err = io.ReadFull(f, b)
	return b, info.ModTime(), err
}

// touch notes that an entry was used: its time of modification says when.
func (d *dir) touch(kind, name string, used time.Time) {
	if now := d.now(); now.Sub(used) > touchAfter {
		_ = d.root.Chtimes(entryPath(kind, name), now, now) // it is gone earlier, at worst
	}
}

// put keeps an entry, and removes others if that is more than the cache may hold.
func (d *dir) put(kind, name string, sealed []byte) error {
	size := onDisk(int64(len(sealed)))
	if size > d.max/2 {
		return fmt.Errorf("an entry of %d bytes is too large to keep", len(sealed))
	}
	// It is counted before it is there: who is killed in between counts too much, not too little.
	total, known := d.count(size)
	if err := d.write(entryPath(kind, name), sealed); err != nil {
		return err
	}
	if known && total <= d.max {
		return nil
	}
	return d.trim()
}

func (d *dir) write(name string, content []byte) error {
	if err := d.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	tmp := path.Join(path.Dir(name), tempPrefix+rand.Text())
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.root.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, ignoreMissing(d.root.Remove(tmp)))
	}
	return nil
}

// tempPrefix begins the names of files that are being written.
const tempPrefix = ".new-"

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

// touchAfter is how old the last use must be to be noted anew: a hit that follows
// another costs no write.
const touchAfter = time.Minute

// onDisk is about what a file of so many bytes takes.
func onDisk(n int64) int64 {
	const block = 4096
	return (n + block - 1) / block * block
}
