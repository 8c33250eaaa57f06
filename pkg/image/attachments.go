// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Attachments are what hangs on the images of one repository or layout: signatures,
// attestations, and whatever else refers to them. What they yield is written by
// whoever may push, or made the layout; only digests are verified. Errors are *Error.
// They are safe for concurrent use.
type Attachments struct {
	place string
	store attachmentStore
	close func() error
}

// attachmentStore is a registry's repository or a layout.
type attachmentStore interface {
	blobStore
	// attached returns the manifest at a tag or digest, verified.
	attached(ctx context.Context, id string) ([]byte, bool, error)
	// referrers returns what it found also where it fails.
	referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, error)
}

// OpenAttachments gives access to what hangs on the images of a repository
// ("registry.example.com/app"), with the connections, credentials and rules of Open.
func OpenAttachments(ctx context.Context, repository string, opts Options) (*Attachments, error) {
	opts.Limits = opts.Limits.withDefaults()
	o := &opener{Options: opts, reference: repository}
	a, err := o.openAttachments(ctx, repository)
	return a, toError("look for signatures in", repository, err)
}

func (o *opener) openAttachments(ctx context.Context, repository string) (*Attachments, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	repo, err := o.parseRepository(repository)
	if err != nil {
		return nil, err
	}
	reg, err := o.connect(ctx, repo)
	if err != nil {
		return nil, registryError(repo.RegistryStr(), err)
	}
	return &Attachments{place: repository, store: reg, close: reg.connection.close}, nil
}

func (o *opener) parseRepository(s string) (name.Repository, error) {
	if redactReference(s) != s {
		return name.Repository{}, faultf(KindUsage, "a repository holds no credentials").withHint("use docker login")
	}
	if strings.Contains(s, "//") || strings.HasPrefix(s, ".") {
		return name.Repository{}, faultf(KindUsage, "not a repository: say registry.example.com/app")
	}
	repo, err := name.NewRepository(s)
	if err == nil && o.isPlain(repo.RegistryStr()) {
		repo, err = name.NewRepository(s, name.Insecure)
	}
	if err != nil {
		return name.Repository{}, faultf(KindUsage, "not a repository: %w", err)
	}
	return repo, nil
}

// Repository is the full name of the repository of an image in a registry:
// "docker.io/library/alpine" for "alpine:3.20" and for "alpine@sha256:…".
func Repository(reference string) (string, error) {
	n, err := parseBaseName(withoutTransport(reference))
	if err != nil {
		return "", toError("read", reference, err)
	}
	return n.repository, nil
}

// Close ends connections that are not shared.
func (a *Attachments) Close() error {
	if a.close == nil {
		return nil
	}
	return a.close()
}

// Manifest returns the manifest at a tag or digest. Found is false only where the
// source says that there is none: a registry that refuses to say is an error. The
// bytes at a digest match it.
func (a *Attachments) Manifest(ctx context.Context, id string) (raw []byte, found bool, err error) {
	if err = checkID(id); err == nil {
		raw, found, err = a.store.attached(ctx, id)
	}
	if err != nil {
		return nil, false, toError("read manifest", a.at(id), err)
	}
	return raw, found, nil
}

// Blob returns a blob as it is stored. It has at most limit bytes, which match the digest.
func (a *Attachments) Blob(ctx context.Context, digest v1.Hash, limit int64) ([]byte, error) {
	id := digest.String()
	_, err := v1.NewHash(id)
	if err != nil {
		return nil, toError("read blob", a.at(id), faultf(KindNotAnImage, "digest: %w", err))
	}
	b, err := readVerified(ctx, blobsOnly{a.store}, v1.Descriptor{Digest: digest}, max(limit, 0))
	if err != nil {
		return nil, toError("read blob", a.at(id), err)
	}
	return b, nil
}

// blobsOnly hides what else a store can do: attachments are not worth remembering.
type blobsOnly struct{ blobStore }

// Referrers lists the manifests that name the digest as their subject, as the source
// says: a registry's list is not compared with the manifests. Together with an error
// it returns what it has found nevertheless.
func (a *Attachments) Referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, error) {
	id := digest.String()
	if _, err := v1.NewHash(id); err != nil {
		return nil, toError("list referrers of", a.at(id), faultf(KindNotAnImage, "digest: %w", err))
	}
	found, err := a.store.referrers(ctx, digest)
	return found, toError("list referrers of", a.at(id), err)
}

func (a *Attachments) at(id string) string {
	if strings.Contains(id, ":") {
		return a.place + "@" + id
	}
	return a.place + ":" + id
}

var tagPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)

// checkID keeps whatever is no tag or digest out of addresses and paths.
func checkID(id string) error {
	if tagPattern.MatchString(id) || isDigest(id) {
		return nil
	}
	return faultf(KindUsage, "neither a tag nor a digest")
}

// fallbackTag is where referrers are listed in registries without the API for it.
func fallbackTag(d v1.Hash) string {
	return d.Algorithm[:min(len(d.Algorithm), 32)] + "-" + d.Hex[:min(len(d.Hex), 64)]
}

// descriptors collects descriptors of one list or several, each digest once.
type descriptors struct {
	list []v1.Descriptor
	seen map[v1.Hash]bool
	max  int
}

func newDescriptors(max int) *descriptors { return &descriptors{seen: map[v1.Hash]bool{}, max: max} }

func (l *descriptors) add(d v1.Descriptor) error {
	switch _, err := v1.NewHash(d.Digest.String()); {
	case err != nil:
		return faultf(KindNotAnImage, "a referrer without a valid digest: %w", err)
	case l.seen[d.Digest]:
		return nil
	case len(l.list) >= l.max:
		return faultf(KindLimit, "there are more than %d referrers", l.max)
	}
	d.Data = nil // only what the digest verifies
	l.seen[d.Digest] = true
	l.list = append(l.list, d)
	return nil
}
