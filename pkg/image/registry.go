// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const userAgent = "ocigate"

// registry is one repository of a registry.
type registry struct {
	repo   name.Repository
	client *http.Client
	idle   io.Closer
	limits Limits
}

func (o *opener) openRegistry(ctx context.Context, ref string) (*Set, error) {
	r, err := o.parseName(ref)
	if err != nil {
		return nil, err
	}
	host := r.Context().RegistryStr()
	reg, err := o.connect(ctx, r.Context())
	if err != nil {
		return nil, registryError(host, err)
	}
	set, err := o.pull(ctx, reg, r)
	if err != nil {
		reg.idle.Close()
		return nil, registryError(host, err)
	}
	set.closers = append(set.closers, reg.idle)
	return set, nil
}

func (o *opener) pull(ctx context.Context, reg *registry, r name.Reference) (*Set, error) {
	raw, media, err := reg.manifest(ctx, r.Identifier())
	if err != nil {
		return nil, err
	}
	digest, err := manifestDigest(r, raw)
	if err != nil {
		return nil, err
	}
	doc, err := parseDocument(digest.String(), raw, media)
	if err != nil {
		return nil, err
	}
	doc.digest = digest
	images, err := o.images(ctx, reg, doc)
	if err != nil {
		return nil, err
	}
	set := &Set{Images: images, Source: evidence.SourceRegistry, Name: fullName(r), Digest: digest.String()}
	for _, image := range images {
		image.Subject.Source, image.Subject.Name = set.Source, set.Name
		if tag, ok := r.(name.Tag); ok {
			image.Subject.Tags = []string{fullName(tag)}
		}
	}
	return set, nil
}

// manifestDigest hashes the manifest; with the reference's digest, if it has one,
// the bytes must match it.
func manifestDigest(r name.Reference, raw []byte) (v1.Hash, error) {
	sum := sha256.Sum256(raw)
	got := v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
	d, ok := r.(name.Digest)
	if !ok {
		return got, nil
	}
	want, err := v1.NewHash(d.DigestStr())
	if err != nil {
		return v1.Hash{}, faultf(KindUsage, "digest: %w", err)
	}
	h, err := v1.Hasher(want.Algorithm)
	if err != nil {
		return v1.Hash{}, faultf(KindUsage, "digest: %w", err)
	}
	h.Write(raw)
	got = v1.Hash{Algorithm: want.Algorithm, Hex: hex.EncodeToString(h.Sum(nil))}
	if got != want {
		return v1.Hash{}, &IntegrityError{want.String(), "the registry answers with a manifest of digest " + got.String()}
	}
	return got, nil
}

// connect authenticates for pulling from one repository.
func (o *opener) connect(ctx context.Context, repo name.Repository) (*registry, error) {
	base, err := newTransport(o.Options)
	if err != nil {
		return nil, err
	}
	rt := transport.NewUserAgent(transport.NewRetry(base,
		transport.WithRetryPredicate(isTransient), transport.WithRetryStatusCodes(http.StatusTooManyRequests,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout)), userAgent)
	auth, err := authn.Resolve(ctx, newKeychain(o.Options), repo)
	if err != nil {
		return nil, &fault{kind: KindUnauthorized, err: err, hint: "check the credential helpers in Docker's config.json"}
	}
	authed, err := transport.NewWithContext(ctx, repo.Registry, auth, rt, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	return &registry{
		repo: repo, limits: o.Limits,
		client: &http.Client{Transport: authed, CheckRedirect: checkRedirect},
		idle:   idleCloser{&http.Client{Transport: base}},
	}, nil
}

// idleCloser makes Set.Close drop the kept connections.
type idleCloser struct{ client *http.Client }

func (c idleCloser) Close() error {
	c.client.CloseIdleConnections()
	return nil
}

// isTransient says which failures are worth another attempt.
func isTransient(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if te, ok := errors.AsType[*transport.Error](err); ok {
		return te.Temporary() || te.StatusCode == http.StatusTooManyRequests || te.StatusCode >= http.StatusBadGateway
	}
	ne, ok := errors.AsType[net.Error](err)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || ok && ne.Timeout()
}

// checkRedirect lets a registry send us to its blob store, but not from a public
// host into the network that this machine is in (cloud metadata services), nor
// from https to http.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("stopped after 10 redirects")
	}
	from, to := via[0].URL, req.URL
	if from.Hostname() == to.Hostname() {
		return nil
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return faultf(KindNetwork, "redirect from https to http (%s) is refused", to.Host)
	}
	if ip := net.ParseIP(to.Hostname()); ip != nil && isLocal(ip) && !isLocal(net.ParseIP(from.Hostname())) {
		return faultf(KindNetwork, "redirect from %s to the private address %s is refused", from.Host, to.Host)
	}
	return nil
}

func isLocal(ip net.IP) bool {
	return ip != nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified())
}

func (r *registry) get(ctx context.Context, kind, id string, accept ...string) (*http.Response, error) {
	u := url.URL{Scheme: r.repo.Scheme(), Host: r.repo.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", r.repo.RepositoryStr(), kind, id)}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if len(accept) > 0 {
		req.Header.Set("Accept", strings.Join(accept, ","))
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, registryError(r.repo.RegistryStr(), redactURL(err))
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		resp.Body.Close()
		return nil, registryError(r.repo.RegistryStr(), err)
	}
	return resp, nil
}

func manifestTypes() []string {
	return []string{
		string(types.OCIManifestSchema1), string(types.OCIImageIndex),
		string(types.DockerManifestSchema2), string(types.DockerManifestList),
	}
}

// manifest fetches by tag or digest and returns the media type that the registry gives it.
func (r *registry) manifest(ctx context.Context, id string) ([]byte, types.MediaType, error) {
	resp, err := r.get(ctx, "manifests", id, manifestTypes()...)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	raw, err := readLimited(resp.Body, "manifest "+id, r.limits.MaxManifest)
	if err != nil {
		return nil, "", err
	}
	media, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	switch m := types.MediaType(strings.TrimSpace(media)); {
	case m.IsIndex(), m.IsImage(), m == types.DockerManifestSchema1, m == types.DockerManifestSchema1Signed:
		return raw, m, nil
	}
	return raw, "", nil // application/json and the like: the document must say it itself
}

// open implements blobStore. Manifests and blobs have different addresses.
func (r *registry) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	if d.MediaType.IsIndex() || d.MediaType.IsImage() {
		resp, err := r.get(ctx, "manifests", d.Digest.String(), manifestTypes()...)
		if err != nil {
			return nil, -1, err
		}
		return resp.Body, resp.ContentLength, nil
	}
	resp, err := r.get(ctx, "blobs", d.Digest.String())
	if err != nil {
		return nil, -1, err
	}
	return resp.Body, resp.ContentLength, nil
}
