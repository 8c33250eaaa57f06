// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"io"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// countedFile counts how often each byte of a file is read.
type countedFile struct {
	*os.File
	mu    sync.Mutex
	reads []uint8
}

func (c *countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.File.ReadAt(p, off)
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.reads[off : off+int64(n)] {
		c.reads[off+int64(i)]++
	}
	return n, err
}

// within says how often the bytes of a span were read, the least and the most of them.
// Of each file archive/tar reads the last byte, to see whether it is there.
func (c *countedFile) within(s span) (least, most uint8) {
	reads := c.reads[s.offset : s.offset+s.size-1]
	return slices.Min(reads), slices.Max(reads)
}

func countReads(t *testing.T, path string) (*archive, *countedFile) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c := &countedFile{File: f, reads: make([]uint8, st.Size())}
	o := &opener{Options: Options{Limits: Limits{}.withDefaults()}}
	a, err := o.index(t.Context(), path, c)
	if err != nil {
		t.Fatal(err)
	}
	return a, c
}

// TestArchiveIsReadOnce: the index reads headers only, and each layer's bytes are read
// once, wherever they lie and however they are stored.
func TestArchiveIsReadOnce(t *testing.T) {
	big := make([]byte, 3<<20)
	for i := range big {
		big[i] = byte(i * i >> 7)
	}
	img := imagetest.NewImage(
		imagetest.NewLayer(imagetest.Plain, imagetest.File{Name: "plain", Body: string(big)}),
		imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "gzip", Body: string(big)}),
		imagetest.NewLayer(imagetest.Zstd, imagetest.File{Name: "zstd", Body: string(big)}),
	)
	saved := imagetest.Saved{Image: img}
	for name, c := range map[string]struct {
		files []imagetest.File
		oci   bool
	}{
		"docker save before 25": {imagetest.DockerFiles(saved), false}, "docker save": {imagetest.BlobFiles(img, saved), false},
		"layout": {imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(img, "x"))), true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, stored := range []bool{false, true} {
				a, counted := countReads(t, imagetest.WriteTar(t, "a.tar", c.files...))
				o := &opener{Options: Options{Limits: Limits{}.withDefaults()}}
				read := o.openDockerArchive
				if c.oci {
					read = o.openLayoutArchive
				}
				set, err := read(t.Context(), a, "")
				if err != nil {
					t.Fatal(err)
				}
				for i, l := range set.Images[0].Layers {
					place := blobPlace(t, a, img.Layers[i])
					if least, most := counted.within(place); least != 0 || most != 0 {
						t.Errorf("layer %d was read %d times when the archive was opened", i, most)
					}
					if err := readOrHash(t.Context(), l, stored); err != nil {
						t.Fatal(err)
					}
					// What was verified is not hashed again.
					if _, err := l.StoredDigest(t.Context()); err != nil {
						t.Fatal(err)
					}
					if least, most := counted.within(place); least != 1 || most != 1 {
						t.Errorf("layer %d: bytes were read %d to %d times", i, least, most)
					}
				}
			}
		})
	}
}

func blobPlace(t *testing.T, a *archive, l *imagetest.Layer) span {
	t.Helper()
	for _, name := range []string{"blobs/sha256/" + l.Digest.Hex, l.Digest.Hex + "/layer.tar"} {
		if s, ok := a.find(name); ok {
			return s
		}
	}
	t.Fatal("the layer is not in the archive")
	return span{}
}

func readOrHash(ctx context.Context, l *Layer, stored bool) error {
	if stored {
		_, err := l.StoredDigest(ctx)
		return err
	}
	rc, err := l.Open(ctx)
	if err != nil {
		return err
	}
	defer rc.Close()
	_, err = io.Copy(io.Discard, rc)
	return err
}
