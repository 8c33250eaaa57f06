// SPDX-License-Identifier: Apache-2.0

package custom

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

const (
	// DefaultTimeout is the time that one rule may take.
	DefaultTimeout = 5 * time.Second
	// grace is how long a function of Rego that ignores the end of its time is waited for.
	grace = time.Second

	maxMessages = 1000
	// maxText is in characters, of each part of a message.
	maxText = 2000
)

// Input is evidence made ready for rules.
type Input struct{ value ast.Value }

// NewInput is the input that rules see: the evidence without the results of custom rules.
func NewInput(ev evidence.Evidence) (Input, error) { return newInputOf(ev.Input()) }

// NewAttestationInput is the input of rules about attestations.
func NewAttestationInput(a evidence.AttestationInput) (Input, error) { return newInputOf(a.Input()) }

func newInputOf(data []byte, err error) (Input, error) {
	if err != nil {
		return Input{}, err
	}
	v, err := ast.ValueFromReader(bytes.NewReader(data))
	if err != nil {
		return Input{}, fmt.Errorf("make the evidence an input: %w", err)
	}
	return Input{v}, nil
}

// Evaluate evaluates the rule at the effective time. Whatever goes wrong, the time
// that is over and a panic included, is the result's Problem; Rule is left to the caller.
func (r *Rule) Evaluate(ctx context.Context, in Input, at time.Time, timeout time.Duration) evidence.CustomResult {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	type answer struct {
		result evidence.CustomResult
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{err: fmt.Errorf("the evaluation panicked: %v", p)}
			}
		}()
		result, err := r.evaluate(limited, in, at)
		done <- answer{result, err}
	}()
	timer := time.NewTimer(timeout + grace)
	defer timer.Stop()
	var a answer
	select {
	case a = <-done:
	case <-timer.C:
		a.err = limited.Err()
	}
	switch {
	case a.err == nil:
		return a.result
	case ctx.Err() != nil:
		return failed("the time for this run is over")
	case limited.Err() != nil:
		return failed(fmt.Sprintf("the rules took longer than %s", timeout))
	default:
		return failed(a.err.Error())
	}
}

func failed(problem string) evidence.CustomResult {
	const maxProblem = 500
	problem = strings.Join(strings.Fields(problem), " ")
	if r := []rune(problem); len(r) > maxProblem {
		problem = string(r[:maxProblem]) + "…"
	}
	return evidence.CustomResult{Deny: []evidence.CustomMessage{}, Warn: []evidence.CustomMessage{}, Problem: problem}
}

func (r *Rule) evaluate(ctx context.Context, in Input, at time.Time) (evidence.CustomResult, error) {
	result := evidence.CustomResult{}
	if r == nil || len(r.queries) == 0 {
		return result, errors.New("neither deny nor warn is defined")
	}
	if in.value == nil {
		return result, errors.New("there is no evidence")
	}
	var err error
	if result.Deny, err = r.set(ctx, setDeny, in, at); err != nil {
		return result, err
	}
	result.Warn, err = r.set(ctx, setWarn, in, at)
	return result, err
}

// set evaluates one of the sets. It is empty only if it is defined and empty, or no
// module defines it.
func (r *Rule) set(ctx context.Context, name string, in Input, at time.Time) ([]evidence.CustomMessage, error) {
	messages := []evidence.CustomMessage{}
	q, ok := r.queries[name]
	if !ok {
		return messages, nil
	}
	results, err := q.Eval(ctx, rego.EvalParsedInput(in.value), rego.EvalTime(at))
	if err != nil {
		return nil, evaluationError(err)
	}
	if len(results) != 1 || len(results[0].Expressions) != 1 {
		return nil, fmt.Errorf("%s is undefined", name)
	}
	term, _ := results[0].Expressions[0].Value.(*ast.Term)
	if term == nil {
		return nil, fmt.Errorf("%s is undefined", name)
	}
	set, ok := term.Value.(ast.Set)
	if !ok {
		return nil, fmt.Errorf("%s is not a set but of type %s", name, ast.ValueName(term.Value))
	}
	if set.Len() > maxMessages {
		return nil, fmt.Errorf("%s has %d elements; at most %d can be shown", name, set.Len(), maxMessages)
	}
	for _, t := range set.Slice() {
		m, err := message(t)
		if err != nil {
			return nil, fmt.Errorf("an element of %s %w", name, err)
		}
		messages = append(messages, m)
	}
	slices.SortFunc(messages, compare)
	return slices.Compact(messages), nil
}

func evaluationError(err error) error {
	var e *topdown.Error
	if !errors.As(err, &e) || e.Location == nil {
		return err
	}
	return fmt.Errorf("%s:%d:%d: %s", e.Location.File, e.Location.Row, e.Location.Col, e.Message)
}

// message reads an element of deny or warn: a text, or an object with one.
func message(t *ast.Term) (evidence.CustomMessage, error) {
	var m evidence.CustomMessage
	var err error
	switch v := t.Value.(type) {
	case ast.String:
		m.Message, err = text("msg", t)
	case ast.Object:
		err = v.Iter(func(key, value *ast.Term) error { return part(&m, key, value) })
	default:
		err = fmt.Errorf("is neither a text nor an object with msg, but of type %s", ast.ValueName(t.Value))
	}
	if err == nil && m.Message == "" {
		err = errors.New("has no msg, or an empty one")
	}
	return m, err
}

// part reads a part of a message. What is no msg may be empty, as the fields of the
// evidence are that do not apply.
func part(m *evidence.CustomMessage, key, value *ast.Term) error {
	name, _ := key.Value.(ast.String)
	var into *string
	switch name {
	case "msg", "message":
		if m.Message != "" {
			return errors.New("has both msg and message")
		}
		into = &m.Message
	case "finding":
		into = &m.Finding
	case "package":
		into = &m.Package
	case "path":
		into = &m.Path
	case "fix":
		into = &m.Fix
	default:
		return fmt.Errorf("has the key %s; keys are msg, finding, package, path, fix", wording.Clip(key.String(), 60))
	}
	var err error
	*into, err = text(string(name), value)
	return err
}

func text(what string, t *ast.Term) (string, error) {
	s, ok := t.Value.(ast.String)
	if !ok {
		return "", fmt.Errorf("has a %s of type %s, not a text", what, ast.ValueName(t.Value))
	}
	trimmed := strings.TrimSpace(string(s))
	if utf8.RuneCountInString(trimmed) > maxText {
		return "", fmt.Errorf("has a %s of more than %d characters", what, maxText)
	}
	return trimmed, nil
}

func compare(a, b evidence.CustomMessage) int {
	return cmp.Or(cmp.Compare(a.Message, b.Message), cmp.Compare(a.Finding, b.Finding), cmp.Compare(a.Package, b.Package),
		cmp.Compare(a.Path, b.Path), cmp.Compare(a.Fix, b.Fix))
}
