// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// emptyConfig is the media type of the configuration that cosign gives to referrers.
const emptyConfig = "application/vnd.oci.empty.v1+json"

// Tag is where the tag format keeps what it says about an image; kind is sig or att.
func Tag(image name.Digest, kind string) name.Tag {
	return image.Repository.Tag(strings.ReplaceAll(image.DigestStr(), ":", "-") + "." + kind)
}

// PushTag puts items at the image's tag for signatures (sig) or attestations (att); what
// was there before is replaced.
func PushTag(t testing.TB, image name.Digest, kind string, items ...*TagItem) {
	t.Helper()
	m := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	config := v1.ConfigFile{RootFS: v1.RootFS{Type: "layers"}}
	for _, i := range items {
		d := PutBlob(t, image.Repository, i.Payload)
		d.MediaType, d.Annotations = types.MediaType(i.MediaType), i.Annotations
		m.Layers = append(m.Layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, d.Digest)
	}
	m.Config = PutBlob(t, image.Repository, marshal(t, config))
	m.Config.MediaType = types.OCIConfigJSON
	PutManifest(t, Tag(image, kind), types.OCIManifestSchema1, marshal(t, m))
}

// Referrer is a manifest with one layer that refers to an image.
type Referrer struct {
	// ArtifactType and ConfigType are the manifest's; empty: BundleType, and that of cosign.
	ArtifactType, ConfigType string
	LayerType                string
	Body                     []byte
	Annotations              map[string]string
}

// PushBundle attaches a bundle to an image, as cosign does. The registry's fallback tag
// is written where it has no referrers API.
func PushBundle(t testing.TB, image name.Digest, bundle []byte) v1.Hash {
	t.Helper()
	return PushReferrer(t, image, Referrer{Body: bundle, Annotations: map[string]string{"dev.sigstore.bundle.content": "dsse-envelope"}})
}

// PushReferrer attaches anything to an image and returns the manifest's digest.
func PushReferrer(t testing.TB, image name.Digest, r Referrer) v1.Hash {
	t.Helper()
	subject, err := remote.Head(image)
	if err != nil {
		t.Fatal(err)
	}
	layer := PutBlob(t, image.Repository, r.Body)
	layer.MediaType = types.MediaType(defaultTo(r.LayerType, BundleType))
	config := PutBlob(t, image.Repository, []byte("{}"))
	config.MediaType = types.MediaType(defaultTo(r.ConfigType, emptyConfig))
	raw := marshal(t, map[string]any{
		"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": defaultTo(r.ArtifactType, BundleType),
		"config": config, "layers": []v1.Descriptor{layer}, "annotations": r.Annotations,
		"subject": v1.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size},
	})
	digest, _, err := v1.SHA256(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	PutManifest(t, image.Repository.Digest(digest.String()), types.OCIManifestSchema1, raw)
	return digest
}

// Replay hangs what is signed about an image on another one, of any repository: its tags,
// and the bundles that refer to it.
func Replay(t testing.TB, from, to name.Digest) {
	t.Helper()
	n := 0
	for _, kind := range []string{"sig", "att"} {
		if img, err := remote.Image(Tag(from, kind)); err == nil {
			if err := remote.Write(Tag(to, kind), img); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	index, err := remote.Referrers(from)
	if err != nil {
		t.Fatal(err)
	}
	list, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list.Manifests {
		PushBundle(t, to, firstLayer(t, from.Digest(d.Digest.String())))
		n++
	}
	if n == 0 {
		t.Fatalf("nothing is signed about %s", from)
	}
}

func firstLayer(t testing.TB, ref name.Digest) []byte {
	t.Helper()
	img, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) == 0 {
		t.Fatalf("%s has %d layers: %v", ref, len(layers), err)
	}
	r, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// PutBlob stores bytes and returns their descriptor.
func PutBlob(t testing.TB, repo name.Repository, b []byte) v1.Descriptor {
	t.Helper()
	layer := static.NewLayer(b, types.OCILayer)
	if err := remote.WriteLayer(repo, layer); err != nil {
		t.Fatal(err)
	}
	digest, err := layer.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return v1.Descriptor{MediaType: types.OCILayer, Digest: digest, Size: int64(len(b))}
}

// PutManifest stores any manifest at a tag or digest.
func PutManifest(t testing.TB, ref name.Reference, mediaType types.MediaType, raw []byte) {
	t.Helper()
	if err := remote.Put(ref, manifest{raw, mediaType}); err != nil {
		t.Fatal(err)
	}
}

type manifest struct {
	raw       []byte
	mediaType types.MediaType
}

func (m manifest) RawManifest() ([]byte, error)        { return m.raw, nil }
func (m manifest) MediaType() (types.MediaType, error) { return m.mediaType, nil }

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func defaultTo(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func splitDigest(digest string) (algorithm, hexDigest string) {
	algorithm, hexDigest, _ = strings.Cut(digest, ":")
	return algorithm, hexDigest
}
