// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strconv"
	"strings"
)

// Step is one step of a path: into a mapping by Key, into a list by Index, or, if All,
// into each element of a list, which must have one and all of which must meet the condition.
type Step struct {
	Key   string `json:",omitempty"`
	Index *int   `json:",omitempty"`
	All   bool   `json:",omitempty"`
}

// maxSteps bounds a path, maxIndex a place in a list.
const (
	maxSteps = 20
	maxIndex = 9999
)

// predicatePath reads a path: keys after dots, ["quoted keys"], [index], [*].
func (p *parser) predicatePath(v value) (string, []Step) {
	s, ok := p.line(v)
	if !ok {
		return "", nil
	}
	hint := `write builder.id, materials[0].uri, runs[*].result or labels["a.b"]`
	if rest, ok := strings.CutPrefix(s, "$."); ok {
		hint = didYouMean(rest)
	}
	steps, ok := parsePath(s)
	switch {
	case !ok:
		p.fault(v, hint, "%s is no path", quote(s))
	case len(steps) > maxSteps:
		p.fault(v, "", "has more than %d steps", maxSteps)
	default:
		return s, steps
	}
	return "", nil
}

func parsePath(s string) ([]Step, bool) {
	var steps []Step
	for rest := s; rest != ""; {
		var step Step
		var ok bool
		switch dotted := len(steps) > 0 && rest[0] == '.'; {
		case rest[0] == '[':
			step, rest, ok = bracketStep(rest[1:])
		case dotted:
			step, rest, ok = keyStep(rest[1:])
		case len(steps) == 0:
			step, rest, ok = keyStep(rest)
		}
		if !ok {
			return nil, false
		}
		steps = append(steps, step)
	}
	return steps, len(steps) > 0
}

// keyStep reads a key that needs no quotation marks.
func keyStep(s string) (step Step, rest string, ok bool) {
	n := strings.IndexAny(s, ".[")
	if n < 0 {
		n = len(s)
	}
	// What looks like another language's syntax would be a key that no predicate has.
	ok = n > 0 && !strings.ContainsAny(s[:n], "*]\"'`(){}?$<>|&\\ ,;=#!")
	return Step{Key: s[:n]}, s[n:], ok
}

// bracketStep reads what follows an opening bracket.
func bracketStep(s string) (step Step, rest string, ok bool) {
	if quoted, isQuoted := strings.CutPrefix(s, `"`); isQuoted {
		name, rest, ok := strings.Cut(quoted, `"]`)
		return Step{Key: name}, rest, ok && name != "" && !strings.ContainsAny(name, `"`+"\\")
	}
	inside, rest, ok := strings.Cut(s, "]")
	if inside == "*" {
		return Step{All: true}, rest, ok
	}
	n, err := strconv.ParseUint(inside, 10, 16)
	i := int(n)
	return Step{Index: &i}, rest, ok && err == nil && n <= maxIndex && strconv.Itoa(i) == inside
}
