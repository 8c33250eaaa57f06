// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	fos "github.com/aquasecurity/trivy/pkg/fanal/analyzer/os"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// fileAnalyzer has the method set of Trivy's unexported analyzer interface.
type fileAnalyzer interface {
	Type() analyzer.Type
	Version() int
	Analyze(ctx context.Context, input analyzer.AnalysisInput) (*analyzer.AnalysisResult, error)
	Required(filePath string, info os.FileInfo) bool
}

// failure is a file that an analyser could not read.
type failure struct {
	Analyzer string `json:"analyzer"`
	Path     string `json:"path"`
	Error    string `json:"error"`
	// Limit is true where a limit was reached rather than a parser failed.
	Limit bool `json:"limit,omitempty"`
}

// failures collects what the analysers of one layer could not read. It travels in
// the context, which is the only thing that the group hands through to them.
type failures struct {
	mu   sync.Mutex
	list []failure
}

type failuresKey struct{}

func withFailures(ctx context.Context, f *failures) context.Context {
	return context.WithValue(ctx, failuresKey{}, f)
}

func (f *failures) add(t analyzer.Type, path string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var limit *LimitError
	f.list = append(f.list, failure{Analyzer: string(t), Path: path, Error: err.Error(), Limit: errors.As(err, &limit)})
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

// report hands an error to the collector of ctx. Without one the error is
// returned, so that it is never lost.
func report(ctx context.Context, t analyzer.Type, path string, err error) error {
	f, ok := ctx.Value(failuresKey{}).(*failures)
	if !ok {
		return fmt.Errorf("%s: %s: %w", t, path, err)
	}
	f.add(t, path, err)
	return nil
}

// guardGroup wraps every analyser and post-analyser of the group. The group runs
// them in goroutines of its own, logs their errors at debug level and drops them;
// a panic there ends the process, out of reach of any recover of a caller.
//
// The group's fields are not exported, so they are reached by reflection. If
// Trivy renames them this fails at start, and the tests with it.
func guardGroup(g *analyzer.AnalyzerGroup) (guards []guard, err error) {
	list, err := field(g, "analyzers")
	if err != nil {
		return nil, err
	}
	for i := range list.Len() {
		a, ok := list.Index(i).Interface().(fileAnalyzer)
		if !ok {
			return nil, fmt.Errorf("trivy's analyser %d has another interface than %s", i, TrivyVersion)
		}
		w := &guarded{fileAnalyzer: a}
		guards = append(guards, w)
		list.Index(i).Set(reflect.ValueOf(w))
	}
	posts, err := field(g, "postAnalyzers")
	if err != nil {
		return nil, err
	}
	for i := range posts.Len() {
		a, ok := posts.Index(i).Interface().(analyzer.PostAnalyzer)
		if !ok {
			return nil, fmt.Errorf("trivy's post-analyser %d has another interface than %s", i, TrivyVersion)
		}
		w := &guardedPost{PostAnalyzer: a}
		guards = append(guards, w)
		posts.Index(i).Set(reflect.ValueOf(w))
	}
	return guards, nil
}

// guard is a wrapped analyser of either sort.
type guard interface {
	Type() analyzer.Type
	// wants says whether the analyser would look for packages in a file of this name.
	wants(path string, info os.FileInfo) bool
}

func (g *guarded) wants(path string, info os.FileInfo) bool {
	switch g.Type() {
	case analyzer.TypeSecret, analyzer.TypeGoBinary, analyzer.TypeRustBinary, analyzer.TypeDpkgLicense:
		return false // they want whole classes of files, under any name: the other name is read
	}
	return g.Required(path, info)
}

func (g *guardedPost) wants(path string, info os.FileInfo) bool {
	return g.Required(path, info) && !strings.HasSuffix(path, ".md5sums")
}

func field(g *analyzer.AnalyzerGroup, name string) (reflect.Value, error) {
	f := reflect.ValueOf(g).Elem().FieldByName(name)
	if !f.IsValid() || f.Kind() != reflect.Slice {
		return reflect.Value{}, fmt.Errorf("trivy's analyser group has no list %q: this is not version %s", name, TrivyVersion)
	}
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem(), nil
}

type guarded struct {
	fileAnalyzer
	// asked remembers panics of Required, which has no context to report them to.
	asked sync.Map
}

// Required wants a file for which the question itself panics: Analyze then reports it.
func (g *guarded) Required(path string, info os.FileInfo) (want bool) {
	defer remember(&g.asked, path, &want)
	return g.fileAnalyzer.Required(path, info)
}

func remember(asked *sync.Map, path string, want *bool) {
	if p := recover(); p != nil {
		asked.Store(path, fmt.Errorf("the analyser panicked: %v", p))
		*want = true
	}
}

// maxParsed is the greatest file, in bytes, for a parser that may read it whole.
const maxParsed = 128 << 20

// streams says whether an analyser reads files of any size piece by piece.
func streams(t analyzer.Type) bool {
	switch t {
	case analyzer.TypeSecret, analyzer.TypeGoBinary, analyzer.TypeRustBinary, analyzer.TypeRpm:
		return true
	}
	return false
}

// Analyze runs the analyser and reports what it could not read.
func (g *guarded) Analyze(ctx context.Context, in analyzer.AnalysisInput) (res *analyzer.AnalysisResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = nil, report(ctx, g.Type(), in.FilePath, fmt.Errorf("the analyser panicked: %v", p))
		}
	}()
	if p, ok := g.asked.LoadAndDelete(in.FilePath); ok {
		return nil, report(ctx, g.Type(), in.FilePath, p.(error))
	}
	if in.Info.Size() > maxParsed && !streams(g.Type()) {
		return nil, report(ctx, g.Type(), in.FilePath, &LimitError{in.FilePath, fmt.Sprintf("a file of %d bytes for a parser", in.Info.Size())})
	}
	res, err = g.fileAnalyzer.Analyze(ctx, in)
	switch {
	case err == nil:
		err = verifyFile(g.Type(), in, res)
	case errors.Is(err, fos.AnalyzeOSError):
		// "not this distribution": an answer, not a failure.
		return nil, nil
	}
	// A cancelled context is reported like any error: the group would drop it, and
	// the layer would look complete.
	if err != nil {
		return nil, report(ctx, g.Type(), in.FilePath, err)
	}
	maskSecrets(res)
	return res, nil
}

