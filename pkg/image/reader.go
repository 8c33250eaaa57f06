// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	bufferSize = 256 << 10
	// maxWindow is what `zstd --ultra -22 --long=27` needs to decode.
	maxWindow = 128 << 20
)

// hashedReader reads stored bytes, hashes them and returns an *IntegrityError in
// place of io.EOF if they are not what was promised.
type hashedReader struct {
	name   string
	r      io.ReadCloser
	h      hash.Hash
	algo   string
	want   v1.Hash
	size   int64 // -1: unknown
	n      int64
	hasEnd bool
	failed error // why reading ended, if not at the promised end
}

func newHashedReader(name string, r io.ReadCloser, want v1.Hash, size int64) (*hashedReader, error) {
	algo := want.Algorithm
	if algo == "" {
		algo = "sha256"
	}
	h, err := v1.Hasher(algo)
	if err != nil {
		return nil, faultf(KindUnsupported, "%s: %w", name, err)
	}
	return &hashedReader{name: name, r: r, h: h, algo: algo, want: want, size: size}, nil
}

func (r *hashedReader) Read(p []byte) (int, error) {
	n, err := r.read(p)
	if err != nil && !r.hasEnd {
		r.failed = err
	}
	return n, err
}

func (r *hashedReader) read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.h.Write(p[:n])
	r.n += int64(n)
	if r.size >= 0 && r.n > r.size {
		return 0, &IntegrityError{r.name, fmt.Sprintf("has more than the %d bytes that its descriptor promises", r.size)}
	}
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, io.EOF) {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return n, &IntegrityError{r.name, fmt.Sprintf("ends after %d bytes, before its end", r.n)}
		}
		return n, err
	}
	if r.size >= 0 && r.n != r.size {
		return n, &IntegrityError{r.name, fmt.Sprintf("has %d bytes, its descriptor promises %d", r.n, r.size)}
	}
	if got := r.sum(); r.want != (v1.Hash{}) && got != r.want {
		return n, &IntegrityError{r.name, fmt.Sprintf("its bytes have the digest %s, not %s", got, r.want)}
	}
	r.hasEnd = true
	return n, io.EOF
}

func (r *hashedReader) Close() error { return r.r.Close() }

func (r *hashedReader) sum() v1.Hash {
	return v1.Hash{Algorithm: r.algo, Hex: hex.EncodeToString(r.h.Sum(nil))}
}

// verifiedReader inflates a hashedReader and checks the diff ID.
type verifiedReader struct {
	layer *Layer
	raw   *hashedReader
	plain io.ReadCloser
	h     hash.Hash
	n     int64
	err   error
}

func newVerifiedReader(l *Layer, raw *hashedReader) (*verifiedReader, error) {
	h, err := v1.Hasher(l.DiffID.Algorithm)
	if err != nil {
		return nil, faultf(KindUnsupported, "diff ID %s: %w", l.DiffID, err)
	}
	return &verifiedReader{layer: l, raw: raw, h: h}, nil
}

func (r *verifiedReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if r.plain == nil {
		if r.plain, r.err = inflate(r.raw); r.err != nil {
			r.err = r.streamError(r.err)
			return 0, r.err
		}
	}
	n, err := r.plain.Read(p)
	r.h.Write(p[:n])
	r.n += int64(n)
	if err == nil {
		return n, nil
	}
	r.err = r.end(err)
	return n, r.err
}

// end decides what the end of the uncompressed data means.
func (r *verifiedReader) end(err error) error {
	if !errors.Is(err, io.EOF) {
		return r.streamError(err)
	}
	if !r.raw.hasEnd {
		// The decompressor may be done before it has seen the end of its input.
		var one [1]byte
		if n, err := io.ReadFull(r.raw, one[:]); n > 0 {
			return &IntegrityError{r.layer.name, "has data after the end of its compressed stream"}
		} else if !errors.Is(err, io.EOF) {
			return r.streamError(err)
		}
	}
	got := v1.Hash{Algorithm: r.layer.DiffID.Algorithm, Hex: hex.EncodeToString(r.h.Sum(nil))}
	if got != r.layer.DiffID {
		return &IntegrityError{r.layer.name, fmt.Sprintf("its content has the diff ID %s, the image configuration says %s", got, r.layer.DiffID)}
	}
	r.layer.finish(r.raw.sum())
	return io.EOF
}

// streamError tells failures of reading the stored bytes from damage in them.
func (r *verifiedReader) streamError(err error) error {
	if r.raw.failed != nil {
		return r.raw.failed
	}
	name := r.layer.name
	switch {
	case errors.Is(err, trailingError{}), errors.Is(err, zstd.ErrMagicMismatch):
		return &IntegrityError{name, "has data after the end of its compressed stream"}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &IntegrityError{name, fmt.Sprintf("its compressed stream is truncated after %d bytes of content", r.n)}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return faultf(KindLimit, "%s: zstd wants a window of more than %d MiB: %w", name, maxWindow>>20, err)
	}
	return &IntegrityError{name, "its compressed stream is damaged: " + err.Error()}
}

func (r *verifiedReader) Close() error {
	var err error
	if r.plain != nil {
		err = r.plain.Close()
	}
	return errors.Join(err, r.raw.Close())
}

// inflate looks at the first bytes: what a media type says about compression is
// wrong too often.
func inflate(raw io.Reader) (io.ReadCloser, error) {
	br := bufio.NewReaderSize(raw, bufferSize)
	magic, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		zr.Multistream(false)
		return &gzipMembers{br, zr}, nil
	case isZstdMagic(magic):
		// One goroutine: the reader ahead is concurrency enough, and hashedReader is not for two.
		zr, err := zstd.NewReader(br, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		return zr.IOReadCloser(), nil
	}
	return io.NopCloser(br), nil
}

// isZstdMagic knows data frames and the skippable frames that may come first.
func isZstdMagic(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	return bytes.Equal(b, []byte{0x28, 0xb5, 0x2f, 0xfd}) || (b[0]&0xf0 == 0x50 && bytes.Equal(b[1:4], []byte{0x2a, 0x4d, 0x18}))
}

// trailingError: something that is no gzip member follows a gzip member.
type trailingError struct{}

func (trailingError) Error() string { return "data after the end of the gzip stream" }

// gzipMembers reads concatenated gzip members as one stream. gzip.Reader can do so
// itself, but then a damaged next member and trailing garbage look the same.
type gzipMembers struct {
	br *bufio.Reader
	zr *gzip.Reader
}

func (g *gzipMembers) Read(p []byte) (int, error) {
	n, err := g.zr.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	next, err := g.br.Peek(2)
	switch {
	case len(next) == 0:
		return n, err
	case !bytes.Equal(next, []byte{0x1f, 0x8b}):
		return n, trailingError{}
	}
	if err := g.zr.Reset(g.br); err != nil {
		return n, noEOF(err)
	}
	g.zr.Multistream(false)
	return n, nil
}

func (g *gzipMembers) Close() error { return g.zr.Close() }

// noEOF keeps an end inside of a header from being taken for the end of the data.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

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
