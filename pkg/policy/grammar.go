// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
)

// key is one key of a mapping in the policy language. The same table reads a
// policy, makes its JSON Schema, and says which changes tighten an enforced policy.
type key struct {
	name string
	// about is one sentence for people: the schema's description.
	about    string
	required bool
	shape    shape
	// tighten says whether another value demands at least as much. Nil: the value may
	// be neither changed nor added below an enforced policy.
	tighten tighten
	// file marks the name of a file: the same words in another document are another file.
	file bool
	read func(value)
}

// must marks a key without which its mapping is a mistake.
func (k key) must() key {
	k.required = true
	return k
}

// shape is the form of a value, for the JSON Schema.
type shape struct {
	kind    shapeKind
	enum    []string
	pattern string
	// makeKeys makes the keys of a mapping. Those of the groups of rules are many, and
	// few readers of a policy ask for them all.
	makeKeys func() []key
	item     *shape
	oneOf    []shape
	min      int
	max      int
	// signed numbers have no bounds.
	signed bool
}

func mappingOf(keys ...key) shape {
	return shape{kind: shapeMapping, makeKeys: func() []key { return keys }}
}

// keys are those of a mapping; none where they are not the language's.
func (s shape) keys() []key {
	if s.makeKeys == nil {
		return nil
	}
	return s.makeKeys()
}

type shapeKind string

const (
	shapeString  shapeKind = "string"
	shapeInteger shapeKind = "integer"
	shapeNumber  shapeKind = "number"
	shapeBoolean shapeKind = "boolean"
	shapeList    shapeKind = "array"
	shapeMapping shapeKind = "object"
	shapeOneOf   shapeKind = "oneOf"
)

const (
	durationPattern = `^[1-9][0-9]*[hdw]$`
	sizePattern     = `^(0|[1-9][0-9]*)(B|KiB|MiB|GiB|kB|MB|GB)$`
	percentPattern  = `^(0|[1-9][0-9]?|100)%$`
	datePattern     = `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`
	namePattern     = `^[a-z0-9][a-z0-9._-]*$`
)

func listOf(item shape) shape { return shape{kind: shapeList, item: &item} }

// The constructors below make a key of each type of the language. into receives
// the value; where the value is a mistake, it is left alone.

func (p *parser) lineKey(name, about string, into *string, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeString}, tighten: t,
		read: func(v value) { *into, _ = p.line(v) }}
}

func (p *parser) textKey(name, about string, into *string, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeString}, tighten: t,
		read: func(v value) { *into, _ = p.text(v) }}
}

func (p *parser) boolKey(name, about string, into *bool, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeBoolean}, tighten: t,
		read: func(v value) { *into, _ = p.boolean(v) }}
}

// enumKey reads one of a few words.
func enumKey[T ~string](p *parser, name, about string, into *T, t tighten, words ...T) key {
	allowed := make([]string, len(words))
	for i, w := range words {
		allowed[i] = string(w)
	}
	return key{name: name, about: about, shape: shape{kind: shapeString, enum: allowed}, tighten: t,
		read: func(v value) {
			if s, ok := p.enum(v, allowed...); ok {
				*into = T(s)
			}
		}}
}

func (p *parser) countKey(name, about string, into *int, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeInteger, max: maxCount}, tighten: t,
		read: func(v value) { *into, _ = p.count(v) }}
}

// optionalCountKey tells 0 from absent.
func (p *parser) optionalCountKey(name, about string, into **int, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeInteger, max: maxCount}, tighten: t,
		read: func(v value) {
			if n, ok := p.count(v); ok {
				*into = &n
			}
		}}
}

// numberKey reads a number above 0 and at most most, in decimals: 7, 7.5, 0.1.
func (p *parser) numberKey(name, about string, into *float64, most int, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeNumber, max: most}, tighten: t,
		read: func(v value) {
			if n, ok := p.number(v, most); ok {
				*into = n
			}
		}}
}

func (p *parser) durationKey(name, about string, into *time.Duration, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeString, pattern: durationPattern}, tighten: t,
		read: func(v value) {
			if d, ok := p.duration(v); ok {
				*into = d
			}
		}}
}

// sizeKey reads a size in bytes: 500MiB, 1GB, 0B.
func (p *parser) sizeKey(name, about string, into **int64, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeString, pattern: sizePattern}, tighten: t,
		read: func(v value) {
			if n, ok := p.size(v); ok {
				*into = &n
			}
		}}
}

