// SPDX-License-Identifier: Apache-2.0

package spdx

import (
	"errors"
	"strings"
)

const (
	// maxText and maxDepth bound an expression.
	maxText  = 4000
	maxDepth = 30
)

// Parse reads what a package states. It is total: what is no expression is one licence
// that is not known, by the name that was stated.
func (t *Table) Parse(text string) Expression {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxText {
		return Expression{Licence: unknown(text[:100] + "…")}
	}
	if l, ok := t.lookup(text); ok {
		return Expression{Licence: l}
	}
	p := &parser{table: t, tokens: tokens(text)}
	e, err := p.or(0)
	if err != nil || len(p.tokens) > 0 {
		return Expression{Licence: unknown(text)}
	}
	return e
}

func unknown(name string) Licence {
	return Licence{ID: strings.ToValidUTF8(name, "�"), Family: Unknown}
}

var errSyntax = errors.New("not a licence expression")

// tokens are words and parentheses.
func tokens(text string) []string {
	return strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
}

type parser struct {
	table  *Table
	tokens []string
}

// accept takes the next token if it is the word, in any letter case.
func (p *parser) accept(word string) bool {
	if len(p.tokens) > 0 && strings.EqualFold(p.tokens[0], word) {
		p.tokens = p.tokens[1:]
		return true
	}
	return false
}

func (p *parser) or(depth int) (Expression, error) {
	return p.operands("or", true, func() (Expression, error) {
		return p.operands("and", false, func() (Expression, error) { return p.term(depth) })
	})
}

func (p *parser) operands(word string, or bool, next func() (Expression, error)) (Expression, error) {
	first, err := next()
	list := []Expression{first}
	for err == nil && p.accept(word) {
		var e Expression
		e, err = next()
		list = append(list, e)
	}
	if len(list) == 1 {
		return first, err
	}
	return Expression{Or: or, Operands: list}, err
}

func (p *parser) term(depth int) (Expression, error) {
	if depth > maxDepth {
		return Expression{}, errSyntax
	}
	if p.accept("(") {
		e, err := p.or(depth + 1)
		if err == nil && !p.accept(")") {
			err = errSyntax
		}
		return e, err
	}
	word, ok := p.word()
	if !ok {
		return Expression{}, errSyntax
	}
	l, ok := p.table.lookup(word)
	if !ok {
		if e, ok := p.table.alternatives(word); ok {
			return e, nil
		}
		l = unknown(word)
	}
	if !p.accept("with") {
		return Expression{Licence: l}, nil
	}
	exception, ok := p.word()
	if !ok {
		return Expression{}, errSyntax
	}
	l.Exception = strings.ToValidUTF8(exception, "�")
	if canonical, ok := p.table.exceptions[strings.ToLower(exception)]; ok {
		l.Exception = canonical
	} else {
		l.Known, l.Family = false, Unknown // it may add conditions instead of permissions
	}
	return Expression{Licence: l}, nil
}

// word takes the next token that is a name.
func (p *parser) word() (string, bool) {
	if len(p.tokens) == 0 {
		return "", false
	}
	w := p.tokens[0]
	for _, operator := range []string{"(", ")", "and", "or", "with"} {
		if strings.EqualFold(w, operator) {
			return "", false
		}
	}
	p.tokens = p.tokens[1:]
	return w, true
}

// alternatives reads "MIT/Apache-2.0", as npm and cargo wrote an OR.
func (t *Table) alternatives(word string) (Expression, bool) {
	parts := strings.Split(word, "/")
	if len(parts) < 2 {
		return Expression{}, false
	}
	e := Expression{Or: true}
	for _, p := range parts {
		l, ok := t.lookup(p)
		if !ok {
			return Expression{}, false
		}
		e.Operands = append(e.Operands, Expression{Licence: l})
	}
	return e, true
}
