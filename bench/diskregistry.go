// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// DiskRegistry is a registry on the loopback interface, whose blobs are on disk.
type DiskRegistry struct {
	Host   string
	server *httptest.Server
}

// NewDiskRegistry keeps blobs as an OCI layout does, below the directory.
func NewDiskRegistry(dir string) (*DiskRegistry, error) {
	blobs := filepath.Join(dir, "blobs")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return nil, err
	}
	h := registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)), registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(h)
	return &DiskRegistry{Host: strings.TrimPrefix(server.URL, "http://"), server: server}, nil
}

// Close ends the registry.
func (r *DiskRegistry) Close() { r.server.Close() }

// PushArchive stores an image of a docker archive.
func (r *DiskRegistry) PushArchive(path, repository string) (string, error) {
	img, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return r.push(img, repository)
}

// PushLayout stores the only image of a layout. Blobs that are there already are not copied.
func (r *DiskRegistry) PushLayout(dir, repository string) (string, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return "", err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return "", err
	}
	if len(m.Manifests) != 1 {
		return "", fmt.Errorf("%s has %d manifests", dir, len(m.Manifests))
	}
	img, err := index.Image(m.Manifests[0].Digest)
	if err != nil {
		return "", err
	}
	return r.push(img, repository)
}

func (r *DiskRegistry) push(img v1.Image, repository string) (string, error) {
	ref, err := name.ParseReference(r.Host + "/" + repository + ":1")
	if err != nil {
		return "", err
	}
	return ref.String(), remote.Write(ref, img)
}
