// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// slowDaemon sends the first part of an export, and the rest when it is told to.
type slowDaemon struct {
	*imagetest.Daemon
	host  string
	first int
	rest  chan struct{} // closed by the test
	gone  chan struct{} // closed when a client has left before the rest was sent
}

func newSlowDaemon(t *testing.T, daemon *imagetest.Daemon, first int) *slowDaemon {
	t.Helper()
	d := &slowDaemon{Daemon: daemon, first: first, rest: make(chan struct{}), gone: make(chan struct{})}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	d.host = "tcp://" + strings.TrimPrefix(s.URL, "http://")
	return d
}

func (d *slowDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/images/get") {
		d.Daemon.ServeHTTP(w, r)
		return
	}
	d.Exports.Add(1)
	_, _ = w.Write(d.Export[:d.first])
	w.(http.Flusher).Flush()
	select {
	case <-d.rest:
		_, _ = w.Write(d.Export[d.first:])
	case <-r.Context().Done():
		close(d.gone)
	}
}

// streamed is an image as a classic store exports it, and where in the export the
// content of its layer ends.
func streamed(t *testing.T) (*imagetest.Image, []byte, int) {
	t.Helper()
	img := imagetest.NewImage(imagetest.BlobLayer(imagetest.Plain, largeContent(), largeContent()))
	export := imagetest.Tar(imagetest.BlobFiles(img, imagetest.Saved{Image: img})...)
	return img, export, bytes.Index(export, img.Layers[0].Tar[:1<<16]) + len(img.Layers[0].Tar)
}

func daemonWith(t *testing.T, img *imagetest.Image, export []byte) *imagetest.Daemon {
	t.Helper()
	d := imagetest.NewDaemon(t, "app", img)
	d.Export = export
	return d
}

func TestLayersAreReadWhileTheExportComes(t *testing.T) {
	img, export, end := streamed(t)
	// Also while the layer itself is on its way.
	for _, first := range []int{end, end - 1<<20} {
		daemon := newSlowDaemon(t, daemonWith(t, img, export), first)
		set := open(t, "app", options(t, "DOCKER_HOST", daemon.host))
		i := set.Images[0]
		rc, err := i.Layers[0].Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		head := make([]byte, 3<<20)
		if _, err := io.ReadFull(rc, head); err != nil || !bytes.Equal(head, img.Layers[0].Tar[:len(head)]) {
			t.Fatalf("before the export has ended: %v", err)
		}
		if i.Layers[0].Verified() {
			t.Error("verified before the export has ended")
		}
		close(daemon.rest)
		rest, err := io.ReadAll(rc)
		if err != nil || !bytes.Equal(rest, img.Layers[0].Tar[len(head):]) {
			t.Errorf("the rest: %v", err)
		}
		if i.OnDaemonsWord || !i.Layers[0].Verified() || daemon.Exports.Load() != 1 {
			t.Errorf("on the daemon's word: %t, verified: %t", i.OnDaemonsWord, i.Layers[0].Verified())
		}
	}
}

// TestExportThatTurnsBad: a layer that was right is not verified by an export that is not.
func TestExportThatTurnsBad(t *testing.T) {
	img, export, end := streamed(t)
	content := string(img.Layers[0].Tar)
	other := imagetest.NewImage(layerNamed("other"))
	saved := imagetest.Saved{Image: img}
	name := "blobs/sha256/" + img.Layers[0].DiffID.Hex
	files := imagetest.DockerFiles(saved)
	evil := imagetest.Tar(imagetest.File{Name: "evil", Body: content})
	moved := append([]imagetest.File{{Name: name, Body: content}}, files...)
	for n := range moved {
		if strings.HasSuffix(moved[n].Name, "/layer.tar") {
			moved[n].Body = string(evil)
		}
	}
	zipped := imagetest.BlobFiles(img, saved)
	for n := range zipped {
		if zipped[n].Name == name {
			zipped[n].Body = string(imagetest.Compress(imagetest.Gzip, img.Layers[0].Tar))
		}
	}
	twice := append([]imagetest.File{{Name: name, Body: string(evil)}}, imagetest.BlobFiles(img, saved)...)
	for what, c := range map[string]struct {
		export []byte
		kind   image.ErrorKind
	}{
		"truncated":               {export[:end+700], image.KindTruncated},
		"truncated in the layer":  {export[:end-700], image.KindTruncated},
		"of another image":        {imagetest.Tar(append([]imagetest.File{{Name: name, Body: content}}, imagetest.DockerFiles(imagetest.Saved{Image: other})...)...), image.KindIntegrity},
		"layer elsewhere":         {imagetest.Tar(moved...), image.KindIntegrity},
		"compressed under a name": {imagetest.Tar(zipped...), image.KindIntegrity},
		"twice":                   {imagetest.Tar(twice...), image.KindIntegrity},
	} {
		t.Run(what, func(t *testing.T) {
			daemon := daemonWith(t, img, c.export)
			set := open(t, "app", options(t, "DOCKER_HOST", daemon.Host))
			_, err := readLayer(t.Context(), set.Images[0].Layers[0])
			var e *image.Error
			var integrity *image.IntegrityError
			if c.kind == image.KindIntegrity && !errors.As(err, &integrity) || c.kind != image.KindIntegrity && (!errors.As(err, &e) || e.Kind != c.kind) {
				t.Errorf("%v, want %s", err, c.kind)
			}
			if set.Images[0].Layers[0].Verified() {
				t.Error("verified")
			}
		})
	}
}

// TestExportOutlivesItsFirstCaller: who gives up leaves at once, the others go on, and
// closing the Set ends the request and leaves nothing.
func TestExportOutlivesItsFirstCaller(t *testing.T) {
	img, export, end := streamed(t)
	daemon := newSlowDaemon(t, daemonWith(t, img, export), end)
	opts := options(t, "DOCKER_HOST", daemon.host)
	set, err := image.Open(t.Context(), "app", opts)
	if err != nil {
		t.Fatal(err)
	}
	l := set.Images[0].Layers[0]
	ctx, cancel := context.WithCancel(t.Context())
	rc, err := l.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(rc, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, rc); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
	if err := set.Images[0].Export(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("export: %v", err)
	}
	again, err := l.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(again, make([]byte, 1<<20)); err != nil || daemon.Exports.Load() != 1 {
		t.Errorf("second reader: %v, %d exports", err, daemon.Exports.Load())
	}
	if err := errors.Join(again.Close(), set.Close()); err != nil {
		t.Error(err)
	}
	<-daemon.gone
	if left, err := os.ReadDir(opts.TempDir); err != nil || len(left) != 0 {
		t.Errorf("left in TempDir: %v, %v", left, err)
	}
	if _, err := l.Open(t.Context()); err == nil {
		t.Error("a layer can be opened after the Set was closed")
	}
}
