// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/internal/sharedtest"
)

func TestEverySource(t *testing.T) {
	img := sample()
	tagged := imagetest.Saved{Image: img, Tags: []string{"app:1", "app:latest"}}
	index, blobs := imagetest.Layout(imagetest.Named(img, "example.test/app:1"))
	layout := imagetest.LayoutFiles(index, blobs)
	saved := imagetest.WriteTar(t, "saved.tar", imagetest.DockerFiles(tagged)...)
	savedGz := imagetest.WriteTar(t, "saved.tar.gz", imagetest.DockerFiles(tagged)...)
	modern := imagetest.WriteTar(t, "modern.tar", imagetest.BlobFiles(img, tagged)...)
	ociTar := imagetest.WriteTar(t, "oci.tar", layout...)
	ociDir := imagetest.WriteDir(t, layout...)
	registry := imagetest.NewRegistry(t)
	pushed := registry.Push("team/app", "1", img)
	repo := strings.TrimSuffix(pushed, ":1")
	daemon := imagetest.NewDaemon(t, "app:1", img)

	digest := imagetest.DigestOf(img).String()
	archive := evidence.Subject{Source: evidence.SourceDockerArchive, Name: "docker.io/library/app:1", Tags: []string{"app:1", "app:latest"}}
	oci := evidence.Subject{Source: evidence.SourceOCI, Name: "example.test/app:1", Digest: digest, Tags: []string{"example.test/app:1"}}
	ociArchive := oci
	ociArchive.Source = evidence.SourceOCIArchive
	remote := evidence.Subject{Source: evidence.SourceRegistry, Name: pushed, Digest: digest, Tags: []string{pushed}}
	byDigest := evidence.Subject{Source: evidence.SourceRegistry, Name: repo + "@" + digest, Digest: digest}
	local := evidence.Subject{Source: evidence.SourceDockerDaemon, Name: "docker.io/library/app:1", Tags: []string{"docker.io/library/app:1"}}
	for _, c := range []struct {
		reference, note string
		want            evidence.Subject
	}{
		{"docker-archive:" + saved, "", archive},
		{"docker-archive:" + saved + ":docker.io/library/app:1", "", archive},
		{"docker-archive:" + savedGz, "", archive},
		{"docker-archive:" + modern, "", archive},
		{saved, "", archive},
		{modern, "", archive},
		{savedGz + ":app:1", "", archive},
		{"oci:" + ociDir, "", oci},
		{"oci:" + ociDir + ":example.test/app:1", "", oci},
		{"oci:" + ociDir + "@" + digest, "", oci},
		{ociDir, "", oci},
		{"oci-archive:" + ociTar, "", ociArchive},
		{ociTar, "", ociArchive},
		{"registry:" + pushed, "", remote},
		{"registry:" + repo + "@" + digest, "", byDigest},
		{"docker-daemon:app:1", "", local},
		{"docker-daemon:" + img.ID().String(), "", local},
		{"app:1", "bare reference: read from the Docker daemon at tcp://", local},
	} {
		t.Run(c.reference, func(t *testing.T) {
			set := open(t, c.reference, options(t, "DOCKER_HOST", daemon.Host))
			if !strings.HasPrefix(set.Note, c.note) || c.note == "" && set.Note != "" {
				t.Errorf("note %q, want %q", set.Note, c.note)
			}
			c.want.Reference, c.want.ImageID = c.reference, img.ID().String()
			c.want.Platform = evidence.Platform{OS: "linux", Architecture: "amd64"}
			if d := cmp.Diff(c.want, set.Images[0].Subject); d != "" {
				t.Errorf("subject (-want +got):\n%s", d)
			}
			wantLayers(t, set.Images[0], img.Layers...)
		})
	}
}

func TestBareReferenceWithoutDaemonIsTheRegistrys(t *testing.T) {
	if _, err := os.Stat("/var/run/docker.sock"); err == nil {
		t.Skip("this machine has a Docker daemon at the default socket")
	}
	registry := imagetest.NewRegistry(t)
	set := open(t, registry.Push("app", "1", sample()), options(t))
	if !strings.Contains(set.Note, "read from the registry") {
		t.Errorf("note %q", set.Note)
	}
}

func TestConcatenatedGzipMembersAreOneLayer(t *testing.T) {
	content := imagetest.Tar(imagetest.File{Name: "a", Body: "b"})
	blob := append(imagetest.Compress(imagetest.Gzip, content[:700]), imagetest.Compress(imagetest.Gzip, content[700:])...)
	img := imagetest.NewImage(imagetest.BlobLayer(imagetest.Gzip, content, blob))
	set := open(t, imagetest.WriteTar(t, "a.tar", imagetest.DockerFiles(imagetest.Saved{Image: img})...), options(t))
	wantLayers(t, set.Images[0], img.Layers...)
}

func TestSymlinkedLayers(t *testing.T) {
	img := imagetest.NewImage(imagetest.NewLayer(imagetest.Plain, imagetest.File{Name: "a", Body: "b"}))
	files := imagetest.DockerFiles(imagetest.Saved{Image: img})
	for i, f := range files {
		if strings.HasSuffix(f.Name, "/layer.tar") {
			files = append(files, imagetest.File{Name: f.Name, Type: tar.TypeSymlink, Link: "../other/layer.tar"})
			files[i].Name = "other/layer.tar"
		}
	}
	set := open(t, imagetest.WriteTar(t, "a.tar", files...), options(t))
	wantLayers(t, set.Images[0], img.Layers...)
}

