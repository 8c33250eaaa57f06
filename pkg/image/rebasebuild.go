// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// build has mutate.Rebase put layers and history together. It is given configurations
// whose histories name each layer once: it goes by them.
func (q *RebaseRequest) build(ctx context.Context, r *Rebased) error {
	layers, err := rebaseLayers(ctx, q.Image)
	if err != nil {
		return err
	}
	next, err := rebaseLayers(ctx, q.NewBase)
	if err != nil {
		return err
	}
	n := len(q.OldBase.Layers)
	history := fullHistory(q.Image.Config)
	orig, errOrig := rebaseImage(q.Image.Config, history, layers)
	old, errOld := rebaseImage(q.OldBase.Config, history[:baseHistory(history, q.OldBase.Config.History, n)], layers[:n])
	base, errNew := rebaseImage(q.NewBase.Config, fullHistory(q.NewBase.Config), next)
	if err := errors.Join(errOrig, errOld, errNew); err != nil {
		return err
	}
	img, err := mutate.Rebase(orig, old, base)
	if err != nil {
		return err
	}
	if img, err = q.describe(img, r); err != nil {
		return err
	}
	return r.fill(img, append(slices.Clone(next), layers[n:]...))
}

// describe sets what mutate.Rebase leaves empty, and what is about the base.
func (q *RebaseRequest) describe(img v1.Image, r *Rebased) (v1.Image, error) {
	c, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	c = c.DeepCopy()
	c.Author, c.Created, c.Variant, c.OSFeatures = q.Image.Config.Author, q.Image.Config.Created, r.Platform.Variant, q.NewBase.Config.OSFeatures
	c.Config.Image = "" // the id of a parent that it no longer has
	if !q.Created.IsZero() {
		c.Created = v1.Time{Time: q.Created.UTC()}
	}
	digest := digestOf(q.NewBase)
	if q.BaseName == "" {
		digest = "" // alone it says nothing that anybody could look up
	}
	for key, value := range map[string]string{baseNameKey: q.BaseName, baseDigestKey: digest} {
		if _, there := c.Config.Labels[key]; there {
			set(c.Config.Labels, key, value)
		}
	}
	if img, err = mutate.ConfigFile(img, c); err != nil {
		return nil, err
	}
	notes := map[string]string{}
	for key, value := range q.Image.Annotations {
		if stillHolds(key) {
			notes[key] = value
		}
	}
	set(notes, baseNameKey, q.BaseName)
	set(notes, baseDigestKey, digest)
	img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
	if len(notes) == 0 {
		return img, nil
	}
	annotated, ok := mutate.Annotations(img, notes).(v1.Image)
	if !ok {
		return nil, errors.New("an image with annotations is no image")
	}
	return annotated, nil
}

func set(m map[string]string, key, value string) {
	delete(m, key)
	if value != "" {
		m[key] = value
	}
}

// stillHolds says whether an annotation of the manifest is true of the new one: names,
// and what ties it to signatures and attestations, are not.
func stillHolds(key string) bool {
	return key != refNameAnnotation && key != containerdNameAnnotation && !slices.ContainsFunc(
		[]string{"vnd.docker.reference.", "dev.sigstore.", "dev.cosignproject.", "in-toto.io/"},
		func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}

// fill takes over the result, after making sure that it is what was asked for.
func (r *Rebased) fill(img v1.Image, want []*rebaseLayer) error {
	manifest, errManifest := img.Manifest()
	digest, errDigest := img.Digest()
	config, errConfig := img.ConfigFile()
	if err := errors.Join(errManifest, errDigest, errConfig); err != nil {
		return err
	}
	if len(manifest.Layers) != len(want) || len(config.RootFS.DiffIDs) != len(want) {
		return fmt.Errorf("the new image has %d layers and %d diff IDs, not %d", len(manifest.Layers), len(config.RootFS.DiffIDs), len(want))
	}
	for i, l := range want {
		if manifest.Layers[i].Digest != l.digest || manifest.Layers[i].Size != l.size || config.RootFS.DiffIDs[i] != l.layer.DiffID {
			return fmt.Errorf("layer %d of the new image is not %s", i+1, l.digest)
		}
	}
	var err error
	if r.manifest, err = img.RawManifest(); err != nil {
		return err
	}
	if r.config, err = img.RawConfigFile(); err != nil {
		return err
	}
	r.Digest, r.ImageID, r.blobs = digest.String(), manifest.Config.Digest.String(), want
	return nil
}

// rebaseImage is an image for mutate: no more than its configuration and descriptors.
func rebaseImage(config *v1.ConfigFile, history []v1.History, layers []*rebaseLayer) (v1.Image, error) {
	adds := make([]v1.Layer, len(layers))
	c := config.DeepCopy()
	c.History, c.RootFS = history, v1.RootFS{Type: "layers"}
	for i, l := range layers {
		adds[i] = l
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.layer.DiffID)
	}
	img, err := mutate.AppendLayers(empty.Image, adds...)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, c)
}

