// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is what `zstd --ultra -22 --long=27` needs to decode.
const maxWindow = 128 << 20

// Decompressors are reused from layer to layer, if they came to a proper end.
var (
	gzipReaders = sync.Pool{New: func() any { return &gzipMembers{br: bufio.NewReaderSize(nil, bufferSize), zr: new(gzip.Reader)} }}
	zstdReaders = sync.Pool{}
)

func isGzipMagic(b []byte) bool { return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) }

// isZstdMagic knows data frames and the skippable frames that may come first.
func isZstdMagic(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	return bytes.Equal(b, []byte{0x28, 0xb5, 0x2f, 0xfd}) || (b[0]&0xf0 == 0x50 && bytes.Equal(b[1:4], []byte{0x2a, 0x4d, 0x18}))
}

// inflate reads a stream that begins as gzip or zstd does.
func inflate(in *storedReader) (io.ReadCloser, error) {
	if isGzipMagic(in.first) {
		g := gzipReaders.Get().(*gzipMembers)
		return g, g.reset(in)
	}
	z, ok := zstdReaders.Get().(*zstdFrames)
	if !ok {
		// One goroutine: the readers ahead are concurrency enough, and more decoders for
		// one stream are slower.
		zr, err := zstd.NewReader(nil, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		z = &zstdFrames{br: bufio.NewReaderSize(nil, bufferSize), zr: zr}
	}
	z.br.Reset(in)
	z.done = false
	return z, z.zr.Reset(z.br)
}

// trailingError: something that is no gzip member follows a gzip member.
type trailingError struct{}

func (trailingError) Error() string { return "data after the end of the gzip stream" }

// gzipMembers reads concatenated gzip members as one stream. gzip.Reader can do so
// itself, but then a damaged next member and trailing garbage look the same.
type gzipMembers struct {
	br   *bufio.Reader
	zr   *gzip.Reader
	done bool
}

func (g *gzipMembers) reset(r io.Reader) error {
	g.br.Reset(r)
	g.done = false
	return g.member()
}

func (g *gzipMembers) member() error {
	if err := g.zr.Reset(g.br); err != nil {
		return noEOF(err)
	}
	g.zr.Multistream(false)
	return nil
}

func (g *gzipMembers) Read(p []byte) (int, error) {
	n, err := g.zr.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	next, err := g.br.Peek(2)
	switch {
	case len(next) == 0:
		g.done = errors.Is(err, io.EOF)
		return n, err
	case !isGzipMagic(next):
		return n, trailingError{}
	}
	return n, g.member()
}

// Close implements io.Closer. The reader is used again, by another layer.
func (g *gzipMembers) Close() error {
	if g.done {
		g.br.Reset(nil)
		gzipReaders.Put(g)
	}
	return nil
}

// zstdFrames is a zstd decoder and what it reads from.
type zstdFrames struct {
	br   *bufio.Reader
	zr   *zstd.Decoder
	done bool
}

func (z *zstdFrames) Read(p []byte) (int, error) {
	n, err := z.zr.Read(p)
	z.done = errors.Is(err, io.EOF)
	return n, err
}

// Close implements io.Closer. The decoder is used again, by another layer.
func (z *zstdFrames) Close() error {
	if !z.done || z.zr.Reset(nil) != nil {
		z.zr.Close()
		return nil
	}
	z.br.Reset(nil)
	zstdReaders.Put(z)
	return nil
}

// noEOF keeps an end inside of a header from being taken for the end of the data.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
