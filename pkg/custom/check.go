// SPDX-License-Identifier: Apache-2.0

package custom

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"
)

// checkWords finds words that Rego's compiler takes and that would never match.
func (in *input) checkWords(modules map[string]*ast.Module) []Diagnostic {
	var faults []Diagnostic
	known := knownWords(modules, in.fields)
	for _, m := range modules {
		ast.WalkTerms(m, func(t *ast.Term) bool {
			if s, ok := t.Value.(ast.String); ok {
				if hint := in.foreignWord(string(s)); hint != "" {
					d := diagnosticAt(t.Location)
					d.Message, d.Hint = fmt.Sprintf("%q never stands in the evidence", string(s)), hint
					faults = append(faults, d)
				}
			}
			return false
		})
		ast.WalkExprs(m, func(e *ast.Expr) bool {
			faults = append(faults, in.checkPresence(e)...)
			return false
		})
		ast.WalkRules(m, func(r *ast.Rule) bool {
			// Elsewhere the compiler knows the types. What a function is called with may be
			// the open part.
			if len(r.Head.Args) > 0 && in.open == "" {
				faults = append(faults, checkFields(r, known)...)
			}
			return false
		})
	}
	return faults
}

// foreignWord is what to write in place of a word of another tool's.
func (in *input) foreignWord(s string) string {
	if in.open != "" && s != "Local" {
		return "" // another tool may have written the open part
	}
	switch s {
	case "CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN", "NEGLIGIBLE", "Critical", "High", "Medium", "Low", "Unknown", "Negligible":
		return "severities are critical, high, medium, low, unknown"
	case "Local":
		return `the time zone of the machine is not available; write "UTC"`
	default:
		return ""
	}
}

// checkPresence refuses to ask whether a field is there that always is: "" and [] are
// as true to Rego as any other value.
func (in *input) checkPresence(e *ast.Expr) []Diagnostic {
	t, ok := e.Terms.(*ast.Term)
	if !ok {
		return nil
	}
	ref, ok := t.Value.(ast.Ref)
	if !ok || len(ref) < 2 {
		return nil
	}
	// A variable may hold something of the open part.
	if in.open != "" && (!ref[0].Equal(ast.InputRootDocument) || len(ref) > 2 && ref[1].Equal(ast.StringTerm(in.open))) {
		return nil
	}
	name, ok := ref[len(ref)-1].Value.(ast.String)
	if !ok || !in.fields[string(name)].always {
		return nil
	}
	d := diagnosticAt(cmp.Or(t.Location, e.Location))
	d.Message = fmt.Sprintf("the field %s is always there, so this asks for nothing", string(name))
	d.Hint = "compare it, or one of its fields, with something"
	if empty := in.fields[string(name)].empty; empty != "" {
		d.Hint = "compare it with " + empty
	}
	return []Diagnostic{d}
}

// checkFields looks at the fields that a function takes of its arguments, of which
// the compiler does not know the types.
func checkFields(r *ast.Rule, known []string) []Diagnostic {
	var faults []Diagnostic
	ast.WalkRefs(r, func(ref ast.Ref) bool {
		if _, ok := ref[0].Value.(ast.Var); !ok || ref[0].Equal(ast.InputRootDocument) || ref[0].Equal(ast.DefaultRootDocument) {
			return false
		}
		for _, t := range ref[1:] {
			s, ok := t.Value.(ast.String)
			if !ok || slices.Contains(known, string(s)) {
				continue
			}
			if near := nearest(string(s), known); near != "" {
				d := diagnosticAt(cmp.Or(t.Location, r.Location))
				d.Message, d.Hint = fmt.Sprintf("nothing in the evidence is called %q", string(s)), "did you mean "+near+"?"
				faults = append(faults, d)
			}
		}
		return false
	})
	return faults
}

