// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// savedImage is an entry of a docker archive's manifest.json.
type savedImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (o *opener) openDockerArchive(ctx context.Context, a *archive, tag string) (*Set, error) {
	saved, err := o.readSaved(ctx, a)
	if err != nil {
		return nil, err
	}
	chosen, name, err := selectSaved(saved, tag, a.path)
	if err != nil {
		return nil, err
	}
	image, err := o.savedImage(ctx, a, chosen)
	if err != nil {
		return nil, err
	}
	if err := o.sameInIndex(ctx, a, image.Subject.ImageID); err != nil {
		return nil, err
	}
	image.Subject.Source, image.Subject.Name = evidence.SourceDockerArchive, name
	image.around.archive = a
	images, err := o.choose([]*Image{image}, []evidence.Platform{image.Subject.Platform}, true)
	if err != nil {
		return nil, err
	}
	return &Set{Images: images, Source: evidence.SourceDockerArchive, Name: name, Digest: image.Subject.ImageID}, nil
}

// sameInIndex demands that the index.json of an archive that is a layout as well,
// as newer daemons write it, leads to the same image: a daemon may load either.
func (o *opener) sameInIndex(ctx context.Context, a *archive, configID string) error {
	if !a.has("index.json") {
		return nil
	}
	index, digest, err := o.readIndex(ctx, a)
	if err != nil {
		return err
	}
	doc := &document{mediaType: types.OCIImageIndex, digest: digest, index: index}
	if !o.leadsTo(ctx, layoutStore{a}, doc, configID, 1) {
		return &IntegrityError{"index.json", "leads to another image than manifest.json, whose configuration is " + configID}
	}
	return nil
}

func (o *opener) readSaved(ctx context.Context, a *archive) ([]savedImage, error) {
	if !a.has("manifest.json") {
		f := faultf(KindNotAnImage, "there is no manifest.json, so this is no docker archive")
		if a.has("index.json") {
			f = f.withHint("it looks like an OCI layout: say oci-archive:" + a.path)
		}
		return nil, f
	}
	raw, err := a.read(ctx, "manifest.json", o.Limits.MaxManifest)
	if err != nil {
		return nil, err
	}
	var saved []savedImage
	if err := decode("manifest.json", raw, &saved); err != nil {
		return nil, err
	}
	if len(saved) == 0 {
		return nil, faultf(KindNotAnImage, "manifest.json names no image")
	}
	if len(saved) > o.Limits.MaxManifests {
		return nil, faultf(KindLimit, "manifest.json has %d entries, more than %d", len(saved), o.Limits.MaxManifests)
	}
	return saved, nil
}

// selectSaved finds the one image that the tag names, and its full name.
func selectSaved(saved []savedImage, tag, file string) (savedImage, string, error) {
	var tags []string
	for _, s := range saved {
		if len(s.RepoTags) == 0 {
			tags = append(tags, "(untagged) "+s.Config)
		}
		tags = append(tags, s.RepoTags...)
		for _, t := range s.RepoTags {
			if tag != "" && (t == tag || normalName(t) == normalName(tag)) {
				return s, normalName(t), nil
			}
		}
	}
	slices.Sort(tags)
	if tag != "" {
		return savedImage{}, "", faultf(KindNotFound, "no image is tagged %q, only %s", tag, strings.Join(tags, ", "))
	}
	first := saved[0]
	for _, s := range saved[1:] {
		if s.Config != first.Config {
			return savedImage{}, "", faultf(KindSeveralImages, "there are several images: %s", strings.Join(tags, ", ")).
				withHint("say which: docker-archive:" + file + ":TAG")
		}
		first.RepoTags = append(first.RepoTags, s.RepoTags...)
	}
	if len(first.RepoTags) == 0 {
		return first, "", nil
	}
	return first, normalName(slices.Min(first.RepoTags)), nil
}

func (o *opener) savedImage(ctx context.Context, a *archive, s savedImage) (*Image, error) {
	raw, err := a.read(ctx, s.Config, o.Limits.MaxConfig)
	if err != nil {
		return nil, fmt.Errorf("image configuration: %w", err)
	}
	sum := sha256.Sum256(raw)
	id := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
	if want, ok := configDigest(s.Config); ok && want != id {
		return nil, &IntegrityError{s.Config, fmt.Sprintf("its bytes have the digest %s, not that of its name", id)}
	}
	config, err := parseConfig(s.Config, raw, o.Limits)
	if err != nil {
		return nil, err
	}
	if len(s.Layers) != len(config.RootFS.DiffIDs) {
		return nil, &IntegrityError{s.Config, fmt.Sprintf("manifest.json has %d layers, the configuration %d diff IDs",
			len(s.Layers), len(config.RootFS.DiffIDs))}
	}
	image := &Image{Config: config}
	for i, name := range s.Layers {
		e, ok := a.find(name)
		if !ok {
			return nil, &IntegrityError{name, "manifest.json names this layer, but it is not in the archive"}
		}
		l := &Layer{DiffID: config.RootFS.DiffIDs[i], CompressedSize: e.size, name: name,
			stored: func(ctx context.Context) (io.ReadCloser, int64, error) { return a.entry(ctx, name) }}
		if d, ok := blobDigest(name); ok {
			l.Digest = d
		}
		image.Layers = append(image.Layers, l)
	}
	tags := slices.Clone(s.RepoTags)
	slices.Sort(tags)
	image.Subject = evidence.Subject{Reference: o.reference, ImageID: id.String(), Platform: platformOf(config), Tags: slices.Compact(tags)}
	return image, nil
}

// configDigest is the digest that a configuration's name promises: HEX.json (docker
// save), sha256:HEX (crane), blobs/sha256/HEX (docker save since version 25).
func configDigest(name string) (v1.Hash, bool) {
	if d, ok := blobDigest(name); ok {
		return d, true
	}
	base := strings.TrimSuffix(path.Base(name), ".json")
	h, err := v1.NewHash("sha256:" + strings.TrimPrefix(base, "sha256:"))
	return h, err == nil
}

// blobDigest is the digest in a name of the form blobs/sha256/HEX. The names of
// layers in older archives are no digests of what is stored.
func blobDigest(name string) (v1.Hash, bool) {
	rest, ok := strings.CutPrefix(path.Clean(name), "blobs/")
	if !ok {
		return v1.Hash{}, false
	}
	h, err := v1.NewHash(strings.Replace(rest, "/", ":", 1))
	return h, err == nil
}
