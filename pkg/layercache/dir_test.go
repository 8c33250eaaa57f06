// SPDX-License-Identifier: Apache-2.0

//go:build unix

package layercache

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be a writer that can be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LAYERCACHE_TEST_WRITER"); dir != "" {
		writer(dir)
	}
	os.Exit(m.Run())
}

// writer puts entries until it is killed, and says so after each.
func writer(dir string) {
	c, err := Open(Options{Dir: dir, MaxSize: 2 << 20})
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		key := "k" + strconv.Itoa(i%300)
		if err := c.Put(context.Background(), kind, key, valueOf(key)); err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

// valueOf makes up to 40 kB that do not compress.
func valueOf(key string) []byte {
	var seed [32]byte
	copy(seed[:], key)
	r := rand.NewChaCha8(seed)
	b := make([]byte, r.Uint64()%40_000)
	_, _ = r.Read(b) // cannot fail
	return b
}

func TestKilledWriters(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, w := openCache(t, Options{Dir: dir, MaxSize: 2 << 20})
	var wg sync.WaitGroup
	for range 2 { // two at a time
		wg.Go(func() {
			for range 25 {
				cmd := exec.Command(self)
				cmd.Env = append(os.Environ(), "LAYERCACHE_TEST_WRITER="+dir)
				out, err := cmd.StdoutPipe()
				if err == nil {
					err = cmd.Start()
				}
				if err != nil {
					t.Error(err)
					return
				}
				sc := bufio.NewScanner(out)
				for n := rand.IntN(60); n >= 0 && sc.Scan(); n-- {
				}
				_ = cmd.Process.Signal(syscall.SIGKILL)
				_ = cmd.Wait() // was killed
			}
		})
	}
	found := 0
	read := func() {
		for i := range 300 {
			key := "k" + strconv.Itoa(i)
			if got, ok := c.Get(t.Context(), kind, key); ok {
				found++
				if !bytes.Equal(got, valueOf(key)) {
					t.Fatalf("%s has another value", key)
				}
			}
		}
	}
	for range 10 {
		read()
	}
	wg.Wait()
	read()
	if found == 0 {
		t.Error("nothing was ever found")
	}
	put(t, c, "afterwards", "value")
	wantValue(t, c, "afterwards", "value")
	// What the killed left behind is counted, and goes.
	c.dir.now = func() time.Time { return time.Now().Add(time.Hour) }
	if err := c.dir.trim(); err != nil {
		t.Fatal(err)
	}
	var total int64
	for f := range entryFiles(c.dir.root, ".") {
		if !f.Entry {
			t.Errorf("%s is left", f.Path)
		}
		total += onDisk(f.Size)
	}
	if total > 2<<20 || total < 1<<20 {
		t.Errorf("%d bytes are left", total)
	}
	w.want(t)
}

func entryFile(t *testing.T, c *Cache, dir, key string) string {
	t.Helper()
	return filepath.Join(dir, subdirectory, entryPath(kind, c.seal.name(kind, key)))
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	dir := t.TempDir()
	c, _ := openCache(t, Options{Dir: dir, MaxSize: 1 << 20})
	now := time.Now().Add(-24 * time.Hour)
	c.dir.now = func() time.Time { return now }
	value := func(key string) string {
		b := valueOf(key + strings.Repeat("-", 8))
		return string(bytes.Repeat(b, 1+60_000/max(len(b), 1))[:60_000])
	}
	put(t, c, "used", value("used"))
	for i := range 60 {
		key := strconv.Itoa(i)
		put(t, c, key, value(key))
		now = now.Add(2 * time.Minute)
		// The file's time is the system's; the test's clock is behind it.
		if err := os.Chtimes(entryFile(t, c, dir, key), now, now); err != nil {
			t.Fatal(err)
		}
		wantValue(t, c, "used", value("used"))
		var total int64
		for f := range entryFiles(c.dir.root, ".") {
			total += onDisk(f.Size)
		}
		if total > 1<<20 {
			t.Fatalf("%d bytes after %d entries", total, i)
		}
	}
	wantNone(t, c, "0")
	wantValue(t, c, "59", value("59"))
}

func TestTooLargeToKeep(t *testing.T) {
	c, _ := openCache(t, Options{MaxSize: 1 << 20})
	b := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	put(t, c, "small", "value")
	if err := c.Put(t.Context(), kind, "large", b); err == nil {
		t.Error("kept")
	}
	wantValue(t, c, "small", "value")
}

// TestHitWritesNothing: only the first hit of a minute notes that an entry is in use.
func TestHitWritesNothing(t *testing.T) {
	dir := t.TempDir()
	c, _ := openCache(t, Options{Dir: dir})
	put(t, c, "one", "value")
	file := entryFile(t, c, dir, "one")
	for name, tt := range map[string]struct {
		age     time.Duration
		touched bool
	}{"recent": {touchAfter / 2, false}, "old": {2 * touchAfter, true}} {
		at := time.Now().Add(-tt.age).Truncate(time.Second)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
		wantValue(t, c, "one", "value")
		info, err := os.Stat(file)
		if err != nil || info.ModTime().Equal(at) == tt.touched {
			t.Errorf("%s: %v %v", name, info.ModTime(), err)
		}
	}
}

func TestDamagedEntries(t *testing.T) {
	for name, key := range map[string]string{"checksum": "", "HMAC": secret} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c, w := openCache(t, Options{Dir: dir, Key: key})
			put(t, c, "one", "value")
			put(t, c, "two", "another")
			file := entryFile(t, c, dir, "one")
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			another, err := os.ReadFile(entryFile(t, c, dir, "two"))
			if err != nil {
				t.Fatal(err)
			}
			otherSeal, err := newSealer(secret[len(key):]).seal(kind, "one", []byte("value"))
			if key != "" {
				otherSeal, err = newSealer("").seal(kind, "one", []byte("value"))
			}
			if err != nil {
				t.Fatal(err)
			}
			flipped := bytes.Clone(whole)
			flipped[len(flipped)-1] ^= 1
			for name, content := range map[string][]byte{
				"empty": nil, "cut": whole[:len(whole)/2], "a bit": flipped, "longer": append(bytes.Clone(whole), 0), "zeros": make([]byte, len(whole)),
				"another key's": another, "another seal": otherSeal, "gzip, as of old": []byte("\x1f\x8b\x08"),
			} {
				if err := os.WriteFile(file, content, 0o600); err != nil {
					t.Fatal(err)
				}
				if _, ok := c.Get(t.Context(), kind, "one"); ok {
					t.Errorf("%s is used", name)
				}
				put(t, c, "one", "value")
				wantValue(t, c, "one", "value")
			}
			w.want(t)
		})
	}
}

