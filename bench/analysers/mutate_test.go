// SPDX-License-Identifier: Apache-2.0

package analysers

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// damages are ways to change a file.
var damages = []func(r *rand.Rand, b []byte) []byte{
	func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b)+1)] },  // truncated
	func(r *rand.Rand, b []byte) []byte { return b[r.IntN(len(b)+1):] },  // without its head
	func(r *rand.Rand, b []byte) []byte { return flip(r, b, 1) },         //
	func(r *rand.Rand, b []byte) []byte { return flip(r, b, len(b)/50) }, //
	func(r *rand.Rand, b []byte) []byte { return lines(r, b, 0, 1) },     // dropped
	func(r *rand.Rand, b []byte) []byte { return lines(r, b, 2, 1) },     // doubled
	func(r *rand.Rand, b []byte) []byte { return lines(r, b, 0, 5) },
	func(r *rand.Rand, b []byte) []byte { return lines(r, b, 1, 1) }, // moved to the end
	func(r *rand.Rand, b []byte) []byte { return insert(r, b) },
	func(r *rand.Rand, b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) },
	func(r *rand.Rand, b []byte) []byte { return append(slices.Clip(b), b...) },
	func(r *rand.Rand, b []byte) []byte { return digits(r, b) },
}

// damaged returns n changed versions of a file, the same on every run.
func damaged(data []byte, n int) [][]byte {
	h := fnv.New64a()
	_, _ = h.Write(data) // never fails
	r := rand.New(rand.NewPCG(h.Sum64(), 1))
	var all [][]byte
	for i := range n {
		b := damages[i%len(damages)](r, bytes.Clone(data))
		if r.IntN(4) == 0 {
			b = damages[r.IntN(len(damages))](r, bytes.Clone(b))
		}
		all = append(all, b)
	}
	return all
}

func flip(r *rand.Rand, b []byte, n int) []byte {
	for range max(n, 1) {
		if len(b) > 0 {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
	}
	return b
}

// lines has n lines come count times at their place; those that come once are moved.
func lines(r *rand.Rand, b []byte, count, n int) []byte {
	all := bytes.SplitAfter(b, []byte("\n"))
	i := r.IntN(len(all))
	cut := slices.Clone(all[i:min(i+n, len(all))])
	rest := slices.Concat(all[:i], all[min(i+n, len(all)):])
	switch count {
	case 1:
		rest = append(rest, cut...)
	case 2:
		rest = slices.Concat(all[:i], cut, all[i:])
	}
	return bytes.Join(rest, nil)
}

// insert puts something odd somewhere.
func insert(r *rand.Rand, b []byte) []byte {
	odd := [][]byte{{0}, {0xff, 0xfe}, []byte("\n\n"), []byte(" "), []byte("\""), []byte("{"), []byte("]"), []byte("\xef\xbb\xbf"),
		[]byte(": "), []byte("\n "), []byte("é"), bytes.Repeat([]byte("x"), 70_000), bytes.Repeat([]byte("y\n"), 5_000)}
	i := r.IntN(len(b) + 1)
	return slices.Concat(b[:i], odd[r.IntN(len(odd))], b[i:])
}

// digits changes a digit: a size, a version, an offset.
func digits(r *rand.Rand, b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	start := r.IntN(len(b))
	for i := range b {
		if c := &b[(start+i)%len(b)]; *c >= '0' && *c <= '9' {
			*c = byte('0' + r.IntN(10))
			break
		}
	}
	return b
}
