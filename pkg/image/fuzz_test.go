// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// tryAll opens a reference and reads every layer: whatever comes, it must be an error or an image.
func tryAll(t *testing.T, reference string) {
	opts := options(t)
	opts.Limits = image.Limits{MaxSpool: 1 << 20, MaxEntries: 100, MaxLayers: 20, MaxManifests: 20, MaxManifest: 1 << 16, MaxConfig: 1 << 16}
	set, err := image.Open(t.Context(), reference, opts)
	if err != nil {
		if _, ok := errors.AsType[*image.Error](err); !ok {
			t.Fatalf("%T: %v", err, err)
		}
		return
	}
	defer set.Close()
	for _, i := range set.Images {
		// Nobody has touched the file.
		if _, err := i.ArchiveDigest(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a := i.Attachments(); a != nil {
			if h, err := v1.NewHash(i.Subject.Digest); err == nil {
				_, _ = a.Referrers(t.Context(), h)
				_, _, _ = a.Manifest(t.Context(), h.Algorithm+"-"+h.Hex+".sig")
			}
		}
		if len(i.Layers) != len(i.Config.RootFS.DiffIDs) {
			t.Fatal("layers and diff IDs differ in number")
		}
		for _, l := range i.Layers {
			if b, err := readLayer(t.Context(), l); err == nil && imagetest.Digest(b) != l.DiffID && l.DiffID.Algorithm == "sha256" {
				t.Fatal("a layer that does not match its diff ID was read to its end")
			}
		}
	}
}

func FuzzArchive(f *testing.F) {
	img := imagetest.NewImage(layerNamed("a"))
	saved := imagetest.Saved{Image: img, Tags: []string{"a:1"}}
	f.Add(imagetest.Tar(imagetest.DockerFiles(saved)...))
	f.Add(imagetest.Tar(imagetest.BlobFiles(img, saved)...))
	f.Add(imagetest.Tar(imagetest.LayoutFiles(imagetest.Layout(imagetest.PlatformOf(img)))...))
	f.Add(imagetest.Compress(imagetest.Gzip, imagetest.Tar(imagetest.DockerFiles(saved)...)))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		tryAll(t, path)
	})
}

func FuzzManifest(f *testing.F) {
	img := imagetest.NewImage(layerNamed("a"))
	manifest, _ := img.Document()
	index, blobs := imagetest.Layout(imagetest.PlatformOf(img))
	f.Add(index, manifest, img.RawConfig())
	f.Add([]byte(`{"manifests":[null]}`), []byte(`null`), []byte(`[]`))
	f.Fuzz(func(t *testing.T, index, manifest, config []byte) {
		forged := imagetest.NewImage(img.Layers...)
		forged.ConfigJSON, forged.ManifestJSON = config, manifest
		_, more := imagetest.Layout(imagetest.PlatformOf(forged))
		for h, b := range blobs {
			more[h] = b
		}
		tryAll(t, "oci:"+imagetest.WriteDir(t, imagetest.LayoutFiles(index, more)...))
		own, _ := imagetest.NewIndex(imagetest.PlatformOf(forged)).Document()
		tryAll(t, "oci:"+imagetest.WriteDir(t, imagetest.LayoutFiles(own, more)...))
	})
}

// FuzzBaseClaim: no claim breaks out of its bounds, keeps a password, or names
// another repository the second time it is read.
func FuzzBaseClaim(f *testing.F) {
	for _, s := range []string{"alpine:3.20", "me:hunter2@example.com/x", "a@sha256:" + strings.Repeat("1", 64), "https://x/y?z", "[::1]:5000/x", "a:b:c@d@e", "\x00", "docker.io/library/alpine@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		img := &image.Image{Config: &v1.ConfigFile{Config: v1.Config{Labels: map[string]string{
			"org.opencontainers.image.base.name": s, "io.buildpacks.lifecycle.metadata": s}}}}
		var asked string
		b := image.FindBase(img, image.BaseQuery{Approved: func(r string) bool { asked = r; return false }}, image.Options{})(t.Context())
		if b == nil {
			return
		}
		if b.Lineage != evidence.LineageNotApproved || len(b.Claims) == 0 || len(b.Claims[0].Reference) > 600 || !utf8.ValidString(b.Claims[0].Reference) {
			t.Errorf("%q: %+v", s, b)
		}
		if asked != "" && strings.ContainsAny(asked, " \n\x00") {
			t.Errorf("%q asks for %q", s, asked)
		}
	})
}
