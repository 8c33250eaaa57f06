// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

func layerNamed(name string) *imagetest.Layer {
	return imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: name, Body: name})
}

// attested is what BuildKit adds to an index for an image.
func attested(i *imagetest.Image) imagetest.Entry {
	return imagetest.Entry{
		Node: imagetest.Attestation(), Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": imagetest.DigestOf(i).String()},
	}
}

func platforms(set *image.Set) []string {
	var out []string
	for _, i := range set.Images {
		out = append(out, i.Subject.Platform.String())
	}
	return out
}

func TestNestedIndex(t *testing.T) {
	amd := imagetest.NewImage(layerNamed("amd"))
	arm := imagetest.NewImage(layerNamed("arm")).For("linux", "arm64", "v8")
	hidden := imagetest.Entry{Node: imagetest.NewImage(layerNamed("hidden")).For("linux", "s390x", ""),
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest"}}
	bare := imagetest.Attestation().For("", "", "")
	inner := imagetest.NewIndex(imagetest.PlatformOf(arm), attested(arm), imagetest.PlatformOf(amd))
	outer := imagetest.NewIndex(imagetest.PlatformOf(amd), attested(amd), imagetest.Entry{Node: inner}, hidden, imagetest.Entry{Node: bare})
	registry := imagetest.NewRegistry(t)
	for _, reference := range []string{
		"registry:" + registry.Push("app", "1", outer),
		"oci:" + imagetest.WriteDir(t, imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(outer, "x")))...),
	} {
		set := open(t, reference, options(t))
		// An image that merely claims to be an attestation is one that a runtime would run.
		if got := platforms(set); len(got) != 3 || got[0] != "linux/amd64" || got[1] != "linux/arm64/v8" || got[2] != "linux/s390x" {
			t.Errorf("platforms %v", got)
		}
		for _, i := range set.Images {
			if i.Subject.IndexDigest != imagetest.DigestOf(outer).String() || set.Digest != i.Subject.IndexDigest {
				t.Errorf("index digest %s", i.Subject.IndexDigest)
			}
		}
		wantLayers(t, set.Images[1], arm.Layers...)
		opts := options(t)
		opts.Platforms = []evidence.Platform{{OS: "linux", Architecture: "arm64"}}
		if got := platforms(open(t, reference, opts)); len(got) != 1 || got[0] != "linux/arm64/v8" {
			t.Errorf("platforms %v", got)
		}
		opts.Platforms = append(opts.Platforms, evidence.Platform{OS: "linux", Architecture: "riscv64"})
		wantError(t, reference, opts, image.KindPlatform, "linux/riscv64", "linux/amd64, linux/arm64/v8")
		opts = options(t)
		opts.Limits.MaxManifests = 2
		wantError(t, reference, opts, image.KindLimit)
		opts = options(t)
		opts.Limits.MaxIndexDepth = 1
		wantError(t, reference, opts, image.KindLimit, "nested")
	}
}

// Docker pulls an entry by its platform and does not ask what media type the
// configuration has: one that is passed over would be run unexamined.
func TestIndexEntryWithOddConfig(t *testing.T) {
	odd := imagetest.NewImage(layerNamed("odd"))
	odd.ConfigType = "application/octet-stream"
	index := imagetest.NewIndex(imagetest.PlatformOf(odd), imagetest.PlatformOf(imagetest.NewImage(layerNamed("plain"))))
	wantError(t, "registry:"+imagetest.NewRegistry(t).Push("app", "1", index), options(t), image.KindUnsupported, "octet-stream")
}

func TestPlatformErrors(t *testing.T) {
	registry := imagetest.NewRegistry(t)
	amd := imagetest.NewImage(layerNamed("amd"))
	liar := imagetest.NewIndex(imagetest.Entry{Node: amd, Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}})
	wantError(t, "registry:"+registry.Push("app", "liar", liar), options(t), image.KindIntegrity, "linux/arm64", "linux/amd64", imagetest.DigestOf(amd).String())
	alsoLiar := imagetest.NewIndex(imagetest.PlatformOf(amd), liar.Entries[0])
	wantError(t, "registry:"+registry.Push("app", "liar2", alsoLiar), options(t), image.KindIntegrity, "linux/arm64")
	wantError(t, "registry:"+registry.Push("app", "none", imagetest.NewIndex(attested(amd))), options(t), image.KindNotAnImage, "no image")
	opts := options(t)
	opts.Platforms = []evidence.Platform{{OS: "linux", Architecture: "arm64"}}
	single := registry.Push("app", "single", amd)
	wantError(t, "registry:"+single, opts, image.KindPlatform, "another architecture", "linux/amd64", "linux/arm64")
	opts.Getenv = options(t, "DOCKER_HOST", imagetest.NewDaemon(t, "app", amd).Host).Getenv
	wantError(t, "app", opts, image.KindPlatform, "another architecture")
	wantError(t, imagetest.WriteTar(t, "a.tar", imagetest.DockerFiles(imagetest.Saved{Image: amd})...), opts, image.KindPlatform, "another architecture")
}

