// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

func attachments(t testing.TB, repository string, opts image.Options) *image.Attachments {
	t.Helper()
	a, err := image.OpenAttachments(t.Context(), repository, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return a
}

// listOf is a list of referrers, or an index at a fallback tag.
func listOf(ds ...v1.Descriptor) string {
	b, err := json.Marshal(v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: append([]v1.Descriptor{}, ds...)})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func referrer(body string) v1.Descriptor {
	return v1.Descriptor{MediaType: types.OCIManifestSchema1, Size: int64(len(body)), Digest: imagetest.Digest([]byte(body)), ArtifactType: body}
}

func dashed(h v1.Hash) string { return h.Algorithm + "-" + h.Hex }

// answerReferrers makes a registry answer its referrers API.
func answerReferrers(r *imagetest.Registry, code int, body string) {
	before := r.Handle
	r.Handle = func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.Contains(req.URL.Path, "/referrers/") {
			return before != nil && before(w, req)
		}
		w.Header().Set("Content-Type", string(types.OCIImageIndex))
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
		return true
	}
}

func wantReferrers(t *testing.T, a *image.Attachments, digest v1.Hash, want ...v1.Descriptor) {
	t.Helper()
	found, err := a.Referrers(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	var got, wanted []string
	for _, d := range found {
		got = append(got, d.ArtifactType+" "+d.Digest.String())
	}
	for _, d := range want {
		wanted = append(wanted, d.ArtifactType+" "+d.Digest.String())
	}
	if strings.Join(got, "\n") != strings.Join(wanted, "\n") {
		t.Errorf("referrers\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
}

func TestAttachmentsOfRepository(t *testing.T) {
	img, sig := sample(), imagetest.NewImage(layerNamed("sig"))
	registry := imagetest.NewRegistry(t)
	registry.Push("team/app", "1", img)
	registry.Push("team/app", dashed(imagetest.DigestOf(img))+".sig", sig)
	a := attachments(t, registry.Host+"/team/app", options(t))
	want, _ := sig.Document()
	for _, id := range []string{dashed(imagetest.DigestOf(img)) + ".sig", imagetest.DigestOf(sig).String()} {
		raw, found, err := a.Manifest(t.Context(), id)
		if err != nil || !found || string(raw) != string(want) {
			t.Errorf("%s: %v %v %q", id, found, err, raw)
		}
	}
	for _, id := range []string{dashed(imagetest.DigestOf(img)) + ".att", "sha256:" + strings.Repeat("0", 64)} {
		if raw, found, err := a.Manifest(t.Context(), id); err != nil || found || raw != nil {
			t.Errorf("%s: %q %v %v", id, raw, found, err)
		}
	}
	blob := sig.Layers[0]
	b, err := a.Blob(t.Context(), blob.Digest, int64(len(blob.Blob)))
	if err != nil || string(b) != string(blob.Blob) {
		t.Errorf("blob: %q, %v", b, err)
	}
	wantReferrers(t, a, imagetest.DigestOf(img))
}

// A registry that learned the API may still hold lists from before it.
func TestReferrersOfAPIAndFallbackTag(t *testing.T) {
	digest := imagetest.Digest([]byte("subject"))
	both, api, tagged := referrer("both"), referrer("api"), referrer("tagged")
	for _, c := range []struct {
		name string
		code int
		body string
		want []v1.Descriptor
	}{
		{"united", 200, listOf(both, api), []v1.Descriptor{both, api, tagged}},
		{"empty", 200, listOf(), []v1.Descriptor{both, tagged}},
		{"not found", 404, "404 page not found", []v1.Descriptor{both, tagged}},
		{"bad request", 400, "", []v1.Descriptor{both, tagged}},
		{"not allowed", 405, "", []v1.Descriptor{both, tagged}},
		{"not acceptable", 406, "", []v1.Descriptor{both, tagged}},
	} {
		t.Run(c.name, func(t *testing.T) {
			registry := imagetest.NewRegistry(t)
			registry.Handle = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/manifests/"+dashed(digest)) {
					return false
				}
				w.Header().Set("Content-Type", string(types.OCIImageIndex))
				_, _ = w.Write([]byte(listOf(tagged, both)))
				return true
			}
			answerReferrers(registry, c.code, c.body)
			want := c.want
			if c.name != "united" {
				want = []v1.Descriptor{tagged, both}
			}
			wantReferrers(t, attachments(t, registry.Host+"/app", options(t)), digest, want...)
		})
	}
}
