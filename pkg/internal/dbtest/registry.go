// SPDX-License-Identifier: Apache-2.0

package dbtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types of the layers of the two artifacts.
const (
	MediaType     = "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
	JavaMediaType = "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip"
)

// TB is what this package uses of testing.TB.
type TB interface {
	Helper()
	Fatal(args ...any)
	Cleanup(func())
	TempDir() string
}

// New builds a cache directory for a test and returns its path.
func New(tb TB, s Spec) string {
	tb.Helper()
	dir := tb.TempDir()
	if err := Build(dir, s); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// File is an entry of an artifact's archive.
type File struct {
	Name string
	Data []byte
	// Type is the tar type flag; 0 is a regular file.
	Type byte
}

// Files reads the two files of a database of a cache directory.
func Files(cacheDir string, java bool) ([]File, error) {
	sub, db := "db", "trivy.db"
	if java {
		sub, db = "java-db", "trivy-java.db"
	}
	var files []File
	for _, name := range []string{db, "metadata.json"} {
		data, err := os.ReadFile(filepath.Join(cacheDir, sub, name))
		if err != nil {
			return nil, err
		}
		files = append(files, File{Name: name, Data: data})
	}
	return files, nil
}

// Artifact packs files as Trivy's database artifacts are packed: one layer, a
// gzip-compressed archive.
func Artifact(mediaType string, files []File) (v1.Image, error) {
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(f.Data))}
		if f.Type != 0 && f.Type != tar.TypeReg {
			h.Typeflag, h.Size, h.Linkname = f.Type, 0, string(f.Data)
		}
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
		if h.Size > 0 {
			if _, err := tw.Write(f.Data); err != nil {
				return nil, err
			}
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		return nil, err
	}
	return mutate.Append(mutate.MediaType(empty.Image, types.OCIManifestSchema1), mutate.Addendum{
		Layer: static.NewLayer(b.Bytes(), types.MediaType(mediaType)), MediaType: types.MediaType(mediaType),
		Annotations: map[string]string{"org.opencontainers.image.title": "db.tar.gz"},
	})
}

// Push publishes the vulnerability database (or the Java database) of a cache
// directory under a reference to a registry that speaks plain http.
func Push(reference, cacheDir string, java bool) error {
	files, err := Files(cacheDir, java)
	if err != nil {
		return err
	}
	mediaType := MediaType
	if java {
		mediaType = JavaMediaType
	}
	img, err := Artifact(mediaType, files)
	if err != nil {
		return err
	}
	return PushImage(reference, img)
}

// PushImage publishes an artifact.
func PushImage(reference string, img v1.Image) error {
	ref, err := name.ParseReference(reference, name.Insecure)
	if err != nil {
		return err
	}
	return remote.Write(ref, img)
}

// Registry returns an empty registry in memory that logs nothing.
func Registry() http.Handler { return registry.New(registry.Logger(log.New(io.Discard, "", 0))) }

// Serve serves a handler in plain http on loopback until the test ends and
// returns its "host:port".
func Serve(tb TB, handler http.Handler) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)} //nolint:gosec // loopback, in tests
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with Close
	}()
	tb.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return listener.Addr().String()
}
