// SPDX-License-Identifier: Apache-2.0

package image

import (
	"bytes"
	"context"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Connections are what a run keeps of registries, so that opening an image, looking
// up its base and reading what hangs on both asks each repository for a token once.
// They belong to one set of Options: copies of it may differ in Platforms and Limits
// only. They are safe for concurrent use.
type Connections struct {
	mu        sync.Mutex
	transport http.RoundTripper
	flights   map[string]*flight
}

// flight is one attempt to connect, which everybody who wants the same waits for.
type flight struct {
	done chan struct{}
	conn *connection
	err  error
	// abandoned: whoever made the attempt gave up, which says nothing about the registry.
	abandoned bool
}

// NewConnections makes Connections. The caller closes them at the end of the run.
func NewConnections() *Connections { return &Connections{flights: map[string]*flight{}} }

// Close drops idle network connections. It does nothing where c is nil.
func (c *Connections) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport != nil {
		(&http.Client{Transport: c.transport}).CloseIdleConnections()
	}
}

// base is the transport below all connections: one pool of them.
func (c *Connections) base(opts Options) (http.RoundTripper, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport != nil {
		return c.transport, nil
	}
	t, err := newTransport(opts)
	if err == nil {
		c.transport = t
	}
	return t, err
}

// to yields the connection to a repository. A failure is that of everybody who waited
// for it; whoever comes later tries again.
func (c *Connections) to(ctx context.Context, repo name.Repository, dial func(context.Context) (*connection, error)) (*connection, error) {
	key := repo.Scheme() + "://" + repo.Name()
	for {
		c.mu.Lock()
		f, ok := c.flights[key]
		if !ok {
			f = &flight{done: make(chan struct{}), abandoned: true}
			c.flights[key] = f
		}
		c.mu.Unlock()
		if !ok {
			return c.lead(ctx, key, f, dial)
		}
		select {
		case <-f.done:
			if !f.abandoned {
				return f.conn, f.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *Connections) lead(ctx context.Context, key string, f *flight, dial func(context.Context) (*connection, error)) (*connection, error) {
	defer func() { // also where dial panics
		if f.conn == nil {
			c.mu.Lock()
			delete(c.flights, key)
			c.mu.Unlock()
		}
		close(f.done)
	}()
	conn, err := dial(ctx)
	f.conn, f.err, f.abandoned = conn, err, err != nil && ctx.Err() != nil
	return conn, err
}

const (
	// maxMemoEntry and maxMemo bound what is remembered of one repository, in bytes.
	maxMemoEntry = 1 << 20
	maxMemo      = 16 << 20
)

// memo remembers manifests and configurations of one repository: that another one
// holds the same bytes would be no proof that this one does. Nil remembers nothing.
type memo struct {
	mu   sync.Mutex
	kept map[memoKey][]byte
	size int
}

// memoKey tells manifests from blobs: a registry need not serve one as the other.
type memoKey struct {
	kind   string
	digest v1.Hash
}

func (m *memo) get(key memoKey) ([]byte, bool) {
	if m == nil {
		return nil, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.kept[key]
	return bytes.Clone(b), ok
}

// put keeps bytes that were verified.
func (m *memo) put(key memoKey, b []byte) {
	if m == nil || len(b) > maxMemoEntry {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.kept[key]; ok || m.size+len(b) > maxMemo {
		return
	}
	m.kept[key] = bytes.Clone(b)
	m.size += len(b)
}
