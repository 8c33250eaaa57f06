// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// ensureWith fetches into a new cache, as a job does that starts with nothing but downloads.
func ensureWith(t *testing.T, u *upstream, downloads string) string {
	t.Helper()
	d, err := Ensure(context.Background(), Options{CacheDir: t.TempDir(), Downloads: downloads, Repositories: []string{u.repository()}, Now: day1})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() //nolint:errcheck // a test
	if !strings.HasPrefix(d.State.Origin, u.host+"/trivy-db@sha256:") {
		t.Errorf("origin %q", d.State.Origin)
	}
	return d.State.Digest
}

func TestADownloadIsUsedAgain(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("one", day0))
	downloads := filepath.Join(t.TempDir(), "new", "downloads")
	first := ensureWith(t, u, downloads)
	list := names(t, downloads)
	if n := u.blobs.Load(); n != 1 || len(list) != 1 || !strings.HasPrefix(list[0], "db-") {
		t.Fatalf("%d blobs were fetched, %q are kept", n, list)
	}
	if second := ensureWith(t, u, downloads); second != first || u.blobs.Load() != 1 {
		t.Errorf("the download was not used: %s, %s, %d blobs", first, second, u.blobs.Load())
	}
	u.publish(t, spec("two", day1))
	if third := ensureWith(t, u, downloads); third == first || u.blobs.Load() != 2 {
		t.Errorf("not what the repository has now: %d blobs", u.blobs.Load())
	}
	if now := names(t, downloads); len(now) != 1 || now[0] == list[0] {
		t.Errorf("kept are %q", now)
	}
}

// TestAPlantedDownloadIsNotUsed: whoever writes to the directory changes nothing.
func TestAPlantedDownloadIsNotUsed(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("one", day0))
	downloads := t.TempDir()
	want := ensureWith(t, u, downloads)
	path := filepath.Join(downloads, names(t, downloads)[0])
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := append([]byte(nil), good...)
	other[9] ^= 0xff // the operating system in the header of gzip: content and checksum stay right
	elsewhere := filepath.Join(t.TempDir(), "good")
	if err := os.WriteFile(elsewhere, good, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, plant := range map[string]func() error{
		"another":   func() error { return os.WriteFile(path, other, 0o600) },
		"short":     func() error { return os.WriteFile(path, good[:100], 0o600) },
		"empty":     func() error { return os.WriteFile(path, nil, 0o600) },
		"link":      func() error { return os.Symlink(elsewhere, path) },
		"directory": func() error { return os.Mkdir(path, 0o700) },
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		before := u.blobs.Load()
		if got := ensureWith(t, u, downloads); got != want || u.blobs.Load() != before+1 {
			t.Errorf("%s: %s, want %s, with %d blobs fetched", name, got, want, u.blobs.Load()-before)
		}
	}
	if list := names(t, downloads); len(list) != 1 {
		t.Errorf("left behind: %q", list)
	}
}

// TestADownloadThatFailedIsNotKept: half a file is none.
func TestADownloadThatFailedIsNotKept(t *testing.T) {
	repository := breaking(t, spec("one", day0), closesMidBody)
	downloads := t.TempDir()
	_, err := Ensure(context.Background(), Options{CacheDir: t.TempDir(), Downloads: downloads, Repositories: []string{repository}, Now: day1, pause: 1})
	if err == nil {
		t.Fatal("it was used")
	}
	if list := names(t, downloads); len(list) != 0 {
		t.Errorf("kept are %q", list)
	}
	// What cannot be kept is used all the same.
	u := newUpstream(t)
	u.publish(t, spec("one", day0))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ensureWith(t, u, file)
}
