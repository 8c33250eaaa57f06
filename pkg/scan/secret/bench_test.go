// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// BenchmarkFiles searches files of up to 64 KiB and more below OCIGATE_SECRET_DIR, Go's
// own sources without it, from memory.
func BenchmarkFiles(b *testing.B) {
	dir := os.Getenv("OCIGATE_SECRET_DIR")
	if dir == "" {
		root, err := exec.Command("go", "env", "GOROOT").Output()
		if err != nil {
			b.Skipf("no Go: %v", err)
		}
		dir = filepath.Join(strings.TrimSpace(string(root)), "src", "crypto")
	}
	var files []analysis.File
	var size int64
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && size < 64<<20 {
			if data, err := os.ReadFile(p); err == nil {
				files = append(files, analysis.File{Path: "app/f" + filepath.Ext(p), Data: data})
				size += int64(len(data))
			}
		}
		return nil
	})
	analyze := New().Analyzer().Analyze
	b.SetBytes(size)
	b.ReportAllocs()
	before, n := cpu(b), 0
	for b.Loop() {
		n++
		for _, f := range files {
			if _, err := analyze(b.Context(), f); err != nil {
				b.Fatal(err)
			}
		}
	}
	// The clock of a busy machine says little.
	b.ReportMetric(float64(size)*float64(n)/1e6/(cpu(b)-before).Seconds(), "MB/cpu-s")
}

// cpu is the time that the process used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkTables(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readTables(rulesJSON); err != nil {
			b.Fatal(err)
		}
	}
}
