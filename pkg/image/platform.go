// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/evidence"
)

func platformOf(config *v1.ConfigFile) evidence.Platform {
	return evidence.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant, OSVersion: config.OSVersion}
}

func descriptorPlatform(d v1.Descriptor) evidence.Platform {
	if d.Platform == nil {
		return evidence.Platform{}
	}
	return evidence.Platform{OS: d.Platform.OS, Architecture: d.Platform.Architecture, Variant: d.Platform.Variant, OSVersion: d.Platform.OSVersion}
}

// attestationPlatform is what BuildKit gives manifests that no runtime shall ever choose.
func attestationPlatform() evidence.Platform {
	return evidence.Platform{OS: "unknown", Architecture: "unknown"}
}

// contradict says whether an index and a configuration name different platforms.
// What only one of them says is no contradiction: variants are often left out.
func contradict(index, config evidence.Platform) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return differ(index.OS, config.OS) || differ(index.Architecture, config.Architecture) ||
		differ(index.Variant, config.Variant) || differ(index.OSVersion, config.OSVersion)
}

// merged fills what the configuration does not say from the index.
func merged(index, config evidence.Platform) evidence.Platform {
	fill := func(a, b string) string {
		if a == "" {
			return b
		}
		return a
	}
	return evidence.Platform{
		OS: fill(config.OS, index.OS), Architecture: fill(config.Architecture, index.Architecture),
		Variant: fill(config.Variant, index.Variant), OSVersion: fill(config.OSVersion, index.OSVersion),
	}
}

// walker collects the images of an index and of the indexes in it.
type walker struct {
	*opener
	store   blobStore
	entries int
	seen    map[v1.Hash]*Image // nil for what is no image
	indexes map[v1.Hash]bool
	images  []*Image
	there   []evidence.Platform // every platform, also those that were not asked for
	// attestations are entries that no runtime chooses.
	attestations []v1.Descriptor
}

// images opens a manifest or every wanted image of an index.
func (o *opener) images(ctx context.Context, s blobStore, d *document) ([]*Image, error) {
	w := &walker{opener: o, store: s, seen: map[v1.Hash]*Image{}, indexes: map[v1.Hash]bool{}}
	if d.manifest != nil {
		if !isImage(d.manifest) {
			return nil, faultf(KindNotAnImage, "%s holds a %q, no container image", d.digest, artifactType(d.manifest))
		}
		image, err := o.imageFrom(ctx, s, d)
		if err != nil {
			return nil, err
		}
		return o.choose([]*Image{image}, []evidence.Platform{image.Subject.Platform}, true)
	}
	if err := w.walk(ctx, d.index, 1); err != nil {
		return nil, err
	}
	if len(w.there) == 0 {
		return nil, faultf(KindNotAnImage, "index %s holds no image", d.digest)
	}
	for _, image := range w.images {
		image.Subject.IndexDigest = d.digest.String()
		image.around.annotations = append(image.around.annotations, d.index.Annotations)
		image.around.attestations = w.attestations
	}
	return o.choose(w.images, w.there, false)
}

func artifactType(m *v1.Manifest) string {
	if m.ArtifactType != "" {
		return m.ArtifactType
	}
	return string(m.Config.MediaType)
}

