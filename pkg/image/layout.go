// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const (
	refNameAnnotation        = "org.opencontainers.image.ref.name"
	containerdNameAnnotation = "io.containerd.image.name"
)

// layout is an OCI image layout, in a directory or in a tar.
type layout interface {
	entry(ctx context.Context, name string) (io.ReadCloser, int64, error)
	// blobs lists what the names of blobs promise, sorted. Together with an error
	// it returns no more than max of them.
	blobs(ctx context.Context, max int) ([]v1.Hash, error)
	// name is the path.
	name() string
}

// layoutStore reads a layout's blobs by digest.
type layoutStore struct{ layout }

func (s layoutStore) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	// Validated: algorithm and hex digits only, never a path.
	if _, err := v1.NewHash(d.Digest.String()); err != nil {
		return nil, -1, faultf(KindNotAnImage, "digest: %w", err)
	}
	return s.entry(ctx, path.Join("blobs", d.Digest.Algorithm, d.Digest.Hex))
}

// directory is a layout on disk. os.Root keeps links from leading out of it.
type directory struct{ root *os.Root }

func (d directory) entry(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	st, err := d.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, -1, faultf(KindNotFound, "%s is not in the layout", name)
	}
	if err != nil {
		return nil, -1, err
	}
	if !st.Mode().IsRegular() {
		return nil, -1, faultf(KindNotAnImage, "%s is not a regular file", name)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, -1, err
	}
	return struct {
		io.Reader
		io.Closer
	}{&contextReader{ctx, f}, f}, st.Size(), nil
}

func (d directory) name() string { return d.root.Name() }

func (d directory) blobs(ctx context.Context, max int) ([]v1.Hash, error) {
	var found blobNames
	for _, algorithm := range []string{"sha256", "sha512"} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		dir, err := d.root.Open(path.Join("blobs", algorithm))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files, err := dir.Readdirnames(max + 1)
		dir.Close()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		for _, f := range files {
			found.add(path.Join("blobs", algorithm, f))
		}
	}
	return found.sorted(max)
}

// blobNames are the digests in the names of blobs, which may name one more than once.
type blobNames []v1.Hash

func (b *blobNames) add(name string) {
	if h, ok := blobDigest(name); ok {
		*b = append(*b, h)
	}
}

func (b blobNames) sorted(max int) ([]v1.Hash, error) {
	slices.SortFunc(b, func(x, y v1.Hash) int { return strings.Compare(x.String(), y.String()) })
	b = slices.Compact(b)
	if len(b) > max {
		return b[:max], faultf(KindLimit, "there are more than %d blobs among which signatures may be", max)
	}
	return b, nil
}

func (o *opener) openFile(ctx context.Context, source evidence.Source, path, selector string) (*Set, error) {
	if source == evidence.SourceOCI {
		return o.openLayoutDir(ctx, path, selector)
	}
	a, err := o.openArchive(ctx, path)
	if err != nil {
		return nil, err
	}
	return o.closeOnError(a, func() (*Set, error) {
		if source == evidence.SourceDockerArchive {
			return o.openDockerArchive(ctx, a, selector)
		}
		return o.openLayoutArchive(ctx, a, selector)
	})
}

func (o *opener) openLayoutDir(ctx context.Context, path, selector string) (*Set, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &fault{kind: KindNotFound, err: err, hint: "check the path; has the image been written?"}
	}
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, faultf(KindUsage, "%s is not a directory", path).withHint("for an OCI layout in a tar say oci-archive:" + path)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return o.closeOnError(root, func() (*Set, error) {
		return o.openLayout(ctx, evidence.SourceOCI, directory{root}, selector)
	})
}

func (o *opener) openLayoutArchive(ctx context.Context, a *archive, selector string) (*Set, error) {
	set, err := o.openLayout(ctx, evidence.SourceOCIArchive, a, selector)
	if err != nil {
		return nil, err
	}
	for _, image := range set.Images {
		image.around.archive = a
	}
	return set, nil
}

func (o *opener) openLayout(ctx context.Context, source evidence.Source, l layout, selector string) (*Set, error) {
	index, digest, err := o.readIndex(ctx, l)
	if err != nil {
		return nil, err
	}
	s := layoutStore{l}
	chosen, err := o.selectEntries(ctx, s, index, selector)
	if err != nil {
		return nil, err
	}
	doc := &document{mediaType: types.OCIImageIndex, digest: digest, index: &v1.IndexManifest{Manifests: chosen}}
	if len(chosen) == 1 {
		if doc, err = o.readDocument(ctx, s, chosen[0]); err != nil {
			return nil, err
		}
	}
	images, err := o.images(ctx, s, doc)
	if err != nil {
		return nil, err
	}
	if err := checkSinglePlatform(chosen, images); err != nil {
		return nil, err
	}
	set := &Set{Images: images, Source: source, Digest: doc.digest.String()}
	tags, attachments := entryNames(chosen), o.attachmentsOf(l, index)
	for _, t := range tags {
		if strings.ContainsAny(t, "/:") {
			set.Name = normalName(t)
			break
		}
	}
	for _, image := range images {
		image.Subject.Source, image.Subject.Name, image.Subject.Tags = source, set.Name, tags
		image.around.of(index, chosen)
		image.around.attachments = attachments
	}
	return set, nil
}