func TestSeveralImages(t *testing.T) {
	one, two := sample(), imagetest.NewImage(imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "two"}))
	saved := imagetest.WriteTar(t, "a.tar", imagetest.DockerFiles(imagetest.Saved{Image: one, Tags: []string{"one:1"}}, imagetest.Saved{Image: two, Tags: []string{"two:2"}})...)
	wantError(t, "docker-archive:"+saved, options(t), image.KindSeveralImages, "one:1", "two:2", "docker-archive:"+saved+":TAG")
	wantError(t, "docker-archive:"+saved+":three", options(t), image.KindNotFound, "three", "one:1")
	if set := open(t, "docker-archive:"+saved+":two:2", options(t)); set.Digest != two.ID().String() {
		t.Errorf("digest %s", set.Digest)
	}
	dir := imagetest.WriteDir(t, imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(one, "one"), imagetest.Named(two, "two")))...)
	wantError(t, "oci:"+dir, options(t), image.KindSeveralImages, "one", "two")
	wantError(t, "oci:"+dir+":three", options(t), image.KindNotFound, "three", "one")
	if set := open(t, "oci:"+dir+":two", options(t)); set.Images[0].Subject.ImageID != two.ID().String() {
		t.Errorf("image %s", set.Images[0].Subject.ImageID)
	}
}

func TestDamagedFiles(t *testing.T) {
	whole := imagetest.Tar(imagetest.DockerFiles(imagetest.Saved{Image: sample()})...)
	zipped := imagetest.Compress(imagetest.Gzip, whole)
	file := func(name string, b []byte) string { return imagetest.WriteFile(t, name, b) }
	limited := options(t)
	limited.Limits = image.Limits{MaxEntries: 2, MaxSpool: 1000, MaxConfig: 10, MaxLayers: 1}
	index, blobs := imagetest.Layout(imagetest.Named(sample(), "x"))
	good := imagetest.WriteDir(t, imagetest.LayoutFiles(index, blobs)...)
	outside := imagetest.WriteDir(t, imagetest.LayoutFiles(index, blobs)...)
	blob := filepath.Join(outside, "blobs/sha256", imagetest.DigestOf(sample()).Hex)
	if err := os.Remove(blob); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(good, "blobs/sha256", imagetest.DigestOf(sample()).Hex), blob); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, reference string
		opts            image.Options
		kind            image.ErrorKind
		words           string
	}{
		{"empty", file("a.tar", nil), options(t), image.KindTruncated, "empty"},
		{"truncated in a file", file("a.tar", whole[:len(whole)/2]), options(t), image.KindTruncated, "truncated"},
		{"truncated in a header", file("a.tar", whole[:600]), options(t), image.KindTruncated, "truncated"},
		{"truncated gzip", file("a.tgz", zipped[:len(zipped)/2]), options(t), image.KindTruncated, "truncated"},
		{"not a tar", file("a.tar", []byte(strings.Repeat("hello ", 500))), options(t), image.KindNotAnImage, "not a tar"},
		{"root file system", imagetest.WriteTar(t, "a.tar", imagetest.File{Name: "etc/passwd", Body: "x"}), options(t), image.KindNotAnImage, "manifest.json"},
		{"layout as docker archive", "docker-archive:" + imagetest.WriteTar(t, "a.tar", imagetest.LayoutFiles(index, blobs)...), options(t), image.KindNotAnImage, "oci-archive:"},
		{"missing", "./nothing.tar", options(t), image.KindNotFound, "nothing.tar"},
		{"directory", "oci:" + t.TempDir(), options(t), image.KindNotAnImage, "index.json"},
		{"bad JSON", imagetest.WriteTar(t, "a.tar", imagetest.File{Name: "manifest.json", Body: "[{"}), options(t), image.KindNotAnImage, "manifest.json"},
		{"wrong JSON", imagetest.WriteTar(t, "a.tar", imagetest.File{Name: "manifest.json", Body: `{"a":1}`}), options(t), image.KindNotAnImage, "manifest.json"},
		{"entries", file("a.tar", whole), limited, image.KindLimit, "entries"},
		{"spool", file("a.tgz", zipped), limited, image.KindLimit, "1000 bytes"},
		{"config", "oci:" + good, limited, image.KindLimit, "layers"},
		{"link out of the layout", "oci:" + outside, options(t), image.KindIO, "escapes"},
		{"empty reference", "", options(t), image.KindUsage, "empty"},
		{"scheme", "https://user:hunter2@example.test/app", options(t), image.KindUsage, "registry:"},
		{"credentials", "registry:user:hunter2@example.test/app", options(t), image.KindUsage, "docker login"},
		{"bare credentials", "user:hunter2@example.test/app", options(t, "DOCKER_HOST", "unix:///none"), image.KindUsage, "docker login"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if e := wantError(t, c.reference, c.opts, c.kind, c.words); strings.Contains(e.Error()+e.Hint, "hunter2") {
				t.Errorf("leaks a password: %v, %s", e, e.Hint)
			}
		})
	}
}

// TestRealImages reads the project's real images completely.
func TestRealImages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(sharedtest.File(t, "images"), "*.tar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no images: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			set := open(t, f, options(t))
			if strings.HasPrefix(filepath.Base(f), "multiarch") && len(set.Images) != 2 {
				t.Errorf("%d images", len(set.Images))
			}
			for _, i := range set.Images {
				for _, l := range i.Layers {
					if _, err := readLayer(t.Context(), l); err != nil {
						t.Errorf("%s: %v", l.DiffID, err)
					}
				}
			}
		})
	}
}
