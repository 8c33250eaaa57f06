// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	trivydb "github.com/aquasecurity/trivy-db/pkg/db"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
)

func digestOf(t *testing.T, path string) string {
	t.Helper()
	sum := sha256.Sum256(readAll(t, path))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func TestFreshNeedsNoNetwork(t *testing.T) {
	for name, s := range map[string]dbtest.Spec{
		"before the next update":   spec("a", day1.Add(-time.Hour)),
		"downloaded within 1 hour": {UpdatedAt: day0, DownloadedAt: day1.Add(-59 * time.Minute)},
	} {
		t.Run(name, func(t *testing.T) {
			cache := dbtest.New(t, s)
			d := closing(t, must[*Database](t)(Ensure(t.Context(), options(t, cache, day1))))
			if d.Dir != filepath.Join(cache, "db") || d.State.Schema != 2 || !d.State.UpdatedAt.Equal(s.UpdatedAt) {
				t.Errorf("got %q %+v", d.Dir, d.State)
			}
			if want := digestOf(t, filepath.Join(cache, "db", "trivy.db")); d.State.Digest != want || d.State.Origin != OriginDirectory {
				t.Errorf("state %+v, want digest %s", d.State, want)
			}
			java := closing(t, must[*Database](t)(EnsureJava(t.Context(), options(t, cache, day1))))
			if java.State.Schema != 1 || java.Dir != filepath.Join(cache, "java-db") {
				t.Errorf("java: %q %+v", java.Dir, java.State)
			}
			leftovers(t, cache)
		})
	}
}

func TestDigestIsRememberedForTheSameFileOnly(t *testing.T) {
	cache := dbtest.New(t, spec("a", day0))
	o := options(t, cache, day0)
	first := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
	var s sidecar
	if err := readJSON(filepath.Join(cache, "db", sidecarFile), &s); err != nil || "sha256:"+s.SHA256 != first.State.Digest {
		t.Fatalf("sidecar %+v: %v", s, err)
	}
	if err := dbtest.Build(cache, spec("b", day0.Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	if err := writeJSON(filepath.Join(cache, "db", sidecarFile), s); err != nil {
		t.Fatal(err)
	}
	second := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
	if want := digestOf(t, filepath.Join(cache, "db", "trivy.db")); second.State.Digest != want || second.State.Digest == first.State.Digest {
		t.Errorf("digest %s, want %s", second.State.Digest, want)
	}
	if !second.State.UpdatedAt.Equal(day0.Add(time.Minute)) {
		t.Errorf("updated at %v: the metadata of another file was used", second.State.UpdatedAt)
	}
}

func TestFetchMissingThenFresh(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("a", day0))
	cache := filepath.Join(t.TempDir(), "new", "cache")
	o := options(t, cache, day1, u.repository())
	d := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
	if d.FetchError != nil || !strings.HasPrefix(d.State.Origin, u.host+"/trivy-db@sha256:") {
		t.Errorf("origin %q, error %v", d.State.Origin, d.FetchError)
	}
	if want := digestOf(t, filepath.Join(cache, "db", "trivy.db")); d.State.Digest != want {
		t.Errorf("digest %s, want %s", d.State.Digest, want)
	}
	if !d.meta.DownloadedAt.Equal(day1) {
		t.Errorf("downloaded at %v", d.meta.DownloadedAt)
	}
	var m meta // Trivy reads this one
	if err := readJSON(filepath.Join(cache, "db", metadataFile), &m); err != nil || m != d.meta {
		t.Errorf("metadata.json: %+v, %v", m, err)
	}
	leftovers(t, cache)
	requests := u.all.Load()
	again := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
	if u.all.Load() != requests {
		t.Error("a fresh database was asked for")
	}
	if again.State.Origin != d.State.Origin || again.State.Digest != d.State.Digest {
		t.Errorf("state changed: %+v, %+v", d.State, again.State)
	}

	o.JavaRepositories = []string{u.javaRepository()}
	java := closing(t, must[*Database](t)(EnsureJava(t.Context(), o)))
	if !strings.HasPrefix(java.State.Origin, u.host+"/trivy-java-db@sha256:") {
		t.Errorf("java origin %q", java.State.Origin)
	}
	leftovers(t, cache)
}

func TestStale(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("new", day1))
	t.Run("fetches", func(t *testing.T) {
		cache := dbtest.New(t, spec("old", day0))
		d := closing(t, must[*Database](t)(Ensure(t.Context(), options(t, cache, day1, u.repository()))))
		if !d.State.UpdatedAt.Equal(day1) || d.FetchError != nil {
			t.Errorf("%+v, %v", d.State, d.FetchError)
		}
	})
	t.Run("offline uses it", func(t *testing.T) {
		o := options(t, dbtest.New(t, spec("old", day0)), day1)
		o.Offline = true
		d := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
		if !d.State.UpdatedAt.Equal(day0) || d.FetchError != nil {
			t.Errorf("%+v, %v", d.State, d.FetchError)
		}
	})
	t.Run("failed fetch uses it and says so", func(t *testing.T) {
		cache := dbtest.New(t, spec("old", day0))
		var j journal
		o := options(t, cache, day1, u.host+"/nothing:2")
		o.Progress = j.add
		d := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
		if !d.State.UpdatedAt.Equal(day0) || d.FetchError == nil || !strings.Contains(j.text(), "although it is due for an update") {
			t.Errorf("%+v, %v, %s", d.State, d.FetchError, j.text())
		}
		leftovers(t, cache)
	})
	t.Run("unchanged upstream is not downloaded again", func(t *testing.T) {
		cache := t.TempDir()
		closing(t, must[*Database](t)(Ensure(t.Context(), options(t, cache, day1, u.repository()))))
		blobs, later := u.blobs.Load(), day1.Add(48*time.Hour)
		d := closing(t, must[*Database](t)(Ensure(t.Context(), options(t, cache, later, u.repository()))))
		if u.blobs.Load() != blobs {
			t.Error("the blob was downloaded again")
		}
		if !d.meta.DownloadedAt.Equal(later) || d.FetchError != nil {
			t.Errorf("%+v, %v", d.meta, d.FetchError)
		}
		closing(t, must[*Database](t)(Ensure(t.Context(), options(t, cache, later))))
		leftovers(t, cache)
	})
}

// The ways to damage a file.
func truncate(t *testing.T, path string) {
	b := readAll(t, path)
	overwrite(string(b[:len(b)/2]))(t, path)
}

func overwrite(text string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func remove(t *testing.T, path string) {
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestUnusable(t *testing.T) {
	cases := []struct {
		name, file string
		java       bool
		damage     func(*testing.T, string)
		want, hint string
	}{
		{name: "no database", file: "trivy.db", damage: remove, want: "no such file", hint: "trivy.db"},
		{name: "no metadata", file: metadataFile, damage: remove, want: metadataFile, hint: "metadata.json"},
		{name: "corrupt metadata", file: metadataFile, damage: overwrite("{"), want: metadataFile, hint: "damaged"},
		{name: "metadata without time", file: metadataFile, damage: overwrite(`{"Version":2}`), want: "does not say when"},
		{name: "newer schema", file: metadataFile, damage: overwrite(`{"Version":3,"UpdatedAt":"2026-01-01T00:00:00Z"}`), want: "schema version 3", hint: "update ocigate"},
		{name: "older schema", file: metadataFile, damage: overwrite(`{"Version":1,"UpdatedAt":"2026-01-01T00:00:00Z"}`), want: "schema version 1", hint: "older"},
		{name: "truncated", file: "trivy.db", damage: truncate, want: "truncated"},
		{name: "empty", file: "trivy.db", damage: overwrite(""), want: "truncated"},
		{name: "garbage", file: "trivy.db", damage: overwrite(strings.Repeat("garbage!", 4096)), want: "invalid database"},
		{name: "java schema", java: true, file: metadataFile, damage: overwrite(`{"Version":2,"UpdatedAt":"2026-01-01T00:00:00Z"}`), want: "schema version 2"},
		{name: "java truncated", java: true, file: "trivy-java.db", damage: truncate, want: "truncated"},
		{name: "java empty", java: true, file: "trivy-java.db", damage: overwrite(""), want: "truncated"},
		{name: "java garbage", java: true, file: "trivy-java.db", damage: overwrite(strings.Repeat("garbage!", 4096)), want: "not an SQLite"},
	}
	u := newUpstream(t)
	u.publish(t, spec("new", day1))
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cache := dbtest.New(t, spec("a", day0))
			ensure, sub, repository := Ensure, "db", u.repository()
			if c.java {
				ensure, sub, repository = EnsureJava, "java-db", u.javaRepository()
			}
			c.damage(t, filepath.Join(cache, sub, c.file))
			for _, o := range []Options{{Dir: cache}, {CacheDir: cache, Offline: true, Now: day0}} {
				_, err := ensure(t.Context(), o)
				e, ok := errors.AsType[*Error](err)
				if !ok || !strings.Contains(err.Error(), c.want) || (o.Dir != "" && !strings.Contains(e.Hint, c.hint)) || e.Hint == "" {
					t.Errorf("got %v (%+v), want %q with hint %q", err, e, c.want, c.hint)
				}
			}
			// Online, it is replaced.
			d := closing(t, must[*Database](t)(ensure(t.Context(), options(t, cache, day0, repository))))
			if !d.State.UpdatedAt.Equal(day1) {
				t.Errorf("%+v", d.State)
			}
		})
	}
}

