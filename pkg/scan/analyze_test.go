// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

func isBad(path string, _ fs.FileInfo) bool { return path == "app/bad" }

// planted is an analyser of the file app/bad.
func planted(do func(context.Context) error) analysis.Analyzer {
	return analysis.Analyzer{Type: "planted", Version: 1, Wants: isBad,
		Analyze: func(ctx context.Context, _ analysis.File) (*analysis.Result, error) { return nil, do(ctx) }}
}

func TestPanickingAnalyserIsAProblem(t *testing.T) {
	s := newScanner(t, Options{})
	s.analyzers = append(s.analyzers, planted(func(context.Context) error { panic("out of range") }))
	s.posts = append(s.posts, analysis.PostAnalyzer{Type: "planted-post", Version: 1, Wants: isBad,
		Analyze: func(context.Context, analysis.Files, func(string, error)) (*analysis.Result, error) { panic("nil map") }})
	inv := analyze(t, s, imageOf(tarOf(t, entry{name: "app/bad", body: "some content"})))
	var got []string
	for _, p := range inv.Problems {
		got = append(got, fmt.Sprintf("%s %s %s", p.Area, p.Analyzer, p.What))
	}
	want := []string{"file planted-post .", "file planted app/bad"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("problems %q, want %q", got, want)
	}
}

const apkMusl = "C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\no:musl\n\n"

func TestUnreadablePackageDatabases(t *testing.T) {
	cases := map[string]entry{
		"apk with a version that is none":  {name: "lib/apk/db/installed", body: apkMusl + "P:odd\nV:not a version\n\n"},
		"dpkg with a broken paragraph":     {name: "var/lib/dpkg/status", body: "Package: a\nStatus: install ok installed\nVersion: 1\n\nthis is no header\n\n"},
		"dpkg with a version that is none": {name: "var/lib/dpkg/status", body: "Package: a\nStatus: install ok installed\nVersion: _:_\n\n"},
		"rpm that is no database":          {name: "var/lib/rpm/rpmdb.sqlite", body: "garbage that is long enough to be looked at"},
	}
	for name, e := range cases {
		t.Run(name, func(t *testing.T) {
			inv := analyze(t, newScanner(t, Options{}), imageOf(tarOf(t, e)))
			p := wantProblem(t, inv.Problems, evidence.AreaPackages)
			if p.What != e.name || p.Analyzer == "" {
				t.Errorf("problem %+v names neither file nor analyser", p)
			}
		})
	}
}

func TestUnreadableLanguageFiles(t *testing.T) {
	for _, e := range []entry{
		{name: "app/node_modules/x/package.json", body: `{"name": "x", "version": `},
		{name: "app/Cargo.lock", body: "[[package]\nname = \"a\"\n"},
		{name: "app/packages.lock.json", body: "{not json at all}"},
	} {
		inv := analyze(t, newScanner(t, Options{}), imageOf(tarOf(t, e)))
		if p := wantProblem(t, inv.Problems, evidence.AreaFile); p.What != e.name {
			t.Errorf("%s: %+v", e.name, p)
		}
		if len(inv.Unreadable) != 1 {
			t.Errorf("%s: not listed as unreadable: %+v", e.name, inv.Unreadable)
		}
	}
}

