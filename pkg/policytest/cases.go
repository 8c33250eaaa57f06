// SPDX-License-Identifier: Apache-2.0

// Package policytest holds policies against recorded evidence: the unit tests of a
// policy, which run without an image.
package policytest

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/internal/yamldoc"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// MaxSize is the greatest size of a file of cases, in bytes.
const MaxSize = 1 << 20

// maxShown is how much of a text that is a mistake a message shows, in characters.
const maxShown = 60

// Suite is a file of cases.
type Suite struct {
	Source string
	Cases  []Case
}

// Case is recorded evidence and what a policy is expected to make of it.
type Case struct {
	Name     string
	Position policy.Position
	// Evidence is the path of the document, beside the file of cases.
	Evidence string
	// At is the effective time; zero is that of the document.
	At time.Time
	// Patch is laid over the evidence of each platform, as RFC 7386 has it.
	Patch map[string]any
	// Platform selects whose outcomes are compared; empty is every platform.
	Platform string
	// Status is the expected status of the verdict; empty is any.
	Status verdict.Status
	Rules  []Expectation
	// Exact says that rules which are not mentioned must pass or not apply.
	Exact bool

	evidence, patch policy.Position
}

// Expectation is what one rule is expected to find. What is nil is not compared.
type Expectation struct {
	Rule                         string
	Result                       verdict.Result
	Violations, Warnings, Waived *int
	// IDs are the ids of the violations, in any order.
	IDs []string
}

// Parse reads a file of cases. If anything is wrong, the error is a
// *policy.ParseError with all mistakes.
func Parse(source string, data []byte) (*Suite, error) {
	r := &reader{source: source, suite: &Suite{Source: source}}
	root, err := decode(data)
	switch {
	case len(data) > MaxSize:
		r.fault(policy.Position{Line: 1, Column: 1}, "", "the file has %d bytes; one of cases has at most %d", len(data), MaxSize)
	case err != nil:
		r.fault(position(err), "", "not valid YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	default:
		r.document(root)
	}
	if len(r.faults) > 0 {
		return nil, mistakes(r.faults)
	}
	return r.suite, nil
}

func mistakes(ds []policy.Diagnostic) error {
	slices.SortStableFunc(ds, func(a, b policy.Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Position.Line, b.Position.Line), cmp.Compare(a.Position.Column, b.Position.Column))
	})
	return &policy.ParseError{Diagnostics: ds}
}

func decode(data []byte) (*yaml.Node, error) {
	first, second, err := yamldoc.Decode(data)
	switch {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty")
	case err != nil:
		return nil, err
	case second != nil:
		return nil, errors.New("the file holds more than one document")
	}
	return first.Content[0], nil
}

// position reads the line out of an error of the YAML library.
func position(err error) policy.Position {
	at := policy.Position{Line: 1, Column: 1}
	if rest, ok := strings.CutPrefix(err.Error(), "yaml: line "); ok {
		number, _, _ := strings.Cut(rest, ":")
		if n, err := strconv.Atoi(number); err == nil {
			at.Line = max(1, n)
		}
	}
	return at
}

// reader walks the tree of a file and collects every mistake.
type reader struct {
	source string
	suite  *Suite
	faults []policy.Diagnostic
}

func (r *reader) fault(at policy.Position, hint, format string, args ...any) {
	r.faults = append(r.faults, policy.Diagnostic{File: r.source, Position: at, Message: escape.Text(fmt.Sprintf(format, args...)), Hint: hint})
}

func at(n *yaml.Node) policy.Position { return policy.Position{Line: n.Line, Column: n.Column} }

// key is one key of a mapping.
type key struct {
	name     string
	required bool
	read     func(*yaml.Node)
}

// mapping reads a mapping whose keys are known.
func (r *reader) mapping(n *yaml.Node, what string, keys []key) {
	if n.Kind != yaml.MappingNode {
		r.fault(at(n), "", "%s must be a mapping", what)
		return
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		j := slices.IndexFunc(keys, func(known key) bool { return known.name == k.Value })
		switch {
		case j < 0:
			r.fault(at(k), "keys are "+strings.Join(names, ", "), "unknown key %q in %s", wording.Clip(k.Value, maxShown), what)
		case seen[k.Value]:
			r.fault(at(k), "", "duplicate key %q in %s", k.Value, what)
		default:
			seen[k.Value] = true
			keys[j].read(v)
		}
	}
	for _, k := range keys {
		if k.required && !seen[k.name] {
			r.fault(at(n), "", "required key %q is missing in %s", k.name, what)
		}
	}
}

func (r *reader) list(n *yaml.Node, what string, read func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		r.fault(at(n), "", "%s must be a list of at least one", what)
		return
	}
	for _, c := range n.Content {
		read(c)
	}
}

// text reads a scalar, whatever YAML would make of it.
func (r *reader) text(what string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) == "" || n.Tag == "!!null" {
			r.fault(at(n), "", "%s must be a text", what)
			return
		}
		*into = n.Value
	}
}

func (r *reader) count(what string, into **int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		i, err := strconv.Atoi(n.Value)
		if err != nil || i < 0 || n.Kind != yaml.ScalarNode {
			r.fault(at(n), "", "%s must be a whole number", what)
			return
		}
		*into = &i
	}
}

func oneOf[T ~string](r *reader, what string, into *T, words ...T) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind == yaml.ScalarNode && slices.Contains(words, T(n.Value)) {
			*into = T(n.Value)
			return
		}
		var list []string
		for _, w := range words {
			list = append(list, string(w))
		}
		r.fault(at(n), "", "%s must be one of %s, not %q", what, strings.Join(list, ", "), wording.Clip(n.Value, maxShown))
	}
}
