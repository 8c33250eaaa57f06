// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// largeContent is longer than what is read without goroutines, compressed and not.
func largeContent() []byte {
	random := rand.NewChaCha8([32]byte{1})
	var files []imagetest.File
	for i := range 40 {
		b := make([]byte, 100_000+i*1357)
		_, _ = random.Read(b)
		files = append(files, imagetest.File{Name: string(rune('A'+i)) + "/file", Body: string(b)}, imagetest.File{Name: string(rune('A'+i)) + "/zeros", Body: strings.Repeat("\x00", i*9999)})
	}
	return imagetest.Tar(files...)
}

func openLayer(t *testing.T, l *imagetest.Layer) *image.Layer {
	t.Helper()
	files := imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(imagetest.NewImage(l), "x")))
	return open(t, "oci:"+imagetest.WriteDir(t, files...), options(t)).Images[0].Layers[0]
}

func eachCompression(t *testing.T, content []byte, do func(*testing.T, *imagetest.Layer)) {
	for _, c := range []imagetest.Compression{imagetest.Gzip, imagetest.Zstd, imagetest.Plain} {
		t.Run(string(c), func(t *testing.T) { do(t, imagetest.BlobLayer(c, content, imagetest.Compress(c, content))) })
	}
}

func openSeeker(t *testing.T, l *image.Layer) io.ReadSeekCloser {
	t.Helper()
	rc, err := l.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rc.Close() })
	return rc.(io.ReadSeekCloser)
}

// TestSkippedBytesAreHashed: whatever is read and whatever is skipped, the bytes that
// are read are the right ones, and the end is the same.
func TestSkippedBytesAreHashed(t *testing.T) {
	content := largeContent()
	eachCompression(t, content, func(t *testing.T, good *imagetest.Layer) {
		forged := *good
		forged.DiffID = imagetest.Digest([]byte("other"))
		for seed := range uint64(5) {
			l := openLayer(t, good)
			if err := wander(openSeeker(t, l), content, seed); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			if !l.Verified() {
				t.Errorf("seed %d: not verified", seed)
			}
			l = openLayer(t, &forged)
			wantIntegrity(t, wander(openSeeker(t, l), content, seed), "diff ID")
			if l.Verified() {
				t.Errorf("seed %d: forged, but verified", seed)
			}
		}
	})
}

// wander reads, skips and copies at random.
func wander(r io.ReadSeeker, content []byte, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, seed))
	for pos := 0; pos < len(content); {
		n := 1 + random.IntN(1+min(len(content)-pos-1, 1<<(4+random.IntN(18))))
		switch random.IntN(3) {
		case 0:
			if at, err := r.Seek(int64(n), io.SeekCurrent); err != nil || at != int64(pos+n) {
				return errors.Join(err, errors.New("seek went elsewhere"))
			}
		case 1:
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				return err
			}
			if !bytes.Equal(b, content[pos:pos+n]) {
				return errors.New("other bytes")
			}
		default:
			if at, err := r.Seek(0, io.SeekCurrent); err != nil || at != int64(pos) {
				return errors.Join(err, errors.New("is elsewhere"))
			}
			n = 0
			if random.IntN(20) == 0 {
				var rest bytes.Buffer
				_, err := io.Copy(&rest, r)
				if !bytes.Equal(rest.Bytes(), content[pos:]) {
					err = errors.Join(err, errors.New("other bytes to the end"))
				}
				return err
			}
		}
		pos += n
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

