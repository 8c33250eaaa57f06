// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// maxFiles bounds the files of interest of an image.
const maxFiles = 10_000

// fileSystem is what the listings of an image's layers say together.
type fileSystem struct {
	layers []evidence.Layer
	globs  globs
	// hidden are the globs of files that a later layer deletes or replaces.
	hidden globs
	class  *classifier
	links  []directoryLink
	// far are the versions of what hard links of other layers link to, by path.
	far   map[string][]layerEntry
	tree  tree
	waste wasteCount
	files []found
	// inside adds up the content of directories that are of a class as a whole.
	inside map[insideKey]*found
	// classDirs are the class directories that the current path is in.
	classDirs []classDir
	dropped   int
}

// found is a file of interest with the numbers of its layers.
type found struct {
	evidence.File
	layer, removedBy int
}

type classDir struct {
	path  string
	class evidence.FileClass
}

type insideKey struct {
	path             string
	class            evidence.FileClass
	layer, removedBy int
}

// filesOf derives the files of interest and the waste from the listings of the layers,
// base first. patterns are the globs that the policy asks for, hidden those of what a
// later layer deletes or replaces.
func filesOf(records []*record, patterns, hidden []string) ([]evidence.File, *evidence.Waste, []evidence.Problem) {
	fs := &fileSystem{globs: newGlobs(patterns), hidden: newGlobs(hidden), class: newClassifier(), inside: map[insideKey]*found{}}
	listings := make([][]byte, len(records))
	for i, r := range records {
		listings[i] = r.Listing
		fs.layers = append(fs.layers, evidence.Layer{Digest: r.Blob.Digest, DiffID: r.Blob.DiffID})
	}
	if err := fs.survey(listings); err != nil {
		return nil, nil, []evidence.Problem{listingProblem(err)}
	}
	if err := walkListings(listings, fs.visit); err != nil {
		return nil, nil, []evidence.Problem{listingProblem(err)}
	}
	for len(fs.tree.frames) > 0 {
		fs.tree.leave(fs.waste.leave)
	}
	files := fs.result()
	if fs.dropped > 0 {
		return files, fs.waste.result(), []evidence.Problem{{Area: evidence.AreaLimit, What: "files",
			Message: fmt.Sprintf("more than %d files of the image have privileges, do not belong there or match a pattern of the policy", maxFiles),
			Hint:    "ask for directories instead of what is in them, and mend the image"}}
	}
	return files, fs.waste.result(), nil
}

func listingProblem(err error) evidence.Problem {
	return evidence.Problem{Area: evidence.AreaScan, What: "files", Message: err.Error(), Hint: "run again with --no-layer-cache"}
}

func (fs *fileSystem) visit(path []byte, versions []layerEntry) {
	fs.tree.enter(path, fs.waste.leave)
	fs.leaveClassDirs(path)
	fs.waste.visit(&fs.tree, path, versions)
	writable := fs.directory(path, versions)
	var name string
	for _, v := range versions {
		if !isContent(v.kind) {
			continue
		}
		if name == "" {
			name = string(path)
		}
		fs.resolve(&v)
		fs.content(name, path, v, versions)
	}
	fs.tree.push(versions, writable)
}

// content looks at one version of something that is no directory.
func (fs *fileSystem) content(name string, path []byte, v layerEntry, versions []layerEntry) {
	end, _ := fs.tree.end(v, versions)
	classes := fs.classes(name, v)
	privileged := v.kind != kindSymlink && (v.mode&(evidence.ModeSetuid|evidence.ModeSetgid) != 0 || v.caps != 0)
	switch {
	case len(classes) > 0, privileged, v.kind == kindCharacter, v.kind == kindBlock, fs.openToAll(v, end),
		end != present && v.size >= evidence.LargeFile, v.kind == kindSymlink && fs.isLink(name), fs.asked(path, false, end != present):
		fs.list(name, v, end, classes)
	}
	fs.inClassDir(v, end)
}

// openToAll says whether anyone may write to a file that is there at run time. Where
// its directory is open to all, that is listed instead.
func (fs *fileSystem) openToAll(v layerEntry, end int) bool {
	file := v.kind == kindFile || v.kind == kindHardlink || v.kind == kindFarLink || v.kind == kindFIFO
	return file && end == present && v.mode&evidence.ModeWorldWritable != 0 && !fs.belowWritable()
}

