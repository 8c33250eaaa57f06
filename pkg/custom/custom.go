// SPDX-License-Identifier: Apache-2.0

// Package custom evaluates rules that people write in Rego v1. A rule is one or more
// modules of the package ocigate, which define the sets deny and warn over the
// evidence:
//
//	package ocigate
//
//	deny contains {"msg": msg, "finding": f.id, "package": f.package.name} if {
//		some f in input.findings
//		f.severity == "critical"
//		f.package.name == "openssl"
//		msg := sprintf("%s is in our TLS library", [f.id])
//	}
//
// Input is exactly one element of "evidence" of the document that
// `--output evidence` writes, whose schema is published; that of rules about
// attestations is one attestation: see CompileAttestation. Modules see nothing else:
// not the network, the machine, its clock (time.now_ns is the effective time) or
// chance. What would be undefined, and so pass in silence, is an error wherever that
// can be known: a field that the evidence does not have, a rule that nothing uses, a
// function that fails.
package custom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/types"

	"github.com/ocigate/ocigate/pkg/internal/escape"
)

// packageName is the package of all modules.
const packageName = "ocigate"

// The sets that a rule may define.
const (
	setDeny = "deny"
	setWarn = "warn"
)

// maxModule is the greatest size of a module, in bytes.
const maxModule = 1 << 20

// Source is a file of Rego.
type Source struct {
	Name string
	Data []byte
}

// Diagnostic is one mistake in a module.
type Diagnostic struct {
	File         string
	Line, Column int
	Message      string
	Hint         string
}

// Error is everything that is wrong with the modules of a rule.
type Error struct{ Diagnostics []Diagnostic }

// Error prints all diagnostics, one per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Diagnostics))
	for i, d := range e.Diagnostics {
		lines[i] = fmt.Sprintf("%s:%d:%d: %s", escape.Text(d.File), d.Line, d.Column, d.Message)
		if d.Hint != "" {
			lines[i] += " (" + d.Hint + ")"
		}
	}
	return strings.Join(lines, "\n")
}

// Rule is a compiled rule. It can be evaluated by several goroutines at once.
type Rule struct {
	// queries are by the name of the set.
	queries map[string]rego.PreparedEvalQuery
}

// Compile compiles the modules of one rule about the evidence. If anything is wrong
// with them, the error is an *Error with all mistakes.
func Compile(ctx context.Context, sources []Source) (*Rule, error) {
	return compile(ctx, sources, evidenceInput)
}

// CompileAttestation compiles the modules of one rule about attestations, whose input
// is an evidence.AttestationInput. Of its predicate any field may be asked for.
func CompileAttestation(ctx context.Context, sources []Source) (*Rule, error) {
	return compile(ctx, sources, attestationInput)
}

func compile(ctx context.Context, sources []Source, of func() (*input, error)) (*Rule, error) {
	in, err := of()
	if err != nil {
		return nil, err
	}
	capabilities := sandbox()
	modules, faults := parse(sources, capabilities)
	if len(faults) > 0 {
		return nil, &Error{faults}
	}
	// Before compiling, which writes the modules anew.
	faults = in.checkWords(modules)
	compiler := ast.NewCompiler().WithCapabilities(capabilities).WithStrict(true).WithSchemas(in.schemas).
		SetErrorLimit(maxDiagnostics)
	compiler.Compile(modules)
	if compiler.Failed() {
		faults = append(faults, diagnostics(compiler.Errors)...)
	} else {
		faults = append(faults, in.checkRules(compiler)...)
	}
	if len(faults) > 0 {
		return nil, &Error{sortDiagnostics(faults)}
	}
	return prepare(ctx, compiler)
}

