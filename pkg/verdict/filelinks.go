// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"path"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// links are the links of an image by which files have second paths: with /bin ->
// usr/bin, a policy may say /bin/su and the layer usr/bin/su.
type links struct {
	// to is where a link leads, from which links lead to a directory; both know
	// whether the link is there at run time.
	to, from map[string][]link
}

type link struct {
	path    string
	present bool
}

func newLinks(files []evidence.File) links {
	l := links{to: map[string][]link{}, from: map[string][]link{}}
	for _, f := range files {
		if f.Kind != evidence.FileSymlink || f.Target == "" {
			continue
		}
		target := f.Target
		if !strings.HasPrefix(target, "/") {
			target = path.Join("/", path.Dir(f.Path), target)
		}
		target = strings.TrimPrefix(path.Clean(target), "/")
		name := strings.TrimPrefix(f.Path, "/")
		l.to[name] = append(l.to[name], link{target, f.RemovedBy == nil})
		l.from[target] = append(l.from[target], link{name, f.RemovedBy == nil})
	}
	return l
}

// maxNames bounds the names of one file: links may lead in circles.
const maxNames = 32

// names are the paths of a file, its own first; present asks for those at run time
// only. all is false where there are more than are told.
func (l links) names(name string, present bool) (names []string, all bool) {
	names = []string{strings.TrimPrefix(name, "/")}
	for i := 0; i < len(names); i++ {
		for dir := path.Dir(names[i]); dir != "." && dir != "/"; dir = path.Dir(dir) {
			rest := names[i][len(dir):]
			for _, list := range [...][]link{l.to[dir], l.from[dir]} {
				for _, o := range list {
					other := strings.TrimPrefix(o.path+rest, "/")
					switch {
					case present && !o.present, slices.Contains(names, other):
					case len(names) == maxNames:
						return names, false
					default:
						names = append(names, other)
					}
				}
			}
		}
	}
	return names, true
}