func (p *parser) dateKey(name, about string, into *time.Time, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeString, pattern: datePattern}, tighten: t,
		read: func(v value) { *into, _ = p.date(v) }}
}

// listKey reads a list of strings, each by read, without repetitions.
func (p *parser) listKey(name, about string, into *[]string, t tighten, read func(value) (string, bool)) key {
	return key{name: name, about: about, shape: listOf(shape{kind: shapeString}), tighten: t,
		read: func(v value) { *into, _ = p.strings(v, read) }}
}

// globsKey reads a list of doublestar globs.
func (p *parser) globsKey(name, about string, into *[]string, t tighten) key {
	return p.listKey(name, about, into, t, p.glob)
}

// enumsKey reads a list of words out of a closed set.
func enumsKey[T ~string](p *parser, name, about string, into *[]T, t tighten, words ...T) key {
	allowed := make([]string, len(words))
	for i, w := range words {
		allowed[i] = string(w)
	}
	return key{name: name, about: about, shape: listOf(shape{kind: shapeString, enum: allowed}), tighten: t,
		read: func(v value) {
			list, _ := p.strings(v, func(v value) (string, bool) { return p.enum(v, allowed...) })
			*into = nil
			for _, s := range list {
				*into = append(*into, T(s))
			}
		}}
}

// regexpsKey reads a mapping from names to RE2 regular expressions, which must match
// the whole value.
func (p *parser) regexpsKey(name, about string, into *map[string]string, t tighten) key {
	return key{name: name, about: about, shape: shape{kind: shapeMapping}, tighten: t,
		read: func(v value) {
			*into = map[string]string{}
			p.pairs(v, func(k string, v value) {
				if s, ok := p.regexp(v); ok {
					(*into)[k] = s
				}
			})
		}}
}

// mappingKey reads a nested mapping. hint shows how to write one.
func (p *parser) mappingKey(name, about, hint string, keys []key) key {
	return key{name: name, about: about, shape: mappingOf(keys...), tighten: nested,
		read: func(v value) { p.mapping(v, hint, keys) }}
}

// fileKey reads the name of a file beneath the directory of the document that names it.
func (p *parser) fileKey(name, about string, into **File) key {
	// Another file in place of an enforced one could say anything.
	return key{name: name, about: about, shape: shape{kind: shapeString}, tighten: demands, file: true,
		read: func(v value) {
			if s, ok := p.path(v); ok {
				*into = p.namedFile(v, s)
			}
		}}
}

// maxRegexp bounds a regular expression with its repetitions written out: there may be
// thousands in a policy.
const maxRegexp = 2000

// regexp reads an RE2 regular expression.
func (p *parser) regexp(v value) (string, bool) {
	s, re := p.compiled(v)
	return s, re != nil
}

// compiled is one for the whole value, or nil.
func (p *parser) compiled(v value) (string, *regexp.Regexp) {
	s, ok := p.line(v)
	if !ok {
		return "", nil
	}
	tree, err := syntax.Parse(s, syntax.Perl)
	if err == nil && regexpSize(tree) > maxRegexp {
		p.fault(v, "repeat less, or leave the number of repetitions open", "%s stands for more than %d characters", quote(s), maxRegexp)
		return "", nil
	}
	re, err := regexp.Compile(`^(?:` + s + `)$`)
	if err != nil {
		p.fault(v, "the syntax is RE2's, and the whole value must match", "%s is not a regular expression", quote(s))
		return "", nil
	}
	return s, re
}

// regexpSize is about how many steps a regular expression has.
func regexpSize(re *syntax.Regexp) int {
	size := 1
	switch re.Op {
	case syntax.OpLiteral:
		size = len(re.Rune)
	case syntax.OpRepeat, syntax.OpCapture, syntax.OpConcat, syntax.OpAlternate:
		size = 0
	}
	for _, sub := range re.Sub {
		size += regexpSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return min(size, maxRegexp+1)
}

// path reads a relative path that does not leave its directory.
func (p *parser) path(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	if strings.HasPrefix(s, "/") || strings.Contains(s, `\`) || slices.Contains(strings.Split(s, "/"), "..") {
		p.fault(v, "files that a policy names lie beneath its own directory", "%s is not a relative path", quote(s))
		return "", false
	}
	return s, true
}
