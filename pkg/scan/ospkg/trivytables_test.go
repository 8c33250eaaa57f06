// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// trivyTable reads the table of a test function of Trivy's: for each case, by name,
// the expressions of its fields.
func trivyTable(t *testing.T, file, function string) map[string]map[string]ast.Expr {
	t.Helper()
	name := filepath.Join(sourceOf(t, "github.com/aquasecurity/trivy"), "pkg/fanal/analyzer", file)
	f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	table := map[string]map[string]ast.Expr{}
	ast.Inspect(f, func(n ast.Node) bool {
		if fn, ok := n.(*ast.FuncDecl); ok && fn.Name.Name != function {
			return false
		}
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		fields := map[string]ast.Expr{}
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok {
				if id, ok := kv.Key.(*ast.Ident); ok {
					fields[id.Name] = kv.Value
				}
			}
		}
		name, ok := fields["name"].(*ast.BasicLit)
		if !ok {
			return true
		}
		table[unquote(t, name)] = fields
		return false
	})
	if len(table) == 0 {
		t.Fatalf("%s has no table in %s", function, file)
	}
	return table
}

func unquote(t *testing.T, lit *ast.BasicLit) string {
	t.Helper()
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fieldOfLiteral is the value that a struct literal gives to a field, nil for none.
func fieldOfLiteral(e ast.Expr, name string) ast.Expr {
	if u, ok := e.(*ast.UnaryExpr); ok {
		e = u.X
	}
	if lit, ok := e.(*ast.CompositeLit); ok {
		for _, e := range lit.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok && kv.Key.(*ast.Ident).Name == name {
				return kv.Value
			}
		}
	}
	return nil
}

// setLiteral evaluates a literal of Trivy's test into v.
func setLiteral(t *testing.T, v reflect.Value, e ast.Expr) {
	t.Helper()
	switch e := e.(type) {
	case nil:
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			v.SetString(unquote(t, e))
			return
		}
		n, err := strconv.ParseInt(e.Value, 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		v.SetInt(n)
	case *ast.SelectorExpr:
		v.SetString(string(map[string]ftypes.RepositoryClass{
			"RepositoryClassOfficial": ftypes.RepositoryClassOfficial, "RepositoryClassThirdParty": ftypes.RepositoryClassThirdParty}[e.Sel.Name]))
	case *ast.UnaryExpr:
		setLiteral(t, v, e.X)
	case *ast.CompositeLit:
		for _, elem := range e.Elts {
			if kv, ok := elem.(*ast.KeyValueExpr); ok {
				setLiteral(t, v.FieldByName(kv.Key.(*ast.Ident).Name), kv.Value)
				continue
			}
			item := reflect.New(v.Type().Elem()).Elem()
			setLiteral(t, item, elem)
			v.Set(reflect.Append(v, item))
		}
	default:
		t.Fatalf("a literal of the type %T", e)
	}
}
