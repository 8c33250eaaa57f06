// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// Cache keeps values by kind and key. What Get returns is what was put, or not ok;
// telling the two apart is the cache's business, whoever can write to where it keeps
// them. Its methods are called concurrently.
type Cache interface {
	Get(ctx context.Context, kind, key string) ([]byte, bool)
	Put(ctx context.Context, kind, key string, value []byte) error
}

// The kinds of values. What was learned of a layer is keyed by diff ID, so only a pass
// that verified the diff ID may put it. A digest is tied to a diff ID by an entry of its
// own, likewise only after a verified pass: that a manifest names both proves nothing.
const (
	kindLayers  = "layers"
	kindDigests = "digests"
)

// records are what a Cache, which may be nil, knows of layers.
type records struct {
	cache Cache

	mu sync.Mutex
	// known are records that were looked up, and not used yet.
	known map[string]*record
}

// look says whether there is a record, and keeps it for the next get.
func (r *records) look(ctx context.Context, key string) bool {
	rec := r.get(ctx, key)
	if rec == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]*record{}
	}
	r.known[key] = rec
	return true
}

// get returns nil for a record that is not there or cannot be read. The record is the
// caller's, who may change it.
func (r *records) get(ctx context.Context, key string) *record {
	if r.cache == nil {
		return nil
	}
	r.mu.Lock()
	rec := r.known[key]
	delete(r.known, key)
	r.mu.Unlock()
	if rec != nil {
		return rec
	}
	b, ok := r.cache.Get(ctx, kindLayers, key)
	if !ok {
		return nil
	}
	rec = &record{}
	if json.Unmarshal(b, rec) != nil || rec.Blob.SchemaVersion == 0 || checkListing(rec.Listing) != nil {
		return nil
	}
	return rec
}

func (r *records) put(ctx context.Context, key string, rec *record) error {
	if r.cache == nil {
		return nil
	}
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return r.cache.Put(ctx, kindLayers, key, b)
}

// diffID returns the diff ID that a verified pass found behind a digest, or "".
func (r *records) diffID(ctx context.Context, digest string) string {
	if r.cache == nil || digest == "" {
		return ""
	}
	b, _ := r.cache.Get(ctx, kindDigests, digest)
	return string(b)
}

func (r *records) putDigest(ctx context.Context, digest, diffID string) error {
	if r.cache == nil || digest == "" || digest == diffID {
		return nil
	}
	return r.cache.Put(ctx, kindDigests, digest, []byte(diffID))
}

// programVersion changes with whatever this program is built of: parsers come from many
// modules, and a record is only worth what the ones that made it are. A build from a
// checkout does not know its own version: see recordVersion.
func programVersion() string {
	var b strings.Builder
	fmt.Fprintln(&b, runtime.Version())
	if info, ok := debug.ReadBuildInfo(); ok {
		fmt.Fprintln(&b, info.Main.Version, info.Main.Sum)
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			fmt.Fprintln(&b, m.Path, m.Version, m.Sum)
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" || s.Key == "vcs.modified" {
				fmt.Fprintln(&b, s.Key, s.Value)
			}
		}
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}