func TestDirIsOnlyRead(t *testing.T) {
	dir := dbtest.New(t, spec("a", day0))
	for _, sub := range []string{"db", "java-db", "."} {
		if err := os.Chmod(filepath.Join(dir, sub), 0o555); err != nil { //nolint:gosec // a test
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, sub), 0o755) }) //nolint:gosec // a test
	}
	before := tree(t, dir)
	o := options(t, "", day1.AddDate(1, 0, 0))
	o.Dir = dir
	d := must[*Database](t)(Ensure(t.Context(), o))
	if d.State.Origin != OriginDirectory || d.State.Digest != digestOf(t, filepath.Join(dir, "db", "trivy.db")) {
		t.Errorf("%+v", d.State)
	}
	if platforms := must[[]string](t)(d.Platforms()); !slices.Equal(platforms, []string{"alpine 3.20", "vulnerability"}) {
		t.Errorf("platforms %q", platforms)
	}
	closeDB := must[func() error](t)(d.Open(t.Context()))
	v, err := trivydb.Config{}.GetVulnerability("CVE-2024-9143")
	if err != nil || v.Title != "a" {
		t.Errorf("%+v, %v", v, err)
	}
	if err := closeDB(); err != nil {
		t.Error(err)
	}
	closing(t, must[*Database](t)(EnsureJava(t.Context(), o)))
	if after := tree(t, dir); !slices.Equal(before, after) {
		t.Errorf("changed from %q to %q", before, after)
	}
}

