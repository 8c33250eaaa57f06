// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// source is where the image comes from, and where its documentation is.
const source = "https://github.com/ocigate/ocigate"

// Who runs in the image: nobody whom another image knows.
const (
	uid  = 65532
	user = "65532:65532"
)

// image is what is the same for all platforms.
type image struct {
	version string
	created time.Time
}

// entry is a file, or a directory, of the image.
type entry struct {
	name string
	dir  bool
	mode int64
	uid  int
	data []byte
}

// write makes the index of all binaries, and writes it as an OCI layout to a new directory.
func (i image) write(dir, roots string, binaries []string) (v1.Hash, error) {
	certificates, err := os.ReadFile(roots)
	if err != nil {
		return v1.Hash{}, err
	}
	base, err := i.layer(system(certificates), gzip.BestCompression)
	if err != nil {
		return v1.Hash{}, err
	}
	index := mutate.Annotations(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), i.labels()).(v1.ImageIndex)
	for _, path := range binaries {
		platform, err := platformOf(path)
		if err != nil {
			return v1.Hash{}, err
		}
		img, err := i.build(base, path, platform)
		if err != nil {
			return v1.Hash{}, fmt.Errorf("%s: %w", path, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	digest, err := index.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return v1.Hash{}, err
	}
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return v1.Hash{}, err
	}
	return digest, to.AppendIndex(index)
}

// platformOf reads a platform off the end of a binary's name.
func platformOf(path string) (v1.Platform, error) {
	parts := strings.Split(filepath.Base(path), "-")
	if len(parts) < 3 {
		return v1.Platform{}, fmt.Errorf("%s: its name does not end in -OS-ARCH", path)
	}
	return v1.Platform{OS: parts[len(parts)-2], Architecture: parts[len(parts)-1]}, nil
}

func (i image) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":    "ocigate",
		"org.opencontainers.image.version":  i.version,
		"org.opencontainers.image.source":   source,
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.created":  i.created.Format(time.RFC3339),
	}
}

func (i image) build(base v1.Layer, path string, platform v1.Platform) (v1.Image, error) {
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	program, err := i.layer([]entry{
		{name: "usr/", dir: true, mode: 0o755},
		{name: "usr/bin/", dir: true, mode: 0o755},
		{name: "usr/bin/ocigate", mode: 0o755, data: binary},
	}, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	img, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), &v1.ConfigFile{
		Created: v1.Time{Time: i.created}, OS: platform.OS, Architecture: platform.Architecture,
		Config: v1.Config{
			User: user, WorkingDir: "/work", Entrypoint: []string{"/usr/bin/ocigate"}, Cmd: []string{"--help"}, Labels: i.labels(),
			Env: []string{
				"PATH=/usr/bin", "HOME=/home/ocigate", "OCIGATE_CACHE_DIR=/var/cache/ocigate",
				"SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
			},
		},
		RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: i.created}
	return mutate.Append(img,
		mutate.Addendum{Layer: base, History: v1.History{Created: created, CreatedBy: "certificate authorities, user, directories", Comment: source}},
		mutate.Addendum{Layer: program, History: v1.History{Created: created, CreatedBy: "ocigate " + i.version, Comment: source}})
}

// system is all that ocigate needs of an operating system.
func system(certificates []byte) []entry {
	return []entry{
		{name: "etc/", dir: true, mode: 0o755},
		{name: "etc/passwd", mode: 0o644, data: fmt.Appendf(nil, "ocigate:x:%d:%d:ocigate:/home/ocigate:/sbin/nologin\n", uid, uid)},
		{name: "etc/group", mode: 0o644, data: fmt.Appendf(nil, "ocigate:x:%d:\n", uid)},
		{name: "etc/ssl/", dir: true, mode: 0o755},
		{name: "etc/ssl/certs/", dir: true, mode: 0o755},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: certificates},
		{name: "home/", dir: true, mode: 0o755},
		{name: "home/ocigate/", dir: true, mode: 0o700, uid: uid},
		{name: "tmp/", dir: true, mode: 0o1777},
		{name: "var/", dir: true, mode: 0o755},
		{name: "var/cache/", dir: true, mode: 0o755},
		{name: "var/cache/ocigate/", dir: true, mode: 0o700, uid: uid},
		{name: "work/", dir: true, mode: 0o755, uid: uid},
	}
}

// layer packs entries, sorted by name.
func (i image) layer(entries []entry, level int) (v1.Layer, error) {
	var plain, packed bytes.Buffer
	tw := tar.NewWriter(&plain)
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Uid: e.uid, Gid: e.uid, Size: int64(len(e.data)), ModTime: i.created, Format: tar.FormatUSTAR}
		if e.dir {
			h.Typeflag = tar.TypeDir
		}
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := tw.Write(e.data); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	zw, err := gzip.NewWriterLevel(&packed, level)
	if err != nil {
		return nil, err
	}
	_, err = zw.Write(plain.Bytes())
	if err := errors.Join(err, zw.Close()); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}
