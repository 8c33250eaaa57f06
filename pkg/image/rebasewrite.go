// SPDX-License-Identifier: Apache-2.0

package image

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/atomicfile"
)

// Destination is where a new image is written: a layout, or an archive.
type Destination struct {
	Source evidence.Source
	Path   string
}

// ParseDestination reads oci:DIR, oci-archive:FILE or docker-archive:FILE, where nothing
// may be yet. Errors are *Error.
func ParseDestination(s string) (Destination, error) {
	const hint = "write oci:DIR, oci-archive:FILE or docker-archive:FILE"
	transport, file, _ := strings.Cut(s, ":")
	d := Destination{Source: evidence.Source(transport), Path: file}
	err := func() error {
		switch d.Source {
		case evidence.SourceOCI, evidence.SourceOCIArchive, evidence.SourceDockerArchive:
		case evidence.SourceRegistry, evidence.SourceDockerDaemon:
			return faultf(KindUsage, "the new image is written to a file, judged there, and only then pushed or loaded").withHint(hint)
		default:
			return faultf(KindUsage, "no such place for an image").withHint(hint)
		}
		// What reads it takes what follows these for a tag or digest.
		if file == "" || strings.ContainsAny(file, ":@\x00") {
			return faultf(KindUsage, "the path must not be empty, nor hold : or @").withHint(hint)
		}
		d.Path = filepath.Clean(file)
		if st, err := os.Stat(filepath.Dir(d.Path)); err != nil || !st.IsDir() {
			return faultf(KindUsage, "%s is no directory", filepath.Dir(d.Path)).withHint("create the directory first")
		}
		return d.vacant()
	}()
	return d, toError("write to", s, err)
}

// vacant refuses to replace anything but an empty directory: an old image that stays
// could be taken for the new one, and it may be the image that is read.
func (d Destination) vacant() error {
	f := faultf(KindUsage, "there is something already").withHint("remove it first, or name another path")
	st, err := os.Lstat(d.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case d.Source != evidence.SourceOCI || !st.IsDir():
		return f
	}
	list, err := os.ReadDir(d.Path)
	if err == nil && len(list) > 0 {
		return f
	}
	return err
}

// Written is an image where it was written.
type Written struct {
	// Reference is one that Open understands, by digest where the form has digests.
	Reference string
	// Digest is that of the manifest, or of the index of several.
	Digest string
}

// Write writes one image, or an index of several, whole or not at all: always the same
// bytes for the same images. Errors are *Error.
func (d Destination) Write(ctx context.Context, images []*Rebased) (Written, error) {
	files, digest, err := filesOf(images, d.Source == evidence.SourceDockerArchive)
	if err == nil && d.Source == evidence.SourceOCI {
		err = d.writeDir(ctx, files)
	} else if err == nil {
		err = atomicfile.Write(d.Path, 0o644, func(w io.Writer) error { return writeTar(ctx, w, files) })
	}
	if err != nil {
		return Written{}, toError("write", string(d.Source)+":"+d.Path, err)
	}
	w := Written{Reference: string(d.Source) + ":" + d.Path, Digest: digest.String()}
	if d.Source != evidence.SourceDockerArchive {
		w.Reference += "@" + w.Digest
	}
	return w, nil
}

// blobFile is a file of a layout, by content that may be large.
type blobFile struct {
	name string
	size int64
	open func(context.Context) (io.ReadCloser, error)
}

func smallFile(name string, b []byte) blobFile {
	return blobFile{name, int64(len(b)), func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

func blobName(h v1.Hash) string { return path.Join("blobs", h.Algorithm, h.Hex) }

func sha256Of(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// filesOf are the files of a layout, and what its index.json leads to. A docker archive
// is one as well, as newer daemons write it.
func filesOf(images []*Rebased, docker bool) ([]blobFile, v1.Hash, error) {
	if docker && len(images) > 1 {
		return nil, v1.Hash{}, faultf(KindUsage, "a docker archive holds one platform, and the image has %d", len(images)).withHint("name one with --platform, or write oci:DIR")
	}
	var blobs []blobFile
	var entries []v1.Descriptor
	for _, r := range images {
		for _, l := range r.blobs {
			blobs = append(blobs, blobFile{blobName(l.digest), l.size, l.open})
		}
		blobs = append(blobs, smallFile(blobName(sha256Of(r.config)), r.config), smallFile(blobName(sha256Of(r.manifest)), r.manifest))
		p := r.Platform
		entries = append(entries, v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: sha256Of(r.manifest), Size: int64(len(r.manifest)),
			Platform: &v1.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, OSVersion: p.OSVersion}})
	}
	top := entries[0]
	index, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: entries})
	if err != nil {
		return nil, top.Digest, err
	}
	if len(images) > 1 {
		blobs = append(blobs, smallFile(blobName(sha256Of(index)), index))
		top = v1.Descriptor{MediaType: types.OCIImageIndex, Digest: sha256Of(index), Size: int64(len(index))}
		if index, err = json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{top}}); err != nil {
			return nil, top.Digest, err
		}
	}
	// Images share layers.
	slices.SortStableFunc(blobs, func(a, b blobFile) int { return strings.Compare(a.name, b.name) })
	blobs = slices.CompactFunc(blobs, func(a, b blobFile) bool { return a.name == b.name })
	files := append([]blobFile{smallFile("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), smallFile("index.json", index)}, blobs...)
	if docker {
		saved, err := images[0].saved()
		if err != nil {
			return nil, top.Digest, err
		}
		files = append(files, smallFile("manifest.json", saved))
	}
	return files, top.Digest, nil
}

// saved is the manifest.json of a docker archive.
func (r *Rebased) saved() ([]byte, error) {
	s := savedImage{Config: blobName(sha256Of(r.config)), RepoTags: []string{}}
	for _, l := range r.blobs {
		s.Layers = append(s.Layers, blobName(l.digest))
	}
	return json.Marshal([]savedImage{s})
}

func writeTar(ctx context.Context, w io.Writer, files []blobFile) error {
	t := tar.NewWriter(w)
	for _, f := range files {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: f.size}); err != nil {
			return err
		}
		if err := f.copy(ctx, t); err != nil {
			return err
		}
	}
	return t.Close()
}

// copy writes the file; the reader of a layer verifies it.
func (f blobFile) copy(ctx context.Context, w io.Writer) error {
	rc, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer rc.Close()
	if n, err := io.Copy(w, rc); err != nil || n != f.size {
		return errors.Join(err, sizeError(f.name, n, f.size))
	}
	return nil
}

func sizeError(name string, got, want int64) error {
	if got == want {
		return nil
	}
	return fmt.Errorf("%s has %d bytes, not %d", name, got, want)
}

// writeDir writes beside the path, and renames.
func (d Destination) writeDir(ctx context.Context, files []blobFile) error {
	if err := d.vacant(); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(d.Path), "."+filepath.Base(d.Path)+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp) // nothing is there once it is renamed
	for _, f := range files {
		at := filepath.Join(tmp, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := f.write(ctx, at); err != nil {
			return err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := os.Remove(d.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(tmp, d.Path)
}

func (f blobFile) write(ctx context.Context, at string) error {
	file, err := os.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(f.copy(ctx, file), file.Sync(), file.Close())
}
