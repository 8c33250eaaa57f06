// SPDX-License-Identifier: Apache-2.0

package analysers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"path"
	"slices"
	"testing"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
	"github.com/ocigate/ocigate/pkg/scan/langpkg"
	"github.com/ocigate/ocigate/pkg/scan/ospkg"
)

// ours are the product's analysers, by type.
type ours struct {
	single map[analyzer.Type]analysis.Analyzer
	post   map[analyzer.Type]analysis.PostAnalyzer
}

func newOurs(t testing.TB, javaDir string) *ours {
	t.Helper()
	db, err := langpkg.OpenJavaDB(path.Join(javaDir, "java-db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	o := &ours{single: map[analyzer.Type]analysis.Analyzer{}, post: map[analyzer.Type]analysis.PostAnalyzer{}}
	for _, a := range slices.Concat(ospkg.Analyzers(), langpkg.Analyzers()) {
		if _, twice := o.single[analyzer.Type(a.Type)]; twice {
			t.Fatalf("two analysers %s", a.Type)
		}
		o.single[analyzer.Type(a.Type)] = a
	}
	for _, a := range slices.Concat(ospkg.PostAnalyzers(), langpkg.PostAnalyzers(), []analysis.PostAnalyzer{langpkg.Jar(db)}) {
		if _, twice := o.post[analyzer.Type(a.Type)]; twice {
			t.Fatalf("two post-analysers %s", a.Type)
		}
		o.post[analyzer.Type(a.Type)] = a
	}
	return o
}

// lent is content that is taken back: an analyser that keeps a piece of it, or changes
// it, is found out.
type lent struct {
	data []byte
	sum  [sha256.Size]byte
}

func lend(data []byte) *lent { return &lent{bytes.Clone(data), sha256.Sum256(data)} }

func (l *lent) takeBack() error {
	if sha256.Sum256(l.data) != l.sum {
		return fmt.Errorf("the analyser changed the content")
	}
	for i := range l.data {
		l.data[i] = 0xff
	}
	return nil
}

// at is the file that an analyser gets; inMemory says whether as a slice, too.
func (l *lent) at(f input, inMemory bool) analysis.File {
	file := analysis.File{Path: f.path, Info: f.info(), Content: bytes.NewReader(l.data)}
	if inMemory {
		file.Data = l.data
	}
	return file
}

// file runs one of our analysers of single files.
func (o *ours) file(a analysis.Analyzer, f input, inMemory bool) (out outcome) {
	defer out.recovered()
	l := lend(f.data)
	res, err := a.Analyze(context.Background(), l.at(f, inMemory))
	if back := l.takeBack(); back != nil {
		return outcome{panic: back}
	}
	if err != nil {
		return outcome{err: err}
	}
	return outcome{json: canonical(ourResult(a.Type, res))}
}

// stored is a file of a tree.
type stored struct {
	input
	inMemory bool
	broken   *error
}

func (s stored) Open() (analysis.File, func(), error) {
	l := lend(s.data)
	return l.at(s.input, s.inMemory), func() {
		if err := l.takeBack(); err != nil {
			*s.broken = err
		}
	}, nil
}

// tree runs one of our post-analysers.
func (o *ours) tree(a analysis.PostAnalyzer, tree []input, inMemory bool) (out outcome) {
	defer out.recovered()
	var broken error
	files := analysis.Files{}
	for _, f := range tree {
		files[f.path] = stored{f, inMemory, &broken}
	}
	out.failed = map[string]string{}
	res, err := a.Analyze(context.Background(), files, func(p string, err error) { out.failed[p] = err.Error() })
	switch {
	case broken != nil:
		return outcome{panic: broken}
	case err != nil:
		return outcome{err: err}
	}
	out.json = canonical(ourResult(a.Type, res))
	return out
}

func ourResult(t analysis.Type, res *analysis.Result) *result {
	if res == nil {
		return nil
	}
	merged := &analysis.Result{}
	merged.Merge(t, res)
	merged.Sort()
	return &result{OS: merged.OS, Repository: merged.Repository, PackageInfos: merged.PackageInfos, Applications: merged.Applications,
		Licenses: merged.Licenses, SystemFiles: merged.SystemFiles, BuildInfo: merged.BuildInfo}
}
