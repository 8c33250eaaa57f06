// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// mirror is a TUF repository with one target, on loopback.
type mirror struct {
	t        *testing.T
	url      string
	mu       sync.Mutex
	files    map[string][]byte
	requests []string
	// answer, where set, answers instead.
	answer http.HandlerFunc
	// online signs timestamp, snapshot and targets.
	rootKey, online ed25519.PrivateKey
	rootVersion     int64
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{t: t, files: map[string][]byte{}, rootKey: edKey(t), online: edKey(t)}
	s := httptest.NewServer(m)
	t.Cleanup(s.Close)
	m.url = s.URL
	m.publishRoot(m.rootKey)
	m.publish(1, 48*time.Hour, rootJSON(t))
	return m
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.requests = append(m.requests, r.URL.Path)
	answer, data := m.answer, m.files[strings.TrimPrefix(r.URL.Path, "/")]
	m.mu.Unlock()
	switch {
	case answer != nil:
		answer(w, r)
	case data == nil:
		http.NotFound(w, r)
	default:
		_, _ = w.Write(data)
	}
}

// set changes how it answers, and take returns what it was asked since.
func (m *mirror) set(h http.HandlerFunc) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = h
}

func (m *mirror) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.requests
	m.requests = nil
	return out
}

func (m *mirror) first() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.files["1.root.json"]
}

func signed[T metadata.Roles](t *testing.T, meta *metadata.Metadata[T], keys ...ed25519.PrivateKey) []byte {
	t.Helper()
	for _, k := range keys {
		s, err := signature.LoadSigner(k, crypto.Hash(0))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := meta.Sign(s); err != nil {
			t.Fatal(err)
		}
	}
	data, err := meta.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// publishRoot publishes the next root, signed by the keys.
func (m *mirror) publishRoot(keys ...ed25519.PrivateKey) {
	m.t.Helper()
	m.rootVersion++
	r := metadata.Root(time.Now().Add(48 * time.Hour).UTC())
	r.Signed.Version = m.rootVersion
	for role, k := range map[string]ed25519.PrivateKey{"root": m.rootKey, "targets": m.online, "snapshot": m.online, "timestamp": m.online} {
		key, err := metadata.KeyFromPublicKey(k.Public())
		if err != nil {
			m.t.Fatal(err)
		}
		if err := r.Signed.AddKey(key, role); err != nil {
			m.t.Fatal(err)
		}
	}
	data := signed(m.t, r, keys...)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[fmt.Sprintf("%d.root.json", m.rootVersion)] = data
}

// publish publishes a version of everything else.
func (m *mirror) publish(version int64, valid time.Duration, target []byte) {
	m.t.Helper()
	until := time.Now().Add(valid).UTC()
	file, err := metadata.TargetFile().FromBytes(tufTarget, target, "sha256")
	if err != nil {
		m.t.Fatal(err)
	}
	targets, snapshot, timestamp := metadata.Targets(until), metadata.Snapshot(until), metadata.Timestamp(until)
	targets.Signed.Targets[tufTarget] = file
	targets.Signed.Version, snapshot.Signed.Version, timestamp.Signed.Version = version, version, version
	snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(version)
	timestamp.Signed.Meta["snapshot.json"] = metadata.MetaFile(version)
	sum := sha256.Sum256(target)
	files := map[string][]byte{
		fmt.Sprintf("%d.targets.json", version):                        signed(m.t, targets, m.online),
		fmt.Sprintf("%d.snapshot.json", version):                       signed(m.t, snapshot, m.online),
		"timestamp.json":                                               signed(m.t, timestamp, m.online),
		"targets/" + hex.EncodeToString(sum[:]) + ".trusted_root.json": target,
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, data := range files {
		m.files[name] = data
	}
}

// options are those of a process that may fetch.
func (m *mirror) options(cache string) Options {
	return Options{Transport: newTransport(m.t), CacheDir: cache}
}

func newTransport(t *testing.T) *http.Transport {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (m *mirror) authority() Authority {
	return keyless(&TrustedRoot{TUF: &TUF{Mirror: m.url, Root: m.first()}})
}

func (m *mirror) mustWork(o Options, a Authority) *signer {
	m.t.Helper()
	s, state := prepared(m.t, o, a)
	if s == nil {
		m.t.Fatalf("%s (%s)", state.Problem, state.Hint)
	}
	if state.TrustRoot != "TUF "+m.url {
		m.t.Errorf("trusted root %q", state.TrustRoot)
	}
	return s
}

func (m *mirror) mustFail(o Options, a Authority, want string) {
	m.t.Helper()
	_, state := prepared(m.t, o, a)
	if !strings.Contains(state.Problem, want) || !strings.Contains(state.Problem, m.url) || state.Hint == "" {
		m.t.Errorf("problem %q, hint %q; want %q", state.Problem, state.Hint, want)
	}
}