func (fs *fileSystem) belowWritable() bool {
	n := len(fs.tree.frames)
	return n > 0 && fs.tree.frames[n-1].writable
}

// directory looks at a path as a directory, and says whether anyone may write to it.
// Of the layers that carry it without a deletion in between, the last says how it is.
func (fs *fileSystem) directory(path []byte, versions []layerEntry) (writable bool) {
	group, groupEnd := []layerEntry(nil), 0
	flush := func() {
		if len(group) > 0 {
			writable = fs.sameDirectory(path, group, groupEnd) || writable
		}
		group = group[:0]
	}
	for _, v := range versions {
		if !isDirectory(v.kind) {
			continue
		}
		end, _ := fs.tree.end(v, versions)
		if len(group) > 0 && end != groupEnd {
			flush()
		}
		group, groupEnd = append(group, v), end
	}
	flush()
	return writable
}

func (fs *fileSystem) sameDirectory(path []byte, group []layerEntry, end int) (writable bool) {
	v := group[0]
	for _, g := range group {
		if g.kind != kindDirectory {
			continue
		}
		// The layer that set the mode is the one to show.
		if v.kind != kindDirectory || g.mode != v.mode {
			v = g
		} else {
			layer := v.layer
			v = g
			v.layer = layer
		}
	}
	writable = end == present && v.mode&evidence.ModeWorldWritable != 0 && v.mode&evidence.ModeSticky == 0
	if writable && !fs.belowWritable() || fs.asked(path, true, end != present) {
		fs.list(string(path), v, end, nil)
	}
	name := string(path)
	if class, ok := classDirectory(name); ok {
		// One within another of its class is part of it.
		if !slices.ContainsFunc(fs.classDirs, func(c classDir) bool { return c.class == class }) {
			fs.classDirs = append(fs.classDirs, classDir{name, class})
		}
	}
	return writable
}

// leaveClassDirs forgets the directories of a class that path is not in.
func (fs *fileSystem) leaveClassDirs(path []byte) {
	for n := len(fs.classDirs) - 1; n >= 0; n-- {
		dir := fs.classDirs[n].path
		if isBelow(string(path), dir) {
			return
		}
		fs.classDirs = fs.classDirs[:n]
	}
}

// inClassDir adds a file to the directories of a class that it is in.
func (fs *fileSystem) inClassDir(v layerEntry, end int) {
	for _, c := range fs.classDirs {
		if c.class == evidence.ClassCache && v.size == 0 {
			continue // locks and the like are always there
		}
		key := insideKey{c.path, c.class, v.layer, end}
		f := fs.inside[key]
		if f == nil {
			if len(fs.inside) >= maxFiles {
				fs.dropped++
				continue
			}
			f = &found{layer: v.layer, removedBy: end}
			f.Path, f.Kind, f.Classes = c.path, evidence.FileDirectory, []evidence.FileClass{c.class}
			fs.inside[key] = f
		}
		f.Size += v.size
	}
}

func (fs *fileSystem) list(name string, v layerEntry, end int, classes []evidence.FileClass) {
	if len(fs.files) >= maxFiles {
		fs.dropped++
		return
	}
	fs.files = append(fs.files, found{layer: v.layer, removedBy: end, File: evidence.File{
		Path: cmp.Or(name, "."), Kind: v.kind.file(), Mode: v.mode, UID: int(v.uid), GID: int(v.gid), Size: v.size,
		Target: string(v.target), Capabilities: v.caps.names(), Classes: classes,
	}})
}

// result is sorted by path, then layer.
func (fs *fileSystem) result() []evidence.File {
	for _, f := range fs.inside {
		fs.files = append(fs.files, *f)
	}
	slices.SortFunc(fs.files, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.layer, b.layer), cmp.Compare(a.removedBy, b.removedBy),
			slices.Compare(a.Classes, b.Classes))
	})
	if n := len(fs.files); n > maxFiles {
		fs.files, fs.dropped = fs.files[:maxFiles], fs.dropped+n-maxFiles
	}
	files := make([]evidence.File, 0, len(fs.files))
	for _, f := range fs.files {
		f.Layer = fs.layers[f.layer]
		if f.removedBy != present {
			f.RemovedBy = &fs.layers[f.removedBy]
		}
		files = append(files, f.File)
	}
	return files
}
