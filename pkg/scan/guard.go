// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// failure is a file that an analyser could not read.
type failure struct {
	Analyzer string `json:"analyzer"`
	Path     string `json:"path"`
	Error    string `json:"error"`
	// Limit is true where a limit was reached rather than a parser failed.
	Limit bool `json:"limit,omitempty"`
}

// failures collects what the analysers of one layer could not read.
type failures struct {
	mu   sync.Mutex
	list []failure
}

func (f *failures) add(t analysis.Type, path string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var limit *LimitError
	f.list = append(f.list, failure{Analyzer: string(t), Path: path, Error: err.Error(), Limit: errors.As(err, &limit)})
}

// drop forgets the failures of an analyser at files that are not its concern.
func (f *failures) drop(t analysis.Type, paths map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(x failure) bool { return x.Analyzer == string(t) && paths[x.Path] })
}

// sorted returns the failures in a stable order.
func (f *failures) sorted() []failure {
	slices.SortFunc(f.list, func(a, b failure) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Analyzer, b.Analyzer), cmp.Compare(a.Error, b.Error))
	})
	// One file that one analyser could not read is one failure, in whatever step.
	f.list = slices.CompactFunc(f.list, func(a, b failure) bool { return a.Path == b.Path && a.Analyzer == b.Analyzer })
	return f.list
}

// maxParsed is the greatest file, in bytes, for a parser that may read it whole.
const maxParsed = 128 << 20

// streams says whether an analyser reads files of any size piece by piece.
func streams(t analysis.Type) bool {
	switch t {
	case analysis.TypeSecret, analysis.TypeGoBinary, analysis.TypeRustBinary, analysis.TypeRpm, analysis.TypeJar:
		return true
	}
	return false
}

// wants asks an analyser whether it looks at a file. It wants one for which the
// question itself panics: the panic is then reported of that file.
func wants(t analysis.Type, ask func(string, fs.FileInfo) bool, path string, info fs.FileInfo, fails *failures) (want bool) {
	defer func() {
		if p := recover(); p != nil {
			fails.add(t, path, fmt.Errorf("the analyser panicked: %v", p))
			want = false
		}
	}()
	return ask(path, info)
}

// looksOn asks an analyser by the first bytes of a file whether it looks at the rest.
func looksOn(a *analysis.Analyzer, path string, head []byte, fails *failures) (on bool) {
	defer func() {
		if p := recover(); p != nil {
			fails.add(a.Type, path, fmt.Errorf("the analyser panicked: %v", p))
			on = false
		}
	}()
	return a.Head == nil || a.Head(path, head)
}

// analyzeFile runs an analyser of single files; what it could not read goes to fails.
func analyzeFile(ctx context.Context, a *analysis.Analyzer, f analysis.File, fails *failures) (res *analysis.Result) {
	defer func() {
		if p := recover(); p != nil {
			fails.add(a.Type, f.Path, fmt.Errorf("the analyser panicked: %v", p))
			res = nil
		}
	}()
	if f.Info.Size() > maxParsed && !streams(a.Type) {
		fails.add(a.Type, f.Path, &LimitError{f.Path, fmt.Sprintf("a file of %d bytes for a parser", f.Info.Size())})
		return nil
	}
	res, err := a.Analyze(ctx, f)
	// A cancelled context is reported like any error: else the layer would look complete.
	if err != nil {
		fails.add(a.Type, f.Path, err)
		return nil
	}
	return res
}

// analyzeTogether runs a post-analyser; what it could not read goes to failed.
func analyzeTogether(ctx context.Context, a *analysis.PostAnalyzer, files analysis.Files, failed func(string, error)) (res *analysis.Result) {
	defer func() {
		if p := recover(); p != nil {
			failed(".", fmt.Errorf("the analyser panicked: %v", p))
			res = nil
		}
	}()
	res, err := a.Analyze(ctx, files, failed)
	if err != nil {
		failed(".", err)
		return nil
	}
	return res
}

// looksForPackages says whether an analyser that wants a path does so because of its
// name: those that want whole classes of files, under any name, see the other name of a
// hard link.
func looksForPackages(t analysis.Type, path string) bool {
	switch t {
	case analysis.TypeSecret, analysis.TypeGoBinary, analysis.TypeRustBinary, analysis.TypeDpkgLicense:
		return false
	}
	return !strings.HasSuffix(path, ".md5sums")
}
