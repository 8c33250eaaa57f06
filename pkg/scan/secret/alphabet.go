// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"bytes"
	"math"
	"slices"
)

// set is a set of bytes.
type set [4]uint64

func (s *set) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *set) has(b byte) bool { return s[b>>6]>>(b&63)&1 != 0 }

// alphabet numbers the sets of bytes that occur.
type alphabet struct {
	sets   []set
	number map[set]uint16
	chance []float64 // how often a byte of source code is in the set
	folded [][]byte  // its bytes, folded
}

func newAlphabet() *alphabet { return &alphabet{number: map[set]uint16{}} }

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
		chance += frequency(b)
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

// frequency is about how often a folded byte occurs in source code.
func frequency(b byte) float64 {
	const letters = "etaoinrsldcupmfhgbyvwkxjqz"
	switch {
	case b == ' ':
		return .15
	case 'a' <= b && b <= 'z':
		for i := range len(letters) {
			if letters[i] == b {
				return .07 * math.Pow(.9, float64(i))
			}
		}
	case b == '*' || b == ')' || b == '.' || b == ',' || b == '"' || b == '-' || b == '/' || b == '0':
		return .015 // '*' is what a line feed becomes, ')' a tab
	case b < 0x80:
		return .007
	}
	return .001
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
	if len(xs)*len(ys) > maxSeqs {
		return nil
	}
	out := make([]seq, 0, len(xs)*len(ys))
	for _, x := range xs {
		for _, y := range ys {
			if len(x)+len(y) > 2*maxSeqLen {
				return nil
			}
			out = append(out, slices.Concat(x, y))
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

// anchor is the place in q whose two windows, there and one byte later, are rarest; the
// cost is negative where there is none.
func (a *alphabet) anchor(q seq) (at int, cost float64) {
	cost = -1
	for i := 0; i+minSeqLen <= len(q); i++ {
		c1, n1 := a.chanceOf(q[i : i+window])
		c2, n2 := a.chanceOf(q[i+1 : i+1+window])
		if n1 > maxKeys || n2 > maxKeys {
			continue
		}
		if c := c1 + c2 + 1e-9*float64(n1+n2); cost < 0 || c < cost {
			at, cost = i, c
		}
	}
	return at, cost
}

func (a *alphabet) chanceOf(q seq) (chance float64, keys int) {
	chance, keys = 1, 1
	text := make([]byte, 0, window)
	for _, n := range q {
		chance *= a.chance[n]
		keys *= len(a.folded[n])
		text = append(text, a.folded[n][0])
	}
	// Bytes are taken to be independent, which these are not.
	if keys == 1 && bytes.Contains([]byte("https:// ----- "), text) {
		chance = .001
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
			from := max(0, min(at, len(q)-enough))
			qs[i] = q[from:min(len(q), from+enough)]
			cut(from, len(q)-from-len(qs[i]))
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