func TestSkipBeyondTheEnd(t *testing.T) {
	content := largeContent()
	eachCompression(t, content, func(t *testing.T, good *imagetest.Layer) {
		size := int64(len(content))
		for _, beyond := range []int64{size + 1, size * 2, math.MaxInt64} {
			r := openSeeker(t, openLayer(t, good))
			if at, err := r.Seek(beyond, io.SeekCurrent); !errors.Is(err, io.ErrUnexpectedEOF) || at != size {
				t.Errorf("skip of %d: at %d, %v", beyond, at, err)
			}
			if n, err := r.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("read after it: %d, %v", n, err)
			}
		}
		r := openSeeker(t, openLayer(t, good))
		for _, s := range []struct {
			offset int64
			whence int
		}{{-1, io.SeekCurrent}, {0, io.SeekStart}, {0, io.SeekEnd}, {math.MinInt64, io.SeekCurrent}} {
			if _, err := r.Seek(s.offset, s.whence); err == nil {
				t.Errorf("seek of %d, %d is no error", s.offset, s.whence)
			}
		}
		if at, err := r.Seek(size, io.SeekCurrent); at != size || err != nil {
			t.Errorf("to the end: %d, %v", at, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Seek(0, io.SeekCurrent); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("seek in a closed reader: %v", err)
		}
		for name, damage := range map[string]func(*imagetest.Layer){
			"truncated": func(l *imagetest.Layer) { l.Blob = l.Blob[:len(l.Blob)-9] },
			"trailing":  func(l *imagetest.Layer) { l.Blob = append(bytes.Clone(l.Blob), 0) },
			"forged":    func(l *imagetest.Layer) { l.DiffID = imagetest.Digest(nil) },
			"swapped": func(l *imagetest.Layer) {
				l.Blob = bytes.Clone(l.Blob)
				l.Blob[len(l.Blob)/2] ^= 1
			},
		} {
			bad := *good
			damage(&bad)
			_, err := openSeeker(t, openLayer(t, &bad)).Seek(size+1, io.SeekCurrent)
			if wantIntegrity(t, err); t.Failed() {
				t.Fatal(name)
			}
		}
	})
}

// TestTarOverSeeker: archive/tar skips files, and a size that lies is an error.
func TestTarOverSeeker(t *testing.T) {
	content := largeContent()
	eachCompression(t, content, func(t *testing.T, good *imagetest.Layer) {
		r := openSeeker(t, openLayer(t, good))
		tr, want := tar.NewReader(r), tar.NewReader(bytes.NewReader(content))
		for {
			h, err := tr.Next()
			w, werr := want.Next()
			if !errors.Is(err, werr) {
				t.Fatalf("%v, want %v", err, werr)
			}
			if err != nil {
				break
			}
			if h.Name != w.Name || h.Size != w.Size {
				t.Fatalf("entry %s of %d bytes, want %s of %d", h.Name, h.Size, w.Name, w.Size)
			}
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Error(err)
		}
	})
	lying := imagetest.Tar(imagetest.File{Name: "a", Body: strings.Repeat("b", 5000)})
	lying = lying[:len(lying)-4096]
	eachCompression(t, lying, func(t *testing.T, l *imagetest.Layer) {
		tr := tar.NewReader(openSeeker(t, openLayer(t, l)))
		if _, err := tr.Next(); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", err)
		}
	})
}

// TestCancelledSkip: a server that stops sending does not keep a skip alive.
func TestCancelledSkip(t *testing.T) {
	content := largeContent()
	eachCompression(t, content, func(t *testing.T, l *imagetest.Layer) {
		img := imagetest.NewImage(l)
		registry := imagetest.NewRegistry(t)
		half := make(chan struct{})
		registry.Handle = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, l.Digest.String()) {
				return false
			}
			_, _ = w.Write(l.Blob[:len(l.Blob)/2])
			w.(http.Flusher).Flush()
			close(half)
			<-r.Context().Done()
			return true
		}
		set := open(t, "registry:"+registry.Push("app", "1", img), options(t))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		rc, err := set.Images[0].Layers[0].Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			<-half
			cancel()
		}()
		if _, err := rc.(io.Seeker).Seek(int64(len(content)), io.SeekCurrent); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want that of the context", err)
		}
		if err := rc.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLayersSideBySide: buffers and decompressors go from layer to layer, damaged ones
// between them, and no layer gets another one's bytes.
func TestLayersSideBySide(t *testing.T) {
	content := largeContent()
	var layers []*imagetest.Layer
	for i := range 12 {
		c := []imagetest.Compression{imagetest.Gzip, imagetest.Zstd, imagetest.Plain}[i%3]
		part := content[:len(content)-i*300_000]
		blob := imagetest.Compress(c, part)
		if i%4 == 3 {
			blob = blob[:len(blob)-i]
		}
		layers = append(layers, imagetest.BlobLayer(c, part, blob))
	}
	files := imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(layers...)})
	set := open(t, imagetest.WriteTar(t, "a.tar", files...), options(t))
	for range 3 {
		results := make(chan error)
		for i, l := range set.Images[0].Layers {
			go func() {
				b, err := readLayer(t.Context(), l)
				if damaged := i%4 == 3; damaged != (err != nil) || !damaged && !bytes.Equal(b, layers[i].Tar) {
					results <- errors.Join(errors.New("a layer is not what it was"), err)
					return
				}
				results <- nil
			}()
		}
		for range layers {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
	}
}
