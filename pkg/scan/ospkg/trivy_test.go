// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

var trivyModule = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/trivy").Output()
	return strings.TrimSpace(string(out)), err
})

// trivyFile is the path of a file in the module of Trivy, whose tests expect what
// these expect.
func trivyFile(t testing.TB, name string) string {
	t.Helper()
	dir, err := trivyModule()
	if err != nil || dir == "" {
		t.Fatalf("find Trivy's module: %q, %v", dir, err)
	}
	return filepath.Join(dir, "pkg/fanal", filepath.FromSlash(name))
}

func trivyData(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(trivyFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// source evaluates the literals of a Go file: structs become maps, strings.NewReader
// what it reads, and names that it does not know themselves.
type source struct {
	files []*ast.File
	known map[string]ast.Expr
}

func newSource(t testing.TB, names ...string) *source {
	s := &source{known: map[string]ast.Expr{}}
	for _, name := range append(names, "types/const.go") {
		f, err := parser.ParseFile(token.NewFileSet(), trivyFile(t, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		s.files = append(s.files, f)
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && len(v.Values) == len(v.Names) {
					for i, n := range v.Names {
						s.known[n.Name] = v.Values[i]
					}
				}
			}
		}
	}
	return s
}

func (s *source) eval(e ast.Expr) any {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.INT {
			n, _ := strconv.Atoi(e.Value)
			return n
		}
		v, _ := strconv.Unquote(e.Value)
		return v
	case *ast.UnaryExpr:
		return s.eval(e.X)
	case *ast.CallExpr:
		if len(e.Args) == 1 {
			return s.eval(e.Args[0])
		}
		return s.eval(e.Fun)
	case *ast.SelectorExpr:
		return s.eval(e.Sel)
	case *ast.Ident:
		switch v, ok := s.known[e.Name]; {
		case ok:
			return s.eval(v)
		case e.Name == "true" || e.Name == "false":
			return e.Name == "true"
		case e.Name == "nil":
			return nil
		}
		return e.Name
	case *ast.CompositeLit:
		return s.evalComposite(e)
	}
	return nil
}

func (s *source) evalComposite(e *ast.CompositeLit) any {
	list, fields := []any{}, map[string]any{}
	for _, el := range e.Elts {
		if kv, ok := el.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok {
				fields[key.Name] = s.eval(kv.Value)
			}
			continue
		}
		list = append(list, s.eval(el))
	}
	if len(fields) > 0 {
		return fields
	}
	return list
}

// cases are the rows of test tables: literals with a field that one of the names has.
func (s *source) cases(fields ...string) []map[string]any {
	var found []map[string]any
	for _, f := range s.files {
		ast.Inspect(f, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			row, _ := s.eval(lit).(map[string]any)
			for _, name := range fields {
				if _, ok := row[name]; ok {
					found = append(found, row)
					return false
				}
			}
			return true
		})
	}
	return found
}

// as turns what eval returned into a value of a type.
func as[T any](t testing.TB, v any) T {
	t.Helper()
	var out T
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		t.Fatalf("%v: %v", v, err)
	}
	return out
}

type info struct {
	name string
	size int
}

func (i info) Name() string     { return i.name }
func (i info) Size() int64      { return int64(i.size) }
func (info) Mode() fs.FileMode  { return 0o644 }
func (info) ModTime() time.Time { return time.Time{} }
func (info) IsDir() bool        { return false }
func (info) Sys() any           { return nil }

// fileOf is a file in memory, or one that has to be read.
func fileOf(p string, b []byte, inMemory bool) analysis.File {
	f := analysis.File{Path: p, Info: info{path.Base(p), len(b)}, Content: bytes.NewReader(b)}
	if inMemory {
		f.Data = b
	}
	return f
}

func analyserOf(t testing.TB, typ analysis.Type) analysis.Analyzer {
	t.Helper()
	for _, a := range append(releases(), apk()...) {
		if a.Type == typ {
			return a
		}
	}
	t.Fatalf("no analyser %s", typ)
	return analysis.Analyzer{}
}

// run gives a file to an analyser twice, from memory and not, and wants the same.
func run(t testing.TB, typ analysis.Type, p string, b []byte) (*analysis.Result, error) {
	t.Helper()
	a := analyserOf(t, typ)
	if !a.Wants(p, info{path.Base(p), len(b)}) {
		t.Errorf("%s does not want %s", typ, p)
	}
	kept := bytes.Clone(b)
	res, err := a.Analyze(t.Context(), fileOf(p, b, true))
	if !bytes.Equal(b, kept) {
		t.Fatal("the content was changed")
	}
	clear(b) // results must not point into it
	again, errAgain := a.Analyze(t.Context(), fileOf(p, kept, false))
	copy(b, kept)
	if d := cmp.Diff(res, again); d != "" || text(err) != text(errAgain) {
		t.Errorf("from memory and not: %v, %v\n%s", err, errAgain, d)
	}
	if err != nil && res != nil {
		t.Error("both a result and an error")
	}
	return res, err
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// equal compares as a record does, which does not know nil from empty.
func equal(t testing.TB, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("(-Trivy's, +ours)\n%s", d)
	}
}
