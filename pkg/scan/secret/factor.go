// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"regexp/syntax"
	"slices"
)

// What every match of a pattern must contain is derived from the pattern's syntax: a few
// sequences of byte sets ("AKIA and three times A to Z or 0 to 9"), one of which occurs in
// each match. What is derived holds for texts without U+017F and U+212A, the only runes
// beyond ASCII that match ASCII letters where case is ignored; search.go replaces them.

const (
	maxSeqs   = 160  // alternatives that are followed
	maxSeqLen = 72   // bytes of a sequence that are followed
	window    = 4    // bytes that are looked up at once
	minSeqLen = 5    // windows are looked up at every second byte
	maxKeys   = 4500 // different windows that one place in a sequence may have
	minRun    = 12   // a run that is shorter excludes too little
	maxLead   = 40   // bytes of a match before a factor at which a pattern can be anchored
)

// seq is a sequence of byte sets, as their numbers in the alphabet.
type seq []uint16

// factors are sequences of which every match contains at least one.
type factors struct {
	seqs []seq
	// before and after are how many bytes of the match are at most before and after the
	// sequence; -1: any number.
	before, after int
	cost          float64 // how often a place in source code looks like one
}

// language is what is known of the texts that a pattern matches.
type language struct {
	exact    []seq // all of them; nil: not known
	pre, suf []seq // what they begin and end with, where exact is nil
	best     *factors
	max      int // bytes; -1: any number
}

func empty() []seq { return []seq{{}} }

func unknown(limit int) language { return language{pre: empty(), suf: empty(), max: limit} }

// derive returns nil for a pattern about which too little is known.
func (a *alphabet) derive(re *syntax.Regexp) *factors {
	f := a.bestOf(a.language(re))
	if f == nil {
		return nil
	}
	return a.reduce(f)
}

func (a *alphabet) language(re *syntax.Regexp) language {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText,
		syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return language{exact: empty()}
	case syntax.OpLiteral:
		return a.literal(re)
	case syntax.OpCharClass:
		if n, ok := a.class(re); ok {
			return language{exact: []seq{{n}}, max: 1}
		}
		return unknown(4)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return unknown(4)
	case syntax.OpCapture:
		return a.language(re.Sub[0])
	case syntax.OpConcat:
		l := language{exact: empty()}
		for _, sub := range re.Sub {
			l = a.concat(l, a.language(sub))
		}
		return l
	case syntax.OpAlternate:
		l := a.language(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			l = a.either(l, a.language(sub))
		}
		return l
	case syntax.OpQuest:
		return a.either(a.language(re.Sub[0]), language{exact: empty()})
	case syntax.OpStar:
		return unknown(-1)
	case syntax.OpPlus:
		return a.repeat(re.Sub[0], 1, -1)
	case syntax.OpRepeat:
		return a.repeat(re.Sub[0], re.Min, re.Max)
	}
	return unknown(-1)
}

func (a *alphabet) literal(re *syntax.Regexp) language {
	var q seq
	for _, r := range re.Rune {
		if r >= 0x80 {
			return unknown(4 * len(re.Rune))
		}
		var s set
		s.add(byte(r))
		if re.Flags&syntax.FoldCase != 0 && isLetter(byte(r)) {
			s.add(byte(r) ^ 0x20)
		}
		q = append(q, a.id(s))
	}
	return language{exact: []seq{q}, max: len(q)}
}

func isLetter(b byte) bool { return 'a' <= fold(b) && fold(b) <= 'z' }

// class returns false for a class with runes beyond ASCII, but for those that are there
// because case is ignored.
func (a *alphabet) class(re *syntax.Regexp) (uint16, bool) {
	var s set
	var long, kelvin bool
	for i := 0; i < len(re.Rune); i += 2 {
		for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
			switch {
			case r < 0x80:
				s.add(byte(r))
			case r == longS:
				long = true
			case r == kelvinSign:
				kelvin = true
			default:
				return 0, false
			}
		}
	}
	if long && !s.has('s') || kelvin && !s.has('k') {
		return 0, false
	}
	return a.id(s), true
}

func (a *alphabet) repeat(sub *syntax.Regexp, least, most int) language {
	l := a.language(sub)
	limit := -1
	if most >= 0 && l.max >= 0 {
		limit = most * l.max
	}
	if least == 0 {
		return unknown(limit)
	}
	if len(l.exact) == 1 && len(l.exact[0]) == 1 {
		q := slices.Repeat(l.exact[0], min(least, maxSeqLen))
		if least == most && least <= maxSeqLen {
			return language{exact: []seq{q}, max: limit}
		}
		return a.known(language{pre: []seq{q}, suf: []seq{q}, max: limit}, &factors{seqs: []seq{q}, before: limit, after: limit})
	}
	out := language{pre: heads(l), suf: tails(l), max: limit}
	if b := a.bestOf(l); b != nil {
		out.best = &factors{seqs: b.seqs, before: limit, after: limit, cost: b.cost}
	}
	return out
}

// known adds what else is known to contain one of f's sequences.
func (a *alphabet) known(l language, f *factors) language {
	l.best = cheaper(l.best, a.weigh(f))
	return l
}

func (a *alphabet) concat(x, y language) language {
	out := language{max: sum(x.max, y.max)}
	if x.exact != nil && y.exact != nil {
		if out.exact = cross(x.exact, y.exact); out.exact != nil {
			return out
		}
	}
	out.pre, out.suf = heads(x), tails(y)
	if x.exact != nil {
		if p := cross(x.exact, heads(y)); p != nil {
			out.pre = p
		}
	}
	if y.exact != nil {
		if s := cross(tails(x), y.exact); s != nil {
			out.suf = s
		}
	}
	for _, f := range []*factors{moved(a.bestOf(x), 0, y.max), moved(a.bestOf(y), x.max, 0)} {
		out.best = cheaper(out.best, f)
	}
	if s := cross(tails(x), heads(y)); s != nil {
		f := &factors{seqs: s, before: x.max, after: y.max}
		if x.exact != nil {
			f.before = 0
		}
		if y.exact != nil {
			f.after = 0
		}
		out.best = cheaper(out.best, a.weigh(f))
	}
	return out
}

func (a *alphabet) either(x, y language) language {
	out := language{max: max(x.max, y.max)}
	if x.max < 0 || y.max < 0 {
		out.max = -1
	}
	if x.exact != nil && y.exact != nil && len(x.exact)+len(y.exact) <= maxSeqs {
		out.exact = slices.Concat(x.exact, y.exact)
		return out
	}
	out.pre, out.suf = slices.Concat(heads(x), heads(y)), slices.Concat(tails(x), tails(y))
	if len(out.pre) > maxSeqs {
		out.pre = empty()
	}
	if len(out.suf) > maxSeqs {
		out.suf = empty()
	}
	if p, q := a.bestOf(x), a.bestOf(y); p != nil && q != nil {
		f := &factors{seqs: slices.Concat(p.seqs, q.seqs), before: max(p.before, q.before), after: max(p.after, q.after)}
		if p.before < 0 || q.before < 0 {
			f.before = -1
		}
		if p.after < 0 || q.after < 0 {
			f.after = -1
		}
		out.best = a.weigh(f)
	}
	return out
}

func (a *alphabet) bestOf(l language) *factors {
	if l.exact != nil {
		return a.weigh(&factors{seqs: l.exact})
	}
	return l.best
}

func cheaper(f, g *factors) *factors {
	if f == nil || g != nil && g.cost < f.cost {
		return g
	}
	return f
}
