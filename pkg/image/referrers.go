// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	artifactManifestType = "application/vnd.oci.artifact.manifest.v1+json"
	// maxReferrerPages bounds how often a registry may say that there is more.
	maxReferrerPages = 100
	maxErrorBody     = 64 << 10
)

// attached implements attachmentStore.
func (r *registry) attached(ctx context.Context, id string) ([]byte, bool, error) {
	digest, err := v1.NewHash(id)
	pinned := err == nil
	if pinned {
		if b, ok := r.memo.get(memoKey{kindManifest, digest}); ok {
			return b, true, nil
		}
	}
	resp, err := r.ask(ctx, r.client, r.url(kindManifest, id), append(manifestTypes(), artifactManifestType)...)
	if err != nil {
		return nil, false, err
	}
	defer resp.Body.Close()
	// A registry may send us to another one, but where a blob store has lost
	// something, the registry has it nevertheless.
	if resp.StatusCode == http.StatusNotFound && strings.HasSuffix(resp.Request.URL.Path, "/"+kindManifest+"/"+id) {
		return nil, false, r.refused(ctx, resp)
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, false, r.unanswered(err)
	}
	var body io.Reader = resp.Body
	if pinned {
		if body, err = newHashedReader(id, resp.Body, digest, -1); err != nil {
			return nil, false, err
		}
	}
	raw, err := readLimited(body, "manifest "+id, r.limits.MaxManifest)
	if err != nil {
		return nil, false, err
	}
	if pinned {
		r.memo.put(memoKey{kindManifest, digest}, raw)
	}
	return raw, true, nil
}

// unanswered classifies an answer that is neither yes nor no.
func (r *registry) unanswered(err error) error {
	err = registryError(r.repo.RegistryStr(), err)
	if f, ok := errors.AsType[*fault](err); ok && f.kind == KindNotFound {
		return &fault{kind: KindNetwork, err: f.err, hint: "the registry sends to another host, which knows nothing of it"}
	}
	return err
}

// refused tells "there is none" from "you may not know", which some registries answer
// with 404 as well. Reading the body also lets the connection be used again.
func (r *registry) refused(ctx context.Context, resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err := ctx.Err(); err != nil {
		return err
	}
	var said transport.Error
	if json.Unmarshal(b, &said) != nil {
		return nil
	}
	if !slices.ContainsFunc(said.Errors, isRefusal) {
		return nil
	}
	return registryError(r.repo.RegistryStr(), &transport.Error{StatusCode: http.StatusForbidden, Errors: said.Errors, Request: resp.Request})
}

// referrers implements attachmentStore. Registries that have learned the API may hold
// lists under fallback tags from before, so both count always.
func (r *registry) referrers(ctx context.Context, digest v1.Hash) ([]v1.Descriptor, error) {
	type answer struct {
		raw   []byte
		found bool
		err   error
	}
	tag := make(chan answer, 1)
	go func() {
		defer func() { // a caller cannot recover for it
			if p := recover(); p != nil {
				tag <- answer{err: fmt.Errorf("read the tag %s: panic: %v", fallbackTag(digest), p)}
			}
		}()
		raw, found, err := r.attached(ctx, fallbackTag(digest))
		tag <- answer{raw, found, err}
	}()
	list := newDescriptors(r.limits.MaxManifests)
	err := r.askReferrers(ctx, digest, list)
	fallback := <-tag
	if fallback.found {
		fallback.err = addFallback(list, digest, fallback.raw)
	}
	return list.list, errors.Join(err, fallback.err)
}

// addFallback adds what the index at a fallback tag lists.
func addFallback(list *descriptors, digest v1.Hash, raw []byte) error {
	tag := fallbackTag(digest)
	if h, err := hashOf(digest.Algorithm, raw); err == nil && h == digest {
		return nil // GitLab takes the tag for the digest
	}
	doc, err := parseDocument(tag, raw, "")
	if err != nil {
		return err
	}
	if doc.index == nil {
		return faultf(KindNotAnImage, "%s is no index of referrers", tag).withHint("who pushed that tag? it is where referrers of the image are listed")
	}
	return addAll(list, doc.index.Manifests)
}

