// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// Registry is an in-process registry that can be slow, or answer what it likes.
type Registry struct {
	*imagetest.Registry

	// Latency is waited before each answer, or until the client has gone.
	Latency time.Duration
	// Fault answers a request in the registry's place where it returns a fault. The n-th
	// request with this method and path (from 1) is asked about. It is called
	// concurrently.
	Fault func(r *http.Request, n int) *Fault

	ended chan struct{}
	mu    sync.Mutex
	seen  map[string]int
}

// Fault is an answer that a registry should not give.
type Fault struct {
	// Hang answers nothing until the client has gone.
	Hang bool
	// Status, Header and Body are the answer; status 0 is 200.
	Status int
	Header http.Header
	Body   []byte
	// Redirect is where the client is sent.
	Redirect string
}

// NewRegistry starts a registry that ends with the test, with or without the API for
// referrers (else clients keep them at a fallback tag). Set its fields before the first
// request, or while there is none.
func NewRegistry(t testing.TB, referrers bool) *Registry {
	t.Helper()
	r := &Registry{
		Registry: imagetest.NewRegistry(t, registry.WithReferrersSupport(referrers)),
		ended:    make(chan struct{}), seen: map[string]int{},
	}
	r.Handle = r.handle
	t.Cleanup(func() { close(r.ended) })
	return r
}

// Count is how many requests there were with this method and path.
func (r *Registry) Count(method, path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[method+" "+path]
}

func (r *Registry) handle(w http.ResponseWriter, req *http.Request) bool {
	r.mu.Lock()
	r.seen[req.Method+" "+req.URL.Path]++
	n := r.seen[req.Method+" "+req.URL.Path]
	r.mu.Unlock()
	if r.Latency > 0 {
		timer := time.NewTimer(r.Latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-req.Context().Done():
			return true
		case <-r.ended:
			return true
		}
	}
	if r.Fault == nil {
		return false
	}
	f := r.Fault(req, n)
	switch {
	case f == nil:
		return false
	case f.Hang:
		select {
		case <-req.Context().Done():
		case <-r.ended:
		}
	case f.Redirect != "":
		http.Redirect(w, req, f.Redirect, http.StatusTemporaryRedirect)
	default:
		for k, v := range f.Header {
			w.Header()[k] = v
		}
		if f.Status != 0 {
			w.WriteHeader(f.Status)
		}
		_, _ = w.Write(f.Body)
	}
	return true
}
