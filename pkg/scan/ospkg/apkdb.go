// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/licensing"
)

// apkDB collects the packages of apk's database of installed packages: paragraphs
// of lines of a letter, a colon and a value. apk calls it its text format; see
// apk-package(5) and https://wiki.alpinelinux.org/wiki/Apk_spec.
type apkDB struct {
	packages []ftypes.Package
	spans    []apkSpan // of the package with the same index
	names    map[string]bool
	unread   map[string]bool

	// files are those of all packages, depends the values of their dependencies.
	files   []string
	depends []byte
	// ids are those of all paragraphs, provides is which of them provides a name.
	ids      []string
	provides map[string]int32

	// shared are values that many packages have, licences what was made of theirs.
	shared   map[string]string
	licences map[string][]string

	now apkParagraph
	// dir is the directory of the files that follow; plain where joining with it is
	// writing one after the other.
	dir   []byte
	plain bool
	kept  int
}

// apkSpan says which of the database's files and dependencies are a package's.
type apkSpan struct{ files, filesEnd, depends, dependsEnd int }

func newApkDB() *apkDB {
	return &apkDB{names: map[string]bool{}, unread: map[string]bool{}, provides: map[string]int32{},
		shared: map[string]string{}, licences: map[string][]string{}}
}

// maxApkMemory is how much memory, in bytes, a database may need. A thousand packages
// with 30 files each need 5 MB.
const maxApkMemory = 256 << 20

// What a string and a package take in a list, in bytes, without their texts.
const (
	stringBytes  = 16
	packageBytes = 512
)

// keep accounts for memory, and for work that takes as long as filling so much.
func (db *apkDB) keep(n int) error {
	if db.kept += n; db.kept > maxApkMemory {
		return fmt.Errorf("the package database needs more than %d bytes of memory", maxApkMemory)
	}
	return nil
}

// line takes the next line. One of less than two bytes ends a package, as it does
// for apk.
func (db *apkDB) line(ctx context.Context, line []byte) error {
	if len(line) < 2 {
		return db.end(ctx)
	}
	if line[1] != ':' {
		return nil
	}
	p, value := &db.now, line[2:]
	p.any = true
	switch line[0] {
	case 'R':
		return db.file(value)
	case 'F':
		db.dir, db.plain = append(db.dir[:0], value...), isCleanPath(value)
	case 'P':
		if len(p.name) > 0 && !bytes.Equal(p.name, value) {
			// Two packages in one paragraph: only the second will be found.
			if err := db.fail(string(p.name)); err != nil {
				return err
			}
		}
		p.name = append(p.name[:0], value...)
	case 'V':
		p.setVersion(value)
	case 'o':
		p.origin, p.hasOrigin = append(p.origin[:0], value...), true
		p.originVersion = append(p.originVersion[:0], p.version...)
	case 'A':
		p.arch = append(p.arch[:0], value...)
	case 'm':
		p.maintainer = append(p.maintainer[:0], value...)
	case 'L':
		p.licence = append(p.licence[:0], value...)
	case 'C':
		p.setDigest(value)
	case 'D':
		p.depends = append(p.depends[:0], value...)
	case 'p':
		p.provides = append(append(p.provides, ' '), value...)
	}
	return nil
}

// file takes a file in the current directory.
func (db *apkDB) file(name []byte) error {
	if err := db.keep(2*stringBytes + len(db.dir) + len(name) + 1); err != nil {
		return err
	}
	p := &db.now
	if db.plain && isCleanPath(name) {
		p.paths = append(append(append(p.paths, db.dir...), '/'), name...)
	} else {
		p.paths = append(p.paths, path.Join(string(db.dir), string(name))...)
	}
	p.pathEnds = append(p.pathEnds, len(p.paths))
	return nil
}

// fail notes a package that cannot be read in full.
func (db *apkDB) fail(name string) error {
	if name == "" {
		name = "(no name)"
	}
	db.unread[name] = true
	return db.keep(64 + len(name))
}

// end ends a paragraph.
func (db *apkDB) end(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := &db.now
	defer p.reset()
	switch {
	case !p.any:
		return nil
	case len(p.name) == 0, len(p.version) == 0, p.badVersion:
		return db.fail(string(p.name))
	}
	return db.add(p)
}

