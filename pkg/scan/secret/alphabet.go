// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"slices"
	"strings"
)

// set is a set of bytes.
type set [4]uint64

func (s *set) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *set) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

// alphabet numbers the sets of bytes that occur.
type alphabet struct {
	sets   []set
	number map[set]uint16

	frequency [256]float64
	chance    []float64 // how often a byte of source code is in the set
	folded    [][]byte  // its bytes, folded
}

func newAlphabet() *alphabet { return &alphabet{number: map[set]uint16{}, frequency: frequencies()} }

func (a *alphabet) id(s set) uint16 {
	if n, ok := a.number[s]; ok {
		return n
	}
	n := uint16(len(a.sets))
	a.number[s] = n
	a.sets = append(a.sets, s)
	var chance float64
	folded := foldedBytes(&s)
	for _, b := range folded {
		chance += a.frequency[b]
	}
	a.chance, a.folded = append(a.chance, chance), append(a.folded, folded)
	return n
}

// fold makes letters lower case. It joins some other bytes too, which costs a little and
// harms nothing.
func fold(b byte) byte { return b | 0x20 }

// foldedBytes are the bytes of the set, folded.
func foldedBytes(s *set) []byte {
	var out []byte
	for b := range 256 {
		if c := byte(b); c == fold(c) && (s.has(c) || s.has(c&^0x20)) {
			out = append(out, c)
		}
	}
	return out
}

// common has texts that source code is full of.
const common = "https:// ----- type line chan package class token contain return function name value invalid final default " +
	"string error import switch public private linked password record change list table component application"

// frequencies are about how often a folded byte occurs in source code.
func frequencies() (out [256]float64) {
	for b := range out {
		out[b] = .001
		if b < 0x80 {
			out[b] = .007
		}
	}
	// '*' is what a line feed becomes, ')' a tab.
	for _, b := range []byte(`*).,"-/0`) {
		out[b] = .015
	}
	out[' '] = .15
	chance := .07
	for _, b := range []byte("etaoinrsldcupmfhgbyvwkxjqz") {
		out[b] = chance
		chance *= .9
	}
	return out
}

// heads are what the texts begin with, tails what they end with.
func heads(l language) []seq {
	if l.exact != nil {
		return l.exact
	}
	return l.pre
}

func tails(l language) []seq {
	if l.exact != nil {
		return l.exact
	}
	return l.suf
}

// cross returns each of xs with each of ys, nil where that were too much.
func cross(xs, ys []seq) []seq {
	switch {
	case len(xs) == 1 && len(xs[0]) == 0:
		return ys
	case len(ys) == 1 && len(ys[0]) == 0:
		return xs
	case len(xs)*len(ys) > maxSeqs:
		return nil
	}
	size := 0
	for _, x := range xs {
		for _, y := range ys {
			if len(x)+len(y) > 2*maxSeqLen {
				return nil
			}
			size += len(x) + len(y)
		}
	}
	out, all := make([]seq, 0, len(xs)*len(ys)), make(seq, 0, size)
	for _, x := range xs {
		for _, y := range ys {
			from := len(all)
			all = append(append(all, x...), y...)
			out = append(out, all[from:len(all):len(all)])
		}
	}
	return out
}

func moved(f *factors, before, after int) *factors {
	if f == nil {
		return nil
	}
	return &factors{seqs: f.seqs, before: sum(f.before, before), after: sum(f.after, after), cost: f.cost}
}

// sum adds lengths of which -1 is any.
func sum(x, y int) int {
	if x < 0 || y < 0 {
		return -1
	}
	return x + y
}

// weigh computes the cost. It returns nil where a sequence is too short or too vague.
func (a *alphabet) weigh(f *factors) *factors {
	f.cost = 0
	for _, q := range f.seqs {
		_, cost := a.anchor(q)
		if cost < 0 {
			return nil
		}
		f.cost += cost
	}
	return f
}

// anchor is the places in q of the two windows that are looked up: the rarest at an even
// place, and the rarest at an odd one. The cost is negative where there are none.
func (a *alphabet) anchor(q seq) (places [2]int, cost float64) {
	costs := [2]float64{-1, -1}
	for i := 0; i+window <= len(q); i++ {
		chance, keys := a.chanceOf(q[i : i+window])
		if c := chance + 1e-9*float64(keys); keys <= maxKeys && (costs[i%2] < 0 || c < costs[i%2]) {
			places[i%2], costs[i%2] = i, c
		}
	}
	if costs[0] < 0 || costs[1] < 0 {
		return places, -1
	}
	return places, costs[0] + costs[1]
}

func (a *alphabet) chanceOf(q seq) (chance float64, keys int) {
	chance, keys = 1, 1
	var text [window]byte
	for i, n := range q {
		chance *= a.chance[n]
		keys *= len(a.folded[n])
		text[i] = a.folded[n][0]
	}
	// Bytes are taken to be independent, which in these they are not.
	if keys == 1 && strings.Contains(common, string(text[:])) {
		chance = max(chance, .001)
	}
	return chance, keys
}

// reduce leaves out sequences that contain another one, and shortens them where they are
// many.
func (a *alphabet) reduce(f *factors) *factors {
	const many, enough = 12, 8
	out := &factors{before: f.before, after: f.after, cost: f.cost}
	cut := func(ahead, behind int) {
		if f.before >= 0 {
			out.before = max(out.before, f.before+ahead)
		}
		if f.after >= 0 {
			out.after = max(out.after, f.after+behind)
		}
	}
	qs := slices.Clone(f.seqs)
	if len(qs) > many {
		for i, q := range qs {
			at, _ := a.anchor(q)
			from := max(0, min(at[0], at[1], len(q)-enough))
			part := q[from:min(len(q), from+enough)]
			if _, cost := a.anchor(part); cost >= 0 {
				qs[i] = part
				cut(from, len(q)-from-len(part))
			}
		}
	}
	slices.SortStableFunc(qs, func(p, q seq) int { return len(p) - len(q) })
	for _, q := range qs {
		within := func(p seq) bool {
			i := indexSeq(q, p)
			if i >= 0 {
				cut(i, len(q)-i-len(p))
			}
			return i >= 0
		}
		if !slices.ContainsFunc(out.seqs, within) {
			out.seqs = append(out.seqs, q)
		}
	}
	return out
}

func indexSeq(q, p seq) int {
	for i := 0; i+len(p) <= len(q); i++ {
		if slices.Equal(q[i:i+len(p)], p) {
			return i
		}
	}
	return -1
}
