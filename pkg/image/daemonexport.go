// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// dump is one export of a daemon, from its first byte on. Layers are read out of it
// while it comes, but none ends before all of it was checked.
type dump struct {
	file *growing
	path string
	done chan struct{}

	mu      sync.Mutex
	seen    map[string]span // files that have begun
	changed chan struct{}

	// archive, exported and err are written before done is closed.
	archive  *archive
	exported *Image
	err      error
}

// export saves the image by ID to TempDir, once, and compares it with what inspect
// said. It goes on where the first caller gives up; one that failed has failed for all.
func (d *daemon) export(ctx context.Context) error {
	x, err := d.begin()
	if err != nil {
		return toError("export", d.reference, err)
	}
	return d.await(ctx, x)
}

// begin begins an export unless one is under way or done.
func (d *daemon) begin() (*dump, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.life.Err(); err != nil {
		return nil, err
	}
	if d.dump != nil {
		return d.dump, nil
	}
	f, err := d.spoolFile()
	if err != nil {
		return nil, err
	}
	x := &dump{file: newGrowing(d.life, f), path: f.Name(), done: make(chan struct{}), seen: map[string]span{}, changed: make(chan struct{})}
	d.dump = x
	go d.run(d.life, x)
	return x, nil
}

// await waits for the end of an export, and takes over what it proved.
func (d *daemon) await(ctx context.Context, x *dump) error {
	select {
	case <-x.done:
	case <-ctx.Done():
		return toError("export", d.reference, ctx.Err())
	}
	if x.err != nil {
		return toError("export", d.reference, x.err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.image.OnDaemonsWord {
		d.image.Config, d.image.OnDaemonsWord = x.exported.Config, false
		d.image.Subject.ImageID = x.exported.Subject.ImageID
	}
	return nil
}

func (d *daemon) run(ctx context.Context, x *dump) {
	defer close(x.done)
	defer func() {
		if p := recover(); p != nil { // no caller's recover reaches this goroutine
			x.err = fmt.Errorf("read the export: panic: %v", p)
			x.file.end(x.err)
		}
	}()
	a, err := d.save(ctx, x)
	if err == nil {
		x.archive = a
		x.exported, err = d.check(ctx, a)
	}
	x.err = err
}

// save writes the export to the file, and reads its headers at the same time.
func (d *daemon) save(ctx context.Context, x *dump) (*archive, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	rc, err := d.api.ImageSave(ctx, []string{d.id.String()})
	if err != nil {
		err = d.explain(d.id.String(), err)
		x.file.end(err)
		return nil, err
	}
	defer rc.Close()
	var copied error
	var wg sync.WaitGroup
	wg.Go(func() {
		if copied = d.fillSpool(ctx, x.file, rc); copied != nil && ctx.Err() != nil {
			copied = context.Cause(ctx)
		}
		x.file.end(copied)
	})
	a := newArchive(x.path, x.file, math.MaxInt64) // how long it will be nobody knows
	err = d.indexFrom(ctx, a, &growingReader{growingAt: growingAt{ctx, x.file}}, func(name string) { x.note(name, a.files) })
	if err != nil {
		err = fmt.Errorf("the daemon's export: %w", err)
		cancel(err) // of a damaged export no more is wanted
	}
	wg.Wait()
	if copied != nil { // then it is why the headers could not be read
		return nil, copied
	}
	if err != nil {
		return nil, err
	}
	a.size = x.file.n
	return a, nil
}

// note makes a file known that has begun.
func (x *dump) note(name string, files map[string]span) {
	s, ok := files[name]
	if !ok {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.seen[name] = s
	close(x.changed)
	x.changed = make(chan struct{})
}

// early waits until the export has come to a file whose name says that it is the
// layer's content: blobs/sha256/HEX of the classic image store, HEX.tar of Podman. The
// name is empty if the export ended without one: then its manifest knows.
func (x *dump) early(ctx context.Context, diffID v1.Hash) (string, span, error) {
	for {
		x.mu.Lock()
		changed := x.changed
		for _, name := range []string{"blobs/" + diffID.Algorithm + "/" + diffID.Hex, diffID.Hex + ".tar"} {
			if s, ok := x.seen[name]; ok {
				x.mu.Unlock()
				return name, s, nil
			}
		}
		x.mu.Unlock()
		select {
		case <-changed:
		case <-x.done:
			return "", span{}, nil
		case <-ctx.Done():
			return "", span{}, ctx.Err()
		}
	}
}

// confirm waits for the end of the export, and for its manifest to say that layer i is
// what was read.
func (d *daemon) confirm(ctx context.Context, x *dump, i int, place span) error {
	if err := d.await(ctx, x); err != nil {
		return err
	}
	l := x.exported.Layers[i]
	if s, ok := x.archive.find(l.name); !ok || s != place && !x.archive.equal(s, place) {
		return &IntegrityError{l.name, "is in the daemon's export under two names, with different content"}
	}
	return nil
}

// close waits for the export, which must have been cancelled, and removes its file.
func (x *dump) close() error {
	<-x.done
	return errors.Join(x.file.Close(), os.Remove(x.path))
}

// earlyLayer ends when the whole export has been found good.
type earlyLayer struct {
	r   io.Reader
	end func() error
}

func (e *earlyLayer) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil {
		if failed := e.end(); failed != nil {
			return n, failed
		}
	}
	return n, err
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
