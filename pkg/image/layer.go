// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
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
	name     string
	refusal  error
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
// Layers with foreign urls and encrypted layers are refused (*Error, KindUnsupported).
func (l *Layer) Open(ctx context.Context) (io.ReadCloser, error) {
	if l.refusal != nil {
		return nil, toError("open layer", l.name, l.refusal)
	}
	ctx, cancel := context.WithCancel(ctx)
	raw, size, err := l.stored(ctx)
	if err != nil {
		cancel()
		return nil, toError("open layer", l.name, err)
	}
	hashed, err := newHashedReader(l.name, raw, l.Digest, size)
	if err == nil {
		var r *verifiedReader
		if r, err = newVerifiedReader(l, hashed); err == nil {
			return newReadAhead(ctx, cancel, r), nil
		}
	}
	cancel()
	return nil, toError("open layer", l.name, errors.Join(err, raw.Close()))
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
	if l.refusal != nil {
		return v1.Hash{}, toError("open layer", l.name, l.refusal)
	}
	raw, size, err := l.stored(ctx)
	if err != nil {
		return v1.Hash{}, toError("open layer", l.name, err)
	}
	defer raw.Close()
	hashed, err := newHashedReader(l.name, raw, l.Digest, size)
	if err != nil {
		return v1.Hash{}, toError("open layer", l.name, err)
	}
	if _, err := io.CopyBuffer(io.Discard, &contextReader{ctx, hashed}, make([]byte, bufferSize)); err != nil {
		return v1.Hash{}, toError("read layer", l.name, err)
	}
	l.sum = hashed.sum()
	return l.sum, nil
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
