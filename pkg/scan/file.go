// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	xos "github.com/aquasecurity/trivy/pkg/x/os"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// memoryBytes is up to which size a file is kept in memory while analysers look at it.
const memoryBytes = 32 << 20

// file is one regular file of the layer. Its content is read at most once, when it is
// first asked for.
type file struct {
	name   string
	info   fs.FileInfo
	hdr    *tar.Header
	tr     *tar.Reader
	in     *countReader
	limits Limits
	store  *store

	head    []byte
	content *content
	err     error
}

// peek returns the first bytes of the content and leaves the rest unread.
func (f *file) peek() ([]byte, error) {
	if f.content != nil {
		return f.content.data[:min(len(f.content.data), analysis.HeadBytes)], nil
	}
	if f.head == nil && f.err == nil {
		f.head = make([]byte, min(f.hdr.Size, analysis.HeadBytes))
		_, f.err = io.ReadFull(f.tr, f.head)
	}
	return f.head, f.err
}

// load reads the whole content.
func (f *file) load(ctx context.Context) (*content, error) {
	if f.content == nil && f.err == nil {
		f.content, f.err = f.read(ctx)
	}
	return f.content, f.err
}

func (f *file) read(ctx context.Context) (*content, error) {
	size := f.hdr.Size
	if size > f.limits.FileBytes {
		return nil, &LimitError{f.name, fmt.Sprintf("a file of %d bytes", size)}
	}
	c := &content{path: f.name, info: f.info, store: f.store}
	c.refs.Store(1)
	r := io.MultiReader(bytes.NewReader(f.head), &sparseReader{f: f, start: f.in.n - int64(len(f.head))})
	var err error
	if size <= memoryBytes {
		err = c.toMemory(ctx, r, size)
	} else {
		err = c.toDisk(r, size)
	}
	if err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// release gives up the content of the entry, once the analysers have done so too.
func (f *file) release() {
	if f.content != nil {
		f.content.release()
	}
}

// cause prefers the error of the layer's own reader, which names the blob, to what
// became of it.
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
	if r.n-(r.f.in.n-r.start) > r.f.limits.SparseBytes && isSparse(r.f.hdr) {
		return n, &LimitError{r.f.name, fmt.Sprintf("a sparse file of %d bytes, most of which are not present", r.f.hdr.Size)}
	}
	return n, err
}

// content is what a file holds, for as long as somebody looks at it: in memory, or in a
// temporary file where it is large.
type content struct {
	path  string
	info  fs.FileInfo
	store *store
	refs  atomic.Int32

	data   []byte
	pooled *[]byte
	// held is what the content takes of the store's memory.
	held int64
	tmp  string
}

func (c *content) toMemory(ctx context.Context, r io.Reader, size int64) error {
	if err := c.store.take(ctx, c, size); err != nil {
		return err
	}
	_, err := io.ReadFull(r, c.data)
	return err
}

func (c *content) toDisk(r io.Reader, size int64) error {
	tmp, err := xos.CreateTemp("", "layer-file-")
	if err != nil {
		return fmt.Errorf("spool %s: %w", c.path, err)
	}
	c.tmp = tmp.Name()
	n, err := io.CopyBuffer(struct{ io.Writer }{tmp}, r, make([]byte, 1<<20))
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, tmp.Close())
}

// spool moves the content from memory to a temporary file. Nobody else may hold it.
func (c *content) spool() error {
	data := c.data
	if err := c.toDisk(bytes.NewReader(data), int64(len(data))); err != nil {
		return err
	}
	c.store.give(c)
	return nil
}

func (c *content) retain() { c.refs.Add(1) }

func (c *content) release() {
	if c.refs.Add(-1) > 0 {
		return
	}
	c.store.give(c)
	if c.tmp != "" {
		_ = os.Remove(c.tmp) // the whole directory goes at the end of the process
	}
}

// Open implements analysis.Stored.
func (c *content) Open() (analysis.File, func(), error) {
	f := analysis.File{Path: c.path, Info: c.info, Data: c.data}
	if c.tmp == "" {
		f.Content = bytes.NewReader(c.data)
		return f, func() {}, nil
	}
	on, err := os.Open(c.tmp)
	if err != nil {
		return f, nil, err
	}
	f.Content = on
	return f, func() { _ = on.Close() }, nil // only read
}
