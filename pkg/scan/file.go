// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/mapfs"
	xio "github.com/aquasecurity/trivy/pkg/x/io"
	xos "github.com/aquasecurity/trivy/pkg/x/os"

	iofs "io/fs"
	"path"
)

// memoryBytes is up to which size a file is kept in memory while analysers look at it.
const memoryBytes = 16 << 20

// file is one regular file of the layer. Its content is read at most once, when
// the first analyser wants it.
type file struct {
	name   string
	hdr    *tar.Header
	tr     *tar.Reader
	in     *countReader
	limits Limits

	loaded bool
	data   []byte
	tmp    string
	err    error
}

// open returns a reader of the whole content, independent of other readers.
func (f *file) open() (xio.ReadSeekCloserAt, error) {
	if !f.loaded {
		f.loaded = true
		f.err = f.load()
	}
	if f.err != nil {
		return nil, f.err
	}
	if f.tmp != "" {
		return os.Open(f.tmp)
	}
	return memFile{bytes.NewReader(f.data)}, nil
}

func (f *file) load() error {
	size := f.hdr.Size
	if size > f.limits.FileBytes {
		return &LimitError{f.name, fmt.Sprintf("a file of %d bytes", size)}
	}
	r := &sparseReader{f: f, start: f.in.n}
	if size <= memoryBytes {
		f.data = make([]byte, size)
		_, err := io.ReadFull(r, f.data)
		return err
	}
	tmp, err := xos.CreateTemp("", "layer-file-")
	if err != nil {
		return fmt.Errorf("spool %s: %w", f.name, err)
	}
	f.tmp = tmp.Name()
	n, err := io.CopyBuffer(struct{ io.Writer }{tmp}, r, make([]byte, 1<<20))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, tmp.Close())
}

// spool moves content from memory to a temporary file.
func (f *file) spool() error {
	tmp, err := xos.CreateTemp("", "layer-file-")
	if err != nil {
		return fmt.Errorf("spool %s: %w", f.name, err)
	}
	f.tmp = tmp.Name()
	_, err = tmp.Write(f.data)
	return errors.Join(err, tmp.Close())
}

// release removes the temporary file. Readers that are open keep it until they close.
func (f *file) release() {
	if f.tmp != "" {
		_ = os.Remove(f.tmp) // the whole directory goes at the end of the process
	}
}

// cause prefers the error of the layer's own reader, which names the blob, to what
// an analyser made of it.
func (f *file) cause(err error) error {
	switch {
	case err == nil:
		return nil
	case f.in.err != nil:
		return f.in.err
	case f.err != nil:
		return tarError(f.err)
	}
	return err
}

// sparseReader stops where a sparse file produces far more than is present, before
// memory or disk are filled with it.
type sparseReader struct {
	f     *file
	start int64
	n     int64
}

func (r *sparseReader) Read(b []byte) (int, error) {
	n, err := r.f.tr.Read(b)
	r.n += int64(n)
	if isSparse(r.f.hdr) && r.n-(r.f.in.n-r.start) > r.f.limits.SparseBytes {
		return n, &LimitError{r.f.name, fmt.Sprintf("a sparse file of %d bytes, most of which are not present", r.f.hdr.Size)}
	}
	return n, err
}

type memFile struct{ *bytes.Reader }

func (memFile) Close() error { return nil }

// postFiles holds the files that post-analysers wait for, in one file system each.
type postFiles struct {
	fs     map[analyzer.Type]*mapfs.FS
	tmp    []string
	memory int64
	disk   int64
}

// postMemory is how much of them stays in memory, in bytes.
const postMemory = 512 << 20

func newPostFiles() *postFiles { return &postFiles{fs: map[analyzer.Type]*mapfs.FS{}} }

func (pf *postFiles) has(t analyzer.Type) bool { return pf.fs[t] != nil }
func (pf *postFiles) drop(t analyzer.Type)     { delete(pf.fs, t) }
func (pf *postFiles) fill(c *analyzer.CompositeFS) {
	for t, m := range pf.fs {
		c.Set(t, m)
	}
}

func (pf *postFiles) cleanup() {
	for _, p := range pf.tmp {
		_ = os.Remove(p) // the whole directory goes at the end of the process
	}
}

func (pf *postFiles) add(p *pass, types []analyzer.Type, f *file) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close()
	if pf.memory += f.hdr.Size; f.tmp == "" && pf.memory > postMemory {
		if err := f.spool(); err != nil {
			return err
		}
	}
	real := ""
	if f.tmp != "" {
		if pf.disk += f.hdr.Size; pf.disk > f.limits.PostBytes {
			return &LimitError{f.in.what, fmt.Sprintf("more than %d bytes of files that have to be read together", f.limits.PostBytes)}
		}
		// f's own spool file is removed after the entry; post-analysis comes later.
		if real, err = pf.keep(f.tmp); err != nil {
			return err
		}
	}
	for _, t := range types {
		if t != analyzer.TypeJar && f.hdr.Size > maxParsed {
			return &LimitError{f.name, fmt.Sprintf("a file of %d bytes for a parser", f.hdr.Size)}
		}
		if t == analyzer.TypeJar {
			if err := measureArchive(p.ctx, f.name, r, f.hdr.Size, p.s.opts.Limits); err != nil {
				var limit *LimitError
				if errors.As(err, &limit) {
					return err
				}
				if p.ctx.Err() != nil {
					return p.ctx.Err()
				}
				// What Trivy makes of the rest still counts.
				p.fails.add(t, f.name, err)
			}
		}
		if err := pf.write(t, f, real); err != nil {
			// A layer may hold a file and, below the same name, another: no file
			// system can, so one of them stays unread.
			p.fails.add(t, f.name, err)
		}
	}
	return nil
}

func (pf *postFiles) keep(tmp string) (string, error) {
	kept := tmp + "-kept"
	if err := os.Link(tmp, kept); err != nil {
		return "", fmt.Errorf("keep a spooled file: %w", err)
	}
	pf.tmp = append(pf.tmp, kept)
	return kept, nil
}

func (pf *postFiles) write(t analyzer.Type, f *file, real string) error {
	m := pf.fs[t]
	if m == nil {
		m = mapfs.New()
		pf.fs[t] = m
	}
	if d := path.Dir(f.name); d != "." {
		if err := m.MkdirAll(d, os.ModePerm); err != nil && !errors.Is(err, iofs.ErrExist) {
			return err
		}
	}
	if real != "" {
		return m.WriteFile(f.name, real)
	}
	return m.WriteVirtualFile(f.name, f.data, 0o600)
}
