// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// AttestationRule is about attestations: signed in-toto statements. One attestation
// that is by the authorities and meets all demands satisfies it, whatever others say.
type AttestationRule struct {
	Signers
	// PredicateTypes are URIs, any of which will do.
	PredicateTypes []string
	// Builders, Sources and BuildTypes are about SLSA provenance: builder ids and build
	// types exactly, globs of source repositories.
	Builders   []string `json:",omitempty"`
	Sources    []string `json:",omitempty"`
	BuildTypes []string `json:",omitempty"`
	// Conditions are about the predicate; each must hold.
	Conditions []Condition `json:",omitempty"`
	// Rego are modules that must deny nothing.
	Rego []*File `json:",omitempty"`
}

// AsksContent says whether the rule looks into the predicate.
func (r AttestationRule) AsksContent() bool {
	return len(r.Builders)+len(r.Sources)+len(r.BuildTypes)+len(r.Conditions)+len(r.Rego) > 0
}

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

// Step is one step of a path: into a mapping by Key, into a list by Index, or, if All,
// into each element of a list, which must have one and all of which must meet the condition.
type Step struct {
	Key   string `json:",omitempty"`
	Index *int   `json:",omitempty"`
	All   bool   `json:",omitempty"`
}

// Scalar is a string, a number or a truth value.
type Scalar struct {
	String *string  `json:",omitempty"`
	Number *float64 `json:",omitempty"`
	Bool   *bool    `json:",omitempty"`
}

// PredicateType is the URIs that a short name of cosign's stands for, or the URI itself.
// The names are those of `cosign attest --type`; a name also stands for the URIs that
// older and newer producers of the same document write.
func PredicateType(name string) (uris []string, ok bool) {
	switch name {
	case "slsaprovenance", "slsaprovenance02":
		return []string{"https://slsa.dev/provenance/v0.2"}, true
	case "slsaprovenance1":
		return []string{"https://slsa.dev/provenance/v1"}, true
	case "spdx", "spdxjson":
		return []string{"https://spdx.dev/Document", "https://spdx.dev/Document/v2.2", "https://spdx.dev/Document/v2.3", "https://spdx.dev/Document/v3.0"}, true
	case "cyclonedx":
		return []string{"https://cyclonedx.org/bom", "https://cyclonedx.org/bom/v1.4", "https://cyclonedx.org/bom/v1.5", "https://cyclonedx.org/bom/v1.6", "https://cyclonedx.org/bom/v1.7"}, true
	case "link":
		return []string{"https://in-toto.io/Link/v1"}, true
	case "vuln":
		return []string{"https://cosign.sigstore.dev/attestation/vuln/v1", "cosign.sigstore.dev/attestation/vuln/v1"}, true
	case "openvex":
		return []string{"https://openvex.dev/ns"}, true
	case "test-result":
		return []string{"https://in-toto.io/attestation/test-result/v0.1"}, true
	case "custom":
		return []string{"https://cosign.sigstore.dev/attestation/v1"}, true
	}
	return []string{name}, strings.Contains(name, "://")
}

// predicateNames are the short names.
func predicateNames() []string {
	return []string{"slsaprovenance", "slsaprovenance02", "slsaprovenance1", "spdx", "spdxjson", "cyclonedx", "link", "vuln", "openvex", "test-result", "custom"}
}

func attestationGroup() group {
	return group{
		name: GroupAttestations, about: "Attestations of the image, or of its base: provenance, SBOM, scans, test results.",
		keys: (*parser).attestationKeys,
		title: func(r *Rule) string {
			return "The " + r.Attestations.thing() + " has an attestation of type " + wording.Or(r.Attestations.PredicateTypes) + " by " + r.Attestations.who()
		},
		remediation: func(r *Rule) string {
			return "Attest the " + r.Attestations.thing() + " by its digest with cosign attest, as one of " + wording.Or(r.Attestations.Authorities) + "."
		},
	}
}

