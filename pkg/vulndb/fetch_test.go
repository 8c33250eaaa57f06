// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
)

// breaking is a registry whose blobs are passed through spoil.
func breaking(t *testing.T, s dbtest.Spec, spoil func(w http.ResponseWriter, r *http.Request, blob []byte)) string {
	t.Helper()
	inner := dbtest.Registry()
	host := dbtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/sha256:") {
			inner.ServeHTTP(w, r)
			return
		}
		rec := &recorder{header: http.Header{}}
		inner.ServeHTTP(rec, r)
		spoil(w, r, rec.body)
	}))
	if err := dbtest.Push(host+"/trivy-db:2", dbtest.New(t, s), false); err != nil {
		t.Fatal(err)
	}
	return host + "/trivy-db:2"
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	body   []byte
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}
func (r *recorder) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return len(p), nil
}

func half(w http.ResponseWriter, blob []byte) {
	w.Header().Set("Content-Length", fmt.Sprint(len(blob)))
	_, _ = w.Write(blob[:len(blob)/2])
	_ = http.NewResponseController(w).Flush()
}

func closesMidBody(w http.ResponseWriter, _ *http.Request, blob []byte) {
	half(w, blob)
	panic(http.ErrAbortHandler)
}

func tampers(w http.ResponseWriter, _ *http.Request, blob []byte) {
	blob[9] ^= 0xff // the operating system in the header of gzip: content and checksum stay right
	_, _ = w.Write(blob)
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestFailover(t *testing.T) {
	good := newUpstream(t)
	good.publish(t, spec("good", day1))
	for name, bad := range map[string]string{
		"429":             serve(t, status(http.StatusTooManyRequests)),
		"500":             serve(t, status(http.StatusInternalServerError)),
		"404":             serve(t, status(http.StatusNotFound)),
		"401":             serve(t, status(http.StatusUnauthorized)),
		"closes mid-body": breaking(t, spec("bad", day1), closesMidBody),
		"tampered blob":   breaking(t, spec("bad", day1), tampers),
		"wrong schema":    breaking(t, dbtest.Spec{Schema: 3}, func(w http.ResponseWriter, _ *http.Request, b []byte) { _, _ = w.Write(b) }),
		"no reference":    "UPPER CASE",
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			d := closing(t, must[*Database](t)(Ensure(t.Context(), options(t, cache, day1, bad, good.repository()))))
			if !strings.HasPrefix(d.State.Origin, good.host) || d.FetchError != nil {
				t.Errorf("%+v, %v", d.State, d.FetchError)
			}
			leftovers(t, cache)
		})
	}
}

