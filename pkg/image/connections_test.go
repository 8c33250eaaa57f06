// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// tokenRegistry hands out tokens, as most registries do.
func tokenRegistry(t testing.TB) *imagetest.Registry {
	registry := imagetest.NewRegistry(t)
	registry.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token":
			_ = json.NewEncoder(w).Encode(map[string]string{"token": "for " + r.URL.Query().Get("scope")})
			return true
		case !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer for repository:"):
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+registry.Host+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	return registry
}

// gather reads what a verifier of signatures reads of an image that has none.
func gather(t *testing.T, repository string, opts image.Options, digests ...string) {
	t.Helper()
	a := attachments(t, repository, opts)
	for _, d := range digests {
		h, err := v1.NewHash(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, suffix := range []string{".sig", ".att"} {
			if _, found, err := a.Manifest(t.Context(), dashed(h)+suffix); err != nil || found {
				t.Errorf("%s%s: %v %v", d, suffix, found, err)
			}
		}
		wantReferrers(t, a, h)
		if _, found, err := a.Manifest(t.Context(), d); err != nil || !found {
			t.Errorf("%s: %v %v", d, found, err)
		}
	}
}

// TestRequestsOfARun is the exact list of what is asked for.
func TestRequestsOfARun(t *testing.T) {
	base := imagetest.NewImage(layerNamed("base"))
	img := imagetest.NewImage(base.Layers[0], layerNamed("app"))
	index := imagetest.NewIndex(imagetest.PlatformOf(img))
	requests := func(share bool) []string {
		registry := tokenRegistry(t)
		reference := registry.Push("team/app", "1", index)
		from := registry.Push("base", "3", base)
		opts := options(t)
		if share {
			opts.Connections = image.NewConnections()
			defer opts.Connections.Close()
		}
		set := open(t, "registry:"+reference, opts)
		found := image.FindBase(set.Images[0], image.BaseQuery{Reference: from}, opts)(t.Context())
		if found.Lineage != evidence.LineageProven {
			t.Errorf("base: %s %s", found.Lineage, found.Reason)
		}
		gather(t, registry.Host+"/team/app", opts, set.Digest, set.Images[0].Subject.Digest)
		gather(t, registry.Host+"/base", opts, found.Digest)
		names := strings.NewReplacer(
			dashed(imagetest.DigestOf(index)), "TAG(index)", dashed(imagetest.DigestOf(img)), "TAG(image)", dashed(imagetest.DigestOf(base)), "TAG(base)",
			imagetest.DigestOf(index).String(), "index", imagetest.DigestOf(img).String(), "image", imagetest.DigestOf(base).String(), "base",
			img.ID().String(), "config", base.ID().String(), "base-config", "GET /v2/", "")
		var out []string
		for _, r := range registry.Requests() {
			out = append(out, names.Replace(r))
		}
		return out
	}
	alone, shared := requests(false), requests(true)
	slices.Sort(shared) // the API and the fallback tag are asked at once
	want := []string{
		"", "", "GET /token", "GET /token",
		"base/blobs/base-config", "base/manifests/3", "base/manifests/TAG(base)", "base/manifests/TAG(base).att", "base/manifests/TAG(base).sig", "base/referrers/base",
		"team/app/blobs/config", "team/app/manifests/1",
		"team/app/manifests/TAG(image)", "team/app/manifests/TAG(image).att", "team/app/manifests/TAG(image).sig",
		"team/app/manifests/TAG(index)", "team/app/manifests/TAG(index).att", "team/app/manifests/TAG(index).sig",
		"team/app/manifests/image", "team/app/referrers/image", "team/app/referrers/index",
	}
	if d := cmp.Diff(want, shared); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
	if len(alone) != len(shared)+4+3 { // a ping and a token more for each repository, and the three manifests again
		t.Errorf("%d requests without shared connections, %d with:\n%s", len(alone), len(shared), strings.Join(alone, "\n"))
	}
}

// A manifest of another repository proves nothing about this one.
func TestMemoIsPerRepository(t *testing.T) {
	registry := imagetest.NewRegistry(t)
	opts := options(t)
	opts.Connections = image.NewConnections()
	set := open(t, "registry:"+registry.Push("mine", "1", sample()), opts)
	if _, found, err := attachments(t, registry.Host+"/theirs", opts).Manifest(t.Context(), set.Digest); found || err != nil {
		t.Errorf("found in another repository: %v %v", found, err)
	}
	wantError(t, "registry:"+registry.Host+"/theirs@"+set.Digest, opts, image.KindNotFound)
}

func TestConnectionsAreMadeOnce(t *testing.T) {
	registry := tokenRegistry(t)
	reference := registry.Push("app", "1", sample())
	opts := options(t)
	opts.Connections = image.NewConnections()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			set, err := image.Open(t.Context(), "registry:"+reference, opts)
			if err != nil {
				t.Error(err)
				return
			}
			if err := set.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	tokens := slices.DeleteFunc(registry.Requests(), func(r string) bool { return r != "GET /token" })
	if len(tokens) != 1 {
		t.Errorf("%d tokens", len(tokens))
	}
}

// Neither a registry that was down nor a caller that gave up stays in the way.
func TestConnectionsForgetFailures(t *testing.T) {
	registry := imagetest.NewRegistry(t)
	reference := "registry:" + registry.Push("app", "1", sample())
	var down, shut atomic.Bool
	arrived := make(chan struct{}, 1)
	registry.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if shut.Load() {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		if r.URL.Path != "/v2/" || !down.Load() {
			return false
		}
		select {
		case arrived <- struct{}{}:
		default:
		}
		<-r.Context().Done()
		return true
	}
	down.Store(true)
	opts := options(t)
	opts.Connections = image.NewConnections()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := image.Open(ctx, reference, opts)
		first <- err
	}()
	<-arrived
	go func() {
		_, err := image.Open(t.Context(), reference, opts)
		second <- err
	}()
	down.Store(false)
	cancel()
	if err := <-first; err == nil {
		t.Error("the first caller gave up, but has an image")
	}
	if err := <-second; err != nil {
		t.Errorf("the second caller has the first one's failure: %v", err)
	}
	shut.Store(true)
	closed := options(t)
	closed.Connections = image.NewConnections()
	wantError(t, reference, closed, image.KindUnauthorized)
	shut.Store(false)
	open(t, reference, closed)
}
