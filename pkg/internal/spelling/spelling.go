// SPDX-License-Identifier: Apache-2.0

// Package spelling finds the word that a misspelt one was meant to be.
package spelling

import "strings"

// longest is more than any word that is looked for has: a longer text is no misspelling
// of one, and the distance takes quadratic time.
const longest = 40

// Nearest is the candidate that s is most likely a misspelling of, or "".
func Nearest(s string, candidates []string) string {
	if s == "" || len(s) > longest {
		return ""
	}
	s = normalize(s)
	best, bestDistance := "", 0
	for _, c := range candidates {
		if len(c) > longest {
			continue
		}
		d := Distance(s, normalize(c))
		if d > max(1, min(len(s), len(c))/3) {
			continue
		}
		if best == "" || d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// normalize takes away the differences that people from other formats bring along.
func normalize(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "_", "-")
}

// Distance is the number of insertions, deletions, substitutions and swaps of
// neighbours that turn a into b (optimal string alignment). Of a text of more than 40
// bytes it is 40.
func Distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var rows [3][longest + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range b {
		last[j+1] = j + 1
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j-1]+1, last[j]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
