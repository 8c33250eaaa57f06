// SPDX-License-Identifier: Apache-2.0

package analysers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	_ "github.com/aquasecurity/trivy/pkg/fanal/analyzer/all" // registers the analysers
	fos "github.com/aquasecurity/trivy/pkg/fanal/analyzer/os"
	"github.com/aquasecurity/trivy/pkg/fanal/artifact"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/javadb"
	tlog "github.com/aquasecurity/trivy/pkg/log"
	"github.com/aquasecurity/trivy/pkg/mapfs"
)

// single has the method set of Trivy's unexported analyzer interface.
type single interface {
	Type() analyzer.Type
	Version() int
	Analyze(ctx context.Context, input analyzer.AnalysisInput) (*analyzer.AnalysisResult, error)
	Required(filePath string, info os.FileInfo) bool
}

// theirs are Trivy's analysers, by type.
type theirs struct {
	single map[analyzer.Type]single
	post   map[analyzer.Type]analyzer.PostAnalyzer
	// dropped are the files of which Trivy only logs that it could not read them.
	dropped *walkErrors
}

// newTheirs prepares the analysers that `trivy image` uses by default; the options are
// those of pkg/scan. The secret analyser is compared in package secrets.
func newTheirs(t testing.TB, javaDir string) *theirs {
	t.Helper()
	// Trivy's NuGet analyser reads the home directory of whoever runs it.
	t.Setenv("HOME", t.TempDir())
	t.Setenv("NUGET_PACKAGES", "")
	dropped := &walkErrors{}
	tlog.SetDefault(slog.New(dropped))
	javadb.Init(javaDir, nil, true, true, ftypes.RegistryOptions{})
	disabled := slices.Concat(analyzer.TypeLockfiles, analyzer.TypeConfigFiles, []analyzer.Type{
		analyzer.TypeApkCommand, analyzer.TypeHistoryDockerfile, analyzer.TypeExecutable,
		analyzer.TypeRpmArchive, analyzer.TypeLicenseFile, analyzer.TypeSecret,
	})
	option := artifact.Option{DisabledAnalyzers: disabled, Offline: true, NoProgress: true,
		LicenseScannerOption: analyzer.LicenseScannerOption{ClassifierConfidenceLevel: 0.9}}
	group, err := analyzer.NewAnalyzerGroup(option.AnalyzerOptions())
	if err != nil {
		t.Fatal(err)
	}
	th := &theirs{single: map[analyzer.Type]single{}, post: map[analyzer.Type]analyzer.PostAnalyzer{}, dropped: dropped}
	for _, a := range list(&group, "analyzers") {
		th.single[a.(single).Type()] = a.(single)
	}
	for _, a := range list(&group, "postAnalyzers") {
		th.post[a.(analyzer.PostAnalyzer).Type()] = a.(analyzer.PostAnalyzer)
	}
	return th
}

// list reads an unexported list of the group: run through the group itself, an
// analyser's error is logged and lost.
func list(g *analyzer.AnalyzerGroup, name string) (all []any) {
	f := reflect.ValueOf(g).Elem().FieldByName(name)
	f = reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
	for i := range f.Len() {
		all = append(all, f.Index(i).Interface())
	}
	return all
}

// walkErrors is a log handler that keeps what Trivy's walks through files of a
// post-analyser say of those they drop.
type walkErrors struct {
	mu    sync.Mutex
	paths map[string]string
}

func (w *walkErrors) Enabled(context.Context, slog.Level) bool { return true }
func (w *walkErrors) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w *walkErrors) WithGroup(string) slog.Handler            { return w }
func (w *walkErrors) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "Walk error" {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	path, text := "", ""
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "file_path":
			path = a.Value.String()
		case "err":
			text = a.Value.String()
		}
		return true
	})
	if w.paths == nil {
		w.paths = map[string]string{}
	}
	w.paths[path] = text
	return nil
}

// take returns the paths and forgets them.
func (w *walkErrors) take() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	paths := w.paths
	w.paths = nil
	return paths
}

// file runs one of Trivy's analysers of single files.
func (th *theirs) file(a single, f input) (out outcome) {
	defer out.recovered()
	res, err := a.Analyze(context.Background(), analyzer.AnalysisInput{FilePath: f.path, Info: f.info(), Content: bytes.NewReader(f.data)})
	if errors.Is(err, fos.AnalyzeOSError) {
		return outcome{json: canonical(nil)} // an answer: not this distribution
	}
	if err != nil {
		return outcome{err: err}
	}
	return outcome{json: canonical(theirResult(a.Type(), res))}
}

// tree runs one of Trivy's post-analysers.
func (th *theirs) tree(a analyzer.PostAnalyzer, tree []input) (out outcome) {
	defer out.recovered()
	fsys := mapfs.New()
	for _, f := range tree {
		if dir := dirOf(f.path); dir != "" {
			if err := fsys.MkdirAll(dir, fs.ModePerm); err != nil {
				return outcome{err: fmt.Errorf("harness: %w", err)}
			}
		}
		if err := fsys.WriteVirtualFile(f.path, f.data, 0o600); err != nil {
			return outcome{err: fmt.Errorf("harness: %w", err)}
		}
	}
	th.dropped.take()
	res, err := a.PostAnalyze(context.Background(), analyzer.PostAnalysisInput{FS: fsys})
	out.failed = th.dropped.take()
	if err != nil {
		return outcome{err: err}
	}
	out.json = canonical(theirResult(a.Type(), res))
	return out
}

// theirResult does to a result what the group does.
func theirResult(t analyzer.Type, res *analyzer.AnalysisResult) *result {
	if res == nil {
		return nil
	}
	for i := range res.PackageInfos {
		stamp(res.PackageInfos[i].Packages, t)
	}
	for i := range res.Applications {
		stamp(res.Applications[i].Packages, t)
	}
	merged := analyzer.NewAnalysisResult()
	merged.Merge(res)
	merged.Sort()
	return &result{OS: merged.OS, Repository: merged.Repository, PackageInfos: merged.PackageInfos, Applications: merged.Applications,
		Licenses: merged.Licenses, SystemFiles: merged.SystemInstalledFiles, BuildInfo: merged.BuildInfo}
}

func stamp(packages []ftypes.Package, t analyzer.Type) {
	for i := range packages {
		packages[i].AnalyzedBy = t
	}
}
