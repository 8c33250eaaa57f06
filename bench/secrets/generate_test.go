// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"math/rand/v2"
	"regexp/syntax"
	"strings"
)

// generate returns a text that the pattern matches, but for what its assertions say about
// what is around it.
func generate(r *rand.Rand, re *syntax.Regexp) string {
	var b strings.Builder
	write(&b, r, re)
	return b.String()
}

func write(b *strings.Builder, r *rand.Rand, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, c := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				for range r.IntN(4) {
					c = fold(c)
				}
			}
			b.WriteRune(c)
		}
	case syntax.OpCharClass:
		b.WriteRune(oneOf(r, re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteRune([]rune(" a'=.x\u00e4\u20ac")[r.IntN(8)])
	case syntax.OpCapture:
		write(b, r, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			write(b, r, sub)
		}
	case syntax.OpAlternate:
		write(b, r, re.Sub[r.IntN(len(re.Sub))])
	case syntax.OpQuest:
		times(b, r, re.Sub[0], 0, 1)
	case syntax.OpStar:
		times(b, r, re.Sub[0], 0, 3)
	case syntax.OpPlus:
		times(b, r, re.Sub[0], 1, 4)
	case syntax.OpRepeat:
		most := re.Max
		if most < 0 || most > re.Min+9 {
			most = re.Min + 9
		}
		times(b, r, re.Sub[0], re.Min, most)
	}
}

func times(b *strings.Builder, r *rand.Rand, re *syntax.Regexp, least, most int) {
	for range least + r.IntN(most-least+1) {
		write(b, r, re)
	}
}

// fold is the next rune that is the same where case is ignored. The two beyond ASCII are
// left to the fuzz test.
func fold(c rune) rune {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		return c ^ 0x20
	}
	return c
}

// oneOf prefers what is common.
func oneOf(r *rand.Rand, ranges []rune) rune {
	for {
		i := 2 * r.IntN(len(ranges)/2)
		if lo, hi := ranges[i], min(ranges[i+1], 0x17f); lo <= hi {
			if c := lo + r.Int32N(hi-lo+1); c < 0x7f || r.IntN(8) == 0 {
				return c
			}
		}
		if ranges[0] > 0x7f {
			return ranges[0]
		}
	}
}

// filler is text of n bytes that looks like source code, with words that the rules' filters
// look for, but no secrets.
func filler(r *rand.Rand, n int, newline string) string {
	words := []string{"key", "secret", "the", "-----", "aws", "token", "=", ":=", "linear", "(", ")", "PRIVATE KEY", "0x1234",
		"twitter", "return", "\"value\"", "password", "https://", "function", "SK", "lob", "live_", "\u00fc", "\t", "0123456789abcdef"}
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(words[r.IntN(len(words))])
		if r.IntN(9) == 0 {
			b.WriteString(newline)
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()[:n]
}
