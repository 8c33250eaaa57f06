// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

func TestDaemonExportsOnce(t *testing.T) {
	img := sample()
	img.Config.Config = v1.Config{User: "app", Env: []string{"A=b"}, Entrypoint: []string{"/app"}}
	daemon := imagetest.NewDaemon(t, "app:1", img)
	opts := options(t, "DOCKER_HOST", daemon.Host)
	set := open(t, "docker-daemon:app:1", opts)
	i := set.Images[0]
	if !i.OnDaemonsWord || i.Config.Config.User != "app" || i.Config.Config.Env[0] != "A=b" || len(i.Config.RootFS.DiffIDs) != 3 || i.Config.History[2].CreatedBy != "layer 2" {
		t.Errorf("inspected: %+v", i.Config)
	}
	if n := daemon.Exports.Load(); n != 0 {
		t.Fatalf("%d exports before a layer was opened", n)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(i.Layers))
	for n, l := range i.Layers {
		wg.Go(func() { _, errs[n] = readLayer(t.Context(), l) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if n := daemon.Exports.Load(); n != 1 || i.OnDaemonsWord {
		t.Errorf("%d exports, on the daemon's word: %t", n, i.OnDaemonsWord)
	}
	wantLayers(t, i, img.Layers...)
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(opts.TempDir); err != nil || len(left) != 0 {
		t.Errorf("left in TempDir: %v, %v", left, err)
	}
}

func TestDaemonsLies(t *testing.T) {
	img, other := sample(), imagetest.NewImage(layerNamed("other"))
	sameLayers := sample()
	sameLayers.Config.Config.User = "evil"
	for name, export := range map[string][]byte{
		"other layers": imagetest.Tar(imagetest.DockerFiles(imagetest.Saved{Image: other})...),
		"other config": imagetest.Tar(imagetest.DockerFiles(imagetest.Saved{Image: sameLayers})...),
	} {
		t.Run(name, func(t *testing.T) {
			daemon := imagetest.NewDaemon(t, "app", img)
			daemon.Export = export
			set := open(t, "app", options(t, "DOCKER_HOST", daemon.Host))
			_, err := readLayer(t.Context(), set.Images[0].Layers[0])
			wantIntegrity(t, err, img.ID().String())
			if !set.Images[0].OnDaemonsWord {
				t.Error("taken as verified")
			}
		})
	}
}

func TestContainerdStore(t *testing.T) {
	img, arm := sample(), imagetest.NewImage(layerNamed("arm")).For("linux", "arm64", "")
	index := imagetest.NewIndex(imagetest.PlatformOf(img), attested(img), imagetest.PlatformOf(arm))
	for name, target := range map[string]imagetest.Node{"manifest": img, "index": index} {
		t.Run(name, func(t *testing.T) {
			daemon := imagetest.NewDaemon(t, "app", img)
			doc, media := target.Document()
			daemon.ID = imagetest.Digest(doc)
			daemon.Descriptor = &v1.Descriptor{MediaType: media, Digest: daemon.ID, Size: int64(len(doc))}
			daemon.Export = imagetest.Tar(imagetest.BlobFiles(target, imagetest.Saved{Image: img})...)
			set := open(t, "app", options(t, "DOCKER_HOST", daemon.Host))
			i := set.Images[0]
			if got := map[bool]string{true: i.Subject.IndexDigest, false: i.Subject.Digest}[media == types.OCIImageIndex]; got != daemon.ID.String() {
				t.Errorf("digest %s", got)
			}
			wantLayers(t, i, img.Layers...)
			if i.Subject.ImageID != img.ID().String() {
				t.Errorf("image ID %s", i.Subject.ImageID)
			}
			daemon.Export = imagetest.Tar(imagetest.BlobFiles(arm, imagetest.Saved{Image: img})...)
			again := open(t, "app", options(t, "DOCKER_HOST", daemon.Host))
			if err := again.Images[0].Export(t.Context()); err == nil {
				t.Error("an export without what the ID names was accepted")
			}
		})
	}
}

func TestDaemonWithoutTheImage(t *testing.T) {
	daemon := imagetest.NewDaemon(t, "", nil)
	for _, ref := range []string{"app:1", "docker-daemon:app:1"} {
		wantError(t, ref, options(t, "DOCKER_HOST", daemon.Host), image.KindNotFound, "no image app:1", "docker build --load", "registry:REF")
	}
	silent := "unix://" + filepath.Join(t.TempDir(), "none.sock")
	wantError(t, "app:1", options(t, "DOCKER_HOST", silent), image.KindNetwork, "none.sock", "docker build --load")
	wantError(t, "app:1", options(t, "DOCKER_CONTEXT", "nowhere"), image.KindUsage, "nowhere")
	wantError(t, "docker-daemon:UPPER", options(t, "DOCKER_HOST", daemon.Host), image.KindUsage)
}

func TestPodmanSocketAndContext(t *testing.T) {
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Skip("this machine has a Docker daemon at the default socket")
	}
	run, err := os.MkdirTemp("", "ocigate") // short: socket paths have a limit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(run) })
	socket := filepath.Join(run, "podman", "podman.sock")
	if err := os.Mkdir(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	img := sample()
	daemon := imagetest.NewDaemon(t, "app", img)
	server := &http.Server{Handler: daemon}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	wantLayers(t, open(t, "app", options(t, "XDG_RUNTIME_DIR", run)).Images[0], img.Layers...)

	config := imagetest.WriteDir(t,
		imagetest.File{Name: "config.json", Body: `{"currentContext":"ci"}`},
		imagetest.File{Name: "contexts/meta/" + imagetest.Digest([]byte("ci")).Hex + "/meta.json",
			Body: `{"Name":"ci","Endpoints":{"docker":{"Host":"unix://` + socket + `"}}}`})
	set := open(t, "app", options(t, "DOCKER_CONFIG", config))
	if want := "bare reference: read from the Docker daemon at unix://" + socket; set.Note != want {
		t.Errorf("note %q, want %q", set.Note, want)
	}
}
