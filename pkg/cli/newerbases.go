// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// newerBases implements gate.NewerBases. It asks what it is told to ask and no other
// host: neither a redirect nor a link to the next page leads elsewhere.
type newerBases struct {
	opener
	transport http.RoundTripper
	keychain  authn.Keychain
	insecure  []string
}

const (
	tagsPage     = 1000
	maxTagPages  = 10
	maxTags      = 20_000
	maxTagsBytes = 4 << 20
)

// Tags implements gate.NewerBases.
func (b newerBases) Tags(ctx context.Context, repository string) ([]string, error) {
	repo, err := name.NewRepository(repository, b.nameOptions(repository)...)
	if err != nil {
		return nil, errors.New("the base's name is none of a repository")
	}
	auth, err := authn.Resolve(ctx, b.keychain, repo)
	if err != nil {
		return nil, fmt.Errorf("no credentials for %s: %w", repo.RegistryStr(), err)
	}
	authed, err := transport.NewWithContext(ctx, repo.Registry, auth, b.transport, []string{repo.Scope(transport.PullScope)})
	if err != nil {
		return nil, plainly(repo, err)
	}
	client := &http.Client{Transport: authed, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the registry redirects")
	}}
	next := &url.URL{Scheme: repo.Scheme(), Host: repo.RegistryStr(), Path: "/v2/" + repo.RepositoryStr() + "/tags/list",
		RawQuery: url.Values{"n": {strconv.Itoa(tagsPage)}}.Encode()}
	var tags []string
	for page := 0; next != nil; page++ {
		if page == maxTagPages || len(tags) >= maxTags {
			return tags, fmt.Errorf("%s has more tags than are looked at: not all of %d were", repo.Name(), len(tags))
		}
		var found []string
		if found, next, err = tagsAt(ctx, client, next); err != nil {
			return tags, plainly(repo, err)
		}
		tags = append(tags, found...)
	}
	return tags, nil
}

// nameOptions: plain http is for this machine and what the caller named, as for images.
func (b newerBases) nameOptions(repository string) []name.Option {
	host, _, _ := strings.Cut(repository, "/")
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	ip := net.ParseIP(strings.Trim(bare, "[]"))
	same := func(s string) bool { return strings.EqualFold(s, host) || strings.EqualFold(s, bare) }
	if strings.EqualFold(bare, "localhost") || ip != nil && ip.IsLoopback() || slices.ContainsFunc(b.insecure, same) {
		return []name.Option{name.Insecure}
	}
	return nil
}

// tagsAt reads one page, and says where the next one is.
func tagsAt(ctx context.Context, client *http.Client, at *url.URL) (tags []string, next *url.URL, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxTagsBytes+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > maxTagsBytes {
		return nil, nil, errors.New("the list of tags is too long")
	}
	var list struct {
		Tags []string `json:"tags"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, nil, errors.New("the list of tags is no JSON")
	}
	next, err = nextPage(resp.Header.Get("Link"), at)
	return list.Tags, next, err
}

// nextPage reads `</v2/x/tags/list?last=1>; rel="next"`; nil is for the last page.
func nextPage(link string, at *url.URL) (*url.URL, error) {
	if link == "" {
		return nil, nil
	}
	target, rest, ok := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if !ok || !strings.HasPrefix(link, "<") || !strings.Contains(rest, "next") {
		return nil, nil
	}
	u, err := at.Parse(target)
	if err != nil || u.Host != at.Host || u.Scheme != at.Scheme || u.User != nil || u.Path != at.Path {
		return nil, errors.New("the next page of tags is somewhere else")
	}
	return u, nil
}

// plainly is an error without the URL, which may hold a token, and without what the
// registry wrote at length.
func plainly(repo name.Repository, err error) error {
	if answer, ok := errors.AsType[*transport.Error](err); ok {
		return fmt.Errorf("%s answers %d", repo.RegistryStr(), answer.StatusCode)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	// Without this machine's port, which is another one each time.
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return fmt.Errorf("%s: %w", repo.RegistryStr(), err)
}
