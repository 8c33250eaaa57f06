// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// blobStore is where manifests and blobs come from: a registry or a layout.
type blobStore interface {
	// open yields a blob's or manifest's bytes, unverified, and their size if the
	// store knows it (-1 otherwise).
	open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error)
}

// rememberer is a store that may have bytes at hand which were verified before.
type rememberer interface {
	remembered(d v1.Descriptor) ([]byte, bool)
	remember(d v1.Descriptor, b []byte)
}

// readVerified reads a small blob: no more than limit bytes, of the descriptor's
// size where it has one, and hashing to its digest.
func readVerified(ctx context.Context, s blobStore, d v1.Descriptor, limit int64) ([]byte, error) {
	if d.Size > limit {
		return nil, limitError(d.Digest.String(), limit)
	}
	memory, ok := s.(rememberer)
	if ok {
		// Of another size than the descriptor says: let reading say what is wrong.
		if b, ok := memory.remembered(d); ok && (d.Size <= 0 || d.Size == int64(len(b))) && int64(len(b)) <= limit {
			return b, nil
		}
	}
	rc, _, err := s.open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	size := d.Size
	if size <= 0 {
		size = -1 // some tools write no size; the digest decides
	}
	h, err := newHashedReader(d.Digest.String(), rc, d.Digest, size)
	if err != nil {
		return nil, err
	}
	b, err := readLimited(h, d.Digest.String(), limit)
	if err == nil && ok {
		memory.remember(d, b)
	}
	return b, err
}

func readLimited(r io.Reader, name string, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, limitError(name, limit)
	}
	return b, nil
}

func limitError(what string, limit int64) error {
	return faultf(KindLimit, "%s is larger than %d bytes", what, limit)
}

// decode reads JSON as the standard library's first version does, which is what
// Docker and containerd use, but refuses documents that say a thing twice: the
// runtime and this gate must not see two different images.
func decode(name string, b []byte, v any) error {
	err := jsonv2.Unmarshal(b, v, json.DefaultOptionsV1(), jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false))
	if err != nil {
		return faultf(KindNotAnImage, "%s: %w", name, err)
	}
	return nil
}

// document is a manifest or an index, whichever it is.
type document struct {
	mediaType types.MediaType
	digest    v1.Hash
	size      int64
	index     *v1.IndexManifest
	manifest  *v1.Manifest
}

// parseDocument understands a manifest or index. The media type comes from the
// descriptor or the registry; empty means that the document must say it itself.
func parseDocument(name string, b []byte, media types.MediaType) (*document, error) {
	var head struct {
		SchemaVersion int64             `json:"schemaVersion"`
		MediaType     types.MediaType   `json:"mediaType"`
		Manifests     []json.RawMessage `json:"manifests"`
		Layers        []json.RawMessage `json:"layers"`
		Config        json.RawMessage   `json:"config"`
		FSLayers      json.RawMessage   `json:"fsLayers"`
	}
	if err := decode(name, b, &head); err != nil {
		return nil, err
	}
	isManifest := head.Layers != nil || head.Config != nil
	if media == "" {
		media = head.MediaType
	}
	switch {
	case head.FSLayers != nil || media == types.DockerManifestSchema1 || media == types.DockerManifestSchema1Signed:
		return nil, faultf(KindUnsupported, "%s is a schema 1 manifest", name).withHint("push the image again with a current Docker")
	case head.Manifests != nil && isManifest:
		// CVE-2021-41190: one document that is an index to one reader and an image to another.
		return nil, &IntegrityError{name, "is an index and an image manifest at once"}
	case head.MediaType != "" && head.MediaType != media:
		return nil, &IntegrityError{name, fmt.Sprintf("says that it is %q, its descriptor says %q", head.MediaType, media)}
	}
	if media == "" {
		media = types.OCIManifestSchema1
		if head.Manifests != nil {
			media = types.OCIImageIndex
		}
	}
	d := &document{mediaType: media, size: int64(len(b))}
	switch {
	case media.IsIndex() && !isManifest:
		d.index = &v1.IndexManifest{}
		return d, decode(name, b, d.index)
	case media.IsImage() && isManifest:
		d.manifest = &v1.Manifest{}
		return d, decode(name, b, d.manifest)
	}
	return nil, faultf(KindNotAnImage, "%s (%s) is neither an image manifest nor an index", name, media)
}

