// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Layer is one layer of an image.
type Layer struct {
	// DiffID is the digest of the uncompressed tar.
	DiffID v1.Hash
	// Digest is that of the stored bytes; the zero Hash where the source names none.
	Digest v1.Hash
	// MediaType is the manifest's; empty where the source has no manifest.
	MediaType string
	// CompressedSize is the size of the stored bytes; 0 where unknown.
	CompressedSize int64

	// stored opens the stored bytes and says how many they must be (-1: unknown).
	stored func(context.Context) (io.ReadCloser, int64, error)
	// name is how errors call the blob: digest, or path in an archive.
	name    string
	refusal error
	// ahead is how many chunks of compressed bytes are read before they are asked for;
	// fewer than the default count as the default.
	ahead    int
	verified atomic.Bool
	mu       sync.Mutex
	sum      v1.Hash
}

// Refused says why the layer will not be read, whatever its content: foreign urls,
// encryption, a media type that is no layer's. Nil for one that will be.
func (l *Layer) Refused() error {
	if l.refusal == nil {
		return nil
	}
	return toError("open layer", l.name, l.refusal)
}

// Verified is true after a reader of Open was read to io.EOF: all bytes matched
// digest, size and diff ID.
func (l *Layer) Verified() bool { return l.verified.Load() }

// Open reads the layer's uncompressed tar. Gzip, zstd and plain tars are told
// apart by their first bytes. The reader hashes what it reads and returns, in place of
// io.EOF, an *IntegrityError if digest, size or diff ID do not match, if the
// compressed stream is truncated, or if bytes follow it. So callers must read to
// io.EOF: archive/tar stops before. Reads end promptly when ctx does. Close waits
// for nothing but the read under way.
//
// The reader is an io.WriterTo, and an io.Seeker that goes forwards from where it is
// (io.SeekCurrent), as archive/tar does over files that nobody reads: bytes that are
// passed over are not copied, but hashed as all others. A seek beyond the end fails.
//
// Layers with foreign urls and encrypted layers are refused (*Error, KindUnsupported).
func (l *Layer) Open(ctx context.Context) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	c, err := l.content(ctx)
	if err != nil {
		cancel()
		return nil, toError("open layer", l.name, err)
	}
	return newLayerReader(ctx, cancel, c), nil
}

func (l *Layer) content(ctx context.Context) (*content, error) {
	hashed, err := l.hashed(ctx)
	if err != nil {
		return nil, err
	}
	c, err := newContent(ctx, l, hashed)
	if err != nil {
		return nil, errors.Join(err, hashed.Close())
	}
	return c, nil
}

// hashed opens the stored bytes, unless they are refused.
func (l *Layer) hashed(ctx context.Context) (*hashedReader, error) {
	if l.refusal != nil {
		return nil, l.refusal
	}
	raw, size, err := l.stored(ctx)
	if err != nil {
		return nil, err
	}
	digest := l.Digest
	if n, ok := raw.(digested); ok {
		digest = n.digest
	}
	hashed, err := newHashedReader(l.name, raw, digest, size)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return hashed, nil
}

// digested are stored bytes whose digest nothing promised before they were found.
type digested struct {
	io.ReadCloser
	digest v1.Hash
}

// StoredDigest hashes the stored bytes without inflating them, so that a caller
// which knows the content of a blob from an earlier verified pass can be sure
// that this is that blob. It returns an *IntegrityError if the bytes do not match
// Digest or size. A layer that was read by Open is not read again.
func (l *Layer) StoredDigest(ctx context.Context) (v1.Hash, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sum != (v1.Hash{}) {
		return l.sum, nil
	}
	hashed, err := l.hashed(ctx)
	if err != nil {
		return v1.Hash{}, toError("open layer", l.name, err)
	}
	defer hashed.Close()
	if err := drain(ctx, hashed); err != nil {
		return v1.Hash{}, toError("read layer", l.name, err)
	}
	l.sum = hashed.sum()
	return l.sum, nil
}

// drain reads to the end; a goroutine hashes while the next bytes are read.
func drain(ctx context.Context, raw *hashedReader) error {
	ctx, cancel := context.WithCancel(ctx)
	raw.later = true
	a := newAhead(ctx, contentAhead, raw.Read, &summer{hashes: []hash.Hash{raw.h}}, func(err error) error {
		if !errors.Is(err, io.EOF) {
			return err
		}
		if err := raw.check(); err != nil {
			return err
		}
		return io.EOF
	})
	defer a.close()
	defer cancel()
	for {
		c := a.next()
		if c == nil {
			return ctx.Err()
		}
		err := c.err
		c.release()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// finish records a complete, verified pass.
func (l *Layer) finish(sum v1.Hash) {
	l.mu.Lock()
	l.sum = sum
	l.mu.Unlock()
	l.verified.Store(true)
}

// layersOf pairs the manifest's layers with the configuration's diff IDs.
func layersOf(m *v1.Manifest, config *v1.ConfigFile, blob func(v1.Descriptor) func(context.Context) (io.ReadCloser, int64, error)) ([]*Layer, error) {
	if len(m.Layers) != len(config.RootFS.DiffIDs) {
		return nil, &IntegrityError{Blob: m.Config.Digest.String(), Message: fmt.Sprintf(
			"the manifest has %d layers, the configuration %d diff IDs", len(m.Layers), len(config.RootFS.DiffIDs))}
	}
	layers := make([]*Layer, len(m.Layers))
	for i, d := range m.Layers {
		layers[i] = &Layer{
			DiffID: config.RootFS.DiffIDs[i], Digest: d.Digest, MediaType: string(d.MediaType), CompressedSize: d.Size,
			name: d.Digest.String(), stored: blob(d), refusal: refuseLayer(d),
		}
	}
	return layers, nil
}

// refuseLayer says why a layer will not be read, before any byte of it is asked for.
func refuseLayer(d v1.Descriptor) error {
	media := string(d.MediaType)
	switch {
	case len(d.URLs) > 0 || strings.Contains(media, ".nondistributable.") || strings.Contains(media, ".foreign."):
		return faultf(KindUnsupported, "layer %s (%s) is kept elsewhere: %s", d.Digest, media, strings.Join(d.URLs, ", ")).
			withHint("layers with foreign urls are not fetched; build the image with distributable layers")
	case strings.Contains(media, "+encrypted"):
		return faultf(KindUnsupported, "layer %s (%s) is encrypted", d.Digest, media).
			withHint("judge the image before it is encrypted")
	case !slices.Contains(layerTypes(), media):
		return faultf(KindUnsupported, "layer %s has media type %q, which is no file system layer", d.Digest, media)
	}
	return nil
}

func layerTypes() []string {
	return []string{
		"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.diff.tar.zstd",
	}
}
