// SPDX-License-Identifier: Apache-2.0

package policytest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// CustomRules evaluate what is in Rego, as in a check.
type CustomRules interface {
	Evaluate(ctx context.Context, rules []policy.Rule, ev evidence.Evidence, at time.Time) []evidence.CustomResult
	EvaluateAttestations(ctx context.Context, rules []policy.Rule, own evidence.Subject, s *evidence.Signatures, at time.Time)
}

// Result is a case and where the verdict differs from what it expects.
type Result struct {
	Case        Case
	Differences []string
}

// Run decides all cases of a suite. read returns the bytes of a document. Evidence
// that cannot be read is a mistake in the suite: a *policy.ParseError with all of them.
func Run(ctx context.Context, pol *policy.Policy, custom CustomRules, s *Suite, read func(path string) ([]byte, error)) ([]Result, error) {
	documents := make([]*evidence.Document, len(s.Cases))
	var faults []policy.Diagnostic
	for i, c := range s.Cases {
		d, at, err := c.document(read)
		if err != nil {
			fault := policy.Diagnostic{File: s.Source, Position: at, Message: escape.Text(err.Error())}
			if at == c.evidence {
				fault.Hint = "`ocigate check --output evidence=FILE` records evidence"
			}
			faults = append(faults, fault)
		}
		documents[i] = d
	}
	if len(faults) > 0 {
		return nil, mistakes(faults)
	}
	results := make([]Result, 0, len(s.Cases))
	for i, c := range s.Cases {
		v := decide(ctx, pol, custom, c, documents[i])
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		results = append(results, Result{Case: c, Differences: c.compare(v)})
	}
	return results, nil
}

func (c Case) document(read func(string) ([]byte, error)) (*evidence.Document, policy.Position, error) {
	data, err := read(c.Evidence)
	if err != nil {
		return nil, c.evidence, fmt.Errorf("the evidence %q cannot be read: %w", wording.Clip(c.Evidence, maxShown), err)
	}
	d, err := evidence.ReadDocument(data)
	if err != nil || c.Patch == nil {
		return d, c.evidence, err
	}
	if data, err = patched(data, c.Patch); err == nil {
		d, err = evidence.ReadDocument(data)
	}
	if err != nil {
		return nil, c.patch, fmt.Errorf("the patch does not fit: %w", err)
	}
	return d, c.patch, nil
}

// patched lays a patch over each element of "evidence".
func patched(data []byte, patch map[string]any) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var document map[string]any
	if err := dec.Decode(&document); err != nil {
		return nil, err
	}
	list, ok := document["evidence"].([]any)
	if !ok || len(list) == 0 {
		return nil, errors.New("the document holds no evidence to lay it over")
	}
	for i := range list {
		list[i] = merged(list[i], patch)
	}
	return json.Marshal(document)
}

// merged is a JSON merge patch (RFC 7386): mappings are merged, null takes away, and
// everything else is replaced.
func merged(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if t, ok := target.(map[string]any); ok {
		for k, v := range t {
			out[k] = v
		}
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = merged(out[k], v)
		}
	}
	return out
}

func decide(ctx context.Context, pol *policy.Policy, custom CustomRules, c Case, d *evidence.Document) verdict.Verdict {
	at := c.At
	if at.IsZero() {
		at = d.EffectiveTime
	}
	all := slices.Clone(d.Evidence)
	for i := range all {
		var rules []policy.Rule
		for _, r := range pol.For(verdict.Names(all[i].Subject, d.Reference)).Rules {
			if r.Custom != nil {
				rules = append(rules, r)
			}
		}
		if len(rules) > 0 {
			all[i].Custom = custom.Evaluate(ctx, rules, all[i], at)
		}
		evaluateAttestations(ctx, pol, custom, &all[i], d.Reference, at)
	}
	return verdict.Decide(verdict.Input{
		Policy: pol, Reference: d.Reference, Evidence: all, Problems: d.Problems, NotExamined: d.NotExamined,
		EffectiveTime: at, EffectiveTimeGiven: true,
	})
}