// TestLayoutOfPlatforms: index.json itself may be the index of one image.
func TestLayoutOfPlatforms(t *testing.T) {
	amd := imagetest.NewImage(layerNamed("amd"))
	arm := imagetest.NewImage(layerNamed("arm")).For("linux", "arm64", "")
	dir := imagetest.WriteDir(t, imagetest.LayoutFiles(imagetest.Layout(imagetest.PlatformOf(amd), imagetest.PlatformOf(arm), attested(amd)))...)
	set := open(t, dir, options(t))
	if got := platforms(set); len(got) != 2 {
		t.Errorf("platforms %v", got)
	}
	// By digest, also of a manifest that only a nested index names.
	outer := imagetest.NewIndex(imagetest.PlatformOf(amd), imagetest.PlatformOf(arm))
	dir = imagetest.WriteDir(t, imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(outer, "x")))...)
	if got := platforms(open(t, "oci:"+dir+"@"+imagetest.DigestOf(arm).String(), options(t))); len(got) != 1 || got[0] != "linux/arm64" {
		t.Errorf("platforms %v", got)
	}
}

// Newer daemons write archives that are a docker archive and a layout at once, and
// load the layout: both must be the same image.
func TestArchiveOfTwoMinds(t *testing.T) {
	judged, loaded := imagetest.NewImage(layerNamed("judged")), imagetest.NewImage(layerNamed("loaded"))
	same := imagetest.WriteTar(t, "same.tar", imagetest.BlobFiles(judged, imagetest.Saved{Image: judged})...)
	wantLayers(t, open(t, same, options(t)).Images[0], judged.Layers...)

	files := imagetest.BlobFiles(loaded, imagetest.Saved{Image: judged})
	for h, b := range imagetest.Collect(judged) {
		files = append(files, imagetest.File{Name: "blobs/sha256/" + h.Hex, Body: string(b)})
	}
	_, err := image.Open(t.Context(), imagetest.WriteTar(t, "two.tar", files...), options(t))
	wantIntegrity(t, err, "index.json")
}

// TestIndexDigestNamesAnIndexOfThePlatform: a signature on it covers the platform, so
// the platform's manifest must be in the bytes that have this digest.
func TestIndexDigestNamesAnIndexOfThePlatform(t *testing.T) {
	amd := imagetest.NewImage(layerNamed("amd"))
	arm := imagetest.NewImage(layerNamed("arm")).For("linux", "arm64", "")
	index := imagetest.NewIndex(imagetest.PlatformOf(amd), attested(amd), imagetest.PlatformOf(arm))
	doc, media := index.Document()
	registry := imagetest.NewRegistry(t)
	tagged := registry.Push("app", "1", index)
	layout := imagetest.LayoutFiles(imagetest.Layout(imagetest.Named(index, "app")))
	top := imagetest.LayoutFiles(imagetest.Layout(imagetest.PlatformOf(amd), imagetest.PlatformOf(arm)))
	daemon := imagetest.NewDaemon(t, "app", amd)
	daemon.ID = imagetest.Digest(doc)
	daemon.Descriptor = &v1.Descriptor{MediaType: media, Digest: daemon.ID, Size: int64(len(doc))}
	daemon.Export = imagetest.Tar(imagetest.BlobFiles(index, imagetest.Saved{Image: amd})...)
	for reference, raw := range map[string]string{
		"registry:" + tagged: string(doc),
		"registry:" + registry.Host + "/app@" + daemon.ID.String(): string(doc),
		"oci:" + imagetest.WriteDir(t, layout...):                  string(doc),
		"oci-archive:" + imagetest.WriteTar(t, "a.tar", layout...): string(doc),
		"oci:" + cosignSave(t, index):                              string(doc),
		"oci:" + imagetest.WriteDir(t, top...):                     top[1].Body,
		"docker-daemon:app":                                        string(doc),
	} {
		t.Run(reference, func(t *testing.T) {
			set := open(t, reference, options(t, "DOCKER_HOST", daemon.Host))
			for _, i := range set.Images {
				if err := i.Export(t.Context()); err != nil { // until then it is the daemon's word
					t.Fatal(err)
				}
				if i.Subject.IndexDigest != imagetest.Digest([]byte(raw)).String() || i.Subject.IndexDigest != set.Digest {
					t.Errorf("index digest %s of %s", i.Subject.IndexDigest, i.Subject.Platform)
				}
				// A daemon does not say which manifest it took: the index leads to the configuration.
				if d := i.Subject.Digest; !strings.Contains(raw, d) || d == "" && i.Subject.ImageID != amd.ID().String() {
					t.Errorf("the index does not hold %s", d)
				}
			}
		})
	}
	// One platform by its own digest: nothing says which index it is in.
	one := open(t, "registry:"+registry.Host+"/app@"+imagetest.DigestOf(arm).String(), options(t)).Images[0]
	if one.Subject.IndexDigest != "" {
		t.Errorf("index digest %s", one.Subject.IndexDigest)
	}
}
