// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// archive collects the blobs of an OCI image layout.
type archive struct{ files []file }

// add stores a blob and describes it.
func (a *archive) add(blob []byte, mediaType types.MediaType) (v1.Descriptor, error) {
	digest, size, err := v1.SHA256(bytes.NewReader(blob))
	if err != nil {
		return v1.Descriptor{}, err
	}
	a.files = append(a.files, file{name: "blobs/sha256/" + digest.Hex, text: string(blob), mode: 0o644})
	return v1.Descriptor{MediaType: mediaType, Digest: digest, Size: size}, nil
}

func (a *archive) addJSON(value any, mediaType types.MediaType) (v1.Descriptor, error) {
	blob, err := json.Marshal(value)
	if err != nil {
		return v1.Descriptor{}, err
	}
	return a.add(blob, mediaType)
}

// writeImage writes a release as an OCI archive: the same bytes every time.
func writeImage(path string, r release) error {
	var a archive
	manifest, err := a.addRelease(r)
	if err != nil {
		return err
	}
	manifest.Platform = &v1.Platform{OS: "linux", Architecture: "amd64"}
	manifest.Annotations = map[string]string{"org.opencontainers.image.ref.name": r.version}
	index, err := json.Marshal(v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{manifest},
	})
	if err != nil {
		return err
	}
	a.files = append(a.files,
		file{name: "index.json", text: string(index), mode: 0o644},
		file{name: "oci-layout", text: `{"imageLayoutVersion":"1.0.0"}`, mode: 0o644})
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pack(out, a.files, r.created), out.Close())
}

func (a *archive) addRelease(r release) (v1.Descriptor, error) {
	layers, err := r.layers()
	if err != nil {
		return v1.Descriptor{}, err
	}
	created := v1.Time{Time: r.created}
	config := v1.ConfigFile{
		Created: created, OS: "linux", Architecture: "amd64",
		Config: v1.Config{
			User: r.user, WorkingDir: "/app", Entrypoint: []string{"node", "server.js"},
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NODE_ENV=production"},
			Labels: map[string]string{
				"org.opencontainers.image.title": "shop", "org.opencontainers.image.version": r.version,
			},
		},
		RootFS: v1.RootFS{Type: "layers"},
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for _, l := range layers {
		diffID, blob, err := l.pack(r.created)
		if err != nil {
			return v1.Descriptor{}, err
		}
		descriptor, err := a.add(blob, types.OCILayer)
		if err != nil {
			return v1.Descriptor{}, err
		}
		manifest.Layers = append(manifest.Layers, descriptor)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
		config.History = append(config.History, v1.History{Created: created, CreatedBy: l.createdBy})
	}
	config.History = append(config.History, v1.History{Created: created, CreatedBy: `ENTRYPOINT ["node" "server.js"]`, EmptyLayer: true})
	if manifest.Config, err = a.addJSON(config, types.OCIConfigJSON); err != nil {
		return v1.Descriptor{}, err
	}
	return a.addJSON(manifest, types.OCIManifestSchema1)
}

// pack makes the layer's archive. It is stored rather than compressed within
// gzip, so that its digest does not depend on the version of Go.
func (l layer) pack(modified time.Time) (v1.Hash, []byte, error) {
	var plain, blob bytes.Buffer
	if err := pack(&plain, l.files, modified); err != nil {
		return v1.Hash{}, nil, err
	}
	diffID, _, err := v1.SHA256(bytes.NewReader(plain.Bytes()))
	if err != nil {
		return v1.Hash{}, nil, err
	}
	zw, err := gzip.NewWriterLevel(&blob, gzip.NoCompression)
	if err != nil {
		return v1.Hash{}, nil, err
	}
	_, err = zw.Write(plain.Bytes())
	err = errors.Join(err, zw.Close())
	return diffID, blob.Bytes(), err
}

// pack writes files, sorted by name, as a tar archive.
func pack(w io.Writer, files []file, modified time.Time) error {
	files = slices.SortedFunc(slices.Values(files), func(a, b file) int { return cmp.Compare(a.name, b.name) })
	tw := tar.NewWriter(w)
	for _, f := range files {
		err := tw.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.text)), ModTime: modified, Format: tar.FormatUSTAR,
		})
		if err != nil {
			return err
		}
		if _, err := io.WriteString(tw, f.text); err != nil {
			return err
		}
	}
	return tw.Close()
}