func (p *parser) attestationKeys(r *Rule) []key {
	own := &AttestationRule{}
	r.Attestations = own
	return append(p.signersKeys(&own.Signers),
		p.predicateTypeKey(&own.PredicateTypes).must(),
		p.listKey("builder", "SLSA provenance: the builder's id is one of these.", &own.Builders, fewerOrNew, p.line),
		p.listKey("source", "SLSA provenance: the repository that was built matches one of these globs.", &own.Sources, fewerOrNew, p.line),
		p.listKey("build-type", "SLSA provenance: the build type is one of these.", &own.BuildTypes, fewerOrNew, p.line),
		p.conditionsKey(&own.Conditions),
		p.filesKey("rego", "Rego modules of the package ocigate over the statement, whose deny must be empty.", &own.Rego),
	)
}

// predicateTypeKey reads a short name or URI, or a list of which any will do.
func (p *parser) predicateTypeKey(into *[]string) key {
	one := func(v value) (string, bool) {
		s, ok := p.line(v)
		if !ok {
			return "", false
		}
		if _, ok := PredicateType(s); !ok {
			p.fault(v, didYouMean(spelling.Nearest(s, predicateNames())), "%s is no URI, and none of the names %s", quote(s), strings.Join(predicateNames(), ", "))
			return "", false
		}
		return s, true
	}
	add := func(names []string) {
		for _, name := range names {
			uris, _ := PredicateType(name)
			*into = append(*into, uris...)
		}
	}
	return key{name: "predicateType", about: "The type of the predicate: a name of cosign's (slsaprovenance1, spdxjson, cyclonedx, vuln, openvex, …) or a URI, or a list of which any will do.", tighten: fewerSigners,
		shape: shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString}, listOf(shape{kind: shapeString})}},
		read: func(v value) {
			if v.node.Kind != yaml.SequenceNode {
				if s, ok := one(v); ok {
					add([]string{s})
				}
				return
			}
			names, _ := p.strings(v, one)
			add(names)
		}}
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
					p.mustDemand(v, "equals", "one-of", "none-of", "matches", "at-least", "at-most", "max-age", "present")
					*to = append(*to, *c)
				}
			})
		}}
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
		p.list(v, func(v value) {
			if s, ok := p.anyScalar(v); ok {
				*into = append(*into, s)
			}
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
		n, err := strconv.ParseFloat(v.node.Value, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			p.fault(v, "quote it if it is a text", "is no decimal number")
			return Scalar{}, false
		}
		return Scalar{Number: &n}, true
	}
	s, ok := p.line(v)
	return Scalar{String: &s}, ok
}

func (p *parser) boundKey(name, about string, into **float64) key {
	return key{name: name, about: about, shape: shape{kind: shapeNumber}, read: func(v value) {
		s, ok := p.anyScalar(v)
		if ok && s.Number == nil {
			p.wrongType(v, "a number", "")
			return
		}
		*into = s.Number
	}}
}

// predicatePath reads a path: keys after dots, ["quoted keys"], [index], [*].
func (p *parser) predicatePath(v value) (string, []Step) {
	s, ok := p.line(v)
	if !ok {
		return "", nil
	}
	steps, ok := parsePath(s)
	if !ok {
		p.fault(v, `write builder.id, materials[0].uri, runs[*].result or labels["a.b"]`, "%s is no path", quote(s))
		return "", nil
	}
	return s, steps
}

func parsePath(s string) ([]Step, bool) {
	var steps []Step
	for rest := s; rest != ""; {
		switch {
		case strings.HasPrefix(rest, `["`):
			name, after, ok := strings.Cut(rest[2:], `"]`)
			if !ok || name == "" {
				return nil, false
			}
			steps, rest = append(steps, Step{Key: name}), after
		case rest[0] == '[':
			inside, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return nil, false
			}
			step := Step{All: inside == "*"}
			if !step.All {
				n, err := strconv.ParseUint(inside, 10, 16)
				if err != nil {
					return nil, false
				}
				i := int(n)
				step.Index = &i
			}
			steps, rest = append(steps, step), after
		default:
			if len(steps) > 0 {
				if rest[0] != '.' {
					return nil, false
				}
				rest = rest[1:]
			}
			n := strings.IndexAny(rest, ".[")
			if n < 0 {
				n = len(rest)
			}
			if n == 0 {
				return nil, false
			}
			steps, rest = append(steps, Step{Key: rest[:n]}), rest[n:]
		}
	}
	return steps, len(steps) > 0
}
