// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// benchSize is how large a large layer is, uncompressed.
const benchSize = 192 << 20

// realContent is a tar of the Go distribution: sources, binaries, archives.
var realContent = sync.OnceValues(func() ([]byte, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	dir := strings.TrimSpace(string(root))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if b.Len() > benchSize {
			return fs.SkipAll
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, dir+"/"), Mode: 0o644, Size: int64(len(body))}); err != nil {
			return err
		}
		_, err = w.Write(body)
		return err
	})
	return b.Bytes(), errors.Join(err, w.Close())
})

// benchLayers are layers of real content, by their names; large ones and a small one
// as that of Alpine.
func benchLayer(b *testing.B, kind string, size int) *imagetest.Layer {
	b.Helper()
	content, err := realContent()
	if err != nil {
		b.Fatal(err)
	}
	content = content[:min(len(content), size)]
	var blob bytes.Buffer
	var w io.WriteCloser
	compression := imagetest.Gzip
	switch kind {
	case "plain":
		return imagetest.BlobLayer(imagetest.Plain, content, content)
	case "gzip1":
		w, err = gzip.NewWriterLevel(&blob, 1)
	case "gzip6":
		w, err = gzip.NewWriterLevel(&blob, 6)
	case "zstd":
		compression = imagetest.Zstd
		w, err = zstd.NewWriter(&blob)
	}
	if err == nil {
		_, err = w.Write(content)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		b.Fatal(err)
	}
	return imagetest.BlobLayer(compression, content, blob.Bytes())
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchReads are what consumers do with a layer.
func benchReads() map[string]func(io.Reader) error {
	return map[string]func(io.Reader) error{
		"drain": func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		},
		"skip": func(r io.Reader) error {
			tr := tar.NewReader(r)
			for {
				if _, err := tr.Next(); err != nil {
					break
				}
			}
			_, err := io.Copy(io.Discard, r)
			return err
		},
	}
}

func BenchmarkLayer(b *testing.B) {
	for size, name := range map[int]string{8 << 20: "small", benchSize: "large"} {
		for _, kind := range []string{"plain", "gzip1", "gzip6", "zstd"} {
			b.Run(name+"/"+kind, func(b *testing.B) { benchSources(b, benchLayer(b, kind, size)) })
		}
	}
}

func benchSources(b *testing.B, l *imagetest.Layer) {
	img := imagetest.NewImage(l)
	files := imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(img, "x")))
	b.Run("layout", func(b *testing.B) { benchSource(b, "oci:"+imagetest.WriteDir(b, files...), l) })
	b.Run("archive", func(b *testing.B) { benchSource(b, "oci-archive:"+imagetest.WriteTar(b, "a.tar", files...), l) })
	b.Run("registry", func(b *testing.B) {
		registry := imagetest.NewRegistry(b)
		benchSource(b, "registry:"+registry.Push("app", "1", img), l)
	})
}

func benchSource(b *testing.B, reference string, l *imagetest.Layer) {
	for name, read := range benchReads() {
		b.Run(name, func(b *testing.B) {
			set := open(b, reference, options(b))
			b.SetBytes(int64(len(l.Tar)))
			b.ReportAllocs()
			start := cpuTime()
			for b.Loop() {
				benchRead(b, set.Images[0].Layers[0], read)
			}
			b.ReportMetric(float64((cpuTime()-start).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
	b.Run("stored", func(b *testing.B) {
		b.SetBytes(int64(len(l.Tar)))
		for b.Loop() {
			set := open(b, reference, options(b))
			if _, err := set.Images[0].Layers[0].StoredDigest(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchRead(b *testing.B, l *image.Layer, read func(io.Reader) error) {
	rc, err := l.Open(b.Context())
	if err == nil {
		err = errors.Join(read(rc), rc.Close())
	}
	if err != nil {
		b.Fatal(err)
	}
}
