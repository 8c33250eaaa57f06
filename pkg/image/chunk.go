// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
)

// bufferSize is what is read, hashed and handed on at once: it fits in a core's cache.
const bufferSize = 256 << 10

// chunk is a piece of a stream that several goroutines look at. It goes back to where
// it came from when the last of them releases it.
type chunk struct {
	data [bufferSize]byte
	n    int
	err  error // how the stream ends after these bytes
	refs atomic.Int32
	free chan<- struct{}
}

// chunks are reused from layer to layer.
var chunks = sync.Pool{New: func() any { return new(chunk) }}

func (c *chunk) bytes() []byte { return c.data[:c.n] }

func (c *chunk) release() {
	if c.refs.Add(-1) > 0 {
		return
	}
	free := c.free
	c.n, c.err, c.free = 0, nil, nil
	chunks.Put(c)
	free <- struct{}{} // never blocks: there are no more chunks than places
}

// ahead reads a stream in a goroutine, a bounded number of chunks before whoever
// takes them.
type ahead struct {
	ctx  context.Context
	read func([]byte) (int, error)
	// sum hashes the chunks, too; end says what the stream's end means once it has. Nil
	// for none.
	sum  *summer
	end  func(error) error
	full chan *chunk
	free chan struct{}
	done chan struct{}
}

// newAhead starts reading. It ends with ctx, or with the stream; close waits for it.
func newAhead(ctx context.Context, depth int, read func([]byte) (int, error), sum *summer, end func(error) error) *ahead {
	a := &ahead{
		ctx: ctx, read: read, sum: sum, end: end,
		full: make(chan *chunk, depth), free: make(chan struct{}, depth), done: make(chan struct{}),
	}
	for range depth {
		a.free <- struct{}{}
	}
	if sum != nil {
		sum.depth = depth
	}
	go a.fill()
	return a
}

func (a *ahead) fill() {
	defer close(a.done)
	if a.sum != nil {
		defer a.sum.wait()
	}
	for {
		select {
		case <-a.free:
		case <-a.ctx.Done():
			return
		}
		c := chunks.Get().(*chunk)
		c.free = a.free
		c.refs.Store(1)
		c.n, c.err = guardedRead(&contextReader{a.ctx, readerFunc(a.read)}, c.data[:])
		last := c.err != nil
		if a.sum != nil {
			a.sum.add(c)
		}
		if last && a.end != nil {
			a.finish(c)
		}
		a.full <- c // never blocks: there are no more chunks than places
		if last {
			return
		}
	}
}

// finish lets the end of the stream pass only when everything was hashed.
func (a *ahead) finish(c *chunk) {
	if a.sum != nil {
		a.sum.wait()
	}
	c.err = a.end(c.err)
}

// next takes the next chunk; the caller releases it. It returns nil when ctx ended.
func (a *ahead) next() *chunk {
	// An ended context wins over data that is there already.
	if a.ctx.Err() != nil {
		return nil
	}
	select {
	case c := <-a.full:
		return c
	case <-a.ctx.Done():
		return nil
	}
}

// close waits for the goroutine, whose context must have ended, and releases what it left.
func (a *ahead) close() {
	<-a.done
	for {
		select {
		case c := <-a.full:
			c.release()
		default:
			return
		}
	}
}

// inlineChunks are hashed, or read, without another goroutine: small layers are not
// worth one.
const inlineChunks = 4

// summer hashes chunks: the first few at once, those of a long stream in a goroutine.
type summer struct {
	hashes []hash.Hash
	depth  int
	seen   int
	queue  chan *chunk
	done   chan struct{}
}

func (s *summer) add(c *chunk) {
	if s.seen++; s.seen <= inlineChunks || runtime.GOMAXPROCS(0) < 2 {
		s.write(c.bytes())
		return
	}
	if s.queue == nil {
		s.queue, s.done = make(chan *chunk, s.depth), make(chan struct{})
		go s.run()
	}
	c.refs.Add(1)
	s.queue <- c // never blocks: there are no more chunks than places
}

func (s *summer) run() {
	defer close(s.done)
	for c := range s.queue {
		s.write(c.bytes())
		c.release()
	}
}

func (s *summer) write(b []byte) {
	for _, h := range s.hashes {
		h.Write(b)
	}
}

// wait returns when all chunks are hashed; none may be added after it.
func (s *summer) wait() {
	if s.queue == nil {
		return
	}
	close(s.queue)
	<-s.done
	s.queue = nil
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

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
