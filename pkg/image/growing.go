// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
)

// growing is a file that is read while it is written: who reads what is not there yet
// waits for it.
type growing struct {
	ctx  context.Context // of reads that have none of their own
	file *os.File

	mu      sync.Mutex
	n       int64
	ended   bool
	err     error // why writing ended before its time
	changed chan struct{}
}

func newGrowing(ctx context.Context, f *os.File) *growing {
	return &growing{ctx: ctx, file: f, changed: make(chan struct{})}
}

func (g *growing) Write(p []byte) (int, error) {
	n, err := g.file.Write(p)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n += int64(n)
	g.notify()
	return n, err
}

// end is called once, after the last Write.
func (g *growing) end(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended, g.err = true, err
	g.notify()
}

func (g *growing) notify() {
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *growing) ReadAt(p []byte, off int64) (int, error) { return g.at(g.ctx).ReadAt(p, off) }

// Stat tells what is there by now.
func (g *growing) Stat() (fs.FileInfo, error) { return g.file.Stat() }

func (g *growing) Close() error { return g.file.Close() }

// at reads with a context: waiting ends with it.
func (g *growing) at(ctx context.Context) io.ReaderAt { return growingAt{ctx, g} }

type growingAt struct {
	ctx context.Context
	*growing
}

func (g growingAt) ReadAt(p []byte, off int64) (int, error) {
	for {
		g.mu.Lock()
		there, ended, err, changed := g.n-off, g.ended, g.err, g.changed
		g.mu.Unlock()
		switch {
		case err != nil:
			return 0, err
		case ended || there >= int64(len(p)):
			return g.file.ReadAt(p, off)
		}
		select {
		case <-changed:
		case <-g.ctx.Done():
			return 0, g.ctx.Err()
		}
	}
}

// growingReader lets archive/tar skip over what is not there yet.
type growingReader struct {
	growingAt
	pos int64
}

func (r *growingReader) Read(p []byte) (int, error) {
	n, err := r.ReadAt(p, r.pos)
	r.pos += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker, forwards from where it is.
func (r *growingReader) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 || r.pos+offset < r.pos {
		return r.pos, errors.New("seek: an export is read forwards")
	}
	r.pos += offset
	return r.pos, nil
}
