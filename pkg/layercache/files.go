// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"time"
)

// File is a file of the cache.
type File struct {
	// Path is beneath the root that was listed.
	Path string
	Size int64
	// Used is when it was last used.
	Used time.Time
	// Entry is set for a whole entry; the others are being written, were when their
	// process died, or say how much there is.
	Entry bool
}

// Files lists what this package keeps in a cache directory: entries, and what it needs
// to manage them. What it did not write is not listed, and no link is followed.
func Files(cacheDir *os.Root) iter.Seq[File] {
	return func(yield func(File) bool) {
		for e := range list(cacheDir, subdirectory) {
			if e.Type().IsRegular() && (e.Name() == sizesFile || strings.HasPrefix(e.Name(), tempPrefix)) {
				if f, ok := fileOf(e, subdirectory); ok && !yield(f) {
					return
				}
			}
		}
		for f := range entryFiles(cacheDir, subdirectory) {
			if !yield(f) {
				return
			}
		}
	}
}

// entryFiles lists entries and temporary files: KIND/xx/NAME.
func entryFiles(root *os.Root, at string) iter.Seq[File] {
	return func(yield func(File) bool) {
		for kind := range list(root, at) {
			if !kind.IsDir() {
				continue
			}
			for shard := range list(root, path.Join(at, kind.Name())) {
				if !shard.IsDir() || len(shard.Name()) != 2 {
					continue
				}
				in := path.Join(at, kind.Name(), shard.Name())
				for e := range list(root, in) {
					if !e.Type().IsRegular() || !isEntryName(e.Name()) && !strings.HasPrefix(e.Name(), tempPrefix) {
						continue
					}
					if f, ok := fileOf(e, in); ok && !yield(f) {
						return
					}
				}
			}
		}
	}
}

// list reads a directory; one that cannot be read, or is none, has nothing in it.
func list(root *os.Root, name string) iter.Seq[fs.DirEntry] {
	return func(yield func(fs.DirEntry) bool) {
		info, err := root.Lstat(name)
		if err != nil || !info.IsDir() {
			return
		}
		f, err := root.Open(name)
		if err != nil {
			return
		}
		defer f.Close()
		for {
			entries, err := f.ReadDir(512)
			for _, e := range entries {
				if !yield(e) {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
}

// fileOf is not ok for a file that has gone meanwhile.
func fileOf(e fs.DirEntry, in string) (File, bool) {
	info, err := e.Info()
	if err != nil {
		return File{}, false
	}
	return File{Path: path.Join(in, e.Name()), Size: info.Size(), Used: info.ModTime(), Entry: isEntryName(e.Name())}, true
}

func isEntryName(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