type guardedPost struct {
	analyzer.PostAnalyzer
	asked sync.Map // as in guarded
}

// Required is as that of guarded.
func (g *guardedPost) Required(path string, info os.FileInfo) (want bool) {
	defer remember(&g.asked, path, &want)
	return g.PostAnalyzer.Required(path, info)
}

func (g *guardedPost) PostAnalyze(ctx context.Context, in analyzer.PostAnalysisInput) (res *analyzer.AnalysisResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			res, err = nil, report(ctx, g.Type(), ".", fmt.Errorf("the analyser panicked: %v", p))
		}
	}()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	g.asked.Range(func(path, p any) bool {
		g.asked.Delete(path)
		err = report(ctx, g.Type(), path.(string), p.(error))
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	res, err = g.PostAnalyzer.PostAnalyze(ctx, in)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, report(ctx, g.Type(), ".", err)
	}
	// Trivy's walkers log and drop the error of a single file; ask its parsers again
	// for the files that gave nothing.
	for path, err := range verifyPost(ctx, g.Type(), in.FS, res) {
		if err := report(ctx, g.Type(), path, err); err != nil {
			return nil, err
		}
	}
	return res, nil
}

// maskSecrets removes what surrounds a secret. Trivy masks the match itself, but
// keeps lines of context in which another secret may stand.
func maskSecrets(res *analyzer.AnalysisResult) {
	if res == nil {
		return
	}
	for i := range res.Secrets {
		maskFindings(res.Secrets[i].Findings)
	}
}

func maskFindings(fs []ftypes.SecretFinding) {
	for i := range fs {
		fs[i].Code = ftypes.Code{}
		fs[i].Match = ""
	}
}
