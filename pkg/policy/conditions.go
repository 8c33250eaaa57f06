// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Condition is one demand on a predicate. A path that leads nowhere meets none but
// `present: false`.
type Condition struct {
	// Path as it is written, and Steps what it means.
	Path  string
	Steps []Step
	// Equals, OneOf and NoneOf compare with strings, numbers and truth values.
	Equals *Scalar  `json:",omitempty"`
	OneOf  []Scalar `json:",omitempty"`
	NoneOf []Scalar `json:",omitempty"`
	// Matches is a regular expression for the whole of a string.
	Matches string `json:",omitempty"`
	// AtLeast and AtMost bound a number.
	AtLeast *float64 `json:",omitempty"`
	AtMost  *float64 `json:",omitempty"`
	// MaxAge bounds the age of an RFC 3339 time at the effective time.
	MaxAge time.Duration `json:",omitempty"`
	// Present says whether the path must lead somewhere.
	Present *bool `json:",omitempty"`
}

// Scalar is a string, a number or a truth value.
type Scalar struct {
	String *string  `json:",omitempty"`
	Number *float64 `json:",omitempty"`
	Bool   *bool    `json:",omitempty"`
}

// conditionsKey reads demands on the predicate.
func (p *parser) conditionsKey(to *[]Condition) key {
	keys := func(c *Condition) []key {
		return []key{
			{name: "path", about: "A path into the predicate: builder.id, materials[0].uri, runs[*].result, labels[\"a.b\"].", required: true,
				shape: shape{kind: shapeString}, read: func(v value) { c.Path, c.Steps = p.predicatePath(v) }},
			p.scalarKey("equals", "The value is this string, number or truth value.", func(s Scalar) { c.Equals = &s }),
			p.scalarsKey("one-of", "The value is one of these.", &c.OneOf),
			p.scalarsKey("none-of", "The value is none of these.", &c.NoneOf),
			{name: "matches", about: "The value is a string that this regular expression matches as a whole.", shape: shape{kind: shapeString},
				read: func(v value) { c.Matches, _ = p.regexp(v) }},
			p.boundKey("at-least", "The value is a number, and at least this.", &c.AtLeast),
			p.boundKey("at-most", "The value is a number, and at most this.", &c.AtMost),
			p.durationKey("max-age", "The value is a time, and not longer ago than this.", &c.MaxAge, nil),
			{name: "present", about: "Whether there must be a value.", shape: shape{kind: shapeBoolean}, read: func(v value) {
				if b, ok := p.boolean(v); ok {
					c.Present = &b
				}
			}},
		}
	}
	return key{name: "conditions", about: "Demands on the predicate; each must hold.", tighten: more,
		shape: listOf(mappingOf(keys(&Condition{})...)),
		read: func(v value) {
			p.list(v, func(v value) {
				c := &Condition{}
				if p.mapping(v, `begin each condition with "- path:"`, keys(c)) {
					if p.mustDemand(v, "equals", "one-of", "none-of", "matches", "at-least", "at-most", "max-age", "present") {
						p.checkCondition(v, *c)
					}
					*to = append(*to, *c)
				}
			})
		}}
}

// checkCondition reports demands that contradict or repeat each other.
func (p *parser) checkCondition(v value, c Condition) {
	has := func(name string) bool { return child(v.node, name) != nil }
	beside := func(name string, others ...string) {
		for _, other := range others {
			if has(name) && has(other) {
				p.fault(v, "leave one of them out", "has %s beside %s", name, other)
				return
			}
		}
	}
	beside("equals", "one-of", "none-of", "matches", "at-least", "at-most", "max-age", "present")
	beside("one-of", "matches", "at-least", "at-most", "max-age", "present")
	if c.Present != nil && !*c.Present {
		beside("present", "none-of", "matches", "at-least", "at-most", "max-age")
		return
	}
	for _, text := range []string{"matches", "max-age"} {
		for _, number := range []string{"at-least", "at-most"} {
			if has(text) && has(number) {
				p.fault(v, "leave one of them out", "has %s, which is for a text, beside %s, which is for a number", text, number)
				return
			}
		}
	}
	if c.AtLeast != nil && c.AtMost != nil && *c.AtLeast > *c.AtMost {
		p.fault(v, "", "has an at-least above its at-most, so that no number meets it")
	}
	if slices.ContainsFunc(c.OneOf, func(s Scalar) bool { return slices.ContainsFunc(c.NoneOf, s.equal) }) {
		p.fault(v, "leave it out of one of them", "has a value both in one-of and in none-of")
	}
}

func (s Scalar) equal(other Scalar) bool {
	switch {
	case s.String != nil && other.String != nil:
		return *s.String == *other.String
	case s.Number != nil && other.Number != nil:
		return *s.Number == *other.Number
	case s.Bool != nil && other.Bool != nil:
		return *s.Bool == *other.Bool
	default:
		return false
	}
}

func (p *parser) scalarKey(name, about string, set func(Scalar)) key {
	return key{name: name, about: about, shape: scalarShape(), read: func(v value) {
		if s, ok := p.anyScalar(v); ok {
			set(s)
		}
	}}
}

func (p *parser) scalarsKey(name, about string, into *[]Scalar) key {
	return key{name: name, about: about, shape: listOf(scalarShape()), read: func(v value) {
		seen := map[string]bool{}
		p.list(v, func(v value) {
			s, ok := p.anyScalar(v)
			if !ok {
				return
			}
			id := v.node.Tag + v.node.Value
			if seen[id] {
				p.fault(v, "", "is in the list twice")
				return
			}
			seen[id] = true
			*into = append(*into, s)
		})
	}}
}

func scalarShape() shape {
	return shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString}, {kind: shapeNumber}, {kind: shapeBoolean}}}
}

// anyScalar reads a string, a number or a truth value.
func (p *parser) anyScalar(v value) (Scalar, bool) {
	switch {
	case v.node.Kind != yaml.ScalarNode || !isPlain(v.node) || v.isNull():
	case v.node.Tag == "!!bool":
		b, ok := p.boolean(v)
		return Scalar{Bool: &b}, ok
	case v.node.Tag == "!!int", v.node.Tag == "!!float":
		n, ok := p.decimal(v)
		return Scalar{Number: &n}, ok
	}
	s, ok := p.line(v)
	return Scalar{String: &s}, ok
}

// maxNumber bounds numbers: whole ones up to it are told apart.
const maxNumber = 1<<53 - 1

// decimal reads a number of either sign: -7, 0.25.
func (p *parser) decimal(v value) (float64, bool) {
	whole, fraction, dot := strings.Cut(strings.TrimPrefix(v.node.Value, "-"), ".")
	n, err := strconv.ParseFloat(v.node.Value, 64)
	switch {
	case !isDecimal(whole) || len(whole) > 1 && whole[0] == '0' || dot && !isDecimal(fraction) || err != nil:
		p.fault(v, "write it in decimal, such as 7 or -0.25, or quote it if it is a text", "%s is not a plain number", quote(v.node.Value))
	case math.Abs(n) > maxNumber:
		p.fault(v, "quote it if it is a text", "is beyond %d, from where on numbers are not told apart", int64(maxNumber))
	default:
		return n, true
	}
	return 0, false
}

func (p *parser) boundKey(name, about string, into **float64) key {
	return key{name: name, about: about, shape: shape{kind: shapeNumber, signed: true}, read: func(v value) {
		s, ok := p.anyScalar(v)
		if ok && s.Number == nil {
			p.wrongType(v, "a number", "")
			return
		}
		*into = s.Number
	}}
}