// addAll adds what can be added, and says what is wrong with the rest.
func addAll(list *descriptors, found []v1.Descriptor) error {
	var first error
	for _, d := range found {
		if err := list.add(d); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// askReferrers follows the pages of the referrers API. A registry without it is no error.
func (r *registry) askReferrers(ctx context.Context, digest v1.Hash, list *descriptors) error {
	next := r.url("referrers", digest.String())
	budget := r.limits.MaxManifest
	seen := map[string]bool{}
	for page := 0; next != nil; page++ {
		if page >= maxReferrerPages || seen[next.String()] {
			return faultf(KindLimit, "the list of referrers does not end after %d pages", page)
		}
		seen[next.String()] = true
		resp, err := r.ask(ctx, r.apiClient(), next, string(types.OCIImageIndex))
		if err != nil {
			return err
		}
		raw, supported, err := r.readReferrers(ctx, resp, budget)
		links := resp.Header.Values("Link")
		resp.Body.Close()
		if err != nil || !supported {
			if err == nil && page > 0 {
				err = faultf(KindNetwork, "page %d of the list of referrers is not there", page+1)
			}
			return err
		}
		budget -= int64(len(raw))
		doc, err := parseDocument("the list of referrers", raw, types.OCIImageIndex)
		if err != nil {
			return err
		}
		if doc.index.SchemaVersion != 2 {
			return faultf(KindNetwork, "the registry answers with something that is no list of referrers")
		}
		if err := addAll(list, doc.index.Manifests); err != nil {
			return err
		}
		if next, err = r.nextPage(next, links); err != nil {
			return err
		}
	}
	return nil
}

// apiClient does not follow "see other" to another host: GHCR, which has no referrers
// API, sends to a web page.
func (r *registry) apiClient() *http.Client {
	c := *r.client
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if req.Response != nil && req.Response.StatusCode == http.StatusSeeOther && req.URL.Host != via[0].URL.Host {
			return http.ErrUseLastResponse
		}
		return checkRedirect(req, via)
	}
	return &c
}

// readReferrers reads one page. Supported is false where the answer is that of a
// registry without the API.
func (r *registry) readReferrers(ctx context.Context, resp *http.Response, budget int64) (raw []byte, supported bool, err error) {
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotAcceptable,
		http.StatusNotImplemented, http.StatusSeeOther:
		return nil, false, r.refused(ctx, resp)
	default:
		return nil, false, r.unanswered(transport.CheckError(resp, http.StatusOK))
	}
	// A web server that answers every path answers with text.
	if media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err == nil && strings.HasPrefix(media, "text/html") {
		return nil, false, nil
	}
	raw, err = readLimited(resp.Body, "the list of referrers", budget)
	return raw, err == nil, err
}

var linkPattern = regexp.MustCompile(`<([^<>]*)>([^<,]*)`)

// nextPage finds the next page in Link headers. It must be of the same list.
func (r *registry) nextPage(from *url.URL, links []string) (*url.URL, error) {
	for _, link := range links {
		for _, m := range linkPattern.FindAllStringSubmatch(link, -1) {
			params := strings.NewReplacer(" ", "", `"`, "").Replace(m[2]) + ";"
			if !strings.Contains(strings.ToLower(params), ";rel=next;") {
				continue
			}
			next, err := from.Parse(m[1])
			if err != nil || next.Scheme != from.Scheme || next.Host != from.Host || next.User != nil || next.Path != from.Path {
				return nil, faultf(KindNetwork, "the list of referrers goes on at another place: refused")
			}
			next.Fragment = ""
			return next, nil
		}
	}
	return nil, nil
}
