// SPDX-License-Identifier: Apache-2.0

package large

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hash(hex string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: hex} }

// configuration is the image's: the base's history first, as its CMD tells Trivy which
// layers are a base image's.
func configuration(layers []*layer) ([]byte, error) {
	c := v1.ConfigFile{
		Architecture: "amd64", OS: "linux", Created: v1.Time{Time: epoch}, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Cmd: []string{"/usr/local/bin/gateway"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}},
	}
	for i, l := range layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, hash(l.diffID))
		c.History = append(c.History, v1.History{Created: v1.Time{Time: epoch}, CreatedBy: l.step})
		if i == 0 {
			c.History = append(c.History, v1.History{Created: v1.Time{Time: epoch}, CreatedBy: `CMD ["/bin/sh"]`, EmptyLayer: true})
		}
	}
	c.History = append(c.History, v1.History{Created: v1.Time{Time: epoch}, CreatedBy: `CMD ["/usr/local/bin/gateway"]`, EmptyLayer: true})
	return json.Marshal(c)
}

// writeArchive writes what docker save does: blobs by digest, manifest.json last.
func writeArchive(path string, config []byte, layers []*layer) error {
	type saved struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	m := saved{Config: "blobs/sha256/" + digest(config), RepoTags: []string{"bench.example.test/large:1"}}
	all := &layer{}
	all.add(m.Config, 0o644, config)
	for _, l := range layers {
		name := "blobs/sha256/" + l.diffID
		m.Layers = append(m.Layers, name)
		if err := all.addFile(name, 0o644, l.path); err != nil {
			return err
		}
	}
	b, err := json.Marshal([]saved{m})
	if err != nil {
		return err
	}
	all.add("manifest.json", 0o644, b)
	return all.write(path)
}

// writeLayout writes an OCI layout with gzip layers.
func writeLayout(dir string, config []byte, layers []*layer) error {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return err
	}
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: make([]v1.Descriptor, len(layers)),
		Config: v1.Descriptor{MediaType: types.OCIConfigJSON, Size: int64(len(config)), Digest: hash(digest(config))}}
	if err := compress(blobs, layers, m.Layers); err != nil {
		return err
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return err
	}
	index, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{
		{MediaType: types.OCIManifestSchema1, Size: int64(len(manifest)), Digest: hash(digest(manifest))}}})
	return errors.Join(err,
		os.WriteFile(filepath.Join(blobs, digest(config)), config, 0o644),
		os.WriteFile(filepath.Join(blobs, digest(manifest)), manifest, 0o644),
		os.WriteFile(filepath.Join(dir, "index.json"), index, 0o644),
		os.WriteFile(filepath.Join(dir, "oci-layout"), []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644))
}

// compress writes all layers' blobs, as many at a time as there are processors.
func compress(blobs string, layers []*layer, out []v1.Descriptor) error {
	errs := make([]error, len(layers))
	var wg sync.WaitGroup
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(layers); i = next.Add(1) - 1 {
				out[i], errs[i] = compressOne(blobs, layers[i])
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func compressOne(blobs string, l *layer) (v1.Descriptor, error) {
	d := v1.Descriptor{MediaType: types.OCILayer}
	in, err := os.Open(l.path)
	if err != nil {
		return d, err
	}
	defer in.Close()
	f, err := os.Create(filepath.Join(blobs, l.diffID+".part"))
	if err != nil {
		return d, err
	}
	defer f.Close()
	sum := sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(f, sum), 6)
	if err != nil {
		return d, err
	}
	if _, err := io.Copy(z, in); err != nil {
		return d, err
	}
	if err := z.Close(); err != nil {
		return d, err
	}
	d.Digest = hash(hex.EncodeToString(sum.Sum(nil)))
	if d.Size, err = f.Seek(0, io.SeekCurrent); err != nil {
		return d, err
	}
	return d, os.Rename(f.Name(), filepath.Join(blobs, d.Digest.Hex))
}