// knownWords are the fields of the evidence, the keys of objects that the modules
// make, and the parts of functions' names.
func knownWords(modules map[string]*ast.Module, fields map[string]field) []string {
	known := map[string]bool{}
	for name := range fields {
		known[name] = true
	}
	for _, b := range ast.BuiltinMap {
		for _, t := range b.Ref()[1:] {
			if s, ok := t.Value.(ast.String); ok {
				known[string(s)] = true
			}
		}
	}
	for _, m := range modules {
		ast.WalkTerms(m, func(t *ast.Term) bool {
			if o, ok := t.Value.(ast.Object); ok {
				for _, k := range o.Keys() {
					if s, ok := k.Value.(ast.String); ok {
						known[string(s)] = true
					}
				}
			}
			return false
		})
	}
	var list []string
	for k := range known {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// checkRules demands of compiled modules that there is something to evaluate, that
// it is a set, and that nothing hangs in the air.
func (in *input) checkRules(c *ast.Compiler) []Diagnostic {
	var faults []Diagnostic
	used := map[*ast.Rule]bool{}
	var first *ast.Module
	for _, name := range slices.Sorted(maps.Keys(c.Modules)) {
		m := c.Modules[name]
		if first == nil {
			first = m
		}
		ast.WalkRules(m, func(r *ast.Rule) bool {
			faults = append(faults, follow(c, r, used)...)
			return false
		})
	}
	found := false
	for _, set := range [...]string{setDeny, setWarn} {
		ref := packagePath().Append(ast.StringTerm(set))
		rules := c.GetRulesExact(ref)
		if len(rules) == 0 {
			continue
		}
		if set == setWarn && in.open != "" {
			d := diagnosticAt(rules[0].Location)
			d.Message, d.Hint = "warn says nothing about an attestation, which satisfies a rule or does not", "write deny; a rule with action: warn only warns"
			faults = append(faults, d)
		}
		found = true
		if !mayBeSet(c.TypeEnv.GetByRef(ref)) {
			d := diagnosticAt(rules[0].Location)
			d.Message, d.Hint = set+" is not a set", "write: "+set+" contains msg if { … }"
			faults = append(faults, d)
		}
	}
	if !found && first != nil {
		d := diagnosticAt(first.Package.Location)
		d.Message, d.Hint = "neither deny nor warn is defined", "write: deny contains msg if { … }"
		faults = append(faults, d)
	}
	return append(faults, unusedSets(c, used)...)
}

// follow marks the rules that r asks for. What is not among them is undefined.
func follow(c *ast.Compiler, r *ast.Rule, used map[*ast.Rule]bool) []Diagnostic {
	var faults []Diagnostic
	visit := func(ref ast.Ref) bool {
		if !ref[0].Equal(ast.DefaultRootDocument) {
			return false
		}
		rules := c.GetRulesDynamicWithOpts(ref, ast.RulesOptions{})
		for _, r := range rules {
			used[r] = true
		}
		if len(rules) == 0 && !ref.Equal(packagePath()) {
			d := diagnosticAt(cmp.Or(ref[0].Location, r.Location))
			d.Message, d.Hint = oneLine(ref.String())+" is nowhere defined", "there is no data but the rules of these files"
			faults = append(faults, d)
		}
		return false
	}
	// Not the head's name, which is a reference as well.
	ast.WalkRefs(r.Body, visit)
	for _, t := range append(slices.Clone(r.Head.Args), r.Head.Key, r.Head.Value) {
		if t != nil {
			ast.WalkRefs(t, visit)
		}
	}
	return faults
}

// unusedSets are sets other than deny and warn that no rule asks for: violation of
// other tools, or a misspelt deny.
func unusedSets(c *ast.Compiler, used map[*ast.Rule]bool) []Diagnostic {
	var faults []Diagnostic
	for _, m := range c.Modules {
		for _, r := range m.Rules {
			path := r.Ref()
			looked := path.Equal(packagePath().Append(ast.StringTerm(setDeny))) || path.Equal(packagePath().Append(ast.StringTerm(setWarn)))
			if looked || used[r] || r.Head.RuleKind() != ast.MultiValue {
				continue
			}
			d := diagnosticAt(r.Location)
			d.Message, d.Hint = "nothing uses the set "+oneLine(strings.TrimPrefix(path.String(), packagePath().String()+".")), "only deny and warn are looked at"
			faults = append(faults, d)
		}
	}
	return faults
}

func mayBeSet(t types.Type) bool {
	switch t.(type) {
	case nil, *types.Set, types.Any:
		return true // what is not known is seen when it is evaluated
	default:
		return false
	}
}

func sortDiagnostics(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(ds)
}
