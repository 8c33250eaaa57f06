// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"encoding/binary"
	"regexp/syntax"
)

const (
	folds     = 0x2020202020202020
	highBits  = 0x8080808080808080
	hashBits  = 20
	hashShift = 32 - hashBits
)

// filter finds the factors of all rules at once. A factor has at least minSeqLen bytes, of
// which two windows of four bytes are in the table, one at an even place and one at an odd
// one: it is enough to look up the windows of a text that begin at even places.
type filter struct {
	seqs  []factor
	has   [][256]bool                // by the number of a set
	bits  [1 << hashBits / 64]uint64 // by hash; few are set
	slots []slot                     // open addressing by hash; a power of two, never full
	mask  uint32
}

type factor struct {
	rule int
	seq  seq
}

// slot says that the window key occurs in a sequence at a place. The sequence's number is
// one more than its index in seqs; 0 marks an empty slot.
type slot struct {
	key uint32
	seq uint16
	at  uint8
}

// hash has its best bits at the top.
func hash(key uint32) uint32 { return key * 0x9e3779b1 }

func (f *filter) build(rules []rule, a *alphabet) {
	var slots []slot
	for i := range rules {
		if rules[i].factors == nil {
			continue
		}
		for _, q := range rules[i].factors.seqs {
			f.seqs = append(f.seqs, factor{i, q})
			places, _ := a.anchor(q)
			for _, k := range places {
				slots = a.keysOf(q[k:k+window], slot{seq: uint16(len(f.seqs)), at: uint8(k)}, 0, slots)
			}
		}
	}
	size := uint32(1)
	for size < uint32(2*len(slots)+1) {
		size *= 2
	}
	f.slots, f.mask = make([]slot, size), size-1
	for _, s := range slots {
		h := hash(s.key)
		f.bits[h>>hashShift>>6] |= 1 << (h >> hashShift & 63)
		i := h >> 8 & f.mask
		for f.slots[i].seq != 0 {
			i = (i + 1) & f.mask
		}
		f.slots[i] = s
	}
	f.has = make([][256]bool, len(a.sets))
	for n := range a.sets {
		for b := range 256 {
			f.has[n][b] = a.sets[n].has(byte(b))
		}
	}
}

// keysOf appends s with each window that q stands for.
func (a *alphabet) keysOf(q seq, s slot, n int, to []slot) []slot {
	if n == len(q) {
		return append(to, s)
	}
	base := s.key
	for _, b := range a.folded[q[n]] {
		s.key = base | uint32(b)<<(8*n)
		to = a.keysOf(q, s, n+1, to)
	}
	return to
}

// scan tells hit of every factor in b. It says whether all of b is ASCII.
func (f *filter) scan(b []byte, hit func(n, start int)) bool {
	var all uint64
	i := 0
	for ; i+14 <= len(b); i += 12 {
		s := b[i : i+14 : i+14]
		v, w := binary.LittleEndian.Uint64(s), binary.LittleEndian.Uint64(s[6:])
		all |= v | w
		v, w = v|folds, w|folds
		if f.maybe(uint32(v)) {
			f.lookUp(b, i, uint32(v), hit)
		}
		if f.maybe(uint32(v >> 16)) {
			f.lookUp(b, i+2, uint32(v>>16), hit)
		}
		if f.maybe(uint32(v >> 32)) {
			f.lookUp(b, i+4, uint32(v>>32), hit)
		}
		if f.maybe(uint32(w)) {
			f.lookUp(b, i+6, uint32(w), hit)
		}
		if f.maybe(uint32(w >> 16)) {
			f.lookUp(b, i+8, uint32(w>>16), hit)
		}
		if f.maybe(uint32(w >> 32)) {
			f.lookUp(b, i+10, uint32(w>>32), hit)
		}
	}
	for ; i+window <= len(b); i += 2 {
		v := binary.LittleEndian.Uint32(b[i:])
		all |= uint64(v)
		f.lookUp(b, i, v|folds&0xffffffff, hit)
	}
	for ; i < len(b); i++ {
		all |= uint64(b[i])
	}
	return all&highBits == 0
}

// maybe says whether the window key may be in the table.
func (f *filter) maybe(key uint32) bool {
	h := hash(key) >> hashShift
	return f.bits[h>>6]>>(h&63)&1 != 0
}

// lookUp tells hit of the factors that have the folded window key at i.
func (f *filter) lookUp(b []byte, i int, key uint32, hit func(n, start int)) {
	for at := hash(key) >> 8 & f.mask; f.slots[at].seq != 0; at = (at + 1) & f.mask {
		s := &f.slots[at]
		if s.key != key {
			continue
		}
		n, start := int(s.seq)-1, i-int(s.at)
		if start >= 0 && f.matches(b[start:], f.seqs[n].seq) {
			hit(n, start)
		}
	}
}

func (f *filter) matches(b []byte, q seq) bool {
	if len(b) < len(q) {
		return false
	}
	for i, n := range q {
		if !f.has[n][b[i]] {
			return false
		}
	}
	return true
}

// run is a sequence of at least n bytes of a set, which every match of a pattern contains.
type run struct {
	in *[256]bool
	n  int
}

// within says whether b contains the run.
func (r run) within(b []byte) bool {
	if r.in == nil {
		return true
	}
	for end := r.n; end <= len(b); {
		i := end
		for i > end-r.n && r.in[b[i-1]] {
			i--
		}
		if i == end-r.n {
			return true
		}
		end = i + r.n
	}
	return false
}

// longestRun returns no run where no long one is required.
func (a *alphabet) longestRun(re *syntax.Regexp) run {
	var best run
	switch re.Op {
	case syntax.OpCapture, syntax.OpPlus:
		return a.longestRun(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if r := a.longestRun(sub); r.n > best.n {
				best = r
			}
		}
	case syntax.OpRepeat:
		sub := re.Sub[0]
		if re.Min < minRun || sub.Op != syntax.OpCharClass {
			break
		}
		if n, ok := a.class(sub); ok {
			best = run{new([256]bool), re.Min}
			for b := range 256 {
				best.in[b] = a.sets[n].has(byte(b))
			}
		}
	}
	return best
}
