// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	trivydb "github.com/aquasecurity/trivy-db/pkg/db"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
)

func TestReaderKeepsItsDatabase(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("new", day1))
	cache := dbtest.New(t, spec("old", day0))
	early := must[*Database](t)(Ensure(t.Context(), options(t, cache, day0)))
	other := must[*Database](t)(Ensure(t.Context(), options(t, cache, day0)))
	titleIs := func(want string) {
		t.Helper()
		v, err := trivydb.Config{}.GetVulnerability("CVE-2024-9143")
		if err != nil || v.Title != want {
			t.Errorf("title %q, %v, want %q", v.Title, err, want)
		}
	}
	closeEarly := must[func() error](t)(early.Open(t.Context()))
	titleIs("old")
	newer := must[*Database](t)(Ensure(t.Context(), options(t, cache, day1, u.repository())))
	titleIs("old")
	if err := closeEarly(); err != nil {
		t.Error(err)
	}
	// Examined before, opened after the new one was published: still what its State says.
	closeOther := must[func() error](t)(other.Open(t.Context()))
	titleIs("old")
	if err := closeOther(); err != nil {
		t.Error(err)
	}
	if _, err := other.Open(t.Context()); !errors.Is(err, errReplaced) {
		t.Errorf("opened by path although replaced: %v", err)
	}
	closeNewer := must[func() error](t)(newer.Open(t.Context()))
	titleIs("new")
	if err := closeNewer(); err != nil {
		t.Error(err)
	}
}

func TestTracesOfKilledProcessesGo(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("a", day1))
	cache := t.TempDir()
	k := vulnerabilityKind(Options{})
	stale := filepath.Join(cache, tempPrefix(k.dir)+"123")
	other := filepath.Join(cache, tempPrefix("java-db")+"123") // that of a Java fetch which may be under way
	for _, dir := range []string{stale, other} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	closing(t, must[*Database](t)(Ensure(t.Context(), options(t, cache, day1, u.repository()))))
	if _, err := os.Stat(stale); err == nil {
		t.Error("the stale directory is still there")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}

func TestKilledWhilePublishing(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("new", day1))
	fetched := t.TempDir()
	closing(t, must[*Database](t)(Ensure(t.Context(), options(t, fetched, day1, u.repository()))))
	order := []string{sidecarFile, "trivy.db", metadataFile}
	for n := range len(order) + 1 {
		cache := dbtest.New(t, spec("old", day0))
		for _, file := range order[:n] {
			if err := os.Rename(copied(t, filepath.Join(fetched, "db", file)), filepath.Join(cache, "db", file)); err != nil {
				t.Fatal(err)
			}
		}
		o := options(t, cache, day1)
		o.Offline = true
		d := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
		want := day0
		if n >= 2 {
			want = day1
		}
		if !d.State.UpdatedAt.Equal(want) || d.State.Digest != digestOf(t, filepath.Join(cache, "db", "trivy.db")) {
			t.Errorf("after %d files: %+v", n, d.State)
		}
	}
}

// copied copies a file with its time and returns the copy.
func copied(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	info, err := os.Stat(path)
	err = errors.Join(err, os.WriteFile(to, readAll(t, path), 0o600))
	if err == nil {
		err = os.Chtimes(to, info.ModTime(), info.ModTime())
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}
