// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func offline(o Options) Options { o.Offline = true; return o }

func later(o Options, d time.Duration) Options {
	o.Now = func() time.Time { return time.Now().Add(d) }
	return o
}

func TestTUF(t *testing.T) {
	m := newMirror(t)
	o := m.options(t.TempDir())
	var progress []string
	o.Progress = func(s string) { progress = append(progress, s) }
	m.mustWork(o, m.authority())
	if got := m.take(); len(got) != 5 {
		t.Errorf("cold: %v", got)
	}
	if want := []string{"fetching the trusted root of " + m.url}; !slices.Equal(progress, want) {
		t.Errorf("progress %q", progress)
	}
	m.mustWork(o, m.authority())
	m.mustWork(later(o, 23*time.Hour), m.authority())
	m.mustWork(offline(o), m.authority())
	m.mustWork(offline(later(o, 40*time.Hour)), m.authority()) // still valid by the metadata's own clock
	m.set(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	m.mustWork(o, m.authority())
	if got := m.take(); len(got) != 0 {
		t.Errorf("warm: %v", got)
	}
	m.set(nil)
	m.mustWork(later(o, 25*time.Hour), m.authority())
	if got := m.take(); !slices.Equal(got, []string{"/2.root.json", "/timestamp.json"}) {
		t.Errorf("after a day: %v", got)
	}
	// A clock that was wrong does not keep a copy fresh for years.
	m.mustWork(later(o, -time.Hour), m.authority())
	if got := m.take(); len(got) == 0 {
		t.Error("a copy from the future is fresh")
	}
}

func TestTUFWithoutCache(t *testing.T) {
	m := newMirror(t)
	t.Chdir(t.TempDir())
	for range 2 {
		m.mustWork(m.options(""), m.authority())
		if got := m.take(); len(got) != 5 {
			t.Errorf("requests %v", got)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestTUFOffline(t *testing.T) {
	m := newMirror(t)
	for name, o := range map[string]Options{
		"empty cache": offline(m.options(t.TempDir())), "no cache": offline(m.options("")), "no such directory": offline(m.options(filepath.Join(t.TempDir(), "absent"))),
	} {
		t.Run(name, func(t *testing.T) { m.mustFail(o, m.authority(), "the cache holds no valid copy") })
	}
	m.mustFail(Options{CacheDir: t.TempDir()}, m.authority(), "without a connection")
	if got := m.take(); len(got) != 0 {
		t.Errorf("requests: %v", got)
	}
}

func TestTUFExpired(t *testing.T) {
	m := newMirror(t)
	m.publish(1, -time.Minute, rootJSON(t))
	o := m.options(t.TempDir())
	m.mustFail(o, m.authority(), "expired")
	m.mustFail(offline(o), m.authority(), "no valid copy")
}

func TestTUFCopyExpires(t *testing.T) {
	m := newMirror(t)
	o := m.options(t.TempDir())
	m.mustWork(o, m.authority())
	// What was kept while valid is put back after its metadata have expired.
	m.publish(1, -time.Minute, rootJSON(t))
	editCopy(t, o, func(c *tufCopy) { c.Metadata["timestamp.json"] = m.files["timestamp.json"] })
	m.take()
	m.mustFail(offline(o), m.authority(), "no valid copy")
	if got := m.take(); len(got) != 0 {
		t.Errorf("requests: %v", got)
	}
	m.mustFail(o, m.authority(), "expired")
}

func TestTUFRollback(t *testing.T) {
	m := newMirror(t)
	o := m.options(t.TempDir())
	m.publish(2, 48*time.Hour, rootJSON(t))
	m.mustWork(o, m.authority())
	m.publish(1, 48*time.Hour, rootJSON(t))
	m.mustFail(later(o, 25*time.Hour), m.authority(), "version")
	m.publish(3, 48*time.Hour, rootJSON(t))
	m.mustWork(later(o, 25*time.Hour), m.authority())
}

func TestTUFForeignSignatures(t *testing.T) {
	m := newMirror(t)
	a := m.authority()
	m.online = edKey(t)
	m.publish(2, 48*time.Hour, rootJSON(t))
	m.mustFail(m.options(t.TempDir()), a, "could not be fetched")
	other := newMirror(t)
	a.Keyless.TrustedRoot.TUF.Root = other.first()
	m.mustFail(m.options(t.TempDir()), a, "could not be fetched")
	a.Keyless.TrustedRoot.TUF.Root = []byte("trust me")
	m.mustFail(m.options(t.TempDir()), a, "root.json")
	a.Keyless.TrustedRoot.TUF.Root = nil
	m.mustFail(m.options(t.TempDir()), a, "root.json")
}

func TestTUFTargetIsSigned(t *testing.T) {
	m := newMirror(t)
	for name := range m.files {
		if strings.HasPrefix(name, "targets/") {
			m.files[name] = rootJSON(t)
		}
	}
	m.mustFail(m.options(t.TempDir()), m.authority(), "could not be fetched")
	m.publish(2, 48*time.Hour, []byte("{}"))
	m.mustFail(m.options(t.TempDir()), m.authority(), "media type")
}

// New keys of the repository are followed, and remembered: offline, the root that trust
// begins with would not know them.
func TestTUFRotation(t *testing.T) {
	m := newMirror(t)
	a, old := m.authority(), m.rootKey
	m.rootKey, m.online = edKey(t), edKey(t)
	m.publishRoot(old, m.rootKey)
	m.publishRoot(m.rootKey)
	m.publish(5, 48*time.Hour, rootJSON(t))
	o := m.options(t.TempDir())
	m.mustWork(o, a)
	if got := m.take(); len(got) != 7 {
		t.Errorf("cold: %v", got)
	}
	m.mustWork(offline(o), a)
	m.mustWork(o, a)
	if got := m.take(); len(got) != 0 {
		t.Errorf("warm: %v", got)
	}
	// A root that the older ones do not vouch for is refused.
	m.rootKey = edKey(t)
	m.publishRoot(m.rootKey)
	m.mustFail(later(o, 25*time.Hour), a, "could not be fetched")
}

func TestTUFBadMirror(t *testing.T) {
	elsewhere := newMirror(t)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"404": {http.NotFound, "404"},
		"403": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "403"},
		"500": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "500"},
		"another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.url+r.URL.Path, http.StatusFound)
		}, "redirects to another host"},
		"a loop":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, "redirects too often"},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "could not be fetched"},
		"null":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "null") }, "could not be fetched"},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			chunk := bytes.Repeat([]byte(" "), 64<<10)
			for {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, "bytes"},
		"broken off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			m.set(test.answer)
			m.mustFail(m.options(t.TempDir()), m.authority(), test.want)
		})
	}
	if got := elsewhere.take(); len(got) != 0 {
		t.Errorf("the other host was asked: %v", got)
	}
	for _, url := range []string{"", "http://tuf.example", "ftp://tuf.example", "https://user:word@tuf.example", "https://tuf.example?x=y", "file:///etc", "tuf.example"} {
		_, state := prepared(t, elsewhere.options(""), keyless(&TrustedRoot{TUF: &TUF{Mirror: url, Root: elsewhere.first()}}))
		if !strings.Contains(state.Problem, "no URL of a TUF mirror") {
			t.Errorf("%q: %+v", url, state)
		}
	}
}

