// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// remote looks a base up in its registry: by the claim's digest, else by a digest
// that another claim gives the same name, else by what the tag is now.
func (s *baseSearch) remote(ctx context.Context, b evidence.Base, n baseName) evidence.Base {
	if n.digest != "" {
		b = s.compare(ctx, b, evidence.SourceRegistry, n.repository+"@"+n.digest)
		if b.Lineage == evidence.LineageProven && n.tag != "" {
			b.Current = s.current(ctx, b, n)
		}
		return b
	}
	for _, digest := range s.digestsOf(n) {
		found := s.compare(ctx, b, evidence.SourceRegistry, n.repository+"@"+digest)
		if found.Lineage == evidence.LineageProven {
			found.Current = s.current(ctx, found, n)
			return found
		}
	}
	b = s.compare(ctx, b, evidence.SourceRegistry, n.String())
	switch b.Lineage {
	case evidence.LineageProven:
		current := true
		b.Current = &current
	case evidence.LineageDisproven:
		b.Hint = "the tag may have moved since the build: build again, and name the base by digest"
	}
	return b
}

// digestsOf are the digests that other claims give the same name.
func (s *baseSearch) digestsOf(n baseName) []string {
	var digests []string
	for _, c := range s.claims {
		if !isDigest(c.Digest) || slices.Contains(digests, c.Digest) || len(digests) >= maxProvenance {
			continue
		}
		other, err := parseBaseName(c.Reference)
		if c.Reference == "" || err == nil && other.String() == n.String() {
			digests = append(digests, c.Digest)
		}
	}
	return digests
}

// current says whether the tag still leads to the base; nil where that cannot be told.
func (s *baseSearch) current(ctx context.Context, b evidence.Base, n baseName) *bool {
	set, err := s.open(ctx, evidence.SourceRegistry, n.String())
	if err != nil {
		e, ok := errors.AsType[*Error](err)
		gone := false
		if ok && (e.Kind == KindNotFound || e.Kind == KindPlatform) {
			return &gone
		}
		return nil
	}
	defer set.Close()
	same := set.Digest == b.Digest || slices.ContainsFunc(set.Images, func(i *Image) bool {
		return i.Subject.Digest == b.ManifestDigest
	})
	return &same
}

// local reads a base that the caller has at hand. Its name is what the caller
// wrote: what an archive or daemon calls it proves nothing.
func (s *baseSearch) local(ctx context.Context, b evidence.Base) evidence.Base {
	return s.compare(ctx, b, "", s.query.Reference)
}

func (s *baseSearch) open(ctx context.Context, source evidence.Source, reference string) (*Set, error) {
	o := &opener{Options: s.options, reference: reference}
	o.Platforms = nil
	// The variant is left out: not every index and configuration says it.
	if p := s.subject.Platform; p.OS != "" && p.Architecture != "" {
		o.Platforms = []evidence.Platform{{OS: p.OS, Architecture: p.Architecture}}
	}
	var set *Set
	var err error
	if source == evidence.SourceRegistry {
		set, err = o.openRegistry(ctx, reference)
	} else {
		set, err = o.open(ctx)
	}
	if err != nil {
		return nil, toError("look up base image", reference, err)
	}
	return set, nil
}

// compare opens a base and compares its diff IDs with the image's.
func (s *baseSearch) compare(ctx context.Context, b evidence.Base, source evidence.Source, reference string) evidence.Base {
	set, err := s.open(ctx, source, reference)
	if err != nil {
		return unread(b, err)
	}
	defer set.Close()
	b.Digest = set.Digest
	b.Lineage, b.Hint = evidence.LineageDisproven, "name the image that the Dockerfile begins with, as it was at the time of the build"
	for _, base := range set.Images {
		ids := []v1.Hash{}
		if base.Config != nil {
			ids = base.Config.RootFS.DiffIDs
		}
		if b.ManifestDigest == "" || len(set.Images) == 1 {
			b.ManifestDigest, b.Created = base.Subject.Digest, created(base)
		}
		if b.Reason = s.disproof(base, ids); b.Reason != "" {
			continue
		}
		b.ManifestDigest, b.Created = base.Subject.Digest, created(base)
		b.Lineage, b.Layers, b.Hint = evidence.LineageProven, len(ids), ""
		b.Reason = fmt.Sprintf("the image's first %d layers, of %d, are the base's", len(ids), len(s.diffIDs))
		if len(ids) == 1 {
			b.Reason = fmt.Sprintf("the image's first layer, of %d, is the base's", len(s.diffIDs))
		}
		return b
	}
	return b
}

// disproof says why the image is not built on base; empty where it is.
func (s *baseSearch) disproof(base *Image, ids []v1.Hash) string {
	same := func(a, b string) bool { return a != "" && a == b }
	switch {
	case same(base.Subject.Digest, s.subject.Digest), same(base.Subject.ImageID, s.subject.ImageID),
		same(base.Subject.IndexDigest, s.subject.IndexDigest), same(base.Subject.Digest, s.subject.IndexDigest):
		return "the image names itself as its base"
	case len(ids) == 0:
		return "the base image has no layers, which proves nothing"
	case len(ids) > len(s.diffIDs):
		return fmt.Sprintf("the base image has %d layers, and the image only %d", len(ids), len(s.diffIDs))
	}
	for i, id := range ids {
		if id != s.diffIDs[i] {
			return fmt.Sprintf("layer %d of the base image is %s, and of the image %s", i+1, id, s.diffIDs[i])
		}
	}
	return ""
}

// unread tells a base that is certainly another from one that could not be read.
func unread(b evidence.Base, err error) evidence.Base {
	b.Lineage, b.Reason = evidence.LineageUnknown, reasonOf(err)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return b
	}
	b.Hint = e.Hint
	if e.Kind == KindPlatform {
		b.Lineage, b.Reason = evidence.LineageDisproven, "the base image is for another platform: "+reasonOf(e.Err)
	}
	return b
}

func created(i *Image) *time.Time {
	if i.Config == nil || i.Config.Created.IsZero() {
		return nil
	}
	t := i.Config.Created.UTC()
	return &t
}
