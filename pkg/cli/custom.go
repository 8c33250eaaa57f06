// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/custom"
	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// customRules are the compiled Rego rules of a policy, by the files that they consist
// of: per-image sections may give one id other files.
type customRules map[string]*custom.Rule

// compileCustom compiles the custom rules of a policy and of its per-image sections. A
// mistake in them is one in the policy: a *policy.ParseError with all of them.
func compileCustom(ctx context.Context, p *policy.Policy) (customRules, error) {
	compiled := customRules{}
	var ds []policy.Diagnostic
	for _, r := range p.CustomRules() {
		key := filesOf(r)
		if _, ok := compiled[key]; ok {
			continue
		}
		var sources []custom.Source
		for _, f := range r.Custom.Rego {
			sources = append(sources, custom.Source{Name: fileName(f), Data: f.Data})
		}
		rule, err := custom.Compile(ctx, sources)
		compiled[key] = rule
		var mistakes *custom.Error
		switch {
		case errors.As(err, &mistakes):
			for _, d := range mistakes.Diagnostics {
				ds = append(ds, policy.Diagnostic{File: d.File, Position: policy.Position{Line: d.Line, Column: d.Column}, Message: d.Message, Hint: d.Hint})
			}
		case err != nil:
			return nil, &failure{err}
		}
	}
	if len(ds) > 0 {
		slices.SortFunc(ds, func(a, b policy.Diagnostic) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Position.Line, b.Position.Line),
				cmp.Compare(a.Position.Column, b.Position.Column), cmp.Compare(a.Message, b.Message))
		})
		return nil, &policy.ParseError{Diagnostics: slices.Compact(ds)}
	}
	return compiled, nil
}

// fileName is where a file stands, so that people find it.
func fileName(f *policy.File) string {
	return policy.Beside(filepath.ToSlash(f.Source), f.Path)
}

// filesOf names the files of a rule and what is in them.
func filesOf(r policy.Rule) string {
	var parts []string
	for _, f := range r.Custom.Rego {
		parts = append(parts, f.Source, f.Path, f.Digest)
	}
	return strings.Join(parts, "\x00")
}

// Evaluate implements gate.CustomRules.
func (c customRules) Evaluate(ctx context.Context, rules []policy.Rule, ev evidence.Evidence, at time.Time) []evidence.CustomResult {
	results := make([]evidence.CustomResult, 0, len(rules))
	in, err := custom.NewInput(ev)
	for _, r := range rules {
		result := evidence.CustomResult{}
		if err != nil {
			result.Problem = err.Error()
		} else {
			result = c[filesOf(r)].Evaluate(ctx, in, at, custom.DefaultTimeout)
		}
		result.Rule = r.ID
		results = append(results, result)
	}
	return results
}