func (w *walker) walk(ctx context.Context, index *v1.IndexManifest, depth int) error {
	if depth > w.Limits.MaxIndexDepth {
		return faultf(KindLimit, "indexes are nested more than %d deep", w.Limits.MaxIndexDepth)
	}
	ahead, stop := w.fetchAhead(ctx, index.Manifests)
	defer stop()
	for i, d := range index.Manifests {
		if w.entries++; w.entries > w.Limits.MaxManifests {
			return faultf(KindLimit, "the index has more than %d entries", w.Limits.MaxManifests)
		}
		var err error
		switch {
		case d.MediaType.IsIndex():
			err = w.nested(ctx, d, ahead[i], depth)
		case descriptorPlatform(d) == attestationPlatform():
			// No runtime chooses it. Every other claim to be no image (annotation,
			// artifact type) is checked against the manifest: runtimes do not heed it.
			w.attestations = append(w.attestations, d)
		case d.MediaType.IsImage(), d.MediaType == "":
			err = w.entry(ctx, d, ahead[i])
		case d.MediaType == types.DockerManifestSchema1, d.MediaType == types.DockerManifestSchema1Signed:
			err = faultf(KindUnsupported, "%s is a schema 1 manifest", d.Digest)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) nested(ctx context.Context, d v1.Descriptor, f *fetched, depth int) error {
	if w.indexes[d.Digest] {
		return nil
	}
	w.indexes[d.Digest] = true
	doc, _, err := w.take(ctx, d, f)
	if err != nil {
		return err
	}
	if doc.index == nil {
		return &IntegrityError{d.Digest.String(), "is no index, although its descriptor says so"}
	}
	return w.walk(ctx, doc.index, depth+1)
}

// entry adds one manifest, unless another platform was asked for.
func (w *walker) entry(ctx context.Context, d v1.Descriptor, f *fetched) error {
	claimed := descriptorPlatform(d)
	if image, ok := w.seen[d.Digest]; ok {
		if image != nil && contradict(claimed, image.Subject.Platform) {
			return w.contradiction(d, claimed, image)
		}
		return nil
	}
	if w.passedOver(d) {
		w.there = append(w.there, claimed)
		return nil
	}
	doc, image, err := w.take(ctx, d, f)
	if doc == nil {
		return err
	}
	if doc.index != nil {
		return &IntegrityError{d.Digest.String(), "is an index, although its descriptor says that it is an image"}
	}
	if !isImage(doc.manifest) {
		// Runtimes pull by platform and do not look at the media type of the
		// configuration: only what none of them can choose is passed over.
		if !isAttestation(doc.manifest) && claimed.OS != "unknown" {
			return faultf(KindUnsupported, "the index holds %s, which is neither an image nor an attestation (configuration %q)", d.Digest, doc.manifest.Config.MediaType).
				withHint("build the index again, without entries that are no images")
		}
		w.seen[d.Digest] = nil
		return nil
	}
	if err != nil {
		return err
	}
	w.seen[d.Digest] = image
	if contradict(claimed, image.Subject.Platform) {
		return w.contradiction(d, claimed, image)
	}
	image.Subject.Platform = merged(claimed, image.Subject.Platform)
	image.around.annotations = append(image.around.annotations, d.Annotations)
	w.there = append(w.there, image.Subject.Platform)
	w.images = append(w.images, image)
	return nil
}

// passedOver: it says itself that it is for another platform than was asked for.
func (w *walker) passedOver(d v1.Descriptor) bool {
	claimed := descriptorPlatform(d)
	return claimed.OS != "" && claimed.Architecture != "" && !w.wanted(claimed) && d.Annotations["vnd.docker.reference.type"] == ""
}

func (w *walker) contradiction(d v1.Descriptor, claimed evidence.Platform, image *Image) error {
	return &IntegrityError{d.Digest.String(), fmt.Sprintf("the index says that it is for %s, its configuration %s says %s",
		claimed, image.Subject.ImageID, image.Subject.Platform)}
}

func (o *opener) wanted(p evidence.Platform) bool {
	return len(o.Platforms) == 0 || slices.ContainsFunc(o.Platforms, p.Matches)
}

// choose keeps the wanted images and insists on every platform that was asked for.
func (o *opener) choose(images []*Image, there []evidence.Platform, single bool) ([]*Image, error) {
	names := make([]string, len(there))
	for i, p := range there {
		names[i] = p.String()
	}
	for _, want := range o.Platforms {
		if slices.ContainsFunc(there, func(p evidence.Platform) bool { return p.Matches(want) }) {
			continue
		}
		if single {
			return nil, faultf(KindPlatform, "image of another architecture: it is for %s, not %s", strings.Join(names, ", "), want).
				withHint("build for that platform (docker build --platform " + want.String() + "), or ask for " + strings.Join(names, ", "))
		}
		return nil, faultf(KindPlatform, "there is no image for %s, only for %s", want, strings.Join(names, ", ")).
			withHint("build the missing platform, or ask for those that are there")
	}
	return slices.DeleteFunc(images, func(i *Image) bool { return !o.wanted(i.Subject.Platform) }), nil
}
