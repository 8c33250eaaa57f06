// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

func osLayer(version string, more ...imagetest.File) *imagetest.Layer {
	return imagetest.NewLayer(imagetest.Gzip, append(more,
		imagetest.File{Name: "usr/lib/os-release", Body: "ID=alpine\nVERSION_ID=" + version + "\n"},
		imagetest.File{Name: "etc/os-release", Type: '2', Link: "../usr/lib/os-release"})...)
}

// rebased opens the three images of a registry and rebases.
type rebased struct {
	t                *testing.T
	reg              *imagetest.Registry
	app, old, newest *imagetest.Image
	limits           image.Limits
	local            bool
}

func newRebased(t *testing.T) *rebased {
	t.Helper()
	r := &rebased{t: t, reg: imagetest.NewRegistry(t)}
	bottom := osLayer("3.20.3")
	r.old = imagetest.NewImage(bottom)
	r.app = imagetest.NewImage(bottom, imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "app/main", Body: "app"}), imagetest.NewLayer(imagetest.Plain, imagetest.File{Name: "app/data", Body: "data"}))
	r.newest = imagetest.NewImage(osLayer("3.20.8"), imagetest.NewLayer(imagetest.Zstd, imagetest.File{Name: "etc/more", Body: "more"}))
	return r
}

func (r *rebased) run() (*image.Rebased, error) {
	r.t.Helper()
	pushed := func(name string, n imagetest.Node) *image.Image {
		return open(r.t, "registry:"+r.reg.Push(name, "1", n), options(r.t)).Images[0]
	}
	name := "registry.example.com/base:1"
	if r.local {
		name = ""
	}
	return image.Rebase(context.Background(), image.RebaseRequest{Image: pushed("app", r.app), OldBase: pushed("old", r.old), NewBase: pushed("new", r.newest),
		BaseName: name, Limits: r.limits})
}

// written writes the image and reads its documents.
func (r *rebased) written() (*image.Rebased, *v1.Manifest, *v1.ConfigFile) {
	r.t.Helper()
	made, err := r.run()
	if err != nil {
		r.t.Fatal(err)
	}
	dir := filepath.Join(r.t.TempDir(), "out")
	to, err := image.ParseDestination("oci:" + dir)
	if err != nil {
		r.t.Fatal(err)
	}
	w, err := to.Write(context.Background(), []*image.Rebased{made})
	if err != nil {
		r.t.Fatal(err)
	}
	if w.Digest != made.Digest || w.Reference != "oci:"+dir+"@"+made.Digest {
		r.t.Errorf("%+v, not %s", w, made.Digest)
	}
	m, c := &v1.Manifest{}, &v1.ConfigFile{}
	for digest, v := range map[string]any{made.Digest: m, made.ImageID: c} {
		b, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			r.t.Fatal(err)
		}
	}
	wantLayers(r.t, open(r.t, w.Reference, options(r.t)).Images[0], append(slices.Clone(r.newest.Layers), r.app.Layers[len(r.old.Layers):]...)...)
	return made, m, c
}

func history(c *v1.ConfigFile) []string {
	var out []string
	for _, h := range c.History {
		out = append(out, h.CreatedBy)
	}
	return out
}

