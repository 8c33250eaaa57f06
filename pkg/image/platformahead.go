// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// platformsAhead is how many entries of an index are asked for at once.
const platformsAhead = 6

// fetched is an entry of an index that was asked for before its turn.
type fetched struct {
	done chan struct{}
	// read is false where the attempt broke off: then the entry is read in its turn.
	read  bool
	doc   *document
	image *Image
	err   error
}

// fetchAhead asks a registry for the entries that walk will want: each costs two round
// trips. What becomes of them is decided in their order, so results and errors are the
// same. The function that it returns ends what is under way.
func (w *walker) fetchAhead(ctx context.Context, entries []v1.Descriptor) ([]*fetched, func()) {
	ahead := make([]*fetched, len(entries))
	var wanted []int
	started := map[v1.Hash]bool{}
	for i, d := range entries {
		if w.entries+i >= w.Limits.MaxManifests {
			break
		}
		if w.reads(d) && !started[d.Digest] {
			started[d.Digest] = true
			wanted = append(wanted, i)
		}
	}
	if _, remote := w.store.(*registry); !remote || len(wanted) < 2 {
		return ahead, func() {}
	}
	for _, i := range wanted {
		ahead[i] = &fetched{done: make(chan struct{})}
	}
	ctx, cancel := context.WithCancel(ctx)
	queue := make(chan int, len(wanted))
	for _, i := range wanted {
		queue <- i
	}
	close(queue)
	var wg sync.WaitGroup
	for range min(platformsAhead, len(wanted)) {
		wg.Go(func() {
			for i := range queue {
				w.fetch(ctx, entries[i], ahead[i])
			}
		})
	}
	return ahead, func() {
		cancel()
		wg.Wait()
	}
}

// reads says whether walk will read an entry, if it comes to it.
func (w *walker) reads(d v1.Descriptor) bool {
	if d.MediaType.IsIndex() {
		return !w.indexes[d.Digest]
	}
	if descriptorPlatform(d) == attestationPlatform() || !d.MediaType.IsImage() && d.MediaType != "" {
		return false
	}
	_, seen := w.seen[d.Digest]
	return !seen && !w.passedOver(d)
}

func (w *walker) fetch(ctx context.Context, d v1.Descriptor, f *fetched) {
	defer close(f.done)
	// No caller's recover reaches this goroutine: what panics does so again in its turn.
	defer func() { _ = recover() }()
	if ctx.Err() != nil {
		return
	}
	doc, image, err := w.open(ctx, d)
	f.doc, f.image, f.err, f.read = doc, image, err, true
}

// open reads an entry, and the configuration if it is an image. It changes nothing of w.
func (w *walker) open(ctx context.Context, d v1.Descriptor) (*document, *Image, error) {
	doc, err := w.readDocument(ctx, w.store, d)
	if err != nil || doc.manifest == nil || d.MediaType.IsIndex() || !isImage(doc.manifest) {
		return doc, nil, err
	}
	image, err := w.imageFrom(ctx, w.store, doc)
	return doc, image, err
}

// take is open, for an entry that may have been asked for already.
func (w *walker) take(ctx context.Context, d v1.Descriptor, f *fetched) (*document, *Image, error) {
	if f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
		if f.read {
			return f.doc, f.image, f.err
		}
	}
	return w.open(ctx, d)
}
