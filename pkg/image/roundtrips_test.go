// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// TestRoundTrips pins what a registry is asked for until the last layer is read.
func TestRoundTrips(t *testing.T) {
	registry := imagetest.NewRegistry(t)
	img := imagetest.NewImage(layerNamed("a"))
	set := open(t, "registry:"+registry.Push("app", "1", img), options(t))
	wantLayers(t, set.Images[0], img.Layers...)
	if _, err := set.Images[0].Layers[0].StoredDigest(t.Context()); err != nil {
		t.Error(err)
	}
	want := []string{
		"GET /v2/", // how to authenticate
		"GET /v2/app/manifests/1",
		"GET /v2/app/blobs/" + img.ID().String(),
		"GET /v2/app/blobs/" + img.Layers[0].Digest.String(),
	}
	if got := registry.Requests(); !slices.Equal(got, want) {
		t.Errorf("requests\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// severalPlatforms is an index of images that differ.
func severalPlatforms(n int) (*imagetest.Index, []*imagetest.Image) {
	index := imagetest.NewIndex()
	var images []*imagetest.Image
	for i := range n {
		img := imagetest.NewImage(layerNamed(fmt.Sprint(i))).For("linux", fmt.Sprintf("arch%d", i), "")
		images = append(images, img)
		index.Entries = append(index.Entries, imagetest.PlatformOf(img), attested(img))
	}
	return index, images
}

// TestPlatformsAtOnce: no manifest is answered before all have been asked for.
func TestPlatformsAtOnce(t *testing.T) {
	index, images := severalPlatforms(4)
	registry := imagetest.NewRegistry(t)
	ref := "registry:" + registry.Push("app", "1", index)
	var all sync.WaitGroup
	all.Add(len(images))
	registry.Handle = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/manifests/sha256:") {
			all.Done()
			all.Wait()
		}
		return false
	}
	set := open(t, ref, options(t))
	if got := platforms(set); !slices.Equal(got, []string{"linux/arch0", "linux/arch1", "linux/arch2", "linux/arch3"}) {
		t.Errorf("platforms %v", got)
	}
	for i, img := range set.Images {
		wantLayers(t, img, images[i].Layers...)
	}
}

// TestPlatformsFailInOrder: of several damaged entries the first one is named, whichever
// answer comes first; an entry after a limit is not read, nor one that nobody wants.
func TestPlatformsFailInOrder(t *testing.T) {
	index, images := severalPlatforms(4)
	for _, i := range []int{1, 2, 3} {
		images[i].ConfigJSON = fmt.Appendf(nil, `{"author":"%d"}`, i)
		index.Entries[2*i].Node = images[i]
	}
	index.Entries = append(index.Entries, imagetest.Entry{Node: imagetest.NewIndex(imagetest.PlatformOf(images[3])), Platform: &v1.Platform{}})
	registry := imagetest.NewRegistry(t)
	ref := "registry:" + registry.Push("app", "1", index)
	later := make(chan struct{})
	var once sync.Once
	registry.Handle = func(_ http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, imagetest.DigestOf(images[3]).String()):
			once.Do(func() { close(later) })
		case strings.HasSuffix(r.URL.Path, imagetest.DigestOf(images[1]).String()):
			<-later
		}
		return false
	}
	wantError(t, ref, options(t), image.KindIntegrity, images[1].ID().String())
	before := len(registry.Requests())
	opts := options(t)
	opts.Limits.MaxManifests = 1
	wantError(t, ref, opts, image.KindLimit, "more than 1 entries")
	for _, r := range registry.Requests()[before:] {
		for _, img := range images[1:] {
			if strings.Contains(r, imagetest.DigestOf(img).Hex) {
				t.Errorf("asked for what is beyond the limit: %s", r)
			}
		}
	}
}