func TestRebaseTakesWhatFromWhere(t *testing.T) {
	r := newRebased(t)
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.app.For("linux", "arm", "v7").Config.Created = v1.Time{Time: day}
	r.old.For("linux", "arm", "v7")
	r.newest.For("linux", "arm", "v7").Config.Created = v1.Time{Time: day.AddDate(0, 1, 0)}
	r.old.Config.Config = v1.Config{Env: []string{"PATH=/bin", "LANG_VERSION=1"}, Cmd: []string{"sh"}, Labels: map[string]string{"version": "3.20.3"}}
	r.newest.Config.Config = v1.Config{Env: []string{"PATH=/bin", "LANG_VERSION=2"}, Cmd: []string{"ash"}, Labels: map[string]string{"version": "3.20.8"}, User: "base"}
	r.app.Config.Config = v1.Config{Env: []string{"PATH=/bin", "LANG_VERSION=1", "APP=1"}, Cmd: []string{"app"}, User: "65532", Image: "sha256:parent",
		Labels: map[string]string{"version": "3.20.3", "org.opencontainers.image.base.name": "old:1", "org.opencontainers.image.base.digest": "sha256:0"}}
	r.old.Config.History = []v1.History{{CreatedBy: "rootfs"}, {CreatedBy: "CMD sh", EmptyLayer: true}}
	r.app.Config.History = append(slices.Clone(r.old.Config.History), v1.History{CreatedBy: "COPY app"}, v1.History{CreatedBy: "USER", EmptyLayer: true}, v1.History{CreatedBy: "COPY data"})
	r.newest.Config.History = []v1.History{{CreatedBy: "rootfs 2"}, {CreatedBy: "ENV", EmptyLayer: true}, {CreatedBy: "more"}}

	made, m, c := r.written()
	if want := []string{"rootfs 2", "ENV", "more", "COPY app", "USER", "COPY data"}; !slices.Equal(history(c), want) {
		t.Errorf("history %q", history(c))
	}
	var digests []v1.Hash
	for _, l := range m.Layers {
		digests = append(digests, l.Digest)
	}
	if want := []v1.Hash{r.newest.Layers[0].Digest, r.newest.Layers[1].Digest, r.app.Layers[1].Digest, r.app.Layers[2].Digest}; !slices.Equal(digests, want) {
		t.Errorf("layers %v", digests)
	}
	if m.Layers[0].MediaType != types.OCILayer || m.Layers[1].MediaType != types.OCILayerZStd || m.Layers[3].MediaType != types.OCIUncompressedLayer {
		t.Errorf("%+v", m.Layers)
	}
	if c.Variant != "v7" || c.Config.User != "65532" || c.Config.Cmd[0] != "app" || c.Config.Env[1] != "LANG_VERSION=1" || !c.Created.Equal(day) || c.Config.Image != "" {
		t.Errorf("%+v", c)
	}
	base := imagetest.DigestOf(r.newest).String()
	for name, notes := range map[string]map[string]string{"annotations": m.Annotations, "labels": c.Config.Labels} {
		if notes["org.opencontainers.image.base.name"] != "registry.example.com/base:1" || notes["org.opencontainers.image.base.digest"] != base {
			t.Errorf("%s: %v", name, notes)
		}
	}
	if made.Own != 2 || made.Layers != 4 || made.Old.String() != "alpine 3.20.3" || made.New.String() != "alpine 3.20.8" {
		t.Errorf("%+v", made)
	}
	if text := strings.Join(made.Warnings, "\n"); !strings.Contains(text, "ENV LANG_VERSION, label version") || strings.Contains(text, "PATH") || strings.Contains(text, "user") || strings.Contains(text, "command") {
		t.Errorf("warnings:\n%s", text)
	}
}

func TestRebaseOnALocalBaseNamesNone(t *testing.T) {
	r := newRebased(t)
	r.local = true
	r.app.Config.Config.Labels = map[string]string{"org.opencontainers.image.base.name": "old:1", "org.opencontainers.image.base.digest": "sha256:0", "mine": "1"}
	if _, m, c := r.written(); len(m.Annotations) != 0 || len(c.Config.Labels) != 1 {
		t.Errorf("%v %v", m.Annotations, c.Config.Labels)
	}
}

// TestRebaseKeepsEveryLayer: mutate.Rebase goes by histories, which say what they like.
func TestRebaseKeepsEveryLayer(t *testing.T) {
	for name, change := range map[string]func(r *rebased){
		"no history":               func(r *rebased) { r.app.Config.History = nil },
		"no history at all":        func(r *rebased) { r.app.Config.History, r.old.Config.History, r.newest.Config.History = nil, nil, nil },
		"too much of it":           func(r *rebased) { r.app.Config.History = make([]v1.History, 9) },
		"the old base's is longer": func(r *rebased) { r.old.Config.History = make([]v1.History, 9) },
		"the old base has none":    func(r *rebased) { r.old.Config.History = nil },
		"begins with what is no file": func(r *rebased) {
			r.app.Config.History = append([]v1.History{{CreatedBy: "ARG", EmptyLayer: true}}, r.app.Config.History...)
		},
		"the new base's is short": func(r *rebased) { r.newest.Config.History = r.newest.Config.History[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRebased(t)
			change(r)
			_, m, c := r.written()
			if len(m.Layers) != 4 || m.Layers[2].Digest != r.app.Layers[1].Digest || m.Layers[3].Digest != r.app.Layers[2].Digest || len(c.RootFS.DiffIDs) != 4 {
				t.Errorf("%+v", m.Layers)
			}
		})
	}
}

