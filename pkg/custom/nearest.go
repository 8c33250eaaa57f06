// SPDX-License-Identifier: Apache-2.0

package custom

// nearest is the word that s was meant to be: one that differs in two letters, or in
// one where the word is short; or "". Two letters in the wrong order count as one.
func nearest(s string, words []string) string {
	limit := 2
	if len(s) < 5 {
		limit = 1
	}
	best, at := "", limit+1
	for _, w := range words {
		if d := distance(s, w); d < at {
			best, at = w, d
		}
	}
	return best
}

func distance(a, b string) int {
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
