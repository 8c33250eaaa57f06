// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// BenchmarkFiles is for the first 8 MB of text in files below OCIGATE_SECRET_DIR (Go's
// sources where it is not set): Trivy's search and ours, in bytes for a second of CPU.
func BenchmarkFiles(b *testing.B) {
	dir := os.Getenv("OCIGATE_SECRET_DIR")
	if dir == "" {
		dir = filepath.Join(runtime.GOROOT(), "src")
	}
	var files []analysis.File
	size := 0
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && size < 8<<20 {
			data, err := os.ReadFile(p)
			if err == nil && bytes.IndexByte(data[:min(len(data), 300)], 0) < 0 {
				files, size = append(files, analysis.File{Path: "app/f" + filepath.Ext(p), Data: data}), size+len(data)
			}
		}
		return nil
	})
	run := func(name string, one func(f analysis.File)) {
		b.Run(name, func(b *testing.B) {
			before, n := cpu(b), 0
			for b.Loop() {
				n++
				for _, f := range files {
					one(f)
				}
			}
			b.ReportMetric(float64(size)*float64(n)/1e6/(cpu(b)-before).Seconds(), "MB/cpu-s")
		})
	}
	run("Trivy", func(f analysis.File) { trivyFinds(b, f.Path, f.Data) })
	run("ours", func(f analysis.File) { oneFinds(b, f) })
}

// cpu is the time that the process used: the clock of a busy machine says little.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
