// SPDX-License-Identifier: Apache-2.0

package custom

import "github.com/ocigate/ocigate/pkg/internal/spelling"

// nearest is the word that s was meant to be: one that differs in two letters, or in
// one where the word is short; or "". Two letters in the wrong order count as one.
func nearest(s string, words []string) string {
	limit := 2
	if len(s) < 5 {
		limit = 1
	}
	best, at := "", limit+1
	for _, w := range words {
		if d := spelling.Distance(s, w); d < at {
			best, at = w, d
		}
	}
	return best
}