// add takes the package of a paragraph. Of packages of one name the first counts, but
// files and what is provided are those of all.
func (db *apkDB) add(p *apkParagraph) error {
	id := string(p.name) + "@" + string(p.version)
	name, version := id[:len(p.name)], id[len(p.name)+1:]
	span := apkSpan{files: len(db.files), depends: len(db.depends)}
	db.addFiles(p)
	if err := db.addProvides(p, id, name); err != nil {
		return err
	}
	if db.names[name] {
		return nil
	}
	db.names[name] = true
	db.depends = append(db.depends, p.depends...)
	span.filesEnd, span.dependsEnd = len(db.files), len(db.depends)

	pkg := ftypes.Package{ID: id, Name: name, Version: version, Digest: p.digest,
		Arch: db.share(p.arch), Maintainer: db.share(p.maintainer)}
	if p.hasOrigin {
		pkg.SrcName, pkg.SrcVersion = name, version
		if !bytes.Equal(p.origin, p.name) {
			pkg.SrcName = db.share(p.origin)
		}
		if len(p.originVersion) > 0 && !bytes.Equal(p.originVersion, p.version) {
			pkg.SrcVersion = string(p.originVersion)
		}
	}
	var err error
	if pkg.Licenses, err = db.splitLicence(p.licence); err != nil {
		return err
	}
	db.packages, db.spans = append(db.packages, pkg), append(db.spans, span)
	return db.keep(2*packageBytes + p.size())
}

// addFiles makes one string of the paths of all files of a package.
func (db *apkDB) addFiles(p *apkParagraph) {
	all, start := string(p.paths), 0
	db.files = slices.Grow(db.files, len(p.pathEnds))
	for _, end := range p.pathEnds {
		db.files = append(db.files, all[start:end])
		start = end
	}
}

func (db *apkDB) addProvides(p *apkParagraph, id, name string) error {
	n := int32(len(db.ids)) // the memory for packages bounds it
	db.ids = append(db.ids, id)
	for what := range strings.FieldsSeq(string(p.provides)) {
		if i := strings.IndexAny(what, "<>="); i >= 0 {
			what = what[:i]
		}
		db.provides[what] = n
		if err := db.keep(128); err != nil {
			return err
		}
	}
	db.provides[name] = n
	return db.keep(256 + len(id) + len(p.provides))
}

func (db *apkDB) share(b []byte) string {
	s, ok := db.shared[string(b)]
	if !ok {
		s = string(b)
		db.shared[s] = s
	}
	return s
}

// splitLicence splits the licences of a package as Trivy does, once for each text:
// that takes longer than all else.
func (db *apkDB) splitLicence(text []byte) ([]string, error) {
	list, ok := db.licences[string(text)]
	if !ok {
		if err := db.keep(256 * len(text)); err != nil {
			return nil, err
		}
		list = licensing.LaxSplitLicenses(string(text))
		db.licences[string(text)] = list
	}
	return slices.Clone(list), db.keep(len(list) * stringBytes)
}

// finish resolves the dependencies, which can be on packages that come later. The
// files of a package are a part of the list of all: no caller changes either.
func (db *apkDB) finish() ([]ftypes.Package, []string, error) {
	if err := unreadPackages(db.unread); err != nil {
		return nil, nil, err
	}
	seen := make([]int32, len(db.ids))
	var scratch []string
	for i := range db.packages {
		p, s := &db.packages[i], db.spans[i]
		if s.filesEnd > s.files {
			p.InstalledFiles = db.files[s.files:s.filesEnd:s.filesEnd]
		}
		scratch = db.resolve(scratch[:0], db.depends[s.depends:s.dependsEnd], seen, int32(i+1))
		if len(scratch) > 0 {
			p.DependsOn = slices.Clone(scratch)
		}
		if err := db.keep(len(scratch) * stringBytes); err != nil {
			return nil, nil, err
		}
	}
	return db.packages, db.files, nil
}

// resolve appends the packages that a package needs, sorted, each once. In seen is, of
// each ID, for which package it was needed last.
func (db *apkDB) resolve(ids []string, depends []byte, seen []int32, turn int32) []string {
	for what := range bytes.FieldsSeq(depends) {
		if what[0] == '!' { // a package that must not be there
			continue
		}
		if i := bytes.IndexAny(what, "<>="); i >= 0 {
			what = what[:i]
		}
		if n, ok := db.provides[string(what)]; ok && seen[n] != turn {
			seen[n] = turn
			ids = append(ids, db.ids[n])
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
