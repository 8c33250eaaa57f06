// SPDX-License-Identifier: Apache-2.0

//go:build unix

package layercache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// A directory that others can write to holds what they put there: without a key it is
// not used, with one entries speak for themselves.
func TestForeignDirectory(t *testing.T) {
	cases := map[string]func(dir string) error{"mode": func(dir string) error { return os.Chmod(dir, 0o777) }}
	if os.Geteuid() == 0 {
		cases["owner"] = func(dir string) error { return os.Chown(dir, 4711, 4711) }
	}
	for name, expose := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			before, _ := openCache(t, Options{Dir: dir})
			put(t, before, "one", "value")
			if err := expose(filepath.Join(dir, subdirectory)); err != nil {
				t.Fatal(err)
			}
			c, w := openCache(t, Options{Dir: dir})
			wantNone(t, c, "one")
			put(t, c, "one", "value")
			wantNone(t, c, "one")
			w.want(t, "others can write to it")
			sealed, w := openCache(t, Options{Dir: dir, Key: secret})
			wantNone(t, sealed, "one")
			put(t, sealed, "one", "value")
			wantValue(t, sealed, "one", "value")
			w.want(t)
		})
	}
}

// TestHostileDirectory: nothing outside is read, written or removed, and nothing waits.
func TestHostileDirectory(t *testing.T) {
	outside := t.TempDir()
	keep := filepath.Join(outside, "keep")
	if err := os.WriteFile(keep, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("the subdirectory is a link", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink(outside, filepath.Join(dir, subdirectory)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: dir}); err == nil {
			t.Error("opened")
		}
	})
	dir := t.TempDir()
	c, _ := openCache(t, Options{Dir: dir, Key: secret})
	plant := map[string]func(file string) error{
		"a link to a file": func(file string) error { return os.Symlink(keep, file) },
		"a FIFO":           func(file string) error { return syscall.Mkfifo(file, 0o600) },
		"a directory":      func(file string) error { return os.MkdirAll(filepath.Join(file, "x"), 0o700) },
		"a huge file":      func(file string) error { return os.WriteFile(file, nil, 0o600) },
	}
	for name, make := range plant {
		t.Run(name, func(t *testing.T) {
			file := entryFile(t, c, dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), make(file)); err != nil {
				t.Fatal(err)
			}
			if name == "a huge file" {
				if err := os.Truncate(file, 1<<40); err != nil {
					t.Fatal(err)
				}
			}
			wantNone(t, c, name)
			err := c.Put(t.Context(), kind, name, []byte("value"))
			if name == "a directory" {
				if err == nil {
					t.Error("no error")
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
			wantValue(t, c, name, "value")
		})
	}
	t.Run("a directory is a link", func(t *testing.T) {
		file := entryFile(t, c, dir, "linked")
		_ = os.RemoveAll(filepath.Dir(file))
		if err := os.Symlink(outside, filepath.Dir(file)); err != nil {
			t.Fatal(err)
		}
		wantNone(t, c, "linked")
		if err := c.Put(t.Context(), kind, "linked", []byte("value")); err == nil {
			t.Error("written through a link")
		}
	})
	t.Run("sizes", func(t *testing.T) {
		file := filepath.Join(dir, subdirectory, sizesFile)
		for name, make := range map[string]func() error{
			"a link":  func() error { return os.Symlink(keep, file) },
			"a FIFO":  func() error { return syscall.Mkfifo(file, 0o600) },
			"garbage": func() error { return os.WriteFile(file, []byte("x\ny\n"), 0o600) },
			"future":  func() error { return os.WriteFile(file, []byte("99999999999\n1\n"), 0o600) },
			"minus":   func() error { return os.WriteFile(file, fmt.Appendf(nil, "%d\n-99999999\n", time.Now().Unix()), 0o600) },
		} {
			if err := errors.Join(os.RemoveAll(file), make()); err != nil {
				t.Fatal(err)
			}
			put(t, c, "after "+name, "value")
			if _, known := c.dir.count(0); !known {
				t.Errorf("%s: not replaced", name)
			}
		}
	})
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v %v", entries, err)
	}
	if b, err := os.ReadFile(keep); err != nil || string(b) != "keep" {
		t.Errorf("outside: %q %v", b, err)
	}
}