// tree lists names, sizes and times of the files below dir.
func tree(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && !e.IsDir() {
			list = append(list, path+" "+info.ModTime().String()+" "+digestOf(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDirPointsOneLevelTooDeep(t *testing.T) {
	dir := dbtest.New(t, spec("a", day0))
	_, err := Ensure(t.Context(), Options{Dir: filepath.Join(dir, "db")})
	if e, ok := errors.AsType[*Error](err); !ok || !strings.Contains(e.Hint, "give the directory that holds") {
		t.Errorf("%v", err)
	}
}

func TestOpenGuards(t *testing.T) {
	cache := dbtest.New(t, spec("a", day0))
	o := options(t, cache, day0)
	a := must[*Database](t)(Ensure(t.Context(), o))
	b := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
	closeA := must[func() error](t)(a.Open(t.Context()))
	if _, err := b.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "already open") {
		t.Errorf("second open: %v", err)
	}
	if err := errors.Join(closeA(), closeA()); err != nil {
		t.Error(err)
	}
	closeB := must[func() error](t)(b.Open(t.Context()))
	if err := closeB(); err != nil {
		t.Error(err)
	}
	closeB = must[func() error](t)(b.Open(t.Context())) // by path this time
	if err := closeB(); err != nil {
		t.Error(err)
	}
	java := closing(t, must[*Database](t)(EnsureJava(t.Context(), o)))
	if _, err := java.Open(t.Context()); err == nil {
		t.Error("the Java database was opened as a vulnerability database")
	}
	if _, err := java.Platforms(); err == nil {
		t.Error("the Java database has platforms")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Ensure(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
