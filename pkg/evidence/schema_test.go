// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
)

var update = flag.Bool("update", false, "write the published schema anew")

const published = "../../policies/schema/ocigate-evidence-v1.json"

// TestPublishedSchema proves that the published schema is that of the Go types.
func TestPublishedSchema(t *testing.T) {
	g := &generator{definitions: map[string]any{}, comments: map[string]string{}, values: map[string][]string{}}
	g.readSource(t)
	root := g.object(reflect.TypeFor[evidence.Document]())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["$id"] = "https://github.com/ocigate/ocigate/policies/schema/ocigate-evidence-v1.json"
	root["title"] = "Evidence of ocigate, version 1"
	root["definitions"] = g.definitions
	root["properties"].(map[string]any)["schemaVersion"] = map[string]any{"const": evidence.DocumentVersion}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(published, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s is not the schema of the Go types (-want +got; -update writes it anew):\n%s", published, diff)
	}
}

// generator makes a JSON Schema of Go types and their comments.
type generator struct {
	definitions map[string]any
	// comments are by "Type" and "Type.Field".
	comments map[string]string
	// values are the constants of a type of strings.
	values map[string][]string
}

func (g *generator) readSource(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.GenDecl); ok {
				g.readDeclaration(d)
			}
		}
	}
}

func (g *generator) readDeclaration(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			g.comments[s.Name.Name] = sentence(d.Doc)
			st, ok := s.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for i, f := range st.Fields.List {
				text := sentence(f.Doc)
				if text == "" && i > 0 && st.Fields.List[i-1].Doc != nil && groupComment(st.Fields.List[i-1], f) {
					text = g.comments[s.Name.Name+"."+st.Fields.List[i-1].Names[0].Name]
				}
				for _, name := range f.Names {
					g.comments[s.Name.Name+"."+name.Name] = text
				}
			}
		case *ast.ValueSpec:
			name, ok := s.Type.(*ast.Ident)
			if !ok || len(s.Values) != 1 {
				continue
			}
			if lit, ok := s.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				v, _ := strconv.Unquote(lit.Value)
				g.values[name.Name] = append(g.values[name.Name], v)
			}
		}
	}
}

// groupComment says whether the comment of a field names the next one, too.
func groupComment(f, next *ast.Field) bool {
	return slices.Contains(strings.FieldsFunc(f.Doc.Text(), func(r rune) bool { return r == ' ' || r == ',' || r == '\n' }), next.Names[0].Name)
}

// sentence is a comment in the words of JSON.
func sentence(c *ast.CommentGroup) string {
	words := strings.Fields(c.Text())
	for i, w := range words {
		if strings.Trim(w, ".,;") == "nil" {
			words[i] = strings.Replace(w, "nil", "absent", 1)
		}
	}
	return strings.Join(words, " ")
}

func (g *generator) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, ok := evidence.FieldName(t, f)
		if !ok {
			continue
		}
		s := g.schema(f.Type)
		if text := g.comments[t.Name()+"."+f.Name]; text != "" {
			if _, ok := s["$ref"]; ok { // what stands beside a reference is ignored
				s = map[string]any{"allOf": []any{s}}
			}
			s["description"] = text
		}
		properties[name] = s
		if !evidence.CanBeAbsent(f.Type.Kind()) {
			required = append(required, name)
		}
	}
	out := map[string]any{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
	if text := g.comments[t.Name()]; text != "" {
		out["description"] = text
	}
	return out
}

func (g *generator) schema(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[evidence.Severity]():
		var names []string
		for _, s := range evidence.Severities() {
			names = append(names, s.String())
		}
		return map[string]any{"type": "string", "enum": names}
	case reflect.TypeFor[evidence.Mode]():
		return map[string]any{"type": "string", "pattern": "^[0-7]{4,}$"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.schema(t.Elem())
	case reflect.Struct:
		if _, ok := g.definitions[t.Name()]; !ok {
			g.definitions[t.Name()] = nil // a type may hold itself
			g.definitions[t.Name()] = g.object(t)
		}
		return map[string]any{"$ref": "#/definitions/" + t.Name()}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": g.schema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": g.schema(t.Elem())}
	case reflect.String:
		s := map[string]any{"type": "string"}
		if vs := slices.Sorted(slices.Values(g.values[t.Name()])); len(vs) > 0 {
			s["enum"] = vs
		}
		return s
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Interface: // any JSON
		return map[string]any{}
	default:
		return map[string]any{"type": "integer"}
	}
}
