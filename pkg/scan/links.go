// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"path"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// directoryLink is a link through which files have a second path: /bin of a merged
// /usr and any other that is named like it, or one that some layer puts files behind.
type directoryLink struct{ path, target string }

// maxLinks bounds them; an honest image has a handful.
const maxLinks = 1000

// survey finds what the visit of single paths must know beforehand: links to
// directories, and what hard links of other layers link to.
func (fs *fileSystem) survey(listings [][]byte) error {
	var above []directoryLink
	err := walkListings(listings, func(name []byte, entries []layerEntry) {
		for n := len(above) - 1; n >= 0 && !isBelow(string(name), above[n].path); n-- {
			above = above[:n]
		}
		for _, l := range above {
			fs.addLink(l)
		}
		for _, e := range entries {
			switch e.kind {
			case kindFarLink:
				if fs.far == nil {
					fs.far = map[string][]layerEntry{}
				}
				fs.far[string(e.target)] = nil
			case kindSymlink:
				l := directoryLink{string(name), linkTarget(string(name), string(e.target))}
				if !strings.Contains(l.path, "/") || strings.HasSuffix(l.path, "bin") {
					fs.addLink(l)
				} else {
					above = append(above, l)
				}
			}
		}
	})
	if err != nil || fs.far == nil {
		return err
	}
	return walkListings(listings, func(name []byte, entries []layerEntry) {
		if _, ok := fs.far[string(name)]; ok {
			fs.far[string(name)] = slices.Clone(entries)
		}
	})
}

func (fs *fileSystem) addLink(l directoryLink) {
	if slices.Contains(fs.links, l) {
		return
	}
	if len(fs.links) >= maxLinks {
		fs.dropped++
		return
	}
	fs.links = append(fs.links, l)
}

func (fs *fileSystem) isLink(name string) bool {
	return slices.ContainsFunc(fs.links, func(l directoryLink) bool { return l.path == name })
}

// maxNames bounds the paths of one file: links may lead in circles.
const maxNames = 64

// otherNames are the paths that a file has through links, and links to these.
func (fs *fileSystem) otherNames(name string) []string {
	names := []string{name}
	add := func(n string) {
		switch {
		case slices.Contains(names, n):
		case len(names) > maxNames:
			fs.dropped++
		default:
			names = append(names, n)
		}
	}
	for i := 0; i < len(names); i++ {
		n := names[i]
		for _, l := range fs.links {
			if isBelow(n, l.path) {
				add(strings.TrimPrefix(l.target+n[len(l.path):], "/"))
			}
			if l.target != "" && isBelow(n, l.target) {
				add(l.path + n[len(l.target):])
			}
		}
	}
	return names[1:]
}

// isBelow says whether name lies in dir, near or far.
func isBelow(name, dir string) bool {
	return len(name) > len(dir) && name[len(dir)] == '/' && name[:len(dir)] == dir
}

// linkTarget is where a symbolic link leads, as a path of the image.
func linkTarget(name, target string) string {
	if !strings.HasPrefix(target, "/") {
		target = path.Join("/", path.Dir(name), target)
	}
	return strings.TrimPrefix(path.Clean(target), "/")
}

// resolve gives a hard link the privileges of what it links to in a lower layer.
func (fs *fileSystem) resolve(v *layerEntry) {
	if v.kind != kindFarLink {
		return
	}
	var to layerEntry
	for _, o := range fs.far[string(v.target)] {
		if o.layer < v.layer && isContent(o.kind) {
			to = o
		}
	}
	v.mode, v.caps = v.mode|to.mode, v.caps|to.caps
}

// asked says whether a pattern of the policy matches a path or another name of it.
func (fs *fileSystem) asked(name []byte, directory, hidden bool) bool {
	match := func(n []byte) bool {
		return fs.globs.match(n, directory) || hidden && fs.hidden.match(n, directory)
	}
	if len(fs.globs) == 0 && (!hidden || len(fs.hidden) == 0) {
		return false
	}
	if match(name) {
		return true
	}
	return len(fs.links) > 0 && slices.ContainsFunc(fs.otherNames(string(name)), func(n string) bool { return match([]byte(n)) })
}

// classes are those of every name of a file.
func (fs *fileSystem) classes(name string, v layerEntry) []evidence.FileClass {
	classes := fs.class.classes(name, v)
	if len(fs.links) == 0 {
		return classes
	}
	for _, other := range fs.otherNames(name) {
		classes = append(classes, fs.class.classes(other, v)...)
	}
	slices.Sort(classes)
	return slices.Compact(classes)
}
