// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"
	"testing"

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