// A mirror that accepts and never answers is waited for no longer than the context allows.
func TestTUFSilentMirror(t *testing.T) {
	m := newMirror(t)
	for name, flush := range map[string]bool{"no header": false, "no body": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			m.set(func(w http.ResponseWriter, r *http.Request) {
				if flush {
					_ = http.NewResponseController(w).Flush()
				}
				cancel()
				<-r.Context().Done() // until the client has gone
			})
			s, state := New(m.options(t.TempDir())).prepare(ctx, m.authority())
			if s != nil || !strings.Contains(state.Problem, "context canceled") || state.Hint == "" {
				t.Errorf("%+v", state)
			}
		})
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, state := New(m.options("")).prepare(ctx, m.authority()); !strings.Contains(state.Problem, "no answer in time") {
		t.Errorf("%+v", state)
	}
}

func TestTUFHasItsOwnDeadline(t *testing.T) {
	m := newMirror(t)
	v := New(m.options(""))
	var left time.Duration
	v.opts.Transport = transportFunc(func(r *http.Request) (*http.Response, error) {
		until, ok := r.Context().Deadline()
		if !ok {
			t.Error("a request without a deadline")
		}
		left = time.Until(until)
		return nil, context.DeadlineExceeded
	})
	if _, state := v.prepare(t.Context(), m.authority()); state.Problem == "" {
		t.Error("no problem")
	}
	if left > tufTimeout {
		t.Errorf("%v are left", left)
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Roots are loaded once for all authorities of a Verifier, failures included.
func TestTUFIsSharedByAuthorities(t *testing.T) {
	for name, broken := range map[string]bool{"works": false, "fails": true} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			want := 5
			if broken {
				m.set(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
				want = 1
			}
			v := New(m.options(t.TempDir()))
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					if s, state := v.prepare(t.Context(), m.authority()); (s == nil) != broken {
						t.Errorf("%+v", state)
					}
				})
			}
			wg.Wait()
			if got := m.take(); len(got) != want {
				t.Errorf("requests: %v", got)
			}
		})
	}
}

