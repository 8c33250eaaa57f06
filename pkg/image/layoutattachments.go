// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// maxScanned, maxScannedSize and maxScannedTotal bound the search for referrers
	// among the blobs of a layout: their number, the size of a manifest that is looked
	// at, and the size of all of them, in bytes.
	maxScanned      = 10_000
	maxScannedSize  = 256 << 10
	maxScannedTotal = 64 << 20
)

// Attachments gives access to what lies beside the image in its layout or archive. It
// is nil for every other source: for registries, see OpenAttachments. It reads until
// the Set is closed.
func (i *Image) Attachments() *Attachments { return i.around.attachments }

// layoutAttachments finds what hangs on the images of a layout.
type layoutAttachments struct {
	layoutStore
	index  *v1.IndexManifest
	limits Limits

	turn     chan struct{} // holds one token: who has it may scan
	scanned  bool
	subjects map[v1.Hash][]v1.Descriptor
	problem  error
}

func (o *opener) attachmentsOf(l layout, index *v1.IndexManifest) *Attachments {
	s := &layoutAttachments{layoutStore: layoutStore{l}, index: index, limits: o.Limits, turn: make(chan struct{}, 1)}
	return &Attachments{place: l.name(), store: s}
}

// attached implements attachmentStore. Tags are names in index.json, or cosign's own
// way to say what an entry is.
func (l *layoutAttachments) attached(ctx context.Context, id string) ([]byte, bool, error) {
	if h, err := v1.NewHash(id); err == nil {
		raw, err := readVerified(ctx, l, v1.Descriptor{Digest: h}, l.limits.MaxManifest)
		if isFault(err, KindNotFound) {
			return nil, false, nil
		}
		return raw, err == nil, err
	}
	found := newDescriptors(l.limits.MaxManifests)
	for _, d := range l.index.Manifests {
		if isTagged(d, id) {
			if err := found.add(d); err != nil {
				return nil, false, err
			}
		}
	}
	if err := l.addKind(found, id); err != nil {
		return nil, false, err
	}
	switch len(found.list) {
	case 0:
		return nil, false, nil
	case 1:
		raw, err := readVerified(ctx, l, found.list[0], l.limits.MaxManifest)
		if isFault(err, KindNotFound) {
			err = &IntegrityError{found.list[0].Digest.String(), "index.json names it, but it is not there"}
		}
		return raw, err == nil, err
	}
	return nil, false, faultf(KindSeveralImages, "index.json has several entries for %s", id)
}

// isTagged knows bare tags, and full names.
func isTagged(d v1.Descriptor, tag string) bool {
	for _, n := range entryNames([]v1.Descriptor{d}) {
		if n == tag || strings.HasSuffix(n, ":"+tag) {
			return true
		}
	}
	return false
}

// kinds are how `cosign save` marks the entries of index.json.
const (
	kindAnnotation  = "kind"
	savedImageKind  = "dev.cosignproject.cosign/image"
	savedIndexKind  = "dev.cosignproject.cosign/imageIndex"
	signaturesKind  = "dev.cosignproject.cosign/sigs"
	attestationKind = "dev.cosignproject.cosign/atts"
)

// addKind adds what `cosign save` stored beside the image whose digest the tag has.
func (l *layoutAttachments) addKind(found *descriptors, tag string) error {
	base, suffix, _ := strings.Cut(tag, ".")
	kind := map[string]string{"sig": signaturesKind, "att": attestationKind}[suffix]
	if kind == "" {
		return nil
	}
	images, beside := newDescriptors(l.limits.MaxManifests), newDescriptors(l.limits.MaxManifests)
	for _, d := range l.index.Manifests {
		var err error
		switch d.Annotations[kindAnnotation] {
		case savedImageKind, savedIndexKind:
			err = images.add(d)
		case kind:
			err = beside.add(d)
		}
		if err != nil {
			return err
		}
	}
	if len(beside.list) == 0 {
		return nil
	}
	mine := false
	for _, d := range images.list {
		mine = mine || d.Digest.Algorithm+"-"+d.Digest.Hex == base
	}
	if mine && len(images.list) > 1 {
		return faultf(KindSeveralImages, "index.json does not say of which image the signatures are")
	}
	if !mine {
		return nil
	}
	return addAll(found, beside.list)
}