// checkSinglePlatform compares the platform that index.json gives a sole entry.
func checkSinglePlatform(chosen []v1.Descriptor, images []*Image) error {
	if len(chosen) != 1 || chosen[0].MediaType.IsIndex() || len(images) != 1 {
		return nil
	}
	w, image := &walker{}, images[0]
	if claimed := descriptorPlatform(chosen[0]); contradict(claimed, image.Subject.Platform) {
		return w.contradiction(chosen[0], claimed, image)
	} else {
		image.Subject.Platform = merged(claimed, image.Subject.Platform)
	}
	return nil
}

func (o *opener) readIndex(ctx context.Context, l layout) (*v1.IndexManifest, v1.Hash, error) {
	rc, _, err := l.entry(ctx, "index.json")
	if isFault(err, KindNotFound) {
		return nil, v1.Hash{}, faultf(KindNotAnImage, "there is no index.json, so this is no OCI layout")
	}
	if err != nil {
		return nil, v1.Hash{}, err
	}
	defer rc.Close()
	raw, err := readLimited(rc, "index.json", o.Limits.MaxManifest)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	if len(raw) == 0 {
		return nil, v1.Hash{}, faultf(KindTruncated, "index.json is empty")
	}
	if a, ok := l.(*archive); ok {
		a.wasRead("index.json", raw)
	}
	// index.json may lack a media type, but it is never anything but an OCI index.
	doc, err := parseDocument("index.json", raw, types.OCIImageIndex)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	if doc.index == nil {
		return nil, v1.Hash{}, faultf(KindNotAnImage, "index.json is no index")
	}
	if n := len(doc.index.Manifests); n > o.Limits.MaxManifests {
		return nil, v1.Hash{}, faultf(KindLimit, "index.json has %d entries, more than %d", n, o.Limits.MaxManifests)
	}
	sum := sha256.Sum256(raw)
	return doc.index, v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}, nil
}

// selectEntries finds what the selector names: one entry, or several that are the
// platforms of one image.
func (o *opener) selectEntries(ctx context.Context, s layoutStore, index *v1.IndexManifest, selector string) ([]v1.Descriptor, error) {
	if digest, ok := strings.CutPrefix(selector, "@"); ok {
		return o.byDigest(ctx, s, index, digest)
	}
	var found []v1.Descriptor
	for _, d := range index.Manifests {
		if descriptorPlatform(d) == attestationPlatform() || selector != "" && !named(d, selector) {
			continue
		}
		found = append(found, d)
	}
	switch {
	case len(found) > 0 && selector == "":
		return distinct(o.withoutAttached(ctx, s, found), selector)
	case len(found) > 0:
		return distinct(found, selector)
	case selector == "":
		return nil, faultf(KindNotAnImage, "index.json names no image")
	}
	return nil, faultf(KindNotFound, "no image is named %q, only %s", selector, strings.Join(entryNames(index.Manifests), ", "))
}

// distinct insists on one image: a sole digest, or the platforms of one image.
func distinct(found []v1.Descriptor, selector string) ([]v1.Descriptor, error) {
	var out []v1.Descriptor
	platforms := map[evidence.Platform]bool{}
	for _, d := range found {
		same := func(o v1.Descriptor) bool {
			return o.Digest == d.Digest && !contradict(descriptorPlatform(o), descriptorPlatform(d))
		}
		if slices.ContainsFunc(out, same) {
			continue
		}
		p := descriptorPlatform(d)
		if p.OS != "" && p.Architecture != "" && !d.MediaType.IsIndex() {
			platforms[p] = true
		}
		out = append(out, d)
	}
	if len(out) == 1 {
		return found[:1:1], nil
	}
	if len(platforms) == len(out) {
		return out, nil
	}
	names := entryNames(out)
	for _, d := range out {
		if len(entryNames([]v1.Descriptor{d})) == 0 {
			names = append(names, "@"+d.Digest.String())
		}
	}
	what := "there are several images"
	if selector != "" {
		what += " named " + selector
		names = nil
		for _, d := range out {
			names = append(names, "@"+d.Digest.String())
		}
	}
	return nil, faultf(KindSeveralImages, "%s: %s", what, strings.Join(names, ", ")).withHint("say which: oci:DIR:TAG or oci:DIR@DIGEST")
}

// byDigest looks in index.json first; any manifest of the layout will do, though.
func (o *opener) byDigest(ctx context.Context, s layoutStore, index *v1.IndexManifest, digest string) ([]v1.Descriptor, error) {
	h, err := v1.NewHash(digest)
	if err != nil {
		return nil, faultf(KindUsage, "digest: %w", err)
	}
	for _, d := range index.Manifests {
		if d.Digest == h {
			return []v1.Descriptor{d}, nil
		}
	}
	d := v1.Descriptor{Digest: h}
	raw, err := readVerified(ctx, s, d, o.Limits.MaxManifest)
	if err != nil {
		return nil, err
	}
	doc, err := parseDocument(digest, raw, "")
	if err != nil {
		return nil, err
	}
	d.MediaType, d.Size = doc.mediaType, doc.size
	return []v1.Descriptor{d}, nil
}

func named(d v1.Descriptor, tag string) bool {
	for _, n := range entryNames([]v1.Descriptor{d}) {
		if n == tag || strings.ContainsAny(n, "/:") && normalName(n) == normalName(tag) {
			return true
		}
	}
	return false
}

// entryNames are the names that annotations give, sorted.
func entryNames(ds []v1.Descriptor) []string {
	var names []string
	for _, d := range ds {
		for _, key := range []string{containerdNameAnnotation, refNameAnnotation} {
			if n := d.Annotations[key]; n != "" {
				names = append(names, n)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
