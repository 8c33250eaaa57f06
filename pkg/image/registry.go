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
	"net/netip"
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

// registry is one repository of a registry, as one opener reads it.
type registry struct {
	*connection
	limits Limits
}

// connection is what is needed to pull from one repository.
type connection struct {
	repo   name.Repository
	client *http.Client
	memo   *memo
	// idle ends the connection; nil where it is one of Connections.
	idle io.Closer
}

// close ends a connection that nobody else uses.
func (c *connection) close() error {
	if c.idle == nil {
		return nil
	}
	return c.idle.Close()
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
		reg.close()
		return nil, registryError(host, err)
	}
	if reg.idle != nil {
		set.closers = append(set.closers, reg.idle)
	}
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
	reg.memo.put(memoKey{kindManifest, digest}, raw)
	if repository, err := Repository(fullName(r)); o.Found != nil && err == nil {
		o.Found(ctx, repository, digest.String())
	}
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

// connect authenticates for pulling from one repository, unless this run did before.
func (o *opener) connect(ctx context.Context, repo name.Repository) (*registry, error) {
	dial := o.dial(repo)
	var conn *connection
	var err error
	if o.Connections == nil {
		conn, err = dial(ctx)
	} else {
		conn, err = o.Connections.to(ctx, repo, dial)
	}
	if err != nil {
		return nil, err
	}
	return &registry{connection: conn, limits: o.Limits}, nil
}

func (o *opener) dial(repo name.Repository) func(context.Context) (*connection, error) {
	return func(ctx context.Context) (*connection, error) {
		conn := &connection{repo: repo}
		base, err := o.base()
		if err != nil {
			return nil, err
		}
		if o.Connections == nil {
			conn.idle = idleCloser{&http.Client{Transport: base}}
		} else {
			conn.memo = &memo{kept: map[memoKey][]byte{}}
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
		conn.client = &http.Client{Transport: authed, CheckRedirect: checkRedirect}
		return conn, nil
	}
}

func (o *opener) base() (http.RoundTripper, error) {
	if o.Connections == nil {
		return newTransport(o.Options)
	}
	return o.Connections.base(o.Options)
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
	if isLocal(to.Hostname()) && !isLocal(from.Hostname()) {
		return faultf(KindNetwork, "redirect from %s to the private address %s is refused", from.Host, to.Host)
	}
	return nil
}

// isLocal says whether a host is one of this machine's or of a private network, as far
// as its name tells. A name that ends in a number is an address to some resolvers.
func isLocal(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		last := host[strings.LastIndexByte(host, '.')+1:]
		return last != "" && last[0] >= '0' && last[0] <= '9'
	}
	ip = ip.Unmap()
	shared := netip.MustParsePrefix("100.64.0.0/10") // RFC 6598; one cloud's metadata service
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || shared.Contains(ip)
}

const (
	kindManifest = "manifests"
	kindBlob     = "blobs"
)

func (r *registry) url(kind, id string) *url.URL {
	return &url.URL{Scheme: r.repo.Scheme(), Host: r.repo.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", r.repo.RepositoryStr(), kind, id)}
}

// ask returns whatever the registry answers.
func (r *registry) ask(ctx context.Context, client *http.Client, u *url.URL, accept ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if len(accept) > 0 {
		req.Header.Set("Accept", strings.Join(accept, ","))
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, registryError(r.repo.RegistryStr(), redactURL(err))
	}
	return resp, nil
}

func (r *registry) get(ctx context.Context, kind, id string, accept ...string) (*http.Response, error) {
	resp, err := r.ask(ctx, r.client, r.url(kind, id), accept...)
	if err != nil {
		return nil, err
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
	resp, err := r.get(ctx, kindManifest, id, manifestTypes()...)
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

// kindOf: manifests and blobs have different addresses.
func kindOf(d v1.Descriptor) string {
	if d.MediaType.IsIndex() || d.MediaType.IsImage() {
		return kindManifest
	}
	return kindBlob
}

// open implements blobStore.
func (r *registry) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, int64, error) {
	var accept []string
	kind := kindOf(d)
	if kind == kindManifest {
		accept = manifestTypes()
	}
	resp, err := r.get(ctx, kind, d.Digest.String(), accept...)
	if err != nil {
		return nil, -1, err
	}
	return resp.Body, resp.ContentLength, nil
}

// remembered implements rememberer.
func (r *registry) remembered(d v1.Descriptor) ([]byte, bool) {
	return r.memo.get(memoKey{kindOf(d), d.Digest})
}

func (r *registry) remember(d v1.Descriptor, b []byte) { r.memo.put(memoKey{kindOf(d), d.Digest}, b) }
