// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/sigstore/cosign/v2/pkg/oci"
	cosignlayout "github.com/sigstore/cosign/v2/pkg/oci/layout"
	"github.com/sigstore/cosign/v2/pkg/oci/mutate"
	"github.com/sigstore/cosign/v2/pkg/oci/signed"
	"github.com/sigstore/cosign/v2/pkg/oci/static"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// entity is what `cosign save` reads, with a signature and an attestation.
func entity(t *testing.T, reference string) oci.SignedEntity {
	t.Helper()
	ref, err := name.ParseReference(reference)
	if err != nil {
		t.Fatal(err)
	}
	d, err := remote.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	var e oci.SignedEntity
	if d.MediaType.IsIndex() {
		index, err := d.ImageIndex()
		if err != nil {
			t.Fatal(err)
		}
		e = signed.ImageIndex(index)
	} else {
		img, err := d.Image()
		if err != nil {
			t.Fatal(err)
		}
		e = signed.Image(img)
	}
	sig, err := static.NewSignature([]byte("payload"), "c2ln")
	if err != nil {
		t.Fatal(err)
	}
	att, err := static.NewAttestation([]byte(`{"payload":""}`), static.WithLayerMediaType("application/vnd.dsse.envelope.v1+json"))
	if err != nil {
		t.Fatal(err)
	}
	if e, err = mutate.AttachSignatureToEntity(e, sig); err != nil {
		t.Fatal(err)
	}
	if e, err = mutate.AttachAttestationToEntity(e, att); err != nil {
		t.Fatal(err)
	}
	return e
}

