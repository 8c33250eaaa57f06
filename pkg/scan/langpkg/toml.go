// SPDX-License-Identifier: Apache-2.0

package langpkg

import "bytes"

// maxNesting is how deep the values of a TOML file may be within each other. The decoder
// recurses, and its time grows with the square of the depth.
const maxNesting = 500

// nesting returns how deep arrays, inline tables and dotted keys of a TOML file are
// within each other, or a greater number; it stops counting at maxNesting. It may be
// wrong about a file that is no TOML, where the decoder stops by itself.
func nesting(b []byte) int {
	deepest, brackets, dots := 0, 0, 0
	for i := 0; i < len(b) && deepest <= maxNesting; i++ {
		switch b[i] {
		case '"', '\'':
			i += quoted(b[i:]) - 1
		case '#':
			if n := bytes.IndexByte(b[i:], '\n'); n >= 0 {
				i += n - 1
			} else {
				i = len(b)
			}
		case '[', '{':
			brackets, dots = brackets+1, 0
		case ']', '}':
			brackets, dots = max(brackets-1, 0), 0
		case '.':
			dots++
		case '=', ',', '\n':
			dots = 0
		}
		deepest = max(deepest, brackets+dots)
	}
	return deepest
}

// quoted returns the length of the string that b begins with, quotes included.
func quoted(b []byte) int {
	q := b[:1]
	if len(b) >= 3 && b[1] == b[0] && b[2] == b[0] {
		q = b[:3]
	}
	for i := len(q); i < len(b); i++ {
		switch {
		case b[i] == '\\' && b[0] == '"':
			i++
		case bytes.HasPrefix(b[i:], q):
			return i + len(q)
		case b[i] == '\n' && len(q) == 1:
			return i // not closed: the decoder refuses it
		}
	}
	return len(b)
}
