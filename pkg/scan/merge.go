// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"container/heap"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// cursor walks through the listing of one layer. Directories that only their
// content shows are told as well, before it.
type cursor struct {
	d decoder
	// implied are the lengths of those directories still to tell.
	implied []int
}

// path and at are the entry that the cursor stands on.
func (c *cursor) path() []byte {
	if len(c.implied) > 0 {
		return c.d.path[:c.implied[0]]
	}
	return c.d.path
}

func (c *cursor) at() layerEntry {
	if len(c.implied) > 0 {
		return layerEntry{layer: c.d.layer, kind: kindImplied}
	}
	return c.d.layerEntry
}

func (c *cursor) next() bool {
	if len(c.implied) > 0 {
		c.implied = c.implied[1:]
		return true
	}
	if !c.d.next() {
		return false
	}
	last, now := c.d.last, c.d.path
	known := 0
	for known < len(last) && known < len(now) && last[known] == now[known] {
		known++
	}
	c.implied = c.implied[:0]
	for i := known; i < len(now); i++ {
		// The path before may have been the directory itself.
		if now[i] == '/' && (i > known || i < len(last)) {
			c.implied = append(c.implied, i)
		}
	}
	return true
}

// cursors is a heap of cursors by path, then layer.
type cursors []*cursor

func (cs cursors) Len() int      { return len(cs) }
func (cs cursors) Swap(i, j int) { cs[i], cs[j] = cs[j], cs[i] }
func (cs cursors) Less(i, j int) bool {
	if d := comparePaths(cs[i].path(), cs[j].path()); d != 0 {
		return d < 0
	}
	return cs[i].d.layer < cs[j].d.layer
}
func (cs *cursors) Push(x any) { *cs = append(*cs, x.(*cursor)) }
func (cs *cursors) Pop() any {
	last := (*cs)[len(*cs)-1]
	*cs = (*cs)[:len(*cs)-1]
	return last
}

// walkListings calls visit for each path of any layer, in order, with what the layers
// say about it, base first. Both arguments are only valid during the call.
func walkListings(listings [][]byte, visit func(path []byte, versions []layerEntry)) error {
	var hs cursors
	for i, b := range listings {
		c := &cursor{d: decoder{data: b}}
		c.d.layer = i
		if c.next() {
			hs = append(hs, c)
		} else if c.d.err != nil {
			return c.d.err
		}
	}
	heap.Init(&hs)
	var path []byte
	var versions []layerEntry
	for len(hs) > 0 {
		path, versions = append(path[:0], hs[0].path()...), versions[:0]
		for len(hs) > 0 && string(hs[0].path()) == string(path) {
			c := hs[0]
			versions = append(versions, c.at())
			if c.next() {
				heap.Fix(&hs, 0)
				continue
			}
			if c.d.err != nil {
				return c.d.err
			}
			heap.Pop(&hs)
		}
		visit(path, versions)
	}
	return nil
}

// tree is the way from the root to the path that is visited, with what layers do to
// what lower layers hold below it.
type tree struct {
	last   []byte
	frames []frame
}

// frame is one directory of that way.
type frame struct {
	length int
	// cuts are the layers that hide what lower layers hold below: they delete the
	// path, make it opaque, or put something else in its place.
	cuts []int
	// writable is set below a directory that anyone may write to.
	writable bool
	// lost is what a cut hides, in so many layers.
	lost   int64
	layers map[int]bool
}

// enter moves to path and calls leave for each directory that path is not in.
func (t *tree) enter(path []byte, leave func(dir []byte, f *frame)) {
	common := 0
	for common < len(t.last) && common < len(path) && t.last[common] == path[common] {
		common++
	}
	for n := len(t.frames); n > 0; n-- {
		f := &t.frames[n-1]
		if f.length == 0 || f.length <= common && f.length < len(path) && path[f.length] == '/' {
			break
		}
		t.leave(leave)
	}
	t.last = append(t.last[:0], path...)
}

func (t *tree) leave(leave func(dir []byte, f *frame)) {
	f := &t.frames[len(t.frames)-1]
	leave(t.last[:f.length], f)
	t.frames = t.frames[:len(t.frames)-1]
}