// isImage says whether a manifest is that of a container image. Attestations that
// BuildKit stores beside an image have an image configuration too, but layers
// which are in-toto statements.
func isImage(m *v1.Manifest) bool {
	switch m.Config.MediaType {
	case types.OCIConfigJSON, types.DockerConfigJSON:
	default:
		return false
	}
	return !isAttestation(m)
}

func isAttestation(m *v1.Manifest) bool {
	for _, l := range m.Layers {
		if l.MediaType != "application/vnd.in-toto+json" {
			return false
		}
	}
	return len(m.Layers) > 0
}

func parseConfig(name string, b []byte, limits Limits) (*v1.ConfigFile, error) {
	config := &v1.ConfigFile{}
	if !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("{")) {
		return nil, faultf(KindNotAnImage, "%s is no image configuration", name)
	}
	if err := decode(name, b, config); err != nil {
		return nil, err
	}
	if config.RootFS.Type != "" && config.RootFS.Type != "layers" {
		return nil, faultf(KindUnsupported, "%s: rootfs type %q", name, config.RootFS.Type)
	}
	if n := len(config.RootFS.DiffIDs); n > limits.MaxLayers {
		return nil, faultf(KindLimit, "%s: %d layers are more than %d", name, n, limits.MaxLayers)
	}
	for _, id := range config.RootFS.DiffIDs {
		// A JSON null leaves the zero Hash.
		if _, err := v1.NewHash(id.String()); err != nil {
			return nil, faultf(KindNotAnImage, "%s: diff ID: %w", name, err)
		}
	}
	return config, nil
}

// imageFrom builds the image of a manifest: configuration and layers, unread.
func (o *opener) imageFrom(ctx context.Context, s blobStore, d *document) (*Image, error) {
	m := d.manifest
	if len(m.Layers) > o.Limits.MaxLayers {
		return nil, faultf(KindLimit, "%s: %d layers are more than %d", d.digest, len(m.Layers), o.Limits.MaxLayers)
	}
	for _, b := range append([]v1.Descriptor{m.Config}, m.Layers...) {
		if _, err := v1.NewHash(b.Digest.String()); err != nil {
			return nil, faultf(KindNotAnImage, "%s: a descriptor without a valid digest: %w", d.digest, err)
		}
		if b.Size < 0 {
			return nil, &IntegrityError{b.Digest.String(), fmt.Sprintf("its descriptor promises %d bytes", b.Size)}
		}
	}
	if len(m.Config.URLs) > 0 {
		return nil, faultf(KindUnsupported, "configuration %s is kept elsewhere", m.Config.Digest)
	}
	raw, err := readVerified(ctx, s, m.Config, o.Limits.MaxConfig)
	if err != nil {
		return nil, fmt.Errorf("image configuration: %w", err)
	}
	config, err := parseConfig(m.Config.Digest.String(), raw, o.Limits)
	if err != nil {
		return nil, err
	}
	layers, err := layersOf(m, config, func(d v1.Descriptor) func(context.Context) (io.ReadCloser, int64, error) {
		return func(ctx context.Context) (io.ReadCloser, int64, error) {
			rc, _, err := s.open(ctx, d)
			return rc, d.Size, err
		}
	})
	if err != nil {
		return nil, err
	}
	if _, remote := s.(*registry); remote {
		for _, l := range layers {
			l.ahead = remoteAhead
		}
	}
	image := &Image{Config: config, Layers: layers, Annotations: m.Annotations, around: surroundings{store: s}}
	image.Subject.Reference = o.reference
	image.Subject.Digest, image.Subject.ImageID = d.digest.String(), m.Config.Digest.String()
	image.Subject.Platform = platformOf(config)
	return image, nil
}

// readDocument fetches and parses a manifest or index by its descriptor.
func (o *opener) readDocument(ctx context.Context, s blobStore, d v1.Descriptor) (*document, error) {
	if _, err := v1.NewHash(d.Digest.String()); err != nil {
		return nil, faultf(KindNotAnImage, "a descriptor without a valid digest: %w", err)
	}
	if len(d.URLs) > 0 {
		return nil, faultf(KindUnsupported, "manifest %s is kept elsewhere", d.Digest)
	}
	raw, err := readVerified(ctx, s, d, o.Limits.MaxManifest)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	doc, err := parseDocument(d.Digest.String(), raw, d.MediaType)
	if err != nil {
		return nil, err
	}
	doc.digest = d.Digest
	return doc, nil
}

func isFault(err error, kind ErrorKind) bool {
	f, ok := errors.AsType[*fault](err)
	return ok && f.kind == kind
}