// parse reads the modules by name.
func parse(sources []Source, capabilities *ast.Capabilities) (map[string]*ast.Module, []Diagnostic) {
	modules := map[string]*ast.Module{}
	var faults []Diagnostic
	for _, s := range sources {
		at := Diagnostic{File: s.Name, Line: 1, Column: 1}
		if len(s.Data) > maxModule {
			at.Message = fmt.Sprintf("the file has %d bytes; a file of rules has at most %d", len(s.Data), maxModule)
			faults = append(faults, at)
			continue
		}
		m, err := ast.ParseModuleWithOpts(s.Name, string(s.Data), ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities})
		var parseErrors ast.Errors
		switch {
		case errors.As(err, &parseErrors):
			faults = append(faults, diagnostics(parseErrors)...)
		case err != nil:
			at.Message = oneLine(err.Error())
			faults = append(faults, at)
		case m == nil:
			at.Message, at.Hint = "the file holds no rules", "begin it with: package "+packageName
			faults = append(faults, at)
		case !m.Package.Path.Equal(packagePath()):
			at = diagnosticAt(m.Package.Location)
			at.Message, at.Hint = "the package is "+oneLine(strings.TrimPrefix(m.Package.Path.String(), "data.")), "begin the file with: package "+packageName
			faults = append(faults, at)
		default:
			modules[s.Name] = m
		}
	}
	if len(sources) == 0 {
		faults = append(faults, Diagnostic{Message: "no file of rules was given"})
	}
	return modules, sortDiagnostics(faults)
}

func packagePath() ast.Ref {
	return ast.Ref{ast.DefaultRootDocument, ast.StringTerm(packageName)}
}

func prepare(ctx context.Context, compiler *ast.Compiler) (*Rule, error) {
	r := &Rule{queries: map[string]rego.PreparedEvalQuery{}}
	for _, set := range [...]string{setDeny, setWarn} {
		ref := packagePath().Append(ast.StringTerm(set))
		if len(compiler.GetRulesExact(ref)) == 0 {
			continue
		}
		q, err := rego.New(
			rego.Compiler(compiler),
			rego.ParsedQuery(ast.NewBody(ast.NewExpr(ast.NewTerm(ref)))),
			rego.StrictBuiltinErrors(true),
			rego.GenerateJSON(func(t *ast.Term, _ *rego.EvalContext) (any, error) { return t, nil }),
		).PrepareForEval(ctx)
		if err != nil {
			return nil, fmt.Errorf("prepare %s: %w", set, err)
		}
		r.queries[set] = q
	}
	return r, nil
}

// maxDiagnostics bounds the mistakes that are shown.
const maxDiagnostics = 100

func diagnostics(errs ast.Errors) []Diagnostic {
	var ds []Diagnostic
	for _, e := range errs {
		d := diagnosticAt(e.Location)
		d.Message = oneLine(e.Message)
		if name, ok := strings.CutPrefix(e.Message, "undefined function "); ok && removed(name) {
			d.Hint = "rules see the evidence and nothing else: " + name + " is not available"
		}
		switch detail := e.Details.(type) {
		case *ast.RefErrInvalidDetail:
			d.Hint = fieldHint(detail)
		case *ast.UnificationErrDetail:
			d.Message = fmt.Sprintf("a %s is never equal to a %s", typeName(detail.Left), typeName(detail.Right))
			if typeName(detail.Left) == "null" || typeName(detail.Right) == "null" {
				d.Message, d.Hint = "nothing in the evidence is null", "what is not known is not there: write `not` and the field"
			}
		}
		ds = append(ds, d)
	}
	return ds
}

func typeName(t types.Type) string {
	if t == nil {
		return "value that is nowhere defined"
	}
	name, _, _ := strings.Cut(types.Sprint(t), "<")
	return name
}

// fieldHint names the fields that are there.
func fieldHint(detail *ast.RefErrInvalidDetail) string {
	var names []string
	for _, v := range detail.OneOf {
		if s, ok := v.(ast.String); ok {
			names = append(names, string(s))
		}
	}
	if len(names) == 0 {
		return ""
	}
	if detail.Pos < len(detail.Ref) {
		if s, ok := detail.Ref[detail.Pos].Value.(ast.String); ok {
			if near := nearest(string(s), names); near != "" {
				return "did you mean " + near + "?"
			}
		}
	}
	slices.Sort(names)
	return "fields are " + strings.Join(names, ", ")
}

func diagnosticAt(l *ast.Location) Diagnostic {
	if l == nil {
		return Diagnostic{}
	}
	return Diagnostic{File: l.File, Line: l.Row, Column: l.Col}
}

func oneLine(s string) string { return escape.Text(strings.Join(strings.Fields(s), " ")) }
