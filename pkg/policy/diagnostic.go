// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Diagnostic is one mistake in a policy file.
type Diagnostic struct {
	// File is the source as it was given to Parse.
	File     string   `json:"file"`
	Position Position `json:"position"`
	// Path is the place in the document: "rules.vulnerabilities[0].severity"; empty
	// for the document as a whole.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
	// Hint says what to write instead. Empty where nobody knows.
	Hint string `json:"hint,omitempty"`
}

// String is "file:line:column: message (hint)", on one line.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(escape(d.File))
	if d.Position.Line > 0 {
		b.WriteString(":" + strconv.Itoa(d.Position.Line) + ":" + strconv.Itoa(d.Position.Column))
	}
	b.WriteString(": " + d.Message)
	if d.Hint != "" {
		b.WriteString(" (" + d.Hint + ")")
	}
	return b.String()
}

// ParseError is everything that is wrong with one policy file.
type ParseError struct {
	// Diagnostics are sorted by position; never empty.
	Diagnostics []Diagnostic
}

// Error prints all diagnostics, one per line.
func (e *ParseError) Error() string {
	lines := make([]string, len(e.Diagnostics))
	for i, d := range e.Diagnostics {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

func sortDiagnostics(ds []Diagnostic) []Diagnostic {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Position.Line, b.Position.Line),
			cmp.Compare(a.Position.Column, b.Position.Column),
			cmp.Compare(a.Path, b.Path),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(ds)
}

// maxQuote is the length, in characters, of what a diagnostic shows of a file.
const maxQuote = 60

// quote shows a value of the policy file: on one line, harmless on a terminal and
// short, so that a mistyped path never prints another file's content.
func quote(s string) string {
	const room = maxQuote - 3 // the quotation marks and an ellipsis
	var b strings.Builder
	n := 0
	for _, r := range s {
		e := strconv.Quote(string(r))
		e = e[1 : len(e)-1]
		size := len([]rune(e))
		if n+size > room {
			return `"` + b.String() + `…"`
		}
		n += size
		b.WriteString(e)
	}
	return `"` + b.String() + `"`
}

// escape makes a file name safe to print without quoting it.
func escape(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// isWord says whether s looks like a key or a value of the policy language. Only
// words are repeated in hints and as names of unknown keys.
func isWord(s string) bool {
	return s != "" && len(s) < maxQuote && strings.IndexFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./", r)
	}) < 0
}

func didYouMean(s string) string {
	if s == "" {
		return ""
	}
	return "did you mean " + quote(s) + "?"
}