func TestAllReasonsAreKept(t *testing.T) {
	calls := 0
	first := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}`))
	})
	second := breaking(t, spec("bad", day1), tampers)
	cache := t.TempDir()
	_, err := Ensure(t.Context(), options(t, cache, day1, first, second, "user:hunter2@host/db:2"))
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatal(err)
	}
	for _, want := range []string{first, "429", "slow down", second, "error verifying sha256", "host/db:2: not a repository reference"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	for _, want := range []string{"--db-dir", "--offline", "--db-repository"} {
		if !strings.Contains(e.Hint, want) {
			t.Errorf("%q is not in the hint %q", want, e.Hint)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("shows a password: %v", err)
	}
	if calls != 2 {
		t.Errorf("a passing failure was tried %d times, want 2", calls)
	}
	if _, err := os.Stat(filepath.Join(cache, "db")); err == nil {
		t.Error("something was published")
	}
	leftovers(t, cache)
}

func TestBadArtifacts(t *testing.T) {
	files := must[[]dbtest.File](t)(dbtest.Files(dbtest.New(t, spec("a", day1)), false))
	db, metadata := files[0], files[1]
	cases := map[string]struct {
		mediaType string
		files     []dbtest.File
		want      string
	}{
		"media type":     {dbtest.JavaMediaType, files, "media type"},
		"no metadata":    {dbtest.MediaType, []dbtest.File{db}, "lacks"},
		"no database":    {dbtest.MediaType, []dbtest.File{metadata}, "lacks"},
		"elsewhere":      {dbtest.MediaType, []dbtest.File{{Name: "../trivy.db", Data: db.Data}, metadata}, "lacks"},
		"twice":          {dbtest.MediaType, []dbtest.File{db, db, metadata}, "not one regular file"},
		"metadata twice": {dbtest.MediaType, []dbtest.File{db, metadata, metadata}, "not one regular file"},
		"symlink":        {dbtest.MediaType, []dbtest.File{{Name: "trivy.db", Data: []byte("/etc/passwd"), Type: tar.TypeSymlink}, metadata}, "not one regular file"},
		"not bolt":       {dbtest.MediaType, []dbtest.File{{Name: "trivy.db", Data: []byte(strings.Repeat("no", 9000))}, metadata}, "not usable"},
		"truncated":      {dbtest.MediaType, []dbtest.File{{Name: "trivy.db", Data: db.Data[:len(db.Data)/2]}, metadata}, "truncated"},
		"huge metadata":  {dbtest.MediaType, []dbtest.File{db, {Name: metadataFile, Data: make([]byte, maxMetadata+1)}}, "too large"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.publishFiles(t, c.mediaType, c.files)
			cache := t.TempDir()
			_, err := Ensure(t.Context(), options(t, cache, day1, u.repository()))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(cache, "db")); err == nil {
				t.Error("something was published")
			}
			leftovers(t, cache)
		})
	}
}

func TestUnpackedSizeIsBounded(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("a", day1))
	cache := t.TempDir()
	o := options(t, cache, day1, u.repository())
	k := vulnerabilityKind(o)
	k.limit = 16 << 10 // more than the blob, less than what is in it
	_, err := ensure(t.Context(), k, o)
	if err == nil || !strings.Contains(err.Error(), "more than 16384 bytes unpacked") {
		t.Errorf("%v", err)
	}
	leftovers(t, cache)
}

func TestCancelMidDownload(t *testing.T) {
	for name, old := range map[string]bool{"nothing there": false, "an old one there": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			repository := breaking(t, spec("new", day1), func(w http.ResponseWriter, r *http.Request, blob []byte) {
				half(w, blob)
				cancel()
				<-r.Context().Done()
			})
			cache := t.TempDir()
			if old {
				cache = dbtest.New(t, spec("old", day0))
			}
			if _, err := Ensure(ctx, options(t, cache, day1, repository)); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			leftovers(t, cache)
			if _, err := os.Stat(filepath.Join(cache, "db", "trivy.db")); (err == nil) != old {
				t.Errorf("database: %v", err)
			}
		})
	}
}

func TestStalledTransferFailsOver(t *testing.T) {
	stalled := breaking(t, spec("bad", day1), func(w http.ResponseWriter, r *http.Request, blob []byte) {
		half(w, blob)
		<-r.Context().Done()
	})
	o := options(t, t.TempDir(), day1, stalled)
	o.stall = 1 // expires at once
	if _, err := Ensure(t.Context(), o); !errors.Is(err, errStalled) {
		t.Errorf("got %v", err)
	}
	leftovers(t, o.CacheDir)
}

func TestTwentyFetchOnce(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("a", day1))
	for name, cache := range map[string]string{"missing": t.TempDir(), "stale": dbtest.New(t, spec("old", day0))} {
		t.Run(name, func(t *testing.T) {
			u.blobs.Store(0)
			var wg sync.WaitGroup
			digests := make([]string, 20)
			for i := range digests {
				wg.Go(func() {
					d, err := Ensure(t.Context(), options(t, cache, day1, u.repository()))
					if err != nil {
						t.Error(err)
						return
					}
					digests[i] = d.State.Digest
					if err := d.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := u.blobs.Load(); n != 1 {
				t.Errorf("%d downloads", n)
			}
			for _, d := range digests {
				if d != digests[0] {
					t.Errorf("digests differ: %q", digests)
					break
				}
			}
			leftovers(t, cache)
		})
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	o := options(t, t.TempDir(), day1)
	lock := newLock(o.CacheDir, vulnerabilityKind(o))
	if err := lock.Lock(); err != nil {
		t.Fatal(err)
	}
	defer lock.Close() //nolint:errcheck // a test
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(message string) {
		if strings.Contains(message, "waiting for another process") {
			cancel()
		}
	}
	if _, err := Ensure(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWaitersShareAFailure(t *testing.T) {
	for name, same := range map[string]bool{"same repositories": true, "other repositories": false} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t)
			u.publish(t, spec("new", day1))
			o := options(t, dbtest.New(t, spec("old", day0)), day1, u.repository())
			k := vulnerabilityKind(o)
			lock := newLock(o.CacheDir, k)
			if err := lock.Lock(); err != nil {
				t.Fatal(err)
			}
			o.Progress = func(message string) {
				if !strings.Contains(message, "waiting for another process") {
					return
				}
				failed := k
				if !same {
					failed.repositories = []string{"elsewhere"}
				}
				recordFailure(lock.Path(), failed, errors.New("no route to host"))
				if err := lock.Close(); err != nil {
					t.Error(err)
				}
			}
			d := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
			if same && (d.FetchError == nil || !strings.Contains(d.FetchError.Error(), "no route to host") || u.all.Load() > 0) {
				t.Errorf("%v, %d requests", d.FetchError, u.all.Load())
			}
			if !same && (d.FetchError != nil || !d.State.UpdatedAt.Equal(day1)) {
				t.Errorf("%v, %+v", d.FetchError, d.State)
			}
			// The next one that does not wait tries for itself.
			d = closing(t, must[*Database](t)(Ensure(t.Context(), o)))
			if d.FetchError != nil {
				t.Error(d.FetchError)
			}
		})
	}
}

// keychain knows one password.
type keychain struct{}

func (keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "ci", Password: "hunter2"}, nil
}
