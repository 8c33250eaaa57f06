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

// customRules are the compiled Rego modules of a policy, by the files that they consist
// of: per-image sections may give one id other files.
type customRules map[string]*custom.Rule

// compileCustom compiles the Rego modules of a policy and of its per-image sections:
// of custom rules, and of rules about attestations. A mistake in them is one in the
// policy: a *policy.ParseError with all of them.
func compileCustom(ctx context.Context, p *policy.Policy) (customRules, error) {
	compiled := customRules{}
	var ds []policy.Diagnostic
	for _, r := range append(p.CustomRules(), p.AttestationRegoRules()...) {
		files, compile := modulesOf(r)
		key := keyOf(r)
		if _, ok := compiled[key]; ok {
			continue
		}
		var sources []custom.Source
		for _, f := range files {
			sources = append(sources, custom.Source{Name: fileName(f), Data: f.Data})
		}
		rule, err := compile(ctx, sources)
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

// modulesOf are the files of a rule's modules, and what compiles them.
func modulesOf(r policy.Rule) ([]*policy.File, func(context.Context, []custom.Source) (*custom.Rule, error)) {
	if r.Attestations != nil {
		return r.Attestations.Rego, custom.CompileAttestation
	}
	return r.Custom.Rego, custom.Compile
}

// fileName is where a file stands, so that people find it.
func fileName(f *policy.File) string {
	return policy.Beside(filepath.ToSlash(f.Source), f.Path)
}

// keyOf names the files of a rule, what is in them, and what they are about.
func keyOf(r policy.Rule) string {
	files, _ := modulesOf(r)
	parts := []string{string(r.Group)}
	for _, f := range files {
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
			result = c[keyOf(r)].Evaluate(ctx, in, at, custom.DefaultTimeout)
		}
		result.Rule = r.ID
		results = append(results, result)
	}
	return results
}

// EvaluateAttestations implements gate.CustomRules.
func (c customRules) EvaluateAttestations(ctx context.Context, rules []policy.Rule, own evidence.Subject, s *evidence.Signatures, at time.Time) {
	if s == nil {
		return
	}
	for i := range s.Items {
		item := &s.Items[i]
		item.Rego = nil
		for _, r := range rules {
			by := verifiedBy(*item, r.Attestations)
			if by == nil || !slices.Contains(r.Attestations.PredicateTypes, item.PredicateType) {
				continue
			}
			result := c.evaluateAttestation(ctx, r, own, *item, *by, at)
			result.Rule = r.ID
			item.Rego = append(item.Rego, result)
		}
	}
}

// verifiedBy is the check of the first of the rule's authorities that verified an
// attestation; nil where none did.
func verifiedBy(item evidence.Signature, r *policy.AttestationRule) *evidence.SignatureCheck {
	if item.Kind != evidence.KindAttestation {
		return nil
	}
	for _, name := range r.Authorities {
		for i, c := range item.Checks {
			if c.Authority == name && c.Result == evidence.CheckVerified {
				return &item.Checks[i]
			}
		}
	}
	return nil
}

func (c customRules) evaluateAttestation(ctx context.Context, r policy.Rule, own evidence.Subject, item evidence.Signature, by evidence.SignatureCheck, at time.Time) evidence.CustomResult {
	if item.Predicate == nil {
		return evidence.CustomResult{Problem: "the predicate is not at hand"}
	}
	in, err := custom.NewAttestationInput(evidence.AttestationInput{
		Subject: own, PredicateType: item.PredicateType, Predicate: item.Predicate, Signer: item.Signer,
		Authority: by.Authority, Time: by.Time, Digest: item.Digest,
	})
	if err != nil {
		return evidence.CustomResult{Problem: err.Error()}
	}
	return c[keyOf(r)].Evaluate(ctx, in, at, custom.DefaultTimeout)
}
