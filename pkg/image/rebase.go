// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// RebaseRequest is an image, what it is built on, and what it shall be built on.
type RebaseRequest struct {
	Image, OldBase, NewBase *Image
	// BaseName is the new base's name without digest; empty where it has none.
	BaseName string
	// Created dates the new image. Zero: the date of Image.
	Created time.Time
	Limits  Limits
}

// Rebased is an image of another one's own layers on a new base. Nothing is written yet,
// but every layer was read, and is what its digest and diff ID promise. It reads the
// images that it is made of: keep their Sets open until it is written.
type Rebased struct {
	Platform evidence.Platform
	// Digest is that of the manifest, ImageID that of the configuration.
	Digest, ImageID string
	// Own is the number of layers that are not the base's, of Layers.
	Own, Layers int
	// Old and New are the distributions of both bases.
	Old, New Distribution
	// Warnings say what may not be as its author expects; their texts hold names from
	// the images.
	Warnings []string

	manifest, config []byte
	blobs            []*rebaseLayer
}

// Rebase takes the image's own layers and puts them on the layers of the new base.
// Errors are *Error; KindUnsupported is for an image that must be built again instead.
func Rebase(ctx context.Context, q RebaseRequest) (*Rebased, error) {
	q.Limits = q.Limits.withDefaults()
	r, err := q.rebase(ctx)
	if err != nil {
		return nil, toError("rebase", q.Image.Subject.Reference, err)
	}
	return r, nil
}

