// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

func TestArchiveDigest(t *testing.T) {
	img := sample()
	tagged := imagetest.Saved{Image: img, Tags: []string{"app:1"}}
	layout := imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(img, "app")))
	for _, path := range []string{
		imagetest.WriteTar(t, "saved.tar", imagetest.DockerFiles(tagged)...),
		imagetest.WriteTar(t, "saved.tar.gz", imagetest.DockerFiles(tagged)...),
		imagetest.WriteTar(t, "modern.tar", imagetest.BlobFiles(img, tagged)...),
		imagetest.WriteTar(t, "oci.tar", layout...),
		imagetest.WriteTar(t, "oci.tar.gz", layout...),
		// Whoever signed the file signed what follows the archive as well.
		imagetest.WriteFile(t, "tail.tar", append(imagetest.Tar(layout...), "something that is not in the tar"...)),
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		set := open(t, path, options(t))
		for range 2 {
			sum, err := set.Images[0].ArchiveDigest(t.Context())
			if want := imagetest.Digest(b).String(); sum != want || err != nil {
				t.Errorf("%s: %q, %v, want %s", path, sum, err, want)
			}
		}
		wantLayers(t, set.Images[0], img.Layers...)
	}
	for _, reference := range []string{
		"oci:" + imagetest.WriteDir(t, layout...), "docker-daemon:app:1", "registry:" + imagetest.NewRegistry(t).Push("app", "1", img),
	} {
		set := open(t, reference, options(t, "DOCKER_HOST", imagetest.NewDaemon(t, "app:1", img).Host))
		if sum, err := set.Images[0].ArchiveDigest(t.Context()); sum != "" || err != nil {
			t.Errorf("%s: %q, %v", reference, sum, err)
		}
	}
}

// TestArchiveThatChanges: a good file is put in the place of the one that is judged,
// for the time in which it is hashed.
func TestArchiveThatChanges(t *testing.T) {
	good, evil := imagetest.NewImage(layerNamed("good")), imagetest.NewImage(layerNamed("evil"))
	tags := []string{"app:1"}
	saved := func(i *imagetest.Image) []byte {
		return imagetest.Tar(imagetest.DockerFiles(imagetest.Saved{Image: i, Tags: tags})...)
	}
	layout := func(i *imagetest.Image) []byte {
		return imagetest.Tar(imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(i, "app")))...)
	}
	with := func(name string) []byte { // the same bytes in the same places
		files := imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(good, "app")))
		return imagetest.Tar(append(files, imagetest.File{Name: name, Body: files[1].Body})...)
	}
	for _, c := range []struct {
		name           string
		signed, judged []byte
	}{
		{"docker archive", saved(good), saved(evil)},
		{"layout", layout(good), layout(evil)},
		{"longer", append(layout(good), "more"...), layout(good)},
		{"shorter", layout(good), append(layout(good), make([]byte, 512)...)},
		{"other kind", layout(good), saved(good)},
		{"other entries", layout(good), with("note.json")},
		{"other name", with("nota.json"), with("note.json")},
		{"no archive", bytes.Repeat([]byte("x"), len(layout(good))), layout(good)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := imagetest.WriteFile(t, "image.tar", c.judged)
			set := open(t, path, options(t))
			write := func(b []byte) {
				t.Helper()
				if err := os.WriteFile(path, b, 0o600); err != nil { // in place: the same open file
					t.Fatal(err)
				}
			}
			write(c.signed)
			sum, err := set.Images[0].ArchiveDigest(t.Context())
			if sum != "" {
				t.Errorf("digest %s", sum)
			}
			wantFailure(t, func() error { return err }, image.KindIntegrity, "has changed")
			write(c.judged)
			if sum, err := set.Images[0].ArchiveDigest(t.Context()); err != nil || sum != imagetest.Digest(c.judged).String() {
				t.Errorf("%q, %v", sum, err)
			}
		})
	}
}

// What is put there after the digest was made is not what the configuration names.
func TestArchiveThatChangesAfterItsDigest(t *testing.T) {
	good := imagetest.NewImage(imagetest.NewLayer(imagetest.Plain, imagetest.File{Name: "a", Body: "good"}))
	b := imagetest.Tar(imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(good, "app")))...)
	path := imagetest.WriteFile(t, "image.tar", b)
	set := open(t, path, options(t))
	if _, err := set.Images[0].ArchiveDigest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(b, []byte("good"), []byte("evil"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readLayer(t.Context(), set.Images[0].Layers[0])
	wantIntegrity(t, err)
}

// A file that is replaced by another one is not what is read.
func TestReplacedArchive(t *testing.T) {
	b := imagetest.Tar(imagetest.DockerFiles(imagetest.Saved{Image: sample()})...)
	path := imagetest.WriteFile(t, "image.tar", b)
	set := open(t, path, options(t))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if sum, err := set.Images[0].ArchiveDigest(t.Context()); err != nil || sum != imagetest.Digest(b).String() {
		t.Errorf("%q, %v", sum, err)
	}
}

func TestArchiveDigestEndsWithItsContext(t *testing.T) {
	set := open(t, imagetest.WriteTar(t, "image.tar", imagetest.DockerFiles(imagetest.Saved{Image: sample()})...), options(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		_, err := set.Images[0].ArchiveDigest(ctx)
		wantFailure(t, func() error { return err }, image.KindCanceled)
	}
	if sum, err := set.Images[0].ArchiveDigest(t.Context()); err != nil || !strings.HasPrefix(sum, "sha256:") {
		t.Errorf("%q, %v", sum, err)
	}
}