func TestUnreadableJars(t *testing.T) {
	good := bombJar(t, 2, 10)
	nested := func(body string) string {
		var b bytes.Buffer
		zw := zip.NewWriter(&b)
		w, err := zw.Create("lib/inner.jar")
		if err == nil {
			_, err = io.WriteString(w, body)
		}
		if err := errors.Join(err, zw.Close()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	db := dbtest.New(t, dbtest.Spec{Documents: [][]byte{[]byte(advisories)}})
	java := func(context.Context) (string, evidence.DatabaseState, error) {
		return db, evidence.DatabaseState{}, nil
	}
	for name, body := range map[string]string{"no archive": "this is no zip", "cut": good[:len(good)-10], "nested": nested("PK\x03\x04garbage")} {
		inv := analyze(t, newScanner(t, Options{JavaDB: java}), imageOf(tarOf(t, entry{name: "app/a.jar", body: body})))
		if p := wantProblem(t, inv.Problems, evidence.AreaFile); p.What != "app/a.jar" || p.Analyzer != "jar" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// A jar that the Java database cannot be asked about is not examined.
func TestBrokenJavaDatabase(t *testing.T) {
	dir := t.TempDir()
	db := dbtest.New(t, dbtest.Spec{Documents: [][]byte{[]byte(advisories)}})
	if err := errors.Join(os.CopyFS(dir, os.DirFS(db)), os.WriteFile(dir+"/java-db/trivy-java.db", bytes.Repeat([]byte("no database "), 1000), 0o600)); err != nil {
		t.Fatal(err)
	}
	java := func(context.Context) (string, evidence.DatabaseState, error) {
		return dir, evidence.DatabaseState{}, nil
	}
	inv := analyze(t, newScanner(t, Options{JavaDB: java}), imageOf(tarOf(t, entry{name: "app/a.jar", body: bombJar(t, 1, 10)})))
	if len(inv.Problems) == 0 {
		t.Error("no problem")
	}
}

// An analyser that was interrupted leaves something out: the layer must not be
// taken for complete, neither now nor from the cache later.
func TestInterruptedAnalyserEntersNoCache(t *testing.T) {
	cache := newMemory()
	s := newScanner(t, Options{Cache: cache})
	ctx, cancel := context.WithCancel(t.Context())
	s.analyzers = append(s.analyzers, planted(func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}))
	img := imageOf(tarOf(t, entry{name: "app/bad", body: "x"}))
	if _, err := s.Analyze(ctx, img); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if s.Known(t.Context(), img) {
		t.Error("the layer is in the cache")
	}
}

func TestQuestionsThatPanic(t *testing.T) {
	body := entry{name: "app/bad", body: "some content"}
	names := planted(func(context.Context) error { return nil })
	names.Wants = func(path string, info fs.FileInfo) bool { return isBad(path, info) && path[len(path)] == 'x' }
	heads := planted(func(context.Context) error { return nil })
	heads.Head = func(_ string, head []byte) bool { return head[len(head)] == 'x' }
	for _, a := range []analysis.Analyzer{names, heads} {
		s := newScanner(t, Options{})
		s.analyzers = append(s.analyzers, a)
		inv := analyze(t, s, imageOf(tarOf(t, body)))
		if p := wantProblem(t, inv.Problems, evidence.AreaFile); p.What != "app/bad" {
			t.Errorf("%+v", p)
		}
	}
}

// sparseTar is an executable of 3 GiB of which nothing is present, in PAX format 0.1.
func sparseTar(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	record := func(k, v string) string {
		for n := len(k) + len(v) + 3; ; n++ {
			if s := fmt.Sprintf("%d %s=%s\n", n, k, v); len(s) == n {
				return s
			}
		}
	}
	pax := record("GNU.sparse.major", "0") + record("GNU.sparse.minor", "1") + record("GNU.sparse.name", "usr/bin/app") +
		record("GNU.sparse.size", "3221225472") + record("GNU.sparse.numblocks", "1") + record("GNU.sparse.map", "0,512")
	block := func(name string, typ byte, size int, mode string) {
		var h [512]byte
		copy(h[0:], name)
		copy(h[100:], mode)
		copy(h[108:], "0000000\x00")
		copy(h[116:], "0000000\x00")
		copy(h[124:], fmt.Sprintf("%011o\x00", size))
		copy(h[136:], "00000000000\x00")
		copy(h[148:], "        ")
		h[156] = typ
		copy(h[257:], "ustar\x0000")
		sum := 0
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
		b.Write(h[:])
	}
	block("pax", 'x', len(pax), "0000644\x00")
	b.WriteString(pax)
	b.Write(make([]byte, (512-len(pax)%512)%512))
	block("usr/bin/app", '0', 512, "0000755\x00")
	b.WriteString("\x7fELF")
	b.Write(make([]byte, 508))
	b.Write(make([]byte, 1024))
	return b.Bytes()
}

func TestSparseBomb(t *testing.T) {
	b := sparseTar(t)
	h, err := tar.NewReader(bytes.NewReader(b)).Next()
	if err != nil || h.Size != 3<<30 {
		t.Fatalf("the test's tar is not a sparse file: %+v %v", h, err)
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	inv := analyze(t, newScanner(t, Options{}), imageOf(b))
	if p := wantProblem(t, inv.Problems, evidence.AreaLimit); !strings.Contains(p.Message, "sparse") {
		t.Errorf("%+v", p)
	}
}

// bombJar is a jar with nested jars, depth deep, the innermost of size bytes.
func bombJar(t *testing.T, depth, size int) string {
	t.Helper()
	content, name := bytes.Repeat([]byte{0}, size), "big.jar"
	for range depth {
		var b bytes.Buffer
		zw := zip.NewWriter(&b)
		w, err := zw.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err := errors.Join(err, zw.Close()); err != nil {
			t.Fatal(err)
		}
		content, name = b.Bytes(), "inner.jar"
	}
	return string(content)
}

func TestArchiveBombs(t *testing.T) {
	limits := Limits{ArchiveBytes: 1 << 20, ArchiveDepth: 3}
	for name, jar := range map[string]string{
		"too large": bombJar(t, 1, 2<<20),
		"too deep":  bombJar(t, 6, 10),
	} {
		t.Run(name, func(t *testing.T) {
			s := newScanner(t, Options{Limits: limits})
			inv := analyze(t, s, imageOf(tarOf(t, entry{name: "app/a.jar", body: jar})))
			wantProblem(t, inv.Problems, evidence.AreaLimit)
		})
	}
}

func TestLayerLimits(t *testing.T) {
	many := make([]entry, 20)
	for i := range many {
		many[i] = entry{name: fmt.Sprintf("f%d", i)}
	}
	cases := map[string]struct {
		limits Limits
		layer  []byte
	}{
		"entries": {Limits{Entries: 10}, tarOf(t, many...)},
		"bytes":   {Limits{LayerBytes: 4096}, tarOf(t, entry{name: "a", body: strings.Repeat("x", 8192)})},
		"path":    {Limits{PathBytes: 100}, tarOf(t, entry{name: strings.Repeat("d/", 200) + "f"})},
		"file":    {Limits{FileBytes: 100}, tarOf(t, entry{name: "app/node_modules/x/package.json", body: strings.Repeat(" ", 500)})},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			inv := analyze(t, newScanner(t, Options{Limits: c.limits}), imageOf(c.layer))
			wantProblem(t, inv.Problems, evidence.AreaLimit)
		})
	}
}

func TestContentAfterTheTar(t *testing.T) {
	b := append(tarOf(t, entry{name: "a", body: "x"}), tarOf(t, entry{name: "b", body: "y"})...)
	inv := analyze(t, newScanner(t, Options{}), imageOf(b))
	wantProblem(t, inv.Problems, evidence.AreaIntegrity)
}

func TestFailedReaderEntersNoCache(t *testing.T) {
	cache := newMemory()
	img := imageOf(tarOf(t, entry{name: "lib/apk/db/installed", body: apkMusl}))
	good := img.Layers[0].Open
	img.Layers[0].Open = func(ctx context.Context) (io.ReadCloser, error) {
		rc, err := good(ctx)
		return io.NopCloser(io.MultiReader(rc, errReader{errors.New("digest mismatch")})), err
	}
	s := newScanner(t, Options{Cache: cache})
	inv := analyze(t, s, img)
	wantProblem(t, inv.Problems, evidence.AreaImage)
	if s.Known(t.Context(), img) {
		t.Error("a layer that failed its verification is in the cache")
	}
	img.Layers[0].Open = good
	if inv := analyze(t, s, img); len(inv.Problems) != 0 || !s.Known(t.Context(), img) {
		t.Errorf("the genuine layer: %+v, known %t", inv.Problems, s.Known(t.Context(), img))
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

// A manifest that claims a known diff ID for another blob must not profit from the cache.
func TestCacheNeedsTheBlob(t *testing.T) {
	cache := newMemory()
	s := newScanner(t, Options{Cache: cache})
	img := imageOf(tarOf(t, entry{name: "lib/apk/db/installed", body: apkMusl}))
	analyze(t, s, img)
	opened := false
	open := img.Layers[0].Open
	img.Layers[0].Open = func(ctx context.Context) (io.ReadCloser, error) { opened = true; return open(ctx) }
	if inv := analyze(t, s, img); opened || inv.Layers[0].Verification != evidence.LayerVerified {
		t.Fatalf("second run: opened %t, %s", opened, inv.Layers[0].Verification)
	}
	img.Layers[0].Digest = "sha256:" + strings.Repeat("0", 64)
	analyze(t, s, img)
	if !opened {
		t.Error("a layer with an unknown digest was not read")
	}
	img.Layers[0].Digest, img.Layers[0].OnDaemonsWord, opened = "", true, false
	if inv := analyze(t, s, img); opened || inv.Layers[0].Verification != evidence.LayerOnDaemonsWord {
		t.Errorf("daemon: opened %t, %s", opened, inv.Layers[0].Verification)
	}
}

func TestUnreadableRecordIsReplaced(t *testing.T) {
	cache := newMemory()
	s := newScanner(t, Options{Cache: cache})
	img := imageOf(tarOf(t, entry{name: "lib/apk/db/installed", body: apkMusl}))
	analyze(t, s, img)
	key := kindLayers + " " + s.key(img.Layers[0].DiffID, true)
	whole := cache.entries[key]
	for _, damaged := range [][]byte{nil, whole[:len(whole)/2], []byte("{}"), bytes.Replace(whole, []byte(`"listing":"`), []byte(`"listing":"AAAA`), 1)} {
		cache.entries[key] = damaged
		if s.Known(t.Context(), img) {
			t.Fatalf("%q is used", damaged)
		}
		analyze(t, s, img)
		if !s.Known(t.Context(), img) {
			t.Fatal("a record that cannot be read is not replaced")
		}
		analyze(t, s, img) // takes what Known has looked up
	}
}

// A record depends on everything that its key says, and on nothing else.
func TestCacheKey(t *testing.T) {
	s, limited := newScanner(t, Options{}), newScanner(t, Options{Limits: Limits{Entries: 7}})
	keys := []string{s.key("sha256:a", true), s.key("sha256:a", false), s.key("sha256:b", false), limited.key("sha256:a", false)}
	slices.Sort(keys)
	if len(slices.Compact(keys)) != 4 {
		t.Errorf("keys %q", keys)
	}
	for _, part := range []string{TrivyVersion, programVersion(), fmt.Sprint(recordVersion)} {
		if !strings.Contains(s.version, part) {
			t.Errorf("%s does not hold %s", s.version, part)
		}
	}
	for _, a := range s.analyzers {
		if !strings.Contains(s.version, `"`+string(a.Type)+`":`) {
			t.Errorf("the version of %s is not in the key", a.Type)
		}
	}
	for _, a := range s.posts {
		if !strings.Contains(s.version, `"`+string(a.Type)+`":`) {
			t.Errorf("the version of %s is not in the key", a.Type)
		}
	}
}

func TestResolveUser(t *testing.T) {
	passwd := entry{name: "etc/passwd", body: "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nwheel:x:5:0::/:/bin/sh\n"}
	group := entry{name: "etc/group", body: "root:x:0:\nstaff:x:50:\n"}
	n := func(i int64) *int64 { return &i }
	cases := map[string]struct{ uid, gid *int64 }{
		"":           {n(0), n(0)},
		"app":        {n(1000), n(1000)},
		"toor":       {n(0), n(0)},
		"wheel":      {n(5), n(0)},
		"1000":       {n(1000), n(1000)},
		"4711":       {n(4711), n(0)},
		"app:staff":  {n(1000), n(50)},
		"1000:0":     {n(1000), n(0)},
		"nobody":     {nil, nil},
		"app:nogrp":  {nil, nil},
		"0":          {n(0), n(0)},
		"-1":         {nil, nil},
		"4294967296": {nil, nil},
	}
	for user, want := range cases {
		img := imageOf(tarOf(t, passwd, group))
		img.Config.Config.User = user
		got := analyze(t, newScanner(t, Options{}), img).User
		if !reflect.DeepEqual(got.UID, want.uid) || !reflect.DeepEqual(got.GID, want.gid) || got.Reason == "" {
			t.Errorf("user %q: %+v", user, got)
		}
	}
}

// seekable is a layer's reader that skips, as those of pkg/image do.
type seekable struct {
	*bytes.Reader
	skipped int64
}

func (s *seekable) Seek(offset int64, whence int) (int64, error) {
	s.skipped += offset
	return s.Reader.Seek(offset, whence)
}
func (*seekable) Close() error { return nil }

func TestFilesThatNobodyReadsAreSkipped(t *testing.T) {
	layer := tarOf(t, entry{name: "usr/lib/big.gz", body: strings.Repeat("x", 1<<20)}, entry{name: "lib/apk/db/installed", body: apkMusl})
	img := imageOf(layer)
	reader := &seekable{Reader: bytes.NewReader(layer)}
	img.Layers[0].Open = func(context.Context) (io.ReadCloser, error) { return reader, nil }
	inv := analyze(t, newScanner(t, Options{}), img)
	if reader.skipped < 1<<20-1024 || inv.Layers[0].Size != int64(len(layer)) {
		t.Errorf("skipped %d bytes of a layer of %d", reader.skipped, inv.Layers[0].Size)
	}
	reader.Reset(layer)
	img = imageOf(layer)
	img.Layers[0].Open = func(context.Context) (io.ReadCloser, error) { return reader, nil }
	limited := analyze(t, newScanner(t, Options{Limits: Limits{LayerBytes: 1 << 19}}), img)
	wantProblem(t, limited.Problems, evidence.AreaLimit)
}
