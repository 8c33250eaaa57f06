// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// export saves the image by ID to TempDir, once, and compares it with what inspect
// said. A failed export may be tried again: the next caller's context may live longer.
func (d *daemon) export(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.exported != nil {
		return nil
	}
	a, err := d.save(ctx)
	if err != nil {
		return toError("export", d.reference, err)
	}
	exported, err := d.check(ctx, a)
	if err != nil {
		return toError("export", d.reference, errors.Join(err, spooled{a}.Close()))
	}
	d.file, d.exported = spooled{a}, exported
	d.image.Config, d.image.OnDaemonsWord = exported.Config, false
	d.image.Subject.ImageID = exported.Subject.ImageID
	return nil
}

func (d *daemon) save(ctx context.Context) (*archive, error) {
	rc, err := d.api.ImageSave(ctx, []string{d.id.String()})
	if err != nil {
		return nil, d.explain(d.id.String(), err)
	}
	defer rc.Close()
	f, err := d.spool(ctx, rc)
	if err != nil {
		return nil, err
	}
	a, err := d.index(ctx, f.Name(), f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the daemon's export: %w", err), spooled{&archive{path: f.Name(), file: f}}.Close())
	}
	return a, nil
}

// check finds the image in the export whose diff IDs are those of inspect, and
// proves that its configuration is what the ID names.
func (d *daemon) check(ctx context.Context, a *archive) (*Image, error) {
	saved, err := d.readSaved(ctx, a)
	if err != nil {
		return nil, err
	}
	for _, s := range saved {
		image, err := d.savedImage(ctx, a, s)
		if err != nil {
			return nil, err
		}
		if !slices.Equal(image.Config.RootFS.DiffIDs, d.image.Config.RootFS.DiffIDs) {
			continue
		}
		if contradict(d.image.Subject.Platform, image.Subject.Platform) {
			continue
		}
		return image, d.checkID(ctx, a, image.Subject.ImageID)
	}
	return nil, &IntegrityError{d.id.String(), "the daemon's export holds other layers than its inspect names"}
}

// checkID follows the ID to the configuration: it is its digest (classic store), or
// that of the manifest or index that leads to it (containerd store).
func (d *daemon) checkID(ctx context.Context, a *archive, configID string) error {
	if d.id.String() == configID {
		return nil
	}
	media := d.media
	if media == "" && !a.has("blobs/sha256/"+d.id.Hex) {
		return &IntegrityError{d.id.String(), "the daemon exports an image whose configuration is " + configID}
	}
	s := layoutStore{a}
	raw, err := readVerified(ctx, s, v1.Descriptor{Digest: d.id}, d.Limits.MaxManifest)
	if err != nil {
		return err
	}
	doc, err := parseDocument(d.id.String(), raw, media)
	if err != nil {
		return err
	}
	if d.leadsTo(ctx, s, doc, configID, 1) {
		return nil
	}
	return &IntegrityError{d.id.String(), "does not lead to the exported configuration " + configID}
}

// leadsTo searches a manifest or index. Platforms that the daemon does not hold are
// not in the export; that is no damage.
func (o *opener) leadsTo(ctx context.Context, s blobStore, doc *document, configID string, depth int) bool {
	if doc.manifest != nil {
		return doc.manifest.Config.Digest.String() == configID
	}
	if depth > o.Limits.MaxIndexDepth || len(doc.index.Manifests) > o.Limits.MaxManifests {
		return false
	}
	return slices.ContainsFunc(doc.index.Manifests, func(desc v1.Descriptor) bool {
		if !desc.MediaType.IsIndex() && !desc.MediaType.IsImage() && desc.MediaType != types.MediaType("") {
			return false
		}
		next, err := o.readDocument(ctx, s, desc)
		return err == nil && o.leadsTo(ctx, s, next, configID, depth+1)
	})
}