// referrers implements attachmentStore.
func (l *layoutAttachments) referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, error) {
	subjects, err := l.scan(ctx)
	list := newDescriptors(l.limits.MaxManifests)
	err = errors.Join(err, addAll(list, subjects[digest]))
	raw, found, tagErr := l.attached(ctx, fallbackTag(digest))
	if tagErr == nil && found {
		tagErr = addFallback(list, digest, raw)
	}
	return list.list, errors.Join(err, tagErr)
}

// scan looks at every small blob, once: cosign names its bundles in no index.
func (l *layoutAttachments) scan(ctx context.Context) (map[v1.Hash][]v1.Descriptor, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if l.scanned {
		return l.subjects, l.problem
	}
	subjects := map[v1.Hash][]v1.Descriptor{}
	hashes, err := l.blobs(ctx, maxScanned)
	total := int64(0)
	for _, h := range hashes {
		subject, d, size, lookErr := l.look(ctx, h)
		if ctx.Err() != nil {
			break
		}
		if lookErr != nil {
			err = errors.Join(err, lookErr)
			break
		}
		if total += size; total > maxScannedTotal {
			err = limitError("all that may be manifests", maxScannedTotal)
			break
		}
		if subject != (v1.Hash{}) {
			subjects[subject] = append(subjects[subject], d)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err // another caller may have more time
	}
	l.scanned, l.subjects, l.problem = true, subjects, err
	return subjects, err
}

// look reads a blob that may be a manifest with a subject.
func (l *layoutAttachments) look(ctx context.Context, h v1.Hash) (subject v1.Hash, d v1.Descriptor, size int64, err error) {
	rc, size, err := l.open(ctx, v1.Descriptor{Digest: h})
	if isFault(err, KindNotFound) || isFault(err, KindNotAnImage) {
		return v1.Hash{}, d, 0, nil // a directory, a dangling link
	}
	if err != nil {
		return v1.Hash{}, d, 0, err
	}
	defer rc.Close()
	if size > maxScannedSize {
		return v1.Hash{}, d, 0, nil
	}
	raw, err := readLimited(rc, h.String(), maxScannedSize)
	if err != nil {
		return v1.Hash{}, d, 0, err
	}
	subject, d = subjectOf(raw)
	if subject == (v1.Hash{}) {
		return subject, d, int64(len(raw)), nil
	}
	if sum, err := hashOf(h.Algorithm, raw); err != nil || sum != h {
		return v1.Hash{}, d, 0, &IntegrityError{h.String(), fmt.Sprintf("its bytes have the digest %s", sum)}
	}
	d.Digest = h
	return subject, d, int64(len(raw)), nil
}

// subjectOf describes a manifest with a subject; whatever is none has the zero Hash.
func subjectOf(raw []byte) (v1.Hash, v1.Descriptor) {
	var m struct {
		MediaType    types.MediaType            `json:"mediaType"`
		ArtifactType string                     `json:"artifactType"`
		Config       struct{ MediaType string } `json:"config"`
		Subject      *struct{ Digest v1.Hash }  `json:"subject"`
		Annotations  map[string]string          `json:"annotations"`
	}
	if !bytes.HasPrefix(bytes.TrimLeft(raw, " \t\r\n"), []byte("{")) || decode("manifest", raw, &m) != nil || m.Subject == nil {
		return v1.Hash{}, v1.Descriptor{}
	}
	if _, err := v1.NewHash(m.Subject.Digest.String()); err != nil {
		return v1.Hash{}, v1.Descriptor{}
	}
	d := v1.Descriptor{MediaType: m.MediaType, Size: int64(len(raw)), ArtifactType: m.ArtifactType, Annotations: m.Annotations}
	if d.MediaType == "" {
		d.MediaType = types.OCIManifestSchema1
	}
	if d.ArtifactType == "" {
		d.ArtifactType = m.Config.MediaType
	}
	return m.Subject.Digest, d
}

func hashOf(algorithm string, b []byte) (v1.Hash, error) {
	h, err := v1.Hasher(algorithm)
	if err != nil {
		return v1.Hash{}, err
	}
	h.Write(b)
	return v1.Hash{Algorithm: algorithm, Hex: hex.EncodeToString(h.Sum(nil))}, nil
}