// evaluateAttestations has the policy's modules look at recorded attestations.
func evaluateAttestations(ctx context.Context, pol *policy.Policy, custom CustomRules, ev *evidence.Evidence, reference string, at time.Time) {
	own := pol.For(verdict.Names(ev.Subject, reference))
	again := func(s *evidence.Signatures, of policy.Signed) *evidence.Signatures {
		rules := own.AttestationRegoOf(of)
		if s == nil || len(rules) == 0 {
			return s
		}
		out := *s
		out.Items = slices.Clone(s.Items) // the cases of a suite may share a document
		custom.EvaluateAttestations(ctx, rules, ev.Subject, &out, at)
		return &out
	}
	ev.Signatures = again(ev.Signatures, policy.SignedImage)
	if ev.Base != nil {
		base := *ev.Base
		base.Signatures = again(base.Signatures, policy.SignedBase)
		ev.Base = &base
	}
}

func (c Case) compare(v verdict.Verdict) []string {
	var ds []string
	if c.Status != "" && v.Status != c.Status {
		d := fmt.Sprintf("status: want %s, got %s", c.Status, v.Status)
		for _, p := range v.Problems {
			d += ": " + p.Message
		}
		ds = append(ds, d)
	}
	compared := 0
	for _, s := range v.Subjects {
		platform := s.Evidence.Subject.Platform.String()
		if c.Platform != "" && platform != c.Platform {
			continue
		}
		compared++
		for _, d := range c.compareSubject(s) {
			if len(v.Subjects) > 1 {
				d = platform + ": " + d
			}
			ds = append(ds, d)
		}
	}
	if compared == 0 && (c.Platform != "" || len(c.Rules) > 0 || c.Exact) {
		ds = append(ds, "the evidence is of no such platform")
	}
	return ds
}

func (c Case) compareSubject(s verdict.SubjectVerdict) []string {
	var ds []string
	got := map[string]verdict.Outcome{}
	for _, o := range s.Outcomes {
		got[o.Rule] = o
	}
	mentioned := map[string]bool{}
	for _, e := range c.Rules {
		mentioned[e.Rule] = true
		o, ok := got[e.Rule]
		if !ok {
			ds = append(ds, fmt.Sprintf("%s: want %s, and the policy has no such rule", e.Rule, e.Result))
			continue
		}
		ds = append(ds, e.compare(o)...)
	}
	for _, o := range s.Outcomes {
		if c.Exact && !mentioned[o.Rule] && o.Result != verdict.Pass && o.Result != verdict.Skip {
			ds = append(ds, fmt.Sprintf("%s: not mentioned, got %s: %s", o.Rule, o.Result, o.Summary))
		}
	}
	return ds
}

func (e Expectation) compare(o verdict.Outcome) []string {
	var ds []string
	if o.Result != e.Result {
		ds = append(ds, fmt.Sprintf("%s: want %s, got %s: %s", e.Rule, e.Result, o.Result, o.Summary))
	}
	number := func(what string, want *int, got int) {
		if want != nil && *want != got {
			ds = append(ds, fmt.Sprintf("%s: want %d %s, got %d", e.Rule, *want, what, got))
		}
	}
	number("violations", e.Violations, len(o.Violations))
	number("warnings", e.Warnings, len(o.Warnings))
	number("waived", e.Waived, len(o.Waived))
	if e.IDs != nil {
		ids := idsOf(o.Violations)
		if d := without(e.IDs, ids); len(d) > 0 {
			ds = append(ds, fmt.Sprintf("%s: not among the violations: %s", e.Rule, strings.Join(d, ", ")))
		}
		if d := without(ids, e.IDs); len(d) > 0 {
			ds = append(ds, fmt.Sprintf("%s: not expected among the violations: %s", e.Rule, strings.Join(d, ", ")))
		}
	}
	return ds
}

// idsOf are the distinct ids of what violates a rule.
func idsOf(vs []verdict.Violation) []string {
	var ids []string
	for _, v := range vs {
		id := cmp.Or(v.ID, v.Message)
		if v.Finding != nil {
			id = v.Finding.ID
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(others, s) })
}
