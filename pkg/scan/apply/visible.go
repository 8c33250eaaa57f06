// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"slices"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// place is where something stands: the layer, and the index in the layer's list.
type place struct{ layer, index int }

// stack is what no later layer deletes or replaces, from the base up.
type stack struct {
	databases, applications, licences []place
}

// key is what a later layer replaces: there is one of each kind at a path.
type key struct{ path, kind string }

// visible looks from the top, so that what is seen first is what counts.
func visible(blobs []ftypes.BlobInfo) stack {
	var s stack
	var above deletions
	databases, applications, licences := map[key]bool{}, map[key]bool{}, map[key]bool{}
	for i := range slices.Backward(blobs) {
		b := &blobs[i]
		add := func(list *[]place, seen map[key]bool, index int, path, kind string) {
			k := key{normal(path), kind}
			if seen[k] || above.cover(k.path) {
				return
			}
			seen[k] = true
			*list = append(*list, place{i, index})
		}
		for j := range slices.Backward(b.PackageInfos) {
			add(&s.databases, databases, j, b.PackageInfos[j].FilePath, "")
		}
		for j := range slices.Backward(b.Applications) {
			add(&s.applications, applications, j, b.Applications[j].FilePath, string(b.Applications[j].Type))
		}
		for j := range slices.Backward(b.Licenses) {
			add(&s.licences, licences, j, b.Licenses[j].FilePath, string(b.Licenses[j].Type))
		}
		above = above.with(b)
	}
	slices.Reverse(s.databases)
	slices.Reverse(s.applications)
	slices.Reverse(s.licences)
	return s
}

// normal is a path without the leading slash.
func normal(path string) string {
	if len(path) > 1 && path[0] == '/' {
		return path[1:]
	}
	return path
}

// deletions are paths that are deleted with all that is below them, in the order of
// analysis.ComparePaths, none below another.
type deletions []string

// cover says whether path is deleted.
func (d deletions) cover(path string) bool {
	if len(d) == 0 || path == "" {
		return false
	}
	// What is below a path comes right after it, and no other deletion is there.
	i, found := slices.BinarySearchFunc(d, path, analysis.ComparePaths)
	return found || i > 0 && below(path, d[i-1])
}

func below(path, dir string) bool {
	return len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir
}

// with adds what a layer deletes.
func (d deletions) with(b *ftypes.BlobInfo) deletions {
	if len(b.OpaqueDirs)+len(b.WhiteoutFiles) == 0 {
		return d
	}
	own := make(deletions, 0, len(b.OpaqueDirs)+len(b.WhiteoutFiles))
	for _, dir := range b.OpaqueDirs {
		own = append(own, normal(strings.TrimSuffix(dir, "/")))
	}
	for _, path := range b.WhiteoutFiles {
		own = append(own, normal(path))
	}
	slices.SortFunc(own, analysis.ComparePaths)
	out := make(deletions, 0, len(d)+len(own))
	for len(d)+len(own) > 0 {
		next := &d
		if len(d) == 0 || len(own) > 0 && analysis.ComparePaths(own[0], d[0]) < 0 {
			next = &own
		}
		path := (*next)[0]
		*next = (*next)[1:]
		if n := len(out); n == 0 || out[n-1] != path && !below(path, out[n-1]) {
			out = append(out, path)
		}
	}
	return out
}