// fullHistory has an entry for each layer, if need be one that says nothing.
func fullHistory(c *v1.ConfigFile) []v1.History {
	n := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			n++
		}
	}
	if n != len(c.RootFS.DiffIDs) {
		return make([]v1.History, len(c.RootFS.DiffIDs))
	}
	return slices.Clone(c.History)
}

// baseHistory is how many entries are of the base: all of its own, if the image's begins
// with them, else those up to its last layer.
func baseHistory(history, base []v1.History, layers int) int {
	end := 0
	for i, h := range history {
		if !h.EmptyLayer {
			layers--
		}
		if end = i + 1; layers == 0 {
			break
		}
	}
	if n := len(base); n > end && n <= len(history) && slices.EqualFunc(history[:n], base, sameHistory) &&
		!slices.ContainsFunc(base[end:], func(h v1.History) bool { return !h.EmptyLayer }) {
		return n
	}
	return end
}

func sameHistory(a, b v1.History) bool {
	return a.CreatedBy == b.CreatedBy && a.EmptyLayer == b.EmptyLayer && a.Comment == b.Comment && a.Author == b.Author && a.Created.Equal(b.Created.Time)
}

// rebaseLayer is a layer as it is stored, with what a manifest says of it.
type rebaseLayer struct {
	layer  *Layer
	digest v1.Hash
	size   int64
	media  types.MediaType
}

// rebaseLayers hashes layers whose source promises no digest or size.
func rebaseLayers(ctx context.Context, img *Image) ([]*rebaseLayer, error) {
	var out []*rebaseLayer
	for _, l := range img.Layers {
		r := &rebaseLayer{layer: l, digest: l.Digest, size: l.CompressedSize, media: ociLayerType(l.MediaType)}
		if r.media == "" || r.digest == (v1.Hash{}) || r.size == 0 {
			if err := r.measure(ctx); err != nil {
				return nil, toError("read layer", l.name, err)
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// ociLayerType is the name for a layer in a manifest of OCI's; empty where the source
// has no manifest.
func ociLayerType(media string) types.MediaType {
	switch {
	case media == "":
		return ""
	case strings.HasSuffix(media, "gzip"):
		return types.OCILayer
	case strings.HasSuffix(media, "zstd"):
		return types.OCILayerZStd
	}
	return types.OCIUncompressedLayer
}

// measure finds out how the bytes are stored, and how many they are.
func (r *rebaseLayer) measure(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	raw, err := r.layer.hashed(ctx)
	if err != nil {
		return err
	}
	defer raw.Close()
	first := make([]byte, 4)
	n, err := io.ReadFull(raw, first)
	if err == nil {
		_, err = io.Copy(io.Discard, raw)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	r.digest, r.size, r.media = raw.sum(), raw.n, types.OCIUncompressedLayer
	switch {
	case isGzipMagic(first[:n]):
		r.media = types.OCILayer
	case isZstdMagic(first[:n]):
		r.media = types.OCILayerZStd
	}
	return nil
}

// open yields the stored bytes. Its reader verifies digest and size.
func (r *rebaseLayer) open(ctx context.Context) (io.ReadCloser, error) {
	raw, _, err := r.layer.stored(ctx)
	if err != nil {
		return nil, toError("read layer", r.layer.name, err)
	}
	return newHashedReader(r.layer.name, raw, r.digest, r.size)
}

// The methods of v1.Layer. mutate asks for descriptors only.

func (r *rebaseLayer) Digest() (v1.Hash, error)            { return r.digest, nil }
func (r *rebaseLayer) DiffID() (v1.Hash, error)            { return r.layer.DiffID, nil }
func (r *rebaseLayer) Size() (int64, error)                { return r.size, nil }
func (r *rebaseLayer) MediaType() (types.MediaType, error) { return r.media, nil }
func (r *rebaseLayer) Compressed() (io.ReadCloser, error)  { return r.open(context.Background()) }
func (r *rebaseLayer) Uncompressed() (io.ReadCloser, error) {
	return r.layer.Open(context.Background())
}
