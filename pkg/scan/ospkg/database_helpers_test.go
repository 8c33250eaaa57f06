// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

var sources sync.Map

// sourceOf is where the source of a module is.
func sourceOf(t testing.TB, module string) string {
	t.Helper()
	if d, ok := sources.Load(module); ok {
		return d.(string)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	d := strings.TrimSpace(string(out))
	sources.Store(module, d)
	return d
}

// trivyTestdata is a file of test data of Trivy's analysers.
func trivyTestdata(t testing.TB, elem ...string) []byte {
	t.Helper()
	name := filepath.Join(append([]string{sourceOf(t, "github.com/aquasecurity/trivy"), "pkg/fanal/analyzer"}, elem...)...)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type statOf struct {
	name string
	size int
}

func (i statOf) Name() string     { return path.Base(i.name) }
func (i statOf) Size() int64      { return int64(i.size) }
func (statOf) Mode() fs.FileMode  { return 0o644 }
func (statOf) ModTime() time.Time { return time.Time{} }
func (statOf) IsDir() bool        { return false }
func (statOf) Sys() any           { return nil }

func inMemory(name string, data []byte) analysis.File {
	return analysis.File{Path: name, Info: statOf{name, len(data)}, Content: bytes.NewReader(data), Data: data}
}

// onDisk is inMemory for a file that is not in memory.
func onDisk(f analysis.File) analysis.File {
	f.Data = nil
	return f
}

type keptFile analysis.File

func (s keptFile) Open() (analysis.File, func(), error) { return analysis.File(s), func() {}, nil }
