// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// trivySource is where Trivy's source is: its test data is read, not copied.
var trivySource = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/trivy").Output()
	return strings.TrimSpace(string(out)), err
})

func trivyPath(t testing.TB, name string) string {
	t.Helper()
	dir, err := trivySource()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

// trivyData reads a file of Trivy's source.
func trivyData(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(trivyPath(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type fakeInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (i fakeInfo) Name() string       { return i.name }
func (i fakeInfo) Size() int64        { return i.size }
func (i fakeInfo) Mode() fs.FileMode  { return i.mode }
func (i fakeInfo) ModTime() time.Time { return time.Time{} }
func (i fakeInfo) IsDir() bool        { return false }
func (i fakeInfo) Sys() any           { return nil }

// inMemory is a file whose Data is there, onDisk one that has to be read.
func inMemory(p string, b []byte) analysis.File {
	f := onDisk(p, b)
	f.Data = b
	return f
}

func onDisk(p string, b []byte) analysis.File {
	return analysis.File{Path: p, Info: fakeInfo{path.Base(p), int64(len(b)), 0o755}, Content: bytes.NewReader(b)}
}

// stored is a file of a post-analyser.
type stored struct {
	path string
	data []byte
	err  error
}

func (s stored) Open() (analysis.File, func(), error) {
	return onDisk(s.path, s.data), func() {}, s.err
}

func storedFiles(files map[string][]byte) analysis.Files {
	out := analysis.Files{}
	for p, b := range files {
		out[p] = stored{path: p, data: b}
	}
	return out
}

func analyzerOf(t testing.TB, typ analysis.Type) analysis.Analyzer {
	t.Helper()
	for _, a := range Analyzers() {
		if a.Type == typ {
			return a
		}
	}
	t.Fatalf("there is no analyser %s", typ)
	return analysis.Analyzer{}
}

// analyzeBoth expects the same of a file in memory and one on disk.
func analyzeBoth(t testing.TB, typ analysis.Type, p string, b []byte) (*analysis.Result, error) {
	t.Helper()
	a := analyzerOf(t, typ)
	kept := bytes.Clone(b)
	res, err := a.Analyze(context.Background(), inMemory(p, b))
	if !bytes.Equal(kept, b) {
		t.Error("the content was changed")
	}
	res2, err2 := a.Analyze(context.Background(), onDisk(p, b))
	if diff := cmp.Diff(res, res2); diff != "" || (err == nil) != (err2 == nil) {
		t.Errorf("in memory and on disk differ: %v, %v\n%s", err, err2, diff)
	}
	return res, err
}

// one is a result of a single application.
func one(t ftypes.LangType, p string, pkgs ...ftypes.Package) *analysis.Result {
	return &analysis.Result{Applications: []ftypes.Application{{Type: t, FilePath: p, Packages: pkgs}}}
}

// analyzePost returns the result and what failed, by path.
func analyzePost(t testing.TB, a analysis.PostAnalyzer, files analysis.Files) (*analysis.Result, map[string]error) {
	t.Helper()
	failed := map[string]error{}
	res, err := a.Analyze(context.Background(), files, func(p string, err error) { failed[p] = err })
	if err != nil {
		t.Fatal(err)
	}
	return res, failed
}

// brokenContent fails at every read.
type brokenContent struct{ err error }

func (b brokenContent) Read([]byte) (int, error)          { return 0, b.err }
func (b brokenContent) ReadAt([]byte, int64) (int, error) { return 0, b.err }
func (b brokenContent) Seek(int64, int) (int64, error)    { return 0, nil }

func TestBrokenContent(t *testing.T) {
	for _, a := range Analyzers() {
		p := map[analysis.Type]string{analysis.TypeSBOM: "a.cdx.json"}[a.Type]
		f := analysis.File{Path: p, Info: fakeInfo{"x", 4096, 0o755}, Content: brokenContent{io.ErrClosedPipe}}
		switch a.Type {
		case analysis.TypeGoBinary, analysis.TypeRustBinary, analysis.TypeNodePkg, analysis.TypePythonEgg, analysis.TypeSBOM:
			if res, err := a.Analyze(context.Background(), f); err == nil || res != nil {
				t.Errorf("%s: a file that cannot be read gave %v, %v", a.Type, res, err)
			}
		}
	}
}
