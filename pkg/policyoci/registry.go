// SPDX-License-Identifier: Apache-2.0

package policyoci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Scheme is how references of policies in registries begin.
const Scheme = "oci://"

const timeout = 2 * time.Minute

// Options say how registries are reached.
type Options struct {
	// Transport carries the requests; it decides about plain http. Nil: one that
	// speaks https only.
	Transport http.RoundTripper
	// Keychain finds credentials. Nil: none.
	Keychain authn.Keychain
	// CheckRedirect decides about redirects to other hosts. Nil: none is followed.
	CheckRedirect func(*http.Request, []*http.Request) error
	// Insecure are hosts, or host:port, that may be spoken to in plain http.
	Insecure []string
}

// ReferenceError is a reference that cannot be used, whatever the registry holds.
type ReferenceError struct{ Message, Hint string }

func (e *ReferenceError) Error() string { return e.Message }

// RegistryError is what went wrong with a registry, or with what it sent.
type RegistryError struct {
	Reference string
	Err       error
	Hint      string
}

func (e *RegistryError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *RegistryError) Unwrap() error { return e.Err }

// Unavailable implements policy.Unavailable: the policy may be as good as it ever was.
func (e *RegistryError) Unavailable() bool { return true }

// CheckPinned refuses a reference, with or without its scheme, that names no digest:
// a tag may be another policy tomorrow.
func CheckPinned(reference string) error {
	_, err := parse(reference, true, nil)
	return err
}

func parse(reference string, pinned bool, insecure []string) (name.Reference, error) {
	text := strings.TrimPrefix(reference, Scheme)
	if strings.Contains(text, "@") && !strings.Contains(text, "@sha256:") {
		return nil, &ReferenceError{"a reference holds no credentials, and its digest is sha256", "write " + Scheme + "registry/repository@sha256:…"}
	}
	var opts []name.Option
	if host, _, _ := strings.Cut(text, "/"); mayBePlain(host, insecure) {
		opts = append(opts, name.Insecure)
	}
	ref, err := name.ParseReference(text, opts...)
	if err != nil {
		return nil, &ReferenceError{"not the reference of an artifact: " + err.Error(), "write " + Scheme + "registry/repository@sha256:…"}
	}
	if slices.ContainsFunc(strings.Split(ref.Context().RepositoryStr(), "/"), func(s string) bool { return s == "" || s == "." || s == ".." }) {
		return nil, &ReferenceError{"not the reference of an artifact: its repository is a path with . or ..", ""}
	}
	if _, ok := ref.(name.Digest); !ok && pinned {
		return nil, &ReferenceError{
			"a policy in a registry is named by its digest, and " + ref.Name() + " is a tag",
			"`ocigate policy pull " + ref.Name() + "` shows the digest to write: " + Scheme + ref.Context().Name() + "@sha256:…",
		}
	}
	return ref, nil
}

func mayBePlain(host string, insecure []string) bool {
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	ip := net.ParseIP(strings.Trim(bare, "[]"))
	return strings.EqualFold(bare, "localhost") || ip != nil && ip.IsLoopback() ||
		slices.ContainsFunc(insecure, func(s string) bool { return strings.EqualFold(s, host) || strings.EqualFold(s, bare) })
}

func pinnedReference(ref name.Reference, digest string) string {
	return Scheme + ref.Context().Name() + "@" + digest
}

// Push stores the artifact under a tag and returns the reference by digest.
func Push(ctx context.Context, reference string, a *Artifact, o Options) (string, error) {
	ref, err := parse(reference, false, o.Insecure)
	if err != nil {
		return "", err
	}
	tag, ok := ref.(name.Tag)
	if !ok {
		return "", &ReferenceError{"a policy is pushed to a tag, and its digest follows from its content", "write registry/repository:tag"}
	}
	raw, err := a.encode()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	options := []remote.Option{remote.WithContext(ctx), remote.WithUserAgent("ocigate"), remote.WithTransport(o.transport())}
	if o.Keychain != nil {
		options = append(options, remote.WithAuthFromKeychain(o.Keychain))
	}
	layers := [][2]any{{[]byte("{}"), emptyType}, {a.Policy.Data, ArtifactType}}
	for _, f := range a.Files {
		layers = append(layers, [2]any{f.Data, FileType})
	}
	for _, l := range layers {
		layer := static.NewLayer(l[0].([]byte), types.MediaType(l[1].(string)))
		if err := remote.WriteLayer(tag.Context(), layer, options...); err != nil {
			return "", registryError(tag, err)
		}
	}
	if err := remote.Put(tag, rawManifest(raw), options...); err != nil {
		return "", registryError(tag, err)
	}
	return pinnedReference(tag, digestOf(raw)), nil
}

type rawManifest []byte

