// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// rebasedImage is what was made and written, one image per platform.
type rebasedImage struct {
	images  []*image.Rebased
	old     []evidence.Base // of images
	written image.Written
	// base is the new base as --base takes it: by digest, unless it is local.
	base string
	// name and digest are what it is called, and what that led to.
	name, digest string
}

// rebase makes the new image of each platform, and writes them.
func (r *rebasing) rebase(ctx context.Context, before verdict.Verdict) (*rebasedImage, error) {
	dir, err := os.MkdirTemp("", "ocigate-")
	if err != nil {
		return nil, &hinted{fmt.Errorf("make a temporary directory: %w", err), "set TMPDIR to a directory with room"}
	}
	defer os.RemoveAll(dir)
	if r.images, err = r.imageOptions(r.flags, dir); err != nil {
		return nil, err
	}
	r.images.Connections = image.NewConnections()
	defer r.images.Connections.Close()

	opts := r.images
	opts.Platforms = r.req.Platforms
	set, err := image.Open(ctx, r.reference, opts)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	r.progress.phase("looking up the new base " + r.newBase)
	next, name, err := image.OpenBase(ctx, r.newBase, r.images)
	if err != nil {
		return nil, err
	}
	defer next.Close()
	out := &rebasedImage{base: r.newBase, name: r.newBase, digest: next.Digest}
	if name != "" {
		out.base, out.name = name+"@"+next.Digest, name
	}
	if len(set.Images) > 1 && r.to.Source == evidence.SourceDockerArchive {
		return nil, &hinted{fmt.Errorf("a docker archive holds one platform, and %s has %d", r.reference, len(set.Images)), "name one with --platform, or write oci:DIR"}
	}
	bases, err := next.BasesFor(set.Images)
	if err != nil {
		return nil, err
	}
	for i, img := range set.Images {
		made, proven, err := r.one(ctx, before, img, image.RebaseRequest{Image: img, NewBase: bases[i], BaseName: name, Created: r.created})
		if err != nil {
			return nil, err
		}
		out.images, out.old = append(out.images, made), append(out.old, proven)
	}
	r.progress.phase("writing " + r.destination)
	out.written, err = r.to.Write(ctx, out.images)
	return out, err
}

// one makes the new image of one platform.
func (r *rebasing) one(ctx context.Context, before verdict.Verdict, img *image.Image, q image.RebaseRequest) (*image.Rebased, evidence.Base, error) {
	proven, err := baseOf(before, img)
	if err != nil {
		return nil, proven, err
	}
	set, old, err := image.OpenProven(ctx, img, proven, r.req.Base, r.images)
	if err != nil {
		return nil, proven, err
	}
	defer set.Close()
	q.OldBase = old
	r.progress.phase(fmt.Sprintf("rebasing %s: layers of the image %d, of its base %d", img.Subject.Platform, len(img.Layers), proven.Layers))
	made, err := image.Rebase(ctx, q)
	return made, proven, err
}

// baseOf is the base that the image was judged by.
func baseOf(before verdict.Verdict, img *image.Image) (evidence.Base, error) {
	i := slices.IndexFunc(before.Subjects, func(s verdict.SubjectVerdict) bool { return s.Evidence.Subject.Platform == img.Subject.Platform })
	if i < 0 {
		return evidence.Base{}, &hinted{fmt.Errorf("the policy does not ask for %s", img.Subject.Platform), "name the platforms that are to be rebased with --platform"}
	}
	e := before.Subjects[i].Evidence
	if e.Subject.Digest != img.Subject.Digest || !sameLayers(e.Layers, img) {
		return evidence.Base{}, &hinted{fmt.Errorf("%s has changed since it was judged", img.Subject.Reference), "run ocigate again, and name the image by digest"}
	}
	switch {
	case e.Base == nil:
		return evidence.Base{}, &hinted{fmt.Errorf("nothing says what %s is built on", img.Subject.Reference), "name its base image with --base or --dockerfile"}
	case e.Base.Lineage == evidence.LineageScratch:
		return *e.Base, &hinted{fmt.Errorf("%s is built on no base: %s", img.Subject.Reference, e.Base.Reason), "build it again"}
	case e.Base.Lineage != evidence.LineageProven:
		return *e.Base, &hinted{fmt.Errorf("it is not proven that %s is built on %s: %s", img.Subject.Reference, orUnknown(e.Base.Reference), e.Base.Reason), squashed(e.Base)}
	}
	return *e.Base, nil
}

func orUnknown(reference string) string {
	if reference == "" {
		return "a base image"
	}
	return reference
}

// squashed adds what else may be the reason that no base fits.
func squashed(b *evidence.Base) string {
	if b.Lineage == evidence.LineageDisproven {
		return b.Hint + "; an image that was squashed has no base any more: build it again"
	}
	return b.Hint
}

// sameLayers says whether those are the layers that were examined, as far as any were.
func sameLayers(facts []evidence.LayerFacts, img *image.Image) bool {
	return len(facts) == 0 || img.Config == nil || slices.EqualFunc(facts, img.Layers, func(f evidence.LayerFacts, l *image.Layer) bool {
		return f.DiffID == l.DiffID.String()
	})
}
