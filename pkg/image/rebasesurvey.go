// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

const (
	whiteoutPrefix = ".wh."
	opaqueWhiteout = ".wh..wh..opq"
	// maxSurveyed bounds how many files of an image's own layers are remembered.
	maxSurveyed = 2_000_000
)

// mark says what an own layer has at a path, and who else has something there.
type mark uint8

const (
	markFile     mark = 1 << iota // anything but a directory
	markWhiteout                  // deletes what is below
	markOpaque                    // a directory that hides what is below
	markOld                       // the old base has it, or something below it
	markNew                       // the new base does
)

// survey is what an image's own layers and both bases say of each other.
type survey struct {
	own          map[string]mark
	old, new     baseSurvey
	touchesEntry string // a path in the package database of a base
}

// baseSurvey is what is found of one base.
type baseSurvey struct {
	database bool
	releases map[string]string
}

// survey reads all layers, each to its end.
func (q *RebaseRequest) survey(ctx context.Context) (*survey, error) {
	s := &survey{own: map[string]mark{}, old: baseSurvey{releases: map[string]string{}}, new: baseSurvey{releases: map[string]string{}}}
	for _, l := range q.own() {
		if err := walkLayer(ctx, l, s.addOwn); err != nil {
			return nil, err
		}
	}
	n := len(q.OldBase.Layers)
	for _, l := range q.Image.Layers[:n] {
		err := walkLayer(ctx, l, func(h *tar.Header, name string, r io.Reader) error { return s.meet(&s.old, markOld, h, name, r) })
		if err != nil {
			return nil, err
		}
	}
	for _, l := range q.NewBase.Layers {
		err := walkLayer(ctx, l, func(h *tar.Header, name string, r io.Reader) error { return s.meet(&s.new, markNew, h, name, r) })
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// walkLayer shows each entry by its clean name, and verifies the layer.
func walkLayer(ctx context.Context, l *Layer, visit func(h *tar.Header, name string, r io.Reader) error) error {
	rc, err := l.Open(ctx)
	if err != nil {
		return err
	}
	defer rc.Close()
	for tr := tar.NewReader(rc); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = visit(h, strings.TrimPrefix(path.Clean("/"+h.Name), "/"), tr)
		}
		if err != nil {
			return toError("read layer", l.name, err)
		}
	}
	_, err = io.Copy(io.Discard, rc)
	return toError("read layer", l.name, err)
}

// addOwn remembers an entry of an own layer.
func (s *survey) addOwn(h *tar.Header, name string, _ io.Reader) error {
	dir, file := path.Split(name)
	switch {
	case file == opaqueWhiteout:
		s.own[strings.TrimSuffix(dir, "/")] |= markOpaque
	case strings.HasPrefix(file, whiteoutPrefix+whiteoutPrefix): // aufs's own
	case strings.HasPrefix(file, whiteoutPrefix):
		s.own[dir+strings.TrimPrefix(file, whiteoutPrefix)] |= markWhiteout
	case h.Typeflag != tar.TypeDir:
		s.own[name] |= markFile
	}
	if len(s.own) > maxSurveyed {
		return faultf(KindLimit, "the image's own layers hold more than %d files", maxSurveyed)
	}
	return nil
}

// meet compares an entry of a base with the own layers.
func (s *survey) meet(b *baseSurvey, by mark, h *tar.Header, name string, r io.Reader) error {
	dir, file := path.Split(name)
	if strings.HasPrefix(file, whiteoutPrefix) {
		delete(b.releases, dir+strings.TrimPrefix(file, whiteoutPrefix))
		return nil
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	if isPackageDatabase(name) {
		b.database = true
		if s.own[name]&markFile != 0 {
			s.touchesEntry = name
		}
	}
	if m, ok := s.own[name]; ok {
		s.own[name] = m | by
	}
	for d := path.Dir(name); d != "."; d = path.Dir(d) {
		if m := s.own[d]; m != 0 {
			s.own[d] = m | by
		}
	}
	if m := s.own[""]; m != 0 {
		s.own[""] = m | by
	}
	if slices.Contains(releaseFiles(), name) {
		return b.readRelease(h, name, r)
	}
	return nil
}

// packageDatabases are where distributions say what is installed. Of the last one each
// file is about one package.
func packageDatabases() []string {
	return []string{
		"lib/apk/db/installed", "usr/lib/apk/db/installed", "var/lib/dpkg/status",
		"var/lib/rpm/Packages", "var/lib/rpm/Packages.db", "var/lib/rpm/rpmdb.sqlite",
		"usr/lib/sysimage/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db", "usr/lib/sysimage/rpm/rpmdb.sqlite",
		"usr/share/rpm/rpmdb.sqlite", "var/lib/rpmmanifest/container-manifest-2", dpkgPerPackage,
	}
}

const dpkgPerPackage = "var/lib/dpkg/status.d"

func isPackageDatabase(name string) bool {
	return slices.Contains(packageDatabases(), name) || path.Dir(name) == dpkgPerPackage
}

// touchedDatabase is an entry of an own layer that replaces, deletes or hides the
// package database of a base; empty if there is none.
func (s *survey) touchedDatabase() string {
	if !s.old.database && !s.new.database {
		return ""
	}
	if s.touchesEntry != "" {
		return s.touchesEntry
	}
	for _, db := range packageDatabases() {
		if s.own[db]&(markFile|markWhiteout) != 0 {
			return db
		}
		for d := db; d != "."; d = path.Dir(d) {
			if s.own[d] != 0 && (d != db || s.own[d]&markOpaque != 0) {
				return d
			}
		}
	}
	if s.own[""]&markOpaque != 0 {
		return "/"
	}
	return ""
}

// refusal says why the result would not be what its layers promise.
func (s *survey) refusal(old, next Distribution) error {
	if old.ID != next.ID {
		return faultf(KindUnsupported, "the old base is %s, and the new one %s: the application was built for the former, and may not run on the latter", old, next).
			withHint("build the image again on the new base, or name one of the same distribution")
	}
	if at := s.touchedDatabase(); at != "" {
		return faultf(KindUnsupported, "the image's own layers replace or delete the distribution's package database (%s): they install, upgrade or remove packages, and the new base's would no longer be listed", claimText(at)).
			withHint("build the image again on the new base")
	}
	return nil
}

// warnings say what need not be wrong.
func (s *survey) warnings(old, next Distribution) []string {
	var out []string
	switch {
	case old.ID == "":
		out = append(out, "neither base says which distribution it is: whether the application runs on the new one is for its tests to say")
	case old.branch() != next.branch():
		out = append(out, fmt.Sprintf("the old base is %s, and the new one %s: libraries and interpreters of another release may not be those that the application was built for", old, next))
	}
	var hidden, moved []string
	for name, m := range s.own {
		switch {
		case m&markWhiteout != 0 && m&markOld != 0 && m&markNew == 0:
			moved = append(moved, name)
		case m&(markFile|markOpaque) != 0 && m&markNew != 0:
			hidden = append(hidden, name)
		}
	}
	slices.Sort(hidden)
	slices.Sort(moved)
	if len(hidden) > 0 {
		out = append(out, "the image's own layers replace files of the base; they stay as they were made on the old one: "+listed(hidden))
	}
	if len(moved) > 0 {
		out = append(out, "the image deletes files of its old base which the new one does not have; look whether they are somewhere else there: "+listed(moved))
	}
	return out
}