func (m rawManifest) RawManifest() ([]byte, error)        { return m, nil }
func (m rawManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Pull fetches an artifact by tag or digest and returns it with its reference by digest.
func Pull(ctx context.Context, reference string, o Options) (*Artifact, string, error) {
	return pull(ctx, reference, false, o)
}

// PullPinned is Pull for references that must name a digest.
func PullPinned(ctx context.Context, reference string, o Options) (*Artifact, string, error) {
	return pull(ctx, reference, true, o)
}

func pull(ctx context.Context, reference string, pinned bool, o Options) (*Artifact, string, error) {
	ref, err := parse(reference, pinned, o.Insecure)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := connect(ctx, ref, o)
	if err != nil {
		return nil, "", registryError(ref, err)
	}
	a, digest, err := r.artifact(ctx, ref)
	if err != nil {
		return nil, "", registryError(ref, err)
	}
	return a, pinnedReference(ref, digest), nil
}

// repository is one repository of a registry.
type repository struct {
	name   name.Repository
	client *http.Client
}

func (o Options) transport() http.RoundTripper {
	if o.Transport != nil {
		return o.Transport
	}
	return onlyHTTPS{http.DefaultTransport}
}

// onlyHTTPS is the transport of callers that gave none.
type onlyHTTPS struct{ inner http.RoundTripper }

func (t onlyHTTPS) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, fmt.Errorf("plain http to %s is refused", r.URL.Host)
	}
	return t.inner.RoundTrip(r)
}

func connect(ctx context.Context, ref name.Reference, o Options) (*repository, error) {
	auth := authn.Anonymous
	if o.Keychain != nil {
		var err error
		if auth, err = authn.Resolve(ctx, o.Keychain, ref.Context()); err != nil {
			return nil, err
		}
	}
	rt, err := transport.NewWithContext(ctx, ref.Context().Registry, auth,
		transport.NewUserAgent(transport.NewRetry(o.transport()), "ocigate"), []string{ref.Scope(transport.PullScope)})
	if err != nil {
		return nil, err
	}
	check := o.CheckRedirect
	if check == nil {
		check = func(req *http.Request, via []*http.Request) error {
			return fmt.Errorf("a redirect to %s is refused", req.URL.Host)
		}
	}
	return &repository{name: ref.Context(), client: &http.Client{Transport: rt, CheckRedirect: check}}, nil
}

func (r *repository) artifact(ctx context.Context, ref name.Reference) (*Artifact, string, error) {
	raw, err := r.get(ctx, "manifests", ref.Identifier(), maxManifest, string(types.OCIManifestSchema1))
	if err != nil {
		return nil, "", err
	}
	digest := digestOf(raw)
	if d, ok := ref.(name.Digest); ok && d.DigestStr() != digest {
		return nil, "", fmt.Errorf("the registry answered with a manifest of the digest %s", digest)
	}
	m, err := decode(raw)
	if err != nil {
		return nil, "", err
	}
	a := &Artifact{}
	for i, l := range m.Layers {
		f := File{Path: l.Annotations[titleAnnotation]}
		if f.Data, err = r.get(ctx, "blobs", l.Digest, l.Size, ""); err != nil {
			return nil, "", fmt.Errorf("%q: %w", f.Path, err)
		}
		if int64(len(f.Data)) != l.Size || digestOf(f.Data) != l.Digest {
			return nil, "", fmt.Errorf("%q: the registry answered with other bytes than the manifest names", f.Path)
		}
		if i == 0 {
			a.Policy = f
		} else {
			a.Files = append(a.Files, f)
		}
	}
	return a, digest, nil
}

// get reads at most limit bytes.
func (r *repository) get(ctx context.Context, kind, id string, limit int64, accept string) ([]byte, error) {
	u := url.URL{Scheme: r.name.Scheme(), Host: r.name.RegistryStr(), Path: fmt.Sprintf("/v2/%s/%s/%s", r.name.RepositoryStr(), kind, id)}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, withoutQuery(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("the registry sends more than %d bytes", limit)
	}
	return data, err
}

// withoutQuery hides the signatures that redirects to blob stores carry.
func withoutQuery(err error) error {
	ue, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err
	}
	return fmt.Errorf("%s: %w", strings.ToLower(ue.Op), ue.Err)
}

func registryError(ref name.Reference, err error) error {
	e := &RegistryError{Reference: ref.Name(), Err: err}
	if te, ok := errors.AsType[*transport.Error](err); ok {
		switch te.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			e.Hint = "log in with credentials for it: docker login " + ref.Context().RegistryStr()
		case http.StatusNotFound:
			e.Hint = "check repository, tag and digest; some registries also answer so without credentials: docker login " + ref.Context().RegistryStr()
		}
	} else if _, ok := errors.AsType[net.Error](err); ok {
		e.Hint = "is the registry " + ref.Context().RegistryStr() + " reachable from here? check the name, HTTPS_PROXY and the network"
	}
	return e
}
