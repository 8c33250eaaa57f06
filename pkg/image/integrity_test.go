// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// TestDamagedLayers: no damage of a layer ends in a plain io.EOF.
func TestDamagedLayers(t *testing.T) {
	files := []imagetest.File{{Name: "a", Body: strings.Repeat("content", 1000)}}
	other := imagetest.Digest([]byte("other"))
	for _, compression := range []imagetest.Compression{imagetest.Gzip, imagetest.Zstd, imagetest.Plain} {
		content := imagetest.Tar(files...)
		blob := imagetest.Compress(compression, content)
		with := func(b []byte) *imagetest.Layer { return imagetest.BlobLayer(compression, content, b) }
		forged := with(blob)
		forged.DiffID = other
		trailing := with(append(bytes.Clone(blob), "evil"...))
		oneByte := with(append(bytes.Clone(blob), 0))
		truncated := with(blob[:len(blob)-5])
		wrongSize := with(blob)
		wrongSize.Size++
		short := with(blob)
		short.Size--
		swapped := with(blob)
		swapped.Blob = imagetest.Compress(compression, imagetest.Tar(imagetest.File{Name: "a", Body: "evil"}))
		swapped.Size = int64(len(swapped.Blob))
		empty := with(nil)
		for name, l := range map[string]*imagetest.Layer{
			"forged diff ID": forged, "trailing data": trailing, "one trailing byte": oneByte, "truncated": truncated,
			"size too large": wrongSize, "size too small": short, "swapped": swapped, "empty": empty,
		} {
			t.Run(string(compression)+"/"+name, func(t *testing.T) {
				img := imagetest.NewImage(l)
				registry := imagetest.NewRegistry(t)
				for _, reference := range []string{
					"oci:" + imagetest.WriteDir(t, imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(img, "x")))...),
					"oci-archive:" + imagetest.WriteTar(t, "a.tar", imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(img, "x")))...),
					"registry:" + registry.Push("app", "1", img),
				} {
					set := open(t, reference, options(t))
					_, err := readLayer(t.Context(), set.Images[0].Layers[0])
					wantIntegrity(t, err, l.Digest.String())
					if set.Images[0].Layers[0].Verified() {
						t.Error("verified")
					}
				}
			})
		}
	}
}

func TestDamagedDockerArchives(t *testing.T) {
	img := sample()
	evil := string(imagetest.Compress(imagetest.Gzip, imagetest.Tar(imagetest.File{Name: "evil"})))
	tamper := func(files []imagetest.File, name, body string) string {
		for i := range files {
			if strings.Contains(files[i].Name, name) {
				files[i].Body = body
			}
		}
		return imagetest.WriteTar(t, "a.tar", files...)
	}
	saved := imagetest.Saved{Image: img}
	first := img.Layers[0].Digest.Hex
	for name, reference := range map[string]string{
		"old": tamper(imagetest.DockerFiles(saved), first, evil),
		"new": tamper(imagetest.BlobFiles(img, saved), first, evil),
	} {
		set := open(t, reference, options(t))
		_, err := readLayer(t.Context(), set.Images[0].Layers[0])
		wantIntegrity(t, err, first)
		if name == "new" {
			again := open(t, reference, options(t))
			_, err := again.Images[0].Layers[0].StoredDigest(t.Context())
			wantIntegrity(t, err, first)
		}
	}
	config := bytes.Replace(img.RawConfig(), []byte("linux"), []byte("LINUX"), 1)
	for _, files := range [][]imagetest.File{imagetest.DockerFiles(saved), imagetest.BlobFiles(img, saved)} {
		wantError(t, tamper(files, img.ID().Hex, string(config)), options(t), image.KindIntegrity, img.ID().Hex)
	}
	twice := append(imagetest.DockerFiles(saved), imagetest.File{Name: "manifest.json", Body: "[]"})
	wantError(t, imagetest.WriteTar(t, "a.tar", twice...), options(t), image.KindIntegrity, "twice")
	missing := imagetest.DockerFiles(saved)[1:]
	wantError(t, imagetest.WriteTar(t, "a.tar", missing...), options(t), image.KindNotFound, img.ID().Hex)
}

