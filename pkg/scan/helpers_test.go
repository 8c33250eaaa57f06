// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// entry is one entry of a test layer.
type entry struct {
	name string
	body string
	hdr  tar.Header // optional: Typeflag, Linkname, Mode
}

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.hdr
		h.Name, h.Size = e.name, int64(len(e.body))
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(tw, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// imageOf makes an image of plain layers, base first.
func imageOf(layers ...[]byte) Image {
	img := Image{Name: "test", Config: &v1.ConfigFile{}}
	for _, b := range layers {
		id := fmt.Sprintf("sha256:%x", sha256.Sum256(b))
		h, err := v1.NewHash(id)
		if err != nil {
			panic(err)
		}
		img.Config.RootFS.DiffIDs = append(img.Config.RootFS.DiffIDs, h)
		img.Layers = append(img.Layers, Layer{DiffID: id, Digest: id, Open: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(b)), nil
		}})
	}
	return img
}

func newScanner(t *testing.T, opts Options) *Scanner {
	t.Helper()
	return New(opts)
}

func analyze(t *testing.T, s *Scanner, img Image) *Inventory {
	t.Helper()
	inv, err := s.Analyze(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// memory is a Cache.
type memory struct {
	mu      sync.Mutex
	entries map[string][]byte
}

func newMemory() *memory { return &memory{entries: map[string][]byte{}} }

func (m *memory) Get(_ context.Context, kind, key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.entries[kind+" "+key]
	return b, ok
}

func (m *memory) Put(_ context.Context, kind, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entries[kind+" "+key] = value
	return nil
}

// wantProblem demands exactly one problem of the area.
func wantProblem(t *testing.T, problems []evidence.Problem, area evidence.Area) evidence.Problem {
	t.Helper()
	var found []evidence.Problem
	for _, p := range problems {
		if p.Area == area {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d problems of area %s, want one; all: %+v", len(found), area, problems)
	}
	return found[0]
}

// baseHistory is the history of an image whose first layer ends with a CMD, by
// which Trivy knows a base image.
func baseHistory() []v1.History {
	return []v1.History{
		{CreatedBy: "/bin/sh -c #(nop) ADD file:1 in / "},
		{CreatedBy: `/bin/sh -c #(nop)  CMD ["/bin/sh"]`, EmptyLayer: true},
		{CreatedBy: "COPY . / # buildkit"},
	}
}
