// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"path"
	"regexp"
	"slices"
	"time"

	"github.com/ocigate/ocigate/pkg/layercache"
)

// The kinds of things in the cache directory.
const (
	kindLayers    = "layers"
	kindDatabases = "databases"
	kindRoots     = "trust roots"
)

// cacheFile is a file in the cache directory that ocigate wrote.
type cacheFile struct {
	path string
	size int64
	used time.Time
	// entry is set for what counts; other files only help.
	entry bool
}

// cacheKind is one kind of things in the cache directory. Layers have no groups: their
// package lists them.
type cacheKind struct {
	name   string
	groups []cacheGroup
}

// cacheGroup is a directory in the cache directory, and what ocigate calls its files
// there. Files that help an entry go with it, and before it.
type cacheGroup struct {
	dir         string
	entry, help *regexp.Regexp
}

// cacheKinds names what this program keeps in a cache directory. Whatever else is in
// there belongs to somebody else, or to a process that is writing it.
func cacheKinds() []cacheKind {
	metadata := regexp.MustCompile(`^(metadata|ocigate)\.json$`)
	return []cacheKind{
		{name: kindLayers},
		{name: kindDatabases, groups: []cacheGroup{
			{"db", regexp.MustCompile(`^trivy\.db$`), metadata},
			{"java-db", regexp.MustCompile(`^trivy-java\.db$`), metadata},
		}},
		{name: kindRoots, groups: []cacheGroup{{"tuf/tuf", regexp.MustCompile(`^[0-9a-f]{64}\.json$`), nil}}},
	}
}

// files lists what there is of a kind, beneath root and without following a link.
func (k cacheKind) files(root *os.Root) iter.Seq[cacheFile] {
	return func(yield func(cacheFile) bool) {
		if k.name == kindLayers {
			for f := range layercache.Files(root) {
				if !yield(cacheFile{f.Path, f.Size, f.Used, f.Entry}) {
					return
				}
			}
		}
		for _, g := range k.groups {
			for _, f := range g.files(root) {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// files lists the files of a group, those that help first.
func (g cacheGroup) files(root *os.Root) []cacheFile {
	// The directory may be anything; only one that is itself is looked into.
	for d := g.dir; d != "."; d = path.Dir(d) {
		if info, err := root.Lstat(d); err != nil || !info.IsDir() {
			return nil
		}
	}
	entries, err := fs.ReadDir(root.FS(), g.dir)
	if err != nil {
		return nil
	}
	var help, main []cacheFile
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		f := cacheFile{path: path.Join(g.dir, e.Name()), size: info.Size(), used: info.ModTime()}
		switch {
		case g.entry.MatchString(e.Name()):
			f.entry = true
			main = append(main, f)
		case g.help != nil && g.help.MatchString(e.Name()):
			help = append(help, f)
		}
	}
	return append(help, main...)
}

// clean removes what there is of a kind, or of that what was last used before a time.
func (k cacheKind) clean(root *os.Root, before time.Time) (files int, size int64, err error) {
	old := func(f cacheFile) bool { return before.IsZero() || f.used.Before(before) }
	remove := func(f cacheFile) {
		switch rerr := root.Remove(f.path); {
		case rerr == nil:
			files, size = files+1, size+f.size
		case !errors.Is(rerr, fs.ErrNotExist):
			err = errors.Join(err, rerr)
		}
	}
	if k.name == kindLayers {
		for _, f := range slices.Collect(k.files(root)) { // not every file system lists on while files go
			if old(f) {
				remove(f)
			}
		}
		return files, size, err
	}
	for _, g := range k.groups {
		list := g.files(root)
		// Files that help are as old as what they help.
		if g.help != nil && len(list) > 0 && !old(list[len(list)-1]) {
			continue
		}
		for _, f := range list {
			if g.help != nil || old(f) {
				remove(f)
			}
		}
	}
	return files, size, err
}
