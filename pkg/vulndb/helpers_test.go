// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
)

const fixture = `
- bucket: alpine 3.20
  pairs:
    - bucket: openssl
      pairs:
        - key: CVE-2024-9143
          value:
            FixedVersion: 3.3.2-r1
- bucket: vulnerability
  pairs:
    - key: CVE-2024-9143
      value:
        Title: %s
        Severity: HIGH
`

var (
	day0 = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	day1 = day0.Add(25 * time.Hour)
)

// spec is a database of which nothing but the title and the time vary.
func spec(title string, updated time.Time) dbtest.Spec {
	return dbtest.Spec{Documents: [][]byte{fmt.Appendf(nil, fixture, title)}, UpdatedAt: updated, DownloadedAt: updated}
}

// upstream is a registry that counts the requests that ask for blobs.
type upstream struct {
	host  string
	blobs atomic.Int64
	all   atomic.Int64
}

func (u *upstream) repository() string     { return u.host + "/trivy-db:2" }
func (u *upstream) javaRepository() string { return u.host + "/trivy-java-db:1" }

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{}
	inner := dbtest.Registry()
	u.host = dbtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.all.Add(1)
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/sha256:") {
			u.blobs.Add(1)
		}
		inner.ServeHTTP(w, r)
	}))
	return u
}

// publish pushes a database of the given title and age.
func (u *upstream) publish(t *testing.T, s dbtest.Spec) {
	t.Helper()
	dir := dbtest.New(t, s)
	if err := dbtest.Push(u.repository(), dir, false); err != nil {
		t.Fatal(err)
	}
	if !s.NoJava {
		if err := dbtest.Push(u.javaRepository(), dir, true); err != nil {
			t.Fatal(err)
		}
	}
	u.all.Store(0)
}

// publishFiles pushes an artifact of arbitrary content.
func (u *upstream) publishFiles(t *testing.T, mediaType string, files []dbtest.File) {
	t.Helper()
	img, err := dbtest.Artifact(mediaType, files)
	if err != nil {
		t.Fatal(err)
	}
	if err := dbtest.PushImage(u.repository(), img); err != nil {
		t.Fatal(err)
	}
}

// serve returns a repository behind a handler that answers everything but the
// registry's greeting.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	return dbtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		h(w, r)
	})) + "/trivy-db:2"
}

// journal collects progress messages.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(s string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, s)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

func options(t *testing.T, cache string, now time.Time, repositories ...string) Options {
	t.Helper()
	if len(repositories) == 0 {
		repositories = []string{serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("unexpected request %s", r.URL) })}
	}
	return Options{CacheDir: cache, Repositories: repositories, JavaRepositories: repositories, Now: now, pause: 1}
}

// must ends the test on an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func closing(t *testing.T, d *Database) *Database {
	t.Helper()
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// leftovers fails if the cache holds anything but locks and finished databases.
func leftovers(t *testing.T, cache string) {
	t.Helper()
	entries, err := os.ReadDir(cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch e.Name() {
		case "db", "java-db", ".db.lock", ".java-db.lock":
		default:
			t.Errorf("left behind: %s", e.Name())
		}
	}
	for _, dir := range []string{"db", "java-db"} {
		entries, _ := os.ReadDir(filepath.Join(cache, dir))
		for _, e := range entries {
			switch e.Name() {
			case "trivy.db", "trivy-java.db", metadataFile, sidecarFile:
			default:
				t.Errorf("left behind: %s/%s", dir, e.Name())
			}
		}
	}
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	return must[[]byte](t)(os.ReadFile(path))
}
