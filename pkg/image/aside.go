// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// emptyConfig is the digest of {}, the configuration of artifacts that are no images.
const emptyConfig = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

// attachedName is how signatures and referrers are tagged, by digest of their image.
var attachedName = regexp.MustCompile(`^(.*:)?sha(256-[0-9a-f]{64}|512-[0-9a-f]{64,128})(\.[a-z]+)?$`)

// withoutAttached drops entries of index.json that hang on another one: they claim it,
// carry no name that somebody could run them by, and hold no file system.
func (o *opener) withoutAttached(ctx context.Context, s layoutStore, found []v1.Descriptor) []v1.Descriptor {
	if len(found) < 2 {
		return found
	}
	a := &aside{opener: o, store: s}
	images := slices.DeleteFunc(slices.Clone(found), func(d v1.Descriptor) bool { return a.is(ctx, d) })
	if len(images) == 0 {
		return found
	}
	return images
}

// aside decides which entries are passed over.
type aside struct {
	*opener
	store blobStore
	read  int
}

func (a *aside) is(ctx context.Context, d v1.Descriptor) bool {
	names := entryNames([]v1.Descriptor{d})
	for _, n := range names {
		if !attachedName.MatchString(n) {
			return false
		}
	}
	doc := a.document(ctx, d)
	if doc == nil {
		return false
	}
	if doc.index != nil {
		return a.lists(ctx, doc.index)
	}
	kind := d.Annotations[kindAnnotation]
	claimed := len(names) > 0 || kind == signaturesKind || kind == attestationKind || doc.manifest.Subject != nil
	return claimed && holdsNoFiles(doc.manifest)
}

// lists says whether an index lists nothing but referrers.
func (a *aside) lists(ctx context.Context, index *v1.IndexManifest) bool {
	for _, d := range index.Manifests {
		doc := a.document(ctx, d)
		if doc == nil || doc.manifest == nil || doc.manifest.Subject == nil || !holdsNoFiles(doc.manifest) {
			return false
		}
	}
	return len(index.Manifests) > 0
}

// document is nil where it cannot be read: then the entry is taken for an image.
func (a *aside) document(ctx context.Context, d v1.Descriptor) *document {
	if a.read++; a.read > a.Limits.MaxManifests {
		return nil
	}
	doc, err := a.readDocument(ctx, a.store, d)
	if err != nil {
		return nil
	}
	return doc
}

// holdsNoFiles does not believe media types of configurations: runtimes do not heed
// them either.
func holdsNoFiles(m *v1.Manifest) bool {
	if m.Config.Digest.String() == emptyConfig {
		return true
	}
	return !slices.ContainsFunc(m.Layers, func(l v1.Descriptor) bool { return !strings.HasSuffix(string(l.MediaType), "json") })
}