// cosignSave writes the layout that cosign v2's `save` writes, with its own code.
func cosignSave(t *testing.T, n imagetest.Node) string {
	t.Helper()
	dir := t.TempDir()
	var err error
	switch e := entity(t, imagetest.NewRegistry(t).Push("app", "1", n)).(type) {
	case oci.SignedImage:
		err = cosignlayout.WriteSignedImage(dir, e)
	case oci.SignedImageIndex:
		err = cosignlayout.WriteSignedImageIndex(dir, e)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// filesOf reads a layout back, so that a test can put it into a tar.
func filesOf(t *testing.T, dir string) []imagetest.File {
	t.Helper()
	var files []imagetest.File
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files = append(files, imagetest.File{Name: filepath.ToSlash(rel), Body: string(b)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCosignSavedLayout(t *testing.T) {
	img := sample()
	index := imagetest.NewIndex(imagetest.PlatformOf(img), imagetest.PlatformOf(imagetest.NewImage(layerNamed("arm")).For("linux", "arm64", "")))
	for n, platforms := range map[imagetest.Node]int{img: 1, index: 2} {
		dir := cosignSave(t, n)
		archive := imagetest.WriteTar(t, "saved.tar", filesOf(t, dir)...)
		zipped := imagetest.WriteTar(t, "saved.tar.gz", filesOf(t, dir)...)
		for _, reference := range []string{"oci:" + dir, "oci-archive:" + archive, zipped, "oci:" + dir + "@" + imagetest.DigestOf(n).String()} {
			set := open(t, reference, options(t))
			if len(set.Images) != platforms || set.Digest != imagetest.DigestOf(n).String() {
				t.Fatalf("%s: %d images, %s", reference, len(set.Images), set.Digest)
			}
			if platforms > 1 && set.Images[1].Subject.IndexDigest != set.Digest {
				t.Errorf("%s: index digest %s", reference, set.Images[1].Subject.IndexDigest)
			}
			wantLayers(t, set.Images[0], img.Layers...)
			for suffix, media := range map[string]string{".sig": "simplesigning", ".att": "dsse.envelope"} {
				a := set.Images[0].Attachments()
				raw, found, err := a.Manifest(t.Context(), dashed(imagetest.DigestOf(n))+suffix)
				if err != nil || !found || !strings.Contains(string(raw), media) {
					t.Errorf("%s%s: %v %v %s", reference, suffix, found, err, raw)
				}
				var m v1.Manifest
				if err := json.Unmarshal(raw, &m); err != nil {
					t.Fatal(err)
				}
				if _, err := a.Blob(t.Context(), m.Layers[0].Digest, m.Layers[0].Size); err != nil {
					t.Error(err)
				}
				// Those of the index are not its platforms', nor of anything else.
				other := dashed(imagetest.DigestOf(sample().For("linux", "arm64", "")))
				if _, found, err := a.Manifest(t.Context(), other+suffix); err != nil || found {
					t.Errorf("%s%s: %v %v", other, suffix, found, err)
				}
			}
			wantReferrers(t, set.Images[0].Attachments(), imagetest.DigestOf(n))
		}
	}
}

// bundle is a manifest as cosign v3 writes it.
func bundle(subject v1.Hash, name string) *imagetest.Image {
	layer := imagetest.BlobLayer(imagetest.Plain, nil, []byte(`{"bundle":"`+name+`"}`))
	m := map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
		"config":  map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": imagetest.Digest([]byte("{}"))},
		"layers":  []any{map[string]any{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "size": len(layer.Blob), "digest": layer.Digest}},
		"subject": map[string]any{"mediaType": types.OCIManifestSchema1, "size": 1, "digest": subject},
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return &imagetest.Image{ManifestJSON: b, ConfigJSON: []byte("{}"), Layers: []*imagetest.Layer{layer}}
}

// TestBundlesInLayouts: cosign v3 names them nowhere, other tools in index.json or an index of its own.
func TestBundlesInLayouts(t *testing.T) {
	img := sample()
	digest := imagetest.DigestOf(img)
	mine, other := bundle(digest, "mine"), bundle(imagetest.Digest([]byte("other")), "other")
	named := imagetest.Named(img, "example.test/app:1")
	for _, c := range []struct {
		name    string
		entries []imagetest.Entry
	}{
		{"blobs only", []imagetest.Entry{named}},
		{"entries", []imagetest.Entry{named, {Node: mine}, {Node: other}}},
		{"nested index", []imagetest.Entry{named, {Node: imagetest.NewIndex(imagetest.Entry{Node: mine})}}},
		{"fallback tag", []imagetest.Entry{named, imagetest.Named(imagetest.NewIndex(imagetest.Entry{Node: mine}), dashed(digest))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			index, blobs := imagetest.Layout(c.entries...)
			for _, b := range []*imagetest.Image{mine, other} {
				for h, raw := range imagetest.Collect(b) {
					blobs[h] = raw
				}
			}
			files := imagetest.LayoutFiles(index, blobs)
			for _, reference := range []string{imagetest.WriteDir(t, files...), imagetest.WriteTar(t, "a.tar", files...)} {
				set := open(t, reference, options(t))
				if len(set.Images) != 1 || set.Digest != digest.String() {
					t.Fatalf("%d images, %s", len(set.Images), set.Digest)
				}
				a := set.Images[0].Attachments()
				found, err := a.Referrers(t.Context(), digest)
				if err != nil || len(found) != 1 || found[0].Digest != imagetest.DigestOf(mine) {
					t.Errorf("%v, %v", found, err)
				}
				if raw, found, err := a.Manifest(t.Context(), imagetest.DigestOf(mine).String()); err != nil || !found || string(raw) != string(mine.ManifestJSON) {
					t.Errorf("%v %v", found, err)
				}
				wantReferrers(t, a, imagetest.Digest([]byte("nothing")))
			}
		})
	}
}

// An entry that merely claims to hang on the image could be run like any other.
func TestWhatHoldsFilesIsNotPassedOver(t *testing.T) {
	img := sample()
	evil := imagetest.NewImage(layerNamed("evil"))
	kind := func(k string) imagetest.Entry {
		return imagetest.Entry{Node: evil, Annotations: map[string]string{"kind": "dev.cosignproject.cosign/" + k}}
	}
	withSubject := func(n *imagetest.Image) *imagetest.Image {
		raw, _ := n.Document()
		n.ManifestJSON = []byte(strings.Replace(string(raw), `"layers"`, `"subject":{"mediaType":"m","size":1,"digest":"`+imagetest.DigestOf(img).String()+`"},"layers"`, 1))
		return n
	}
	odd := imagetest.NewImage(layerNamed("odd"))
	odd.ConfigType = "application/octet-stream"
	sub := withSubject(imagetest.NewImage(layerNamed("evil")))
	for name, e := range map[string]imagetest.Entry{
		"kind sigs": kind("sigs"), "kind atts": kind("atts"), "another image": kind("image"),
		"name":           imagetest.Named(evil, dashed(imagetest.DigestOf(img))+".sig"),
		"subject":        {Node: sub},
		"odd":            {Node: withSubject(odd)},
		"bundle by name": imagetest.Named(bundle(imagetest.DigestOf(img), "x"), "example.test/app:2"),
		"nested":         {Node: imagetest.NewIndex(imagetest.Entry{Node: bundle(imagetest.DigestOf(img), "x")}, imagetest.Entry{Node: evil})},
		"empty index":    {Node: imagetest.NewIndex()},
	} {
		t.Run(name, func(t *testing.T) {
			dir := imagetest.WriteDir(t, imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(img, "example.test/app:1"), e))...)
			wantError(t, "oci:"+dir, options(t), image.KindSeveralImages)
		})
	}
}

func TestAmbiguousSavedLayout(t *testing.T) {
	one, two := sample(), imagetest.NewImage(layerNamed("two"))
	sig := bundle(imagetest.DigestOf(one), "sig")
	mark := func(n imagetest.Node, kind, name string) imagetest.Entry {
		return imagetest.Entry{Node: n, Annotations: map[string]string{"kind": "dev.cosignproject.cosign/" + kind, "org.opencontainers.image.ref.name": name}}
	}
	dir := imagetest.WriteDir(t, imagetest.LayoutFiles(imagetest.Layout(mark(one, "image", "one"), mark(two, "image", "two"), mark(sig, "sigs", "")))...)
	a := open(t, "oci:"+dir+":one", options(t)).Images[0].Attachments()
	wantFailure(t, func() error {
		_, _, err := a.Manifest(t.Context(), dashed(imagetest.DigestOf(one))+".sig")
		return err
	}, image.KindSeveralImages, "of which image")
}

func TestSourcesWithoutAttachments(t *testing.T) {
	img := sample()
	saved := imagetest.Saved{Image: img, Tags: []string{"app:1"}}
	daemon := imagetest.NewDaemon(t, "app:1", img)
	for _, reference := range []string{
		"docker-archive:" + imagetest.WriteTar(t, "a.tar", imagetest.BlobFiles(img, saved)...),
		"docker-daemon:app:1",
		"registry:" + imagetest.NewRegistry(t).Push("app", "1", img),
	} {
		if a := open(t, reference, options(t, "DOCKER_HOST", daemon.Host)).Images[0].Attachments(); a != nil {
			t.Errorf("%s: %v", reference, a)
		}
	}
}

func TestHostileLayouts(t *testing.T) {
	img := sample()
	digest := imagetest.DigestOf(img)
	good := func() []imagetest.File {
		return imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(img, "app")))
	}
	blob := func(body string) imagetest.File {
		return imagetest.File{Name: "blobs/sha256/" + imagetest.Digest([]byte(body)).Hex, Body: body}
	}
	listing := func(files ...imagetest.File) func() error {
		a := open(t, imagetest.WriteDir(t, files...), options(t)).Images[0].Attachments()
		return func() error {
			_, err := a.Referrers(t.Context(), digest)
			return err
		}
	}
	lie := bundle(digest, "lie")
	forged := imagetest.File{Name: "blobs/sha256/" + strings.Repeat("a", 64), Body: string(lie.ManifestJSON)}
	wantFailure(t, listing(append(good(), forged)...), image.KindIntegrity, strings.Repeat("a", 64))

	many := good()
	for n := range 10_001 {
		many = append(many, blob(fmt.Sprintf("blob %d", n)))
	}
	wantFailure(t, listing(many...), image.KindLimit, "10000 blobs")

	// What is no manifest, or too large for one of a bundle, is passed over.
	junk := append(good(), blob(`{"subject":[]}`), blob(`{"subject":null}`), blob(`{"subject":{"digest":"sha256:1"}}`), blob(`{`), blob(strings.Repeat("[", 100_000)),
		blob(`{"subject":{"digest":"`+digest.String()+`"},"annotations":{"a":"`+strings.Repeat("x", 300<<10)+`"}}`))
	if err := listing(junk...)(); err != nil {
		t.Error(err)
	}

	outside := imagetest.WriteFile(t, "secret", lie.ManifestJSON)
	dir := imagetest.WriteDir(t, good()...)
	if err := os.Symlink(outside, filepath.Join(dir, "blobs/sha256", imagetest.DigestOf(lie).Hex)); err != nil {
		t.Fatal(err)
	}
	a := open(t, dir, options(t)).Images[0].Attachments()
	wantFailure(t, func() error { _, err := a.Referrers(t.Context(), digest); return err }, image.KindIO, "escapes")
	wantFailure(t, func() error { _, _, err := a.Manifest(t.Context(), imagetest.DigestOf(lie).String()); return err }, image.KindIO, "escapes")
	wantFailure(t, func() error { _, _, err := a.Manifest(t.Context(), "../../secret"); return err }, image.KindUsage, "neither a tag nor a digest")

	// index.json names a signature that is not there: that is not "unsigned".
	gone := imagetest.Named(bundle(digest, "gone"), dashed(digest)+".sig")
	index, blobs := imagetest.Layout(imagetest.Named(img, "app"), gone)
	delete(blobs, imagetest.DigestOf(gone.Node))
	a = open(t, "oci:"+imagetest.WriteDir(t, imagetest.LayoutFiles(index, blobs)...)+":app", options(t)).Images[0].Attachments()
	wantFailure(t, func() error { _, _, err := a.Manifest(t.Context(), dashed(digest)+".sig"); return err }, image.KindIntegrity, "not there")
}

func TestTarOfManyEntries(t *testing.T) {
	img := sample()
	files := imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(img, "app")))
	for n := range 100_000 - len(files) {
		files = append(files, imagetest.File{Name: "blobs/sha256/" + imagetest.Digest(fmt.Append(nil, n)).Hex, Body: "{}", Type: tar.TypeReg})
	}
	path := imagetest.WriteTar(t, "a.tar", files...)
	set := open(t, path, options(t))
	a := set.Images[0].Attachments()
	wantFailure(t, func() error { _, err := a.Referrers(t.Context(), imagetest.DigestOf(img)); return err }, image.KindLimit, "10000 blobs")
	if sum, err := set.Images[0].ArchiveDigest(t.Context()); err != nil || sum == "" {
		t.Errorf("%q %v", sum, err)
	}
	fewer := options(t)
	fewer.Limits.MaxEntries = 99_999
	wantError(t, path, fewer, image.KindLimit, "99999 entries")
}