// Several processes share a cache directory: each of them works, and leaves a whole copy.
func TestTUFSharedCache(t *testing.T) {
	m := newMirror(t)
	o := m.options(t.TempDir())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 3 {
				if s, state := New(later(o, 25*time.Hour)).prepare(t.Context(), m.authority()); s == nil {
					t.Errorf("%+v", state)
				}
			}
		})
	}
	wg.Wait()
	m.mustWork(offline(o), m.authority())
	if files, _ := os.ReadDir(filepath.Join(o.CacheDir, "tuf")); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// Nothing of sigstore's and cosign's environment counts, nor is the home directory used.
func TestSigstoreEnvironmentChangesNothing(t *testing.T) {
	evil := newMirror(t)
	home := t.TempDir()
	rootFile := filepath.Join(home, "root.json")
	if err := os.WriteFile(rootFile, evil.first(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"TUF_ROOT_JSON", "SIGSTORE_ROOT_FILE", "SIGSTORE_REKOR_PUBLIC_KEY", "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", "SIGSTORE_TSA_CERTIFICATE_FILE", "SIGSTORE_TRUSTED_ROOT", "COSIGN_TRUSTED_ROOT"} {
		t.Setenv(name, rootFile)
	}
	t.Setenv("TUF_ROOT", home)
	t.Setenv("TUF_MIRROR", evil.url)
	t.Setenv("SIGSTORE_NO_CACHE", "true")
	t.Setenv("HOME", home)
	t.Setenv("http_proxy", evil.url)
	m := newMirror(t)
	o := m.options(t.TempDir())
	m.mustWork(o, m.authority())
	m.mustWork(offline(o), m.authority())
	if got := m.take(); len(got) != 5 {
		t.Errorf("requests: %v", got)
	}
	asked := ""
	o.Transport = transportFunc(func(r *http.Request) (*http.Response, error) { asked = r.URL.Host; return nil, io.EOF })
	if _, state := prepared(t, o, keyless(nil)); asked != "tuf-repo-cdn.sigstore.dev" || !strings.Contains(state.Problem, asked) {
		t.Errorf("asked %q: %+v", asked, state)
	}
	if got := evil.take(); len(got) != 0 {
		t.Errorf("the other mirror was asked: %v", got)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) != 1 {
		t.Errorf("written to the home directory: %v %v", left, err)
	}
	if http.DefaultClient.Transport != nil {
		t.Error("the default client was changed")
	}
}
