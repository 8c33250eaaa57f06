// SPDX-License-Identifier: Apache-2.0

package large

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// epoch is when everything in the image was made.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// file is one regular file of a layer.
type file struct {
	path string
	mode int64
	size int64
	open func() (io.ReadCloser, error)
}

// layer is what one step of the build leaves.
type layer struct {
	// step is what the history says.
	step  string
	files []file
	// made are set when the layer is written.
	diffID, path string
	size         int64
}

func (l *layer) add(name string, mode int64, content []byte) {
	l.files = append(l.files, file{name, mode, int64(len(content)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }})
}

// addFile is like add, for a file of this machine.
func (l *layer) addFile(name string, mode int64, source string) error {
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	l.files = append(l.files, file{name, mode, info.Size(), func() (io.ReadCloser, error) { return os.Open(source) }})
	return nil
}

// addDir adds the regular files below a directory of this machine.
func (l *layer) addDir(name, source string) error {
	return filepath.WalkDir(source, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(source, p)
		if err != nil {
			return err
		}
		return l.addFile(path.Join(name, filepath.ToSlash(rel)), 0o644, p)
	})
}

// write makes the tar, in order of the paths and with fixed headers.
func (l *layer) write(to string) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	tw := tar.NewWriter(io.MultiWriter(f, sum))
	slices.SortFunc(l.files, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	dirs := map[string]bool{".": true}
	for _, e := range l.files {
		if err := errors.Join(writeDirs(tw, dirs, path.Dir(e.path)), writeFile(tw, e)); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	if err := tw.Close(); err != nil {
		return err
	}
	l.diffID, l.path = hex.EncodeToString(sum.Sum(nil)), to
	l.size, err = f.Seek(0, io.SeekCurrent)
	return err
}

func writeDirs(tw *tar.Writer, done map[string]bool, dir string) error {
	if done[dir] {
		return nil
	}
	if err := writeDirs(tw, done, path.Dir(dir)); err != nil {
		return err
	}
	done[dir] = true
	return tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: epoch})
}

func writeFile(tw *tar.Writer, e file) error {
	r, err := e.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.path, Mode: e.mode, Size: e.size, ModTime: epoch}); err != nil {
		return err
	}
	n, err := io.Copy(tw, r)
	if err == nil && n != e.size {
		err = fmt.Errorf("%d bytes instead of %d", n, e.size)
	}
	return err
}

// adopt takes the layers' files of another image's tar which are below a directory.
func (l *layer) adopt(r io.Reader, below string) error {
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r) // which verifies it
			return err
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path.Clean(h.Name), "/")
		if h.Typeflag != tar.TypeReg || !strings.HasPrefix(name, below) {
			continue
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		l.add(name, h.Mode&0o777, b)
	}
}