// A bomb with a good seal, which whoever has the key could make, is bounded all the same.
func TestSealedBomb(t *testing.T) {
	s := newSealer("")
	out := append(make([]byte, headSize), zstdBomb(t, maxValue+1)...)
	copy(out, magic)
	out[len(magic)] = s.mode()
	copy(out[len(magic)+1:], s.sum(kind, "one", out[headSize:]))
	if _, err := s.open(kind, "one", out); !errors.Is(err, errSeal) {
		t.Errorf("error %v", err)
	}
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	c, _ := openCache(t, Options{Dir: dir})
	put(t, c, "one", "value")
	if err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", p, info.Mode())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	c, _ := openCache(t, Options{Dir: dir})
	put(t, c, "one", "value")
	entry := entryFile(t, c, dir, "one")
	for _, name := range []string{filepath.Join(dir, "layers", "notes.txt"), filepath.Join(dir, "layers", "layers", "notes.txt"), filepath.Join(filepath.Dir(entry), "notes.txt"),
		filepath.Join(dir, strings.Repeat("a", 64)), filepath.Join(filepath.Dir(entry), tempPrefix+"X")} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(entry, filepath.Join(filepath.Dir(entry), strings.Repeat("b", 64))); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var got []string
	for f := range Files(root) {
		got = append(got, f.Path)
	}
	slices.Sort(got)
	rel, err := filepath.Rel(dir, entry)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"layers/.sizes", filepath.Dir(rel) + "/" + tempPrefix + "X", rel}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Processes that open the same directory at once find or make it.
func TestParallelProcesses(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			c, err := Open(Options{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for i := range 50 {
				key := strconv.Itoa(i)
				if err := c.Put(t.Context(), kind, key, valueOf(key)); err != nil {
					t.Error(err)
				}
				if got, ok := c.Get(t.Context(), kind, key); !ok || !bytes.Equal(got, valueOf(key)) {
					t.Errorf("%s: %t", key, ok)
				}
			}
		})
	}
	wg.Wait()
}