func TestDamagedManifests(t *testing.T) {
	img := sample()
	index, blobs := imagetest.Layout(imagetest.Named(img, "x"))
	digest := imagetest.DigestOf(img)
	blobs[digest] = bytes.Replace(blobs[digest], []byte("2"), []byte("3"), 1)
	wantError(t, imagetest.WriteDir(t, imagetest.LayoutFiles(index, blobs)...), options(t), image.KindIntegrity, digest.String())
	raw, _ := img.Document()
	layers := sample()
	layers.ConfigJSON = []byte(`{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}`)
	both := sample()
	both.ManifestJSON = bytes.Replace(raw, []byte(`{`), []byte(`{"manifests":[],`), 1)
	twice := sample()
	twice.ConfigJSON = append([]byte(`{"rootfs":{"type":"layers","diff_ids":[]},`), img.RawConfig()[1:]...)
	null := sample()
	null.ConfigJSON = []byte(`{"rootfs":{"type":"layers","diff_ids":[null,null,null]}}`)
	config := sample()
	config.ConfigType = "application/vnd.example+json"
	foreign := sample()
	foreign.Layers[0].URLs = []string{"https://elsewhere.test/layer"}
	for name, c := range map[string]struct {
		img  *imagetest.Image
		kind image.ErrorKind
	}{
		"layer count": {layers, image.KindIntegrity}, "index and manifest": {both, image.KindIntegrity},
		"duplicate keys": {twice, image.KindNotAnImage}, "null": {null, image.KindNotAnImage}, "artifact": {config, image.KindNotAnImage},
	} {
		t.Run(name, func(t *testing.T) {
			registry := imagetest.NewRegistry(t)
			wantError(t, "registry:"+registry.Push("app", "1", c.img), options(t), c.kind)
		})
	}
	registry := imagetest.NewRegistry(t)
	set := open(t, "registry:"+registry.Push("app", "1", foreign), options(t))
	_, err := readLayer(t.Context(), set.Images[0].Layers[0])
	if e, ok := errors.AsType[*image.Error](err); !ok || e.Kind != image.KindUnsupported || !strings.Contains(e.Error(), "elsewhere.test") {
		t.Errorf("foreign layer: %v", err)
	}
	if err := foreignAsked(registry.Requests(), foreign.Layers[0]); err != nil {
		t.Error(err)
	}
	encrypted := sample()
	encrypted.Layers[0].MediaType += "+encrypted"
	set = open(t, "registry:"+registry.Push("app", "2", encrypted), options(t))
	if _, err := set.Images[0].Layers[0].Open(t.Context()); err == nil || !strings.Contains(err.Error(), "encrypted") {
		t.Errorf("encrypted layer: %v", err)
	}
}

func foreignAsked(requests []string, l *imagetest.Layer) error {
	for _, r := range requests {
		if strings.Contains(r, l.Digest.Hex) {
			return errors.New("asked for a refused layer: " + r)
		}
	}
	return nil
}

// TestCancelMidLayer: a server that stops sending does not keep a reader alive.
func TestCancelMidLayer(t *testing.T) {
	img := imagetest.NewImage(imagetest.NewLayer(imagetest.Plain, imagetest.File{Name: "a", Body: strings.Repeat("x", 4<<20)}))
	registry := imagetest.NewRegistry(t)
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop) })
	registry.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, img.Layers[0].Digest.String()) {
			return false
		}
		_, _ = w.Write(img.Layers[0].Blob[:1<<20])
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
		case <-stop:
		}
		return true
	}
	set := open(t, "registry:"+registry.Push("app", "1", img), options(t))
	ctx, cancel := context.WithCancel(t.Context())
	rc, err := set.Images[0].Layers[0].Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(rc, make([]byte, 1<<19)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, rc); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
	// Close alone ends it too.
	if rc, err = set.Images[0].Layers[0].Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
	if _, err := image.Open(ctx, "registry:"+registry.Host+"/app:1", options(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
}
