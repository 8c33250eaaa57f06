// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/klauspost/compress/gzip"
)

var errStalled = errors.New("the transfer stood still for too long")

func isTruncation(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// pull fetches the artifact into temp, examines it, and returns its sidecar. If
// current is already what the repository offers, nothing is downloaded and temp
// stays empty.
func pull(ctx context.Context, k kind, o Options, ref name.Reference, temp string, current *Database) (*sidecar, error) {
	if o.stall == 0 {
		o.stall = defaultStall
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(o.stall, func() { cancel(errStalled) })
	defer watch.Stop()
	s, err := pullWatched(ctx, k, o, ref, temp, current, watch)
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			return nil, errStalled
		}
		return nil, explain(err)
	}
	return s, nil
}

func pullWatched(ctx context.Context, k kind, o Options, ref name.Reference, temp string, current *Database, watch *time.Timer) (*sidecar, error) {
	digest, layer, desc, err := find(ctx, k, o, ref)
	if err != nil {
		return nil, err
	}
	repository := ref.Context().Name()
	if current != nil && current.sidecar != nil && current.sidecar.Manifest == digest.String() {
		s := *current.sidecar
		s.Repository = repository
		return &s, nil
	}
	blob, done, err := openLayer(k, o, layer, desc)
	if err != nil {
		return nil, err
	}
	defer blob.Close() //nolint:errcheck // only read
	s, err := k.unpack(&watchedReader{r: blob, watch: watch, stall: o.stall}, temp, desc.Size)
	if err != nil {
		return nil, err
	}
	watch.Stop()
	done()
	s.Repository, s.Manifest = repository, digest.String()
	return s, k.examine(temp, s)
}

// find reads the manifest and picks the one layer.
func find(ctx context.Context, k kind, o Options, ref name.Reference) (digest v1.Hash, layer v1.Layer, desc v1.Descriptor, err error) {
	got, err := remote.Get(ref, remoteOptions(ctx, o)...)
	if err != nil {
		return digest, nil, desc, err
	}
	if !got.MediaType.IsImage() {
		return digest, nil, desc, fmt.Errorf("not a database: its media type is %s", got.MediaType)
	}
	img, err := got.Image()
	if err != nil {
		return digest, nil, desc, err
	}
	manifest, err := img.Manifest()
	if err != nil {
		return digest, nil, desc, err
	}
	if len(manifest.Layers) != 1 {
		return digest, nil, desc, fmt.Errorf("not a database: it has %d layers, expected is one", len(manifest.Layers))
	}
	desc = manifest.Layers[0]
	switch {
	case string(desc.MediaType) != k.mediaType:
		return digest, nil, desc, fmt.Errorf("not a %s: the media type of its layer is %q, expected is %q", k.name, desc.MediaType, k.mediaType)
	case len(desc.URLs) > 0:
		return digest, nil, desc, errors.New("its layer is to be fetched from foreign URLs, which is refused")
	case desc.Size > k.limit:
		return digest, nil, desc, fmt.Errorf("its layer has %d bytes; the limit is %d", desc.Size, k.limit)
	}
	layer, err = img.LayerByDigest(desc.Digest)
	return got.Digest, layer, desc, err
}

// watchedReader reports progress to a watchdog.
type watchedReader struct {
	r     io.Reader
	watch *time.Timer
	stall time.Duration
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.watch.Reset(w.stall)
	}
	return n, err
}

// unpack writes the two files of the archive to dir, reads the blob to its very
// end, where its digest is checked, and returns what was written.
func (k kind) unpack(blob io.Reader, dir string, size int64) (*sidecar, error) {
	buffered := bufio.NewReaderSize(blob, int(min(max(size, 4096), 1<<20)))
	zr, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	limited := &limitedReader{r: zr, left: k.limit, limit: k.limit}
	s := &sidecar{File: k.file}
	var haveMetadata bool
	tr := tar.NewReader(limited)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
		file := path.Clean(h.Name)
		if file != k.file && file != metadataFile {
			continue
		}
		if h.Typeflag != tar.TypeReg || (file == k.file && s.SHA256 != "") || (file == metadataFile && haveMetadata) {
			return nil, fmt.Errorf("unpack: %s is not one regular file", file)
		}
		if file == k.file {
			err = s.write(tr, filepath.Join(dir, file))
		} else {
			haveMetadata = true
			err = readMetadata(tr, &s.Metadata)
		}
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", file, err)
		}
	}
	for _, rest := range []io.Reader{limited, buffered} { // checksum of gzip, digest of the blob
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return nil, fmt.Errorf("unpack: %w", err)
		}
	}
	if s.SHA256 == "" || !haveMetadata {
		return nil, fmt.Errorf("the archive lacks %s or %s", k.file, metadataFile)
	}
	return s, nil
}

// write writes the database and hashes it on the way.
func (s *sidecar) write(r io.Reader, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.CopyBuffer(io.MultiWriter(f, h), struct{ io.Reader }{r}, make([]byte, 1<<20))
	if err = errors.Join(err, f.Sync()); err != nil {
		return errors.Join(err, f.Close())
	}
	info, err := f.Stat()
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.Size, s.ModTime, s.SHA256 = info.Size(), info.ModTime().UTC(), hex.EncodeToString(h.Sum(nil))
	return nil
}

func readMetadata(r io.Reader, m *meta) error {
	b, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	if err != nil {
		return err
	}
	if len(b) > maxMetadata {
		return errors.New("too large")
	}
	return json.Unmarshal(b, m)
}

// limitedReader fails, rather than ends, at the limit.
type limitedReader struct {
	r           io.Reader
	left, limit int64
}

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		var one [1]byte
		if n, err := l.r.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, fmt.Errorf("more than %d bytes unpacked", l.limit)
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// examine looks at what was unpacked before anybody else can see it.
func (k kind) examine(dir string, s *sidecar) error {
	if err := k.checkMeta(s.Metadata); err != nil {
		return err
	}
	path := filepath.Join(dir, k.file)
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if _, err := k.check(path, info); err != nil {
		return fmt.Errorf("what was fetched is not usable: %w", err)
	}
	return nil
}
