// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"io"
)

// layerReader reads a layer's content, which is read, inflated and hashed while the
// caller looks at what came before: on a single large layer that is twice as fast.
// Whatever the caller does not look at is hashed as well.
type layerReader struct {
	ctx     context.Context
	cancel  context.CancelFunc
	content *content
	ahead   *ahead
	cur     *chunk
	rest    []byte // unread part of cur
	pos     int64
	err     error
	closed  bool
}

func newLayerReader(ctx context.Context, cancel context.CancelFunc, c *content) *layerReader {
	return &layerReader{ctx: ctx, cancel: cancel, content: c, ahead: newAhead(ctx, contentAhead, c.read, &c.sum, c.end)}
}

// fill makes sure that there are bytes to read, or returns how the content ended.
func (r *layerReader) fill() error {
	for len(r.rest) == 0 {
		if r.err != nil {
			return r.err
		}
		r.drop()
		if r.cur = r.ahead.next(); r.cur == nil {
			r.err = r.ctx.Err()
			return r.err
		}
		r.rest, r.err = r.cur.bytes(), r.cur.err
	}
	return nil
}

func (r *layerReader) drop() {
	if r.cur != nil {
		r.cur.release()
		r.cur = nil
	}
}

func (r *layerReader) advance(n int) {
	r.rest = r.rest[n:]
	r.pos += int64(n)
}

// Read implements io.Reader.
func (r *layerReader) Read(p []byte) (int, error) {
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := copy(p, r.rest)
	r.advance(n)
	return n, nil
}

// WriteTo implements io.WriterTo.
func (r *layerReader) WriteTo(w io.Writer) (int64, error) {
	start := r.pos
	for {
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return r.pos - start, err
		}
		want := len(r.rest)
		n, err := w.Write(r.rest)
		if n < 0 || n > want {
			return r.pos - start, errors.New("write: impossible count")
		}
		r.advance(n)
		if err == nil && n < want {
			err = io.ErrShortWrite
		}
		if err != nil {
			return r.pos - start, err
		}
	}
}

// Seek skips bytes: it moves forward from where the reader is, and nowhere else. What
// it passes over is read and hashed. Beyond the end is an io.ErrUnexpectedEOF, or what
// is wrong with the layer.
func (r *layerReader) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return r.pos, errors.New("seek: a layer is read forwards")
	}
	for offset > 0 {
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return r.pos, err
		}
		n := int(min(offset, int64(len(r.rest))))
		r.advance(n)
		offset -= int64(n)
	}
	if r.closed {
		return r.pos, r.err
	}
	return r.pos, nil
}

// Close implements io.Closer. It ends the read under way and waits for it.
func (r *layerReader) Close() error {
	if r.closed {
		return nil
	}
	r.cancel()
	r.ahead.close()
	r.drop()
	r.rest, r.err, r.closed = nil, io.ErrClosedPipe, true
	return r.content.close()
}
