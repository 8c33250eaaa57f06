// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// heldIn is what `ocigate cache info` says of a kind.
type heldIn struct {
	Kind           string
	Entries        int
	Bytes          int64
	Oldest, Newest *time.Time
}

func cacheInfo(t *testing.T, dir string) map[string]heldIn {
	t.Helper()
	code, out, errs := run(nil, "cache", "info", "--cache-dir", dir, "--output", "json")
	var info struct {
		Directory string
		Entries   int
		Kinds     []heldIn
	}
	if err := json.Unmarshal([]byte(out), &info); err != nil || code != 0 || info.Directory != dir {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	got := map[string]heldIn{}
	for _, k := range info.Kinds {
		got[k.Kind] = k
	}
	return got
}

// fillCache writes a cache directory as ocigate does, and files of somebody else's.
func fillCache(t *testing.T) (dir string, foreign []string) {
	t.Helper()
	hash := strings.Repeat("a", 64)
	own := map[string]string{
		"layers/layers/aa/" + hash: "layer", "layers/digests/aa/" + hash: "digest", "layers/layers/aa/.new-X": "half", "layers/.sizes": "1\n2\n",
		"db/trivy.db": "database", "db/metadata.json": "{}", "db/ocigate.json": "{}", "java-db/trivy-java.db": "java", "java-db/metadata.json": "{}",
		"tuf/tuf/" + hash + ".json": "root",
	}
	others := map[string]string{"notes.txt": "x", "db/notes.txt": "x", "layers/notes.txt": "x", "layers/layers/aa/notes.txt": "x", "tuf/tuf/x.json": "x", "trivy.db": "x", ".db.lock": ""}
	dir = tree(t, own)
	for name, content := range others {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		foreign = append(foreign, name)
	}
	return dir, foreign
}

func TestCacheCommand(t *testing.T) {
	dir, foreign := fillCache(t)
	count := func() [3]int {
		got := cacheInfo(t, dir)
		return [3]int{got["layers"].Entries, got["databases"].Entries, got["trust roots"].Entries}
	}
	if got := count(); got != [3]int{2, 2, 1} {
		t.Fatalf("entries %v", got)
	}
	old := time.Now().Add(-40 * 24 * time.Hour)
	for _, name := range []string{"layers/digests/aa/" + strings.Repeat("a", 64), "java-db/trivy-java.db", "db/metadata.json"} {
		if err := os.Chtimes(filepath.Join(dir, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if got := cacheInfo(t, dir)["layers"]; got.Oldest == nil || !got.Oldest.Equal(old.UTC().Truncate(time.Second)) || !got.Newest.After(*got.Oldest) {
		t.Errorf("%+v", got)
	}
	code, out, _ := run(nil, "cache", "info", "--cache-dir", dir)
	if code != 0 || !strings.HasPrefix(out, dir+"\n") || !strings.Contains(out, "trust roots") || !strings.Contains(out, old.UTC().Format(time.DateOnly)) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	for _, step := range []struct {
		args []string
		want [3]int
	}{
		{[]string{"--layers", "--older-than", "30d"}, [3]int{1, 2, 1}},
		{[]string{"--older-than", "6w"}, [3]int{1, 2, 1}},
		{[]string{"--older-than", "30d"}, [3]int{1, 1, 1}},
		{[]string{"--database"}, [3]int{1, 0, 1}},
		{[]string{"--layers"}, [3]int{0, 0, 1}},
		{[]string{"--all"}, [3]int{0, 0, 0}},
		{[]string{"--all"}, [3]int{0, 0, 0}},
	} {
		code, out, errs := run(nil, append([]string{"cache", "clean", "--cache-dir", dir}, step.args...)...)
		if got := count(); code != 0 || !strings.HasPrefix(out, "removed ") || got != step.want {
			t.Errorf("%v: exit code %d, entries %v, want %v\n%s%s", step.args, code, got, step.want, out, errs)
		}
	}
	for _, name := range foreign {
		if _, err := os.Lstat(name); err != nil {
			t.Errorf("what ocigate did not write is gone: %v", err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "layers/*/*/*")); err != nil || len(left) != 1 {
		t.Errorf("left %v %v", left, err)
	}
}

func TestCacheCleanFollowsNoLink(t *testing.T) {
	for _, link := range []string{"layers", "layers/layers", "layers/layers/aa", "db", "java-db", "tuf", "tuf/tuf"} {
		t.Run(link, func(t *testing.T) {
			outside, _ := fillCache(t)
			before := cacheInfo(t, outside)
			// Inside and outside of the cache directory.
			dir := t.TempDir()
			inside := filepath.Join(dir, "elsewhere")
			if err := os.CopyFS(inside, os.DirFS(outside)); err != nil {
				t.Fatal(err)
			}
			for _, target := range []string{filepath.Join(outside, link), filepath.Join("elsewhere", link)} {
				at := filepath.Join(dir, link)
				if !filepath.IsAbs(target) {
					target = strings.Repeat("../", strings.Count(link, "/")) + target
				}
				_ = os.Remove(at)
				if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(target, at); err != nil {
					t.Fatal(err)
				}
				if code, out, errs := run(nil, "cache", "clean", "--all", "--cache-dir", dir); code != 0 || !strings.HasPrefix(out, "removed 0 files") {
					t.Errorf("exit code %d\n%s%s", code, out, errs)
				}
			}
			for _, where := range []string{outside, inside} {
				for kind, k := range cacheInfo(t, where) {
					if k.Entries != before[kind].Entries || k.Bytes != before[kind].Bytes {
						t.Errorf("%s: %+v, before %+v", where, k, before[kind])
					}
				}
			}
		})
	}
	// The last part of a path, too.
	dir := t.TempDir()
	keep := filepath.Join(t.TempDir(), "trivy.db")
	if err := os.WriteFile(keep, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(keep, filepath.Join(dir, "db", "trivy.db")); err != nil {
		t.Fatal(err)
	}
	run(nil, "cache", "clean", "--all", "--cache-dir", dir)
	if _, err := os.Stat(keep); err != nil {
		t.Error(err)
	}
}

func TestCacheCommandErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		code int
		want string
		args []string
	}{
		{2, "--older-than 30d or --all", []string{"clean", "--cache-dir", missing}},
		{2, "--older-than", []string{"clean", "--older-than", "30", "--cache-dir", missing}},
		{2, "contradicts", []string{"clean", "--all", "--layers", "--cache-dir", missing}},
		{2, "no such format", []string{"info", "--output", "xml", "--cache-dir", missing}},
		{2, "unknown command", []string{"info", "x"}},
		{2, "", nil},
		{3, "open the cache directory", []string{"info", "--cache-dir", file}},
		{3, "open the cache directory", []string{"clean", "--all", "--cache-dir", file}},
		{0, "", []string{"clean", "--all", "--cache-dir", missing}},
		{0, "", []string{"info", "--cache-dir", missing}},
	} {
		code, _, errs := run(nil, append([]string{"cache"}, tt.args...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: exit code %d, %s", tt.args, code, errs)
		}
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a directory was made only to look at it")
	}
}