func TestRebaseRefuses(t *testing.T) {
	database := imagetest.File{Name: "var/lib/dpkg/status", Body: "Package: x\n"}
	addLayer := func(i *imagetest.Image, l *imagetest.Layer) {
		i.Layers, i.Config.History = append(i.Layers, l), append(i.Config.History, v1.History{})
	}
	for name, tt := range map[string]struct {
		change func(r *rebased)
		want   string
	}{
		"another base":         {func(r *rebased) { r.old = imagetest.NewImage(osLayer("3.19.0")) }, "not the first of the image's"},
		"squashed":             {func(r *rebased) { r.app = imagetest.NewImage(r.app.Layers[1]) }, "not the first of the image's"},
		"the same base":        {func(r *rebased) { r.newest = r.old }, "nothing to do"},
		"itself":               {func(r *rebased) { r.newest = r.app }, "names itself"},
		"another architecture": {func(r *rebased) { r.newest.For("linux", "arm64", "") }, "is for linux/amd64, and the new base for linux/arm64"},
		"another variant":      {func(r *rebased) { r.app.For("linux", "arm", "v7"); r.newest.For("linux", "arm", "v6") }, "linux/arm/v6"},
		"windows":              {func(r *rebased) { r.app.For("windows", "amd64", "") }, "cannot be rebased"},
		"buildpacks": {func(r *rebased) {
			r.app.Config.Config.Labels = map[string]string{"io.buildpacks.lifecycle.metadata": "{}"}
		}, "buildpacks"},
		"foreign layer":   {func(r *rebased) { r.newest.Layers[1].URLs = []string{"https://example.com/layer"} }, "kept elsewhere"},
		"no layers":       {func(r *rebased) { r.newest = imagetest.NewImage() }, "no layers"},
		"too many layers": {func(r *rebased) { r.limits.MaxLayers = 3 }, "4 layers"},
		"another distribution": {func(r *rebased) {
			r.newest = imagetest.NewImage(imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "etc/os-release", Body: "ID=debian\nVERSION_ID=\"12\"\n"}))
		}, "debian 12"},
		"no distribution any more": {func(r *rebased) { r.newest = imagetest.NewImage(r.newest.Layers[1]) }, "of no known distribution"},
		"installs packages": {func(r *rebased) {
			r.newest.Layers[0] = osLayer("3.20.8", database)
			addLayer(r.app, imagetest.NewLayer(imagetest.Gzip, database))
		}, "package database (var/lib/dpkg/status)"},
		"one package's file": {func(r *rebased) {
			one := imagetest.File{Name: "var/lib/dpkg/status.d/libssl3", Body: "Package: libssl3\n"}
			r.newest.Layers[0] = osLayer("3.20.8", one)
			addLayer(r.app, imagetest.NewLayer(imagetest.Gzip, one))
		}, "package database (var/lib/dpkg/status.d/libssl3)"},
		"hides the directory": {func(r *rebased) {
			r.newest.Layers[0] = osLayer("3.20.8", database)
			addLayer(r.app, imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "./var/lib/.wh..wh..opq"}))
		}, "package database (var/lib)"},
		"replaces the directory by a link": {func(r *rebased) {
			r.newest.Layers[0] = osLayer("3.20.8", database)
			addLayer(r.app, imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "var", Type: '2', Link: "app/var"}))
		}, "package database (var)"},
		"damaged layer": {func(r *rebased) { r.newest.Layers[1].Blob = []byte("damaged") }, "its descriptor promises"},
		"content of another diff ID": {func(r *rebased) {
			l := *r.newest.Layers[1]
			l.DiffID = imagetest.Digest([]byte("other"))
			r.newest.Layers[1] = &l
		}, "diff ID"},
		"a layer that is no tar": {func(r *rebased) {
			junk := []byte(strings.Repeat("no tar ", 500))
			r.newest.Layers[1] = imagetest.BlobLayer(imagetest.Plain, junk, junk)
		}, "tar"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRebased(t)
			tt.change(r)
			_, err := r.run()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			if _, ok := errors.AsType[*image.Error](err); !ok {
				t.Errorf("%T", err)
			}
		})
	}
}

// TestRebaseAddsPackageFiles: of a base whose packages have a file each, more can be
// added, and a package database of one's own is nobody else's.
func TestRebaseAddsPackageFiles(t *testing.T) {
	for _, file := range []imagetest.File{{Name: "var/lib/dpkg/status.d/app", Body: "Package: app\n"}, {Name: "app/.wh.nothing"}} {
		r := newRebased(t)
		r.newest.Layers[0] = osLayer("3.20.8", imagetest.File{Name: "var/lib/dpkg/status.d/base", Body: "Package: base\n"})
		r.app.Layers[2] = imagetest.NewLayer(imagetest.Gzip, file)
		if _, err := r.run(); err != nil {
			t.Error(err)
		}
	}
}

// TestWriteLeavesNothingBehind: bytes that change between reading and writing.
func TestWriteLeavesNothingBehind(t *testing.T) {
	for _, transport := range []string{"oci", "oci-archive", "docker-archive"} {
		r := newRebased(t)
		made, err := r.run()
		if err != nil {
			t.Fatal(err)
		}
		damaged := append([]byte("x"), r.app.Layers[1].Blob[1:]...)
		r.reg.Swap(r.app.Layers[1].Digest, damaged)
		dir := t.TempDir()
		to, err := image.ParseDestination(transport + ":" + filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = to.Write(context.Background(), []*image.Rebased{made})
		e, ok := errors.AsType[*image.Error](err)
		if !ok || e.Kind != image.KindIntegrity {
			t.Errorf("%s: %v", transport, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v %v", transport, left, err)
		}
	}
}
