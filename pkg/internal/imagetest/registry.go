// SPDX-License-Identifier: Apache-2.0

package imagetest

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Registry is an in-process registry.
type Registry struct {
	// Host is host:port, on the loopback interface, plain http.
	Host string
	// User and Password make it ask for basic authentication where set.
	User, Password string
	// Handle, where it answers true, replaces the registry's answer to a request.
	Handle func(http.ResponseWriter, *http.Request) bool

	t        testing.TB
	backend  http.Handler
	mu       sync.Mutex
	swapped  Blobs
	requests []string
}

// NewRegistry starts a registry that ends with the test. Set User, Password and
// Handle before the first request.
func NewRegistry(t testing.TB, opts ...registry.Option) *Registry {
	t.Helper()
	r := &Registry{t: t, swapped: Blobs{}, backend: registry.New(append(opts, registry.Logger(log.New(io.Discard, "", 0)))...)}
	s := httptest.NewServer(r)
	t.Cleanup(s.Close)
	r.Host = strings.TrimPrefix(s.URL, "http://")
	return r
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, req.Method+" "+req.URL.Path)
	r.mu.Unlock()
	if user, password, _ := req.BasicAuth(); r.User != "" && (user != r.User || password != r.Password) {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
		return
	}
	if r.Handle != nil && r.Handle(w, req) {
		return
	}
	_, digest, _ := strings.Cut(req.URL.Path, "/blobs/")
	if h, err := v1.NewHash(digest); err == nil && req.Method == http.MethodGet {
		r.mu.Lock()
		b, ok := r.swapped[h]
		r.mu.Unlock()
		if ok {
			_, _ = w.Write(b)
			return
		}
	}
	r.backend.ServeHTTP(w, req)
}

// Requests are "METHOD path", in order.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.requests...)
}

// Swap makes the registry serve other bytes for a blob.
func (r *Registry) Swap(h v1.Hash, b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.swapped[h] = b
}

// Push stores a node and everything that it refers to, and returns "host/repo:tag".
// A blob whose digest is forged is stored as if it were right.
func (r *Registry) Push(repo, tag string, n Node) string {
	r.t.Helper()
	r.push(repo, tag, n)
	return r.Host + "/" + repo + ":" + tag
}

func (r *Registry) push(repo, tag string, n Node) {
	r.t.Helper()
	switch n := n.(type) {
	case *Index:
		for _, e := range n.Entries {
			r.push(repo, DigestOf(e.Node).String(), e.Node)
		}
	case *Image:
		r.blob(repo, n.ID(), n.RawConfig())
		for _, l := range n.Layers {
			r.blob(repo, l.Digest, l.Blob)
		}
	}
	doc, media := n.Document()
	r.send(http.MethodPut, fmt.Sprintf("/v2/%s/manifests/%s", repo, tag), string(media), doc)
}

func (r *Registry) blob(repo string, h v1.Hash, b []byte) {
	r.t.Helper()
	if Digest(b) != h {
		r.Swap(h, b)
		return
	}
	r.send(http.MethodPost, fmt.Sprintf("/v2/%s/blobs/uploads/?digest=%s", repo, h), "application/octet-stream", b)
}

func (r *Registry) send(method, path, media string, b []byte) {
	r.t.Helper()
	req := httptest.NewRequest(method, "http://"+r.Host+path, bytes.NewReader(b))
	req.Header.Set("Content-Type", media)
	w := httptest.NewRecorder()
	r.backend.ServeHTTP(w, req)
	if w.Code/100 != 2 {
		r.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
}
