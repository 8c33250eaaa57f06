// SPDX-License-Identifier: Apache-2.0

package large

import "strings"

// random is splitmix64: the same numbers for ever, whatever Go's own do.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// n is a number in [0, max).
func (r *random) n(max int) int { return int(r.next() >> 1 % uint64(max)) }

// of picks a word.
func (r *random) of(words []string) string { return words[r.n(len(words))] }

// letters are characters out of an alphabet.
func (r *random) letters(alphabet string, n int) string {
	var b strings.Builder
	for range n {
		b.WriteByte(alphabet[r.n(len(alphabet))])
	}
	return b.String()
}

// bytes are noise, which does not compress.
func (r *random) bytes(n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		for v, k := r.next(), i; k < min(i+8, n); k++ {
			b[k] = byte(v)
			v >>= 8
		}
	}
	return b
}

const (
	hexDigits = "0123456789abcdef"
	lower     = "abcdefghijklmnopqrstuvwxyz"
	alnum     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)
