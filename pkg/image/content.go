// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

const (
	// contentAhead is how many chunks of a layer's content are there before they are
	// asked for. A reader holds one, and the hasher one.
	contentAhead = 8
	// storedAhead is how many chunks of compressed bytes lie before the inflater.
	storedAhead = 4
	// remoteAhead is that for what comes over a network, which stalls and bursts: 4 MiB.
	remoteAhead = 16
)

// content is a layer's uncompressed tar. Three goroutines make it, where it is worth
// that: one reads and hashes the stored bytes, one inflates, one hashes the content.
// Bytes that are stored as they are read are hashed once.
type content struct {
	layer *Layer
	raw   *hashedReader
	h     hash.Hash // of the content; nil where raw's is the same
	sum   summer
	in    *storedReader
	plain io.ReadCloser // nil until the first bytes were seen
	n     int64
}

// newContent starts nothing and reads nothing.
func newContent(ctx context.Context, l *Layer, raw *hashedReader) (*content, error) {
	h, err := v1.Hasher(l.DiffID.Algorithm)
	if err != nil {
		return nil, faultf(KindUnsupported, "diff ID %s: %w", l.DiffID, err)
	}
	return &content{layer: l, raw: raw, h: h, in: &storedReader{ctx: ctx, raw: raw, depth: max(storedAhead, l.ahead)}}, nil
}

// read fills p, in the goroutine of an ahead.
func (c *content) read(p []byte) (int, error) {
	if c.plain == nil {
		if err := c.begin(); err != nil {
			return 0, c.streamError(err)
		}
	}
	n, err := c.plain.Read(p)
	c.n += int64(n)
	// A plain layer's errors are those of reading it.
	if err != nil && !errors.Is(err, io.EOF) && !c.raw.later {
		err = c.streamError(err)
	}
	return n, err
}

// begin looks at the first bytes: what a media type says about compression is wrong
// too often.
func (c *content) begin() error {
	c.raw.later = true
	first := make([]byte, 4)
	n, err := readFull(c.raw, first)
	first = first[:n]
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		c.in.err = err
		return err
	case !isGzipMagic(first) && !isZstdMagic(first):
		c.beginPlain(first, err)
		return nil
	}
	c.raw.later = false
	c.raw.h.Write(first)
	c.in.first = first
	if errors.Is(err, io.EOF) {
		// Fewer bytes than any compressed stream has; the digest is checked all the same.
		if c.in.err = c.raw.check(); c.in.err == nil {
			c.in.err = io.EOF
		}
	}
	c.sum.hashes = []hash.Hash{c.h}
	c.plain, err = inflate(c.in)
	return err
}

// beginPlain: the stored bytes are the content.
func (c *content) beginPlain(first []byte, err error) {
	c.sum.hashes = []hash.Hash{c.raw.h}
	if c.raw.algo == c.layer.DiffID.Algorithm {
		c.h = nil
	} else {
		c.sum.hashes = append(c.sum.hashes, c.h)
	}
	c.plain = io.NopCloser(io.MultiReader(bytes.NewReader(first), c.raw))
	if err != nil {
		c.plain = io.NopCloser(bytes.NewReader(first))
	}
}

// end decides what the end of the content means, after all of it was hashed.
func (c *content) end(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	if err := c.endStored(); err != nil {
		return err
	}
	got := v1.Hash{Algorithm: c.layer.DiffID.Algorithm}
	if c.h == nil {
		got.Hex = c.raw.sum().Hex
	} else {
		got.Hex = hex.EncodeToString(c.h.Sum(nil))
	}
	if got != c.layer.DiffID {
		return &IntegrityError{c.layer.name, fmt.Sprintf("its content has the diff ID %s, the image configuration says %s", got, c.layer.DiffID)}
	}
	c.layer.finish(c.raw.sum())
	return io.EOF
}

// endStored makes sure that nothing follows, and that the stored bytes are the right ones.
func (c *content) endStored() error {
	if c.raw.later {
		return c.raw.check()
	}
	// The decompressor may be done before it has seen the end of its input.
	var one [1]byte
	if n, err := io.ReadFull(c.in, one[:]); n > 0 {
		return &IntegrityError{c.layer.name, "has data after the end of its compressed stream"}
	} else if !errors.Is(err, io.EOF) {
		return c.streamError(err)
	}
	return nil
}

// streamError tells failures of reading the stored bytes from damage in them.
func (c *content) streamError(err error) error {
	if failed := c.in.failed(); failed != nil {
		return failed
	}
	name := c.layer.name
	switch {
	case errors.Is(err, trailingError{}), errors.Is(err, zstd.ErrMagicMismatch):
		return &IntegrityError{name, "has data after the end of its compressed stream"}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &IntegrityError{name, fmt.Sprintf("its compressed stream is truncated after %d bytes of content", c.n)}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return faultf(KindLimit, "%s: zstd wants a window of more than %d MiB: %w", name, maxWindow>>20, err)
	}
	return &IntegrityError{name, "its compressed stream is damaged: " + err.Error()}
}

// close is called when nobody reads any more, and ctx has ended.
func (c *content) close() error {
	c.in.close()
	var err error
	if c.plain != nil {
		err = c.plain.Close()
	}
	return errors.Join(err, c.raw.Close())
}

// storedReader is what an inflater reads: the stored bytes, which a goroutine reads and
// hashes ahead of it if there are many.
type storedReader struct {
	ctx   context.Context
	raw   *hashedReader
	depth int
	first []byte // read before
	n     int
	ahead *ahead
	cur   *chunk
	rest  []byte // of cur
	err   error  // how the stored bytes ended
}

func (s *storedReader) Read(p []byte) (int, error) {
	if len(s.first) > 0 {
		n := copy(p, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	if s.ahead == nil && s.err == nil {
		if s.n < inlineChunks*bufferSize {
			n, err := s.raw.Read(p)
			s.n, s.err = s.n+n, err
			return n, err
		}
		s.ahead = newAhead(s.ctx, s.depth, s.raw.Read, nil, nil)
	}
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.take()
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// take goes on to the next chunk.
func (s *storedReader) take() {
	if s.cur != nil {
		s.cur.release()
		s.cur = nil
	}
	if s.cur = s.ahead.next(); s.cur == nil {
		s.err = s.ctx.Err()
		return
	}
	s.rest, s.err = s.cur.bytes(), s.cur.err
}

// failed is why the stored bytes ended, if not at their promised end.
func (s *storedReader) failed() error {
	if s.err == nil || errors.Is(s.err, io.EOF) {
		return nil
	}
	return s.err
}

func (s *storedReader) close() {
	if s.ahead == nil {
		return
	}
	s.ahead.close()
	if s.cur != nil {
		s.cur.release()
		s.cur = nil
	}
}
