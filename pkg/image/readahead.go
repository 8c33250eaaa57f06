// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// readAhead inflates and hashes in one goroutine while the caller looks at what
// was read before: on a single large layer that is nearly twice as fast.
type readAhead struct {
	ctx    context.Context
	cancel context.CancelFunc
	src    io.ReadCloser
	full   chan chunk
	free   chan []byte
	done   chan struct{}
	cur    []byte // unread part of buf
	buf    []byte
	err    error
}

type chunk struct {
	buf []byte
	n   int
	err error
}

const aheadBuffers = 4

func newReadAhead(ctx context.Context, cancel context.CancelFunc, src io.ReadCloser) *readAhead {
	r := &readAhead{
		ctx: ctx, cancel: cancel, src: src,
		full: make(chan chunk, aheadBuffers), free: make(chan []byte, aheadBuffers), done: make(chan struct{}),
	}
	for range aheadBuffers {
		r.free <- nil // allocated when first used: most layers are small
	}
	go r.fill()
	return r
}

func (r *readAhead) fill() {
	defer close(r.done)
	for {
		var buf []byte
		select {
		case buf = <-r.free:
		case <-r.ctx.Done():
			return
		}
		if buf == nil {
			buf = make([]byte, bufferSize)
		}
		n, err := guardedRead(&contextReader{r.ctx, r.src}, buf)
		r.full <- chunk{buf, n, err} // never blocks: there are no more buffers than places
		if err != nil {
			return
		}
	}
}

// guardedRead makes an error of a decoder's panic: no caller's recover reaches this goroutine.
func guardedRead(r io.Reader, buf []byte) (n int, err error) {
	defer func() {
		if p := recover(); p != nil {
			n, err = 0, fmt.Errorf("decompress: panic: %v", p)
		}
	}()
	return readFull(r, buf)
}

// readFull fills buf; unlike io.ReadFull it passes io.EOF on as it is.
func readFull(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// Read implements io.Reader.
func (r *readAhead) Read(p []byte) (int, error) {
	for len(r.cur) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		// An ended context wins over data that is there already.
		if err := r.ctx.Err(); err != nil {
			return 0, r.fail(err)
		}
		if r.buf != nil {
			r.free <- r.buf
			r.buf = nil
		}
		select {
		case c := <-r.full:
			r.buf, r.cur, r.err = c.buf, c.buf[:c.n], c.err
		case <-r.ctx.Done():
			return 0, r.fail(r.ctx.Err())
		}
	}
	n := copy(p, r.cur)
	r.cur = r.cur[n:]
	return n, nil
}

func (r *readAhead) fail(err error) error {
	r.err = err
	return err
}

// Close implements io.Closer. It ends the read under way and waits for it.
func (r *readAhead) Close() error {
	if errors.Is(r.err, io.ErrClosedPipe) {
		return nil
	}
	r.cancel()
	<-r.done
	r.cur, r.err = nil, io.ErrClosedPipe
	return r.src.Close()
}
