// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// A small file may cost an analyser much: an archive of a few KiB inflates to megabytes.
// So the number of files that are looked at is bounded, not only what they hold.
func TestFilesAtOnce(t *testing.T) {
	var now, most atomic.Int64
	s := newScanner(t, Options{})
	s.analyzers = []analysis.Analyzer{{Type: "planted", Version: 1, Wants: func(string, fs.FileInfo) bool { return true },
		Analyze: func(context.Context, analysis.File) (*analysis.Result, error) {
			most.Store(max(most.Load(), now.Add(1)))
			for range 1000 {
				runtime.Gosched()
			}
			now.Add(-1)
			return nil, nil
		}}}
	entries := make([]entry, 1000)
	for i := range entries {
		entries[i] = entry{name: fmt.Sprintf("app/%d", i), body: "some content"}
	}
	inv := analyze(t, s, imageOf(tarOf(t, entries...)))
	if len(inv.Problems) > 0 {
		t.Error(inv.Problems)
	}
	if allowed := max(minTasks, runtime.GOMAXPROCS(0)); most.Load() > int64(allowed) {
		t.Errorf("%d files at once", most.Load())
	}
}

// jarOf is an archive of a manifest and a file of that many bytes.
func jarOf(t *testing.T, size int) string {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for name, body := range map[string]string{"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n", "data": strings.Repeat("x", size)} {
		w, err := zw.CreateHeader(&zip.FileHeader{Name: name})
		if err == nil {
			_, err = io.WriteString(w, body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const bomOfJar = `{"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"type": "library", "name": "a", "version": "1",
	"purl": "pkg:maven/g/a@1", "properties": [{"name": "aquasecurity:trivy:FilePath", "value": "app/a.jar"}]}]}`

// What an SBOM lists is not read as a jar, as in Trivy, but that it cannot be read, or
// is a hard link, is told all the same.
func TestUnreadableJarsOfAnSBOM(t *testing.T) {
	db := dbtest.New(t, dbtest.Spec{Documents: [][]byte{[]byte(advisories)}})
	java := func(context.Context) (string, evidence.DatabaseState, error) {
		return db, evidence.DatabaseState{}, nil
	}
	bom := entry{name: "app/bom.cdx.json", body: bomOfJar}
	inv := analyze(t, newScanner(t, Options{JavaDB: java}), imageOf(tarOf(t, bom, entry{name: "app/a.jar", body: jarOf(t, 10)})))
	if len(inv.Problems) > 0 {
		t.Fatal(inv.Problems)
	}
	for _, jar := range []entry{{name: "app/a.jar", body: "this is no zip"}, {name: "app/a.jar", hdr: tar.Header{Typeflag: tar.TypeLink, Linkname: "app/b"}}} {
		inv := analyze(t, newScanner(t, Options{JavaDB: java}), imageOf(tarOf(t, bom, entry{name: "app/b", body: "x"}, jar)))
		if p := wantProblem(t, inv.Problems, evidence.AreaFile); p.What != "app/a.jar" || p.Analyzer != "jar" {
			t.Errorf("%+v", p)
		}
	}
}

// Where no more may be kept in memory, files are moved to disk: not from under a jar's
// analyser.
func TestJarThatIsPutAside(t *testing.T) {
	db := dbtest.New(t, dbtest.Spec{Documents: [][]byte{[]byte(advisories)}})
	java := func(context.Context) (string, evidence.DatabaseState, error) {
		return db, evidence.DatabaseState{}, nil
	}
	jar := jarOf(t, 100<<10)
	for range 5 {
		s := newScanner(t, Options{JavaDB: java})
		s.store.kept.Store(keptBytes)
		entries := []entry{{name: "a.dist-info/a.jar", body: jar}}
		for i := range 10 {
			entries = append(entries, entry{name: fmt.Sprint("etc/", i), body: strings.Repeat("x", len(jar))})
		}
		if inv := analyze(t, s, imageOf(tarOf(t, entries...))); len(inv.Problems) > 0 {
			t.Fatal(inv.Problems)
		}
	}
}

// A layer whose jars could not be named, since the Java database could not be opened, is
// no layer without packages when it can.
func TestUnnamedJarsEnterNoCache(t *testing.T) {
	db := dbtest.New(t, dbtest.Spec{Documents: [][]byte{[]byte(advisories)}})
	cache := newMemory()
	for _, dir := range []string{t.TempDir(), db} {
		java := func(context.Context) (string, evidence.DatabaseState, error) {
			return dir, evidence.DatabaseState{Digest: "sha256:java"}, nil
		}
		s := newScanner(t, Options{JavaDB: java, Cache: cache})
		img := imageOf(tarOf(t, entry{name: "app/a.jar", body: jarOf(t, 10)}))
		if inv := analyze(t, s, img); dir == db && len(inv.Problems) > 0 || dir != db && len(inv.Problems) != 1 {
			t.Errorf("problems: %+v", inv.Problems)
		}
		if known := s.Known(t.Context(), img); known != (dir == db) {
			t.Errorf("the layer is in the cache: %t", known)
		}
	}
}

// A layer that did not come to ask for the Java database does not look at it while
// another layer opens it.
func TestLayerWithoutJavaDatabase(t *testing.T) {
	db := dbtest.New(t, dbtest.Spec{Documents: [][]byte{[]byte(advisories)}})
	asked := make(chan struct{})
	java := func(context.Context) (string, evidence.DatabaseState, error) {
		close(asked)
		return db, evidence.DatabaseState{Digest: "sha256:java"}, nil
	}
	s := newScanner(t, Options{JavaDB: java, Limits: Limits{ArchiveBytes: 1 << 10}})
	img := imageOf(tarOf(t, entry{name: "app/a.jar", body: jarOf(t, 10)}), tarOf(t, entry{name: "app/b.jar", body: bombJar(t, 1, 2<<20)}))
	open := img.Layers[1].Open
	img.Layers[1].Open = func(ctx context.Context) (io.ReadCloser, error) {
		<-asked
		return open(ctx)
	}
	wantProblem(t, analyze(t, s, img).Problems, evidence.AreaLimit)
}

// What panics in an analyser's goroutine does not end the process.
func TestPanickingJavaDatabase(t *testing.T) {
	java := func(context.Context) (string, evidence.DatabaseState, error) { panic("out of range") }
	inv := analyze(t, newScanner(t, Options{JavaDB: java}), imageOf(tarOf(t, entry{name: "app/a.jar", body: jarOf(t, 10)})))
	if p := wantProblem(t, inv.Problems, evidence.AreaDatabase); !strings.Contains(p.Message, "panic") {
		t.Errorf("%+v", p)
	}
}

// What waits takes the memory that it needs, not that of the smallest buffer.
func TestSmallFilesThatWait(t *testing.T) {
	s := newStore()
	c := &content{store: s}
	c.refs.Store(1)
	if err := c.toMemory(t.Context(), strings.NewReader("abc"), 3); err != nil {
		t.Fatal(err)
	}
	if !s.keep(c) || s.kept.Load() != 3 || !bytes.Equal(c.data, []byte("abc")) || !s.open.TryAcquire(openBytes) {
		t.Errorf("%d bytes are kept, content %q", s.kept.Load(), c.data)
	}
	s.open.Release(openBytes)
	if c.release(); s.kept.Load() != 0 {
		t.Errorf("%d bytes are kept after the release", s.kept.Load())
	}
}