// push adds the path that is visited to the way.
func (t *tree) push(versions []layerEntry, writable bool) {
	n := len(t.frames)
	if n < cap(t.frames) {
		t.frames = t.frames[:n+1] // with the slices of an earlier one
	} else {
		t.frames = append(t.frames, frame{})
	}
	f := &t.frames[n]
	*f = frame{length: len(t.last), cuts: f.cuts[:0], writable: writable || n > 0 && t.frames[n-1].writable}
	for _, v := range versions {
		if v.layer > 0 && v.kind != kindDirectory && v.kind != kindImplied {
			f.cuts = append(f.cuts, v.layer)
		}
	}
}

// present is the layer of a version that nothing hides.
const present = -1

// cut returns the first layer above that hides the path by what it does to one of
// its parents, and that parent.
func (t *tree) cut(layer int) (int, *frame) {
	first, at := present, (*frame)(nil)
	for i := range t.frames {
		for _, c := range t.frames[i].cuts {
			if c > layer && (first == present || c < first) {
				first, at = c, &t.frames[i]
			}
		}
	}
	return first, at
}

// end returns the layer that deletes or replaces v, and the parent by which it does,
// nil where it is by the path itself. A directory is not replaced by another.
func (t *tree) end(v layerEntry, versions []layerEntry) (int, *frame) {
	first, at := t.cut(v.layer)
	for _, o := range versions {
		ends := o.kind != kindImplied && o.kind != kindOpaque && (o.kind != kindDirectory || !isDirectory(v.kind))
		if o.layer > v.layer && ends && (first == present || o.layer <= first) {
			first, at = o.layer, nil
		}
	}
	return first, at
}

func isDirectory(k entryKind) bool { return k == kindDirectory || k == kindImplied }

func isContent(k entryKind) bool { return k != kindWhiteout && k != kindOpaque && !isDirectory(k) }

// wasteCount adds up what layers carry and no container sees.
//
// It counts as dive does (github.com/wagoodman/dive, dive/filetree/efficiency.go): a
// path that several layers carry or delete counts with all its copies, the one that is
// seen included. Of a directory that a layer deletes as a whole, dive adds up the
// content too, but then drops it, because the directory itself stands in one layer
// only; here it counts, each file once.
type wasteCount struct {
	evidence.Waste
	rows []evidence.WastedFile
}

// maxWasted is how many wasters are listed.
const maxWasted = 100

func (w *wasteCount) add(path []byte, count int, bytes int64) {
	if bytes <= 0 {
		return
	}
	w.Bytes += bytes
	w.rows = append(w.rows, evidence.WastedFile{Path: string(path), Count: count, Bytes: bytes})
	if len(w.rows) >= 100*maxWasted {
		w.shrink()
	}
}

func (w *wasteCount) shrink() {
	slices.SortFunc(w.rows, func(a, b evidence.WastedFile) int {
		switch {
		case a.Bytes > b.Bytes:
			return -1
		case a.Bytes < b.Bytes:
			return 1
		default:
			return comparePaths(a.Path, b.Path)
		}
	})
	w.rows = w.rows[:min(len(w.rows), maxWasted)]
}

func (w *wasteCount) result() *evidence.Waste {
	w.shrink()
	w.Files = w.rows
	return &w.Waste
}

// visit counts a path that t has entered.
func (w *wasteCount) visit(t *tree, path []byte, versions []layerEntry) {
	var bytes int64
	carriers, deletions, only := 0, 0, layerEntry{}
	for _, v := range versions {
		switch {
		case isContent(v.kind):
			carriers, only = carriers+1, v
			bytes += v.size
		case v.kind == kindWhiteout && carriers > 0:
			deletions++
		}
	}
	w.TotalBytes += bytes
	if bytes == 0 {
		return
	}
	end, parent := t.end(only, versions)
	switch {
	case carriers > 1 || end != present && parent == nil:
		w.add(path, max(carriers+deletions, 2), bytes)
	case end != present:
		parent.lost += bytes
		if parent.layers == nil {
			parent.layers = map[int]bool{}
		}
		parent.layers[only.layer], parent.layers[end] = true, true
	}
}

// leave counts a directory that was deleted with all its content.
func (w *wasteCount) leave(dir []byte, f *frame) {
	w.add(dir, len(f.layers), f.lost)
}