func (q *RebaseRequest) rebase(ctx context.Context) (*Rebased, error) {
	for _, img := range []*Image{q.Image, q.OldBase, q.NewBase} {
		if err := img.Export(ctx); err != nil {
			return nil, err
		}
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	s, err := q.survey(ctx)
	if err != nil {
		return nil, err
	}
	r := &Rebased{Platform: merged(q.NewBase.Subject.Platform, q.Image.Subject.Platform), Own: len(q.own()), Old: s.old.distribution(), New: s.new.distribution()}
	r.Layers = r.Own + len(q.NewBase.Layers)
	if err := s.refusal(r.Old, r.New); err != nil {
		return nil, err
	}
	r.Warnings = append(s.warnings(r.Old, r.New), q.inherited()...)
	return r, q.build(ctx, r)
}

// own are the layers that the image adds to its base.
func (q *RebaseRequest) own() []*Layer { return q.Image.Layers[len(q.OldBase.Config.RootFS.DiffIDs):] }

// check refuses what can be refused before a layer is read.
func (q *RebaseRequest) check() error {
	ids, old, next := q.Image.Config.RootFS.DiffIDs, q.OldBase.Config.RootFS.DiffIDs, q.NewBase.Config.RootFS.DiffIDs
	image, base := q.Image.Subject, q.NewBase.Subject
	switch {
	case image.Platform.OS != "linux":
		return faultf(KindUnsupported, "images for %s cannot be rebased", image.Platform).withHint("build the image again on the new base")
	case contradict(base.Platform, image.Platform):
		return faultf(KindPlatform, "the image is for %s, and the new base for %s", image.Platform, base.Platform).withHint("name a base for the same platform")
	case len(old) == 0 || len(old) > len(ids) || !slices.Equal(old, ids[:len(old)]):
		return faultf(KindUnsupported, "the old base's layers are not the first of the image's").
			withHint("name the image that the Dockerfile begins with by --base; an image that was squashed has no base any more: build it again")
	case len(next) == 0:
		return faultf(KindUnsupported, "the new base has no layers")
	case base.ImageID == image.ImageID:
		return faultf(KindUnsupported, "the image names itself as its new base")
	case slices.Equal(old, next):
		return faultf(KindUnsupported, "the new base's layers are those that the image is built on: there is nothing to do").
			withHint("name a newer base; if there is none, what is wrong is in the image's own layers, or not fixed yet")
	case len(next)+len(ids)-len(old) > q.Limits.MaxLayers:
		return faultf(KindLimit, "the new image would have %d layers, more than %d", len(next)+len(ids)-len(old), q.Limits.MaxLayers)
	case q.Image.Config.Config.Labels[buildpacksKey] != "":
		return faultf(KindUnsupported, "the image was built by buildpacks, whose label says on what").
			withHint("`pack rebase` makes the new image and keeps that label true; judge its result with `ocigate check`")
	}
	for _, l := range append(slices.Clone(q.Image.Layers), q.NewBase.Layers...) {
		if l.refusal != nil {
			return l.refusal
		}
	}
	return nil
}

// kept is one setting of the three configurations; empty where it is not there.
type kept struct{ name, image, old, new string }

// inherited says which settings the image has of its old base, where the new one has
// another: they follow the image, as its author may have relied on them.
func (q *RebaseRequest) inherited() []string {
	image, old, next := q.Image.Config.Config, q.OldBase.Config.Config, q.NewBase.Config.Config
	all := []kept{
		{"the user", image.User, old.User, next.User},
		{"the entrypoint", strings.Join(image.Entrypoint, "\x00"), strings.Join(old.Entrypoint, "\x00"), strings.Join(next.Entrypoint, "\x00")},
		{"the command", strings.Join(image.Cmd, "\x00"), strings.Join(old.Cmd, "\x00"), strings.Join(next.Cmd, "\x00")},
		{"the working directory", image.WorkingDir, old.WorkingDir, next.WorkingDir},
		{"the stop signal", image.StopSignal, old.StopSignal, next.StopSignal},
	}
	all = append(all, settings("ENV ", environment(image.Env), environment(old.Env), environment(next.Env))...)
	all = append(all, settings("label ", image.Labels, old.Labels, next.Labels)...)
	var names []string
	for _, k := range all {
		if k.image == k.old && k.new != k.image {
			names = append(names, k.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"configuration stays as the image has it from its old base, although the new one has another: " + listed(names)}
}

func settings(prefix string, image, old, next map[string]string) []kept {
	var all []kept
	for name := range next {
		if name != baseNameKey && name != baseDigestKey {
			all = append(all, kept{prefix + name, image[name], old[name], next[name]})
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return strings.Compare(a.name, b.name) })
	return all
}

func environment(env []string) map[string]string {
	m := map[string]string{}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		m[name] = value
	}
	return m
}

// listed names a few of what may be many, each of bounded length.
func listed(names []string) string {
	const few = 5
	var out []string
	for _, n := range names[:min(few, len(names))] {
		out = append(out, claimText(n))
	}
	text := strings.Join(out, ", ")
	if len(names) > few {
		text += fmt.Sprintf(" and %d more", len(names)-few)
	}
	return text
}

// OpenBase opens a base image that the caller names: an image in a registry, which no
// daemon is asked for, or any reference with a transport or path. The name is what to
// call it by, without digest; empty for a local one. Errors are *Error.
func OpenBase(ctx context.Context, reference string, opts Options) (set *Set, name string, err error) {
	opts.Limits = opts.Limits.withDefaults()
	reference = withoutTransport(reference)
	o := &opener{Options: opts, reference: reference}
	if isLocalBase(reference) {
		set, err = o.open(ctx)
	} else {
		var n baseName
		if n, err = parseBaseName(reference); err == nil {
			name = n.String()
			set, err = o.openRegistry(ctx, reference)
		}
	}
	if err != nil {
		return nil, "", toError("look up base image", reference, err)
	}
	return set, name, nil
}

// OpenProven opens again the base that FindBase has proven to be that of img. Flag is
// the reference that the caller gave for it, if any.
func OpenProven(ctx context.Context, img *Image, b evidence.Base, flag string, opts Options) (*Set, *Image, error) {
	opts.Platforms = []evidence.Platform{{OS: img.Subject.Platform.OS, Architecture: img.Subject.Platform.Architecture}}
	reference := flag
	if b.Source != evidence.ClaimFlag || !IsLocalBase(flag) {
		n, err := parseBaseName(b.Reference)
		if err != nil || !isDigest(b.ManifestDigest) {
			return nil, nil, toError("look up base image", b.Reference, faultf(KindUnsupported, "it is not known by digest"))
		}
		reference = n.repository + "@" + b.ManifestDigest
	}
	set, _, err := OpenBase(ctx, reference, opts)
	if err != nil {
		return nil, nil, err
	}
	// Which one it was when it was proven; Rebase compares the layers again.
	i := slices.IndexFunc(set.Images, func(o *Image) bool { return o.Subject.Digest == b.ManifestDigest })
	if i < 0 {
		set.Close()
		return nil, nil, toError("look up base image", reference, faultf(KindNotFound, "it has changed while it was read").withHint("run ocigate again"))
	}
	return set, set.Images[i], nil
}

// BasesFor finds, for each image, the one of the set that is for the same platform.
// Errors are *Error, and name every platform that has none.
func (s *Set) BasesFor(images []*Image) ([]*Image, error) {
	var bases []*Image
	var missing, have []string
	for _, img := range s.Images {
		have = append(have, img.Subject.Platform.String())
	}
	for _, img := range images {
		p := img.Subject.Platform
		base := s.forPlatform(p)
		if bases = append(bases, base); base == nil {
			missing = append(missing, p.String())
		}
	}
	if len(missing) == 0 {
		return bases, nil
	}
	return nil, toError("look up base image", s.Images[0].Subject.Reference,
		faultf(KindPlatform, "the new base is for %s, and no one of these is certain to be for %s", strings.Join(have, ", "), strings.Join(missing, ", ")).
			withHint("name a base that has the image's platforms, or leave a platform out with --platform"))
}

// forPlatform is the image of that very platform, or the only one that does not
// contradict it; nil if there is none.
func (s *Set) forPlatform(p evidence.Platform) *Image {
	var found []*Image
	for _, img := range s.Images {
		if img.Subject.Platform == p {
			return img
		}
		if !contradict(img.Subject.Platform, p) {
			found = append(found, img)
		}
	}
	if len(found) != 1 {
		return nil
	}
	return found[0]
}

// digestOf is the digest of a manifest; a docker archive has none.
func digestOf(img *Image) string {
	if _, err := v1.NewHash(img.Subject.Digest); err != nil {
		return ""
	}
	return img.Subject.Digest
}
