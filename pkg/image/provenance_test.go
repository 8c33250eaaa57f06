// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"encoding/json"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// provenance is an attestation manifest with SLSA provenance about an image.
func provenance(about v1.Hash, version string, materials ...map[string]any) *imagetest.Image {
	predicate := map[string]any{"materials": materials}
	if version == "v1" {
		predicate = map[string]any{"buildDefinition": map[string]any{"resolvedDependencies": materials}}
	}
	statement, _ := json.Marshal(map[string]any{
		"predicateType": "https://slsa.dev/provenance/" + version, "predicate": predicate,
		"subject": []any{map[string]any{"name": "app", "digest": map[string]string{"sha256": about.Hex}}},
	})
	l := imagetest.BlobLayer(imagetest.Plain, nil, statement)
	l.MediaType = "application/vnd.in-toto+json"
	i := imagetest.NewImage(l).For("unknown", "unknown", "")
	doc, _ := i.Document()
	i.ManifestJSON = []byte(strings.Replace(string(doc), `"mediaType":"application/vnd.in-toto+json"`,
		`"annotations":{"in-toto.io/predicate-type":"https://slsa.dev/provenance/`+version+`"},"mediaType":"application/vnd.in-toto+json"`, 1))
	return i
}

func withProvenance(app, attestation *imagetest.Image) *imagetest.Index {
	return imagetest.NewIndex(imagetest.PlatformOf(app), imagetest.Entry{
		Node: attestation, Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"},
		Annotations: map[string]string{"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": imagetest.DigestOf(app).String()},
	})
}

func TestProvenance(t *testing.T) {
	b := newBases(t)
	material := func(name, tag, query string, i *imagetest.Image) map[string]any {
		return map[string]any{"uri": "pkg:docker/" + strings.ReplaceAll(b.Host, ":", "%3A") + "/" + name + "@" + tag + "?platform=linux%2Famd64" + query,
			"digest": map[string]string{"sha256": imagetest.DigestOf(i).Hex}}
	}
	frontend := map[string]any{"uri": "pkg:docker/docker/dockerfile@1", "digest": map[string]string{"sha256": strings.Repeat("1", 64)}}
	builder, base := material("base/alpine", "moved", "", b.other), material("base/alpine", "3.20", "", b.alpine)
	pinned := material("base/alpine", "3.20", "&digest=sha256:"+imagetest.DigestOf(b.alpine).Hex, b.alpine)
	cases := map[string]struct {
		attestation func(v1.Hash) *imagetest.Image
		labels      map[string]string
		lineage     evidence.Lineage
		source      evidence.ClaimSource
		claims      int
		pinned      bool
	}{
		"v0.2":             {func(h v1.Hash) *imagetest.Image { return provenance(h, "v0.2", frontend, base) }, nil, evidence.LineageProven, evidence.ClaimProvenance, 1, false},
		"v1":               {func(h v1.Hash) *imagetest.Image { return provenance(h, "v1", base) }, nil, evidence.LineageProven, evidence.ClaimProvenance, 1, false},
		"pinned":           {func(h v1.Hash) *imagetest.Image { return provenance(h, "v1", pinned) }, nil, evidence.LineageProven, evidence.ClaimProvenance, 1, true},
		"with a builder":   {func(h v1.Hash) *imagetest.Image { return provenance(h, "v1", builder, base) }, nil, evidence.LineageProven, evidence.ClaimProvenance, 2, false},
		"builder alone":    {func(h v1.Hash) *imagetest.Image { return provenance(h, "v1", builder) }, nil, evidence.LineageDisproven, evidence.ClaimProvenance, 1, false},
		"label goes on":    {func(h v1.Hash) *imagetest.Image { return provenance(h, "v1", builder) }, map[string]string{nameKey: b.Host + "/base/alpine:3.20"}, evidence.LineageProven, evidence.ClaimLabel, 2, false},
		"of another image": {func(v1.Hash) *imagetest.Image { return provenance(imagetest.DigestOf(b.other), "v1", base) }, nil, "", "", 0, false},
	}
	for name, c := range cases {
		for _, source := range []string{"registry", "archive"} {
			t.Run(name+" in "+source, func(t *testing.T) {
				app := labelled(b.app(), c.labels)
				index := withProvenance(app, c.attestation(imagetest.DigestOf(app)))
				ref := "registry:" + b.Push("apps/app", "1", index)
				if source == "archive" {
					ref = "oci-archive:" + imagetest.WriteTar(t, "app.tar", imagetest.LayoutFiles(imagetest.Layout(imagetest.Entry{Node: index}))...)
				}
				opts := options(t)
				got := image.FindBase(open(t, ref, opts).Images[0], image.BaseQuery{Provenance: true, Approved: yes}, opts)(t.Context())
				if got == nil {
					if c.lineage != "" {
						t.Fatal("no base")
					}
					return
				}
				if got.Lineage != c.lineage || got.Source != c.source || len(got.Claims) != c.claims || got.Pinned != c.pinned {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}
