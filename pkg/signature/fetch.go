// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// maxRequests is how many requests one Verifier has under way.
const maxRequests = 8

// fetched is what a Verifier has read, so that it reads nothing twice: what two reads
// of one tag return may differ.
type fetched struct {
	mu      sync.Mutex
	entries map[fetchKey]*fetchEntry
}

type fetchKey struct{ reference, what string }

type fetchEntry struct {
	done  chan struct{}
	value any
	err   error
	// abandoned: the caller who fetched it went away, the next one begins anew.
	abandoned bool
}

// once runs f for the first caller of a key, and gives its result to all others.
func (c *fetched) once(ctx context.Context, key fetchKey, f func() (any, error)) (any, error) {
	for {
		c.mu.Lock()
		e, ok := c.entries[key]
		if !ok {
			e = &fetchEntry{done: make(chan struct{})}
			if c.entries == nil {
				c.entries = map[fetchKey]*fetchEntry{}
			}
			c.entries[key] = e
		}
		c.mu.Unlock()
		if !ok {
			c.run(ctx, key, e, f)
			return e.value, e.err
		}
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if !e.abandoned {
			return e.value, e.err
		}
	}
}

func (c *fetched) run(ctx context.Context, key fetchKey, e *fetchEntry, f func() (any, error)) {
	defer close(e.done)
	e.err = guard(func() (err error) {
		e.value, err = f()
		return err
	})
	if e.err != nil && ctx.Err() != nil {
		c.mu.Lock()
		delete(c.entries, key)
		c.mu.Unlock()
		e.abandoned = true
	}
}

// guard turns a panic over what a stranger wrote into an error.
func guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the program that reads it broke off: %v", r)
		}
	}()
	return f()
}

// place is where a target's signatures are, with what the Verifier knows of it.
type place struct {
	v         *Verifier
	reference string
	store     Store
}

// request runs f, one of at most maxRequests at a time, unless it ran before.
func request[T any](ctx context.Context, p place, what string, f func() (T, error)) (T, error) {
	value, err := p.v.fetched.once(ctx, fetchKey{p.reference, what}, func() (any, error) {
		select {
		case p.v.requests <- struct{}{}:
			defer func() { <-p.v.requests }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return f()
	})
	t, ok := value.(T)
	if err == nil && !ok {
		err = errors.New("nothing came back")
	}
	return t, err
}

// manifest is that at a tag or digest; nil where there is none.
func (p place) manifest(ctx context.Context, id string) ([]byte, error) {
	return request(ctx, p, "manifest "+id, func() ([]byte, error) {
		raw, found, err := p.store.Manifest(ctx, id)
		switch {
		case err != nil:
			return nil, err
		case !found:
			return nil, nil
		case raw == nil:
			return nil, errors.New("the manifest is empty")
		}
		if h, err := v1.NewHash(id); err == nil {
			return raw, matches(raw, h)
		}
		return raw, nil
	})
}

// blob is the blob of a descriptor whose size was accepted before.
func (p place) blob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	return request(ctx, p, fmt.Sprintf("blob %s %d", d.Digest, d.Size), func() ([]byte, error) {
		raw, err := p.store.Blob(ctx, d.Digest, d.Size)
		switch {
		case err != nil:
			return nil, err
		case int64(len(raw)) != d.Size:
			return nil, fmt.Errorf("it has %d bytes, its manifest says %d", len(raw), d.Size)
		}
		return raw, matches(raw, d.Digest)
	})
}

func (p place) referrers(ctx context.Context, h v1.Hash) ([]v1.Descriptor, error) {
	return request(ctx, p, "referrers "+h.String(), func() ([]v1.Descriptor, error) {
		return p.store.Referrers(ctx, h)
	})
}

// matches says whether bytes are those of a digest.
func matches(raw []byte, h v1.Hash) error {
	if got := digestOf(raw); got != h.String() {
		return fmt.Errorf("its bytes have the digest %s", got)
	}
	return nil
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// unseen is the problem that something could not be looked at.
func unseen(what string, err error) evidence.Problem {
	return evidence.Problem{Area: evidence.AreaImage, What: what, Message: reasonOf(err.Error()), Hint: hintFor(err)}
}

// tooMuch is the problem that a limit was reached.
func tooMuch(what, format string, args ...any) evidence.Problem {
	return evidence.Problem{Area: evidence.AreaLimit, What: what, Message: reasonOf(fmt.Sprintf(format, args...)),
		Hint: "delete from the repository what does not belong there"}
}

func hintFor(err error) string {
	if te, ok := errors.AsType[*transport.Error](err); ok {
		switch {
		case te.StatusCode == http.StatusUnauthorized || te.StatusCode == http.StatusForbidden:
			return "log in with credentials that may read the repository"
		case te.StatusCode == http.StatusTooManyRequests:
			return "the registry limits requests; log in, or try again later"
		case te.StatusCode >= http.StatusInternalServerError:
			return "the registry is in trouble; try again later"
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "try again, or allow more time"
	}
	return ""
}
