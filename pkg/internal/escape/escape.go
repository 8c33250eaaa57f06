// SPDX-License-Identifier: Apache-2.0

// Package escape makes bytes from outside (images, registries, bundles,
// databases, policies) safe to show on a terminal and in the log of a CI system.
//
// Two things are defended. Text keeps outside bytes from steering the terminal
// or hiding from the reader: no control characters, no bidirectional overrides,
// nothing invisible. Line and Writer keep a line from being taken for a workflow
// command: GitHub trims leading white space and then looks for "::", and both
// GitHub and Azure Pipelines look for "##[" and "##vso[" anywhere in a line;
// GitLab looks for section_start: and section_end:.
package escape

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text returns s on one line with everything escaped that is not visible text:
// newline, carriage return and tab as \n, \r and \t, other control characters
// and bytes that are not UTF-8 as \xNN, and bidirectional, zero-width,
// separating and other invisible characters as \u{NNNN}. Commands that a CI
// system recognises in the middle of a line lose their bracket to an escape.
func Text(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			writeByte(&b, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			writeByte(&b, byte(r))
		case Unsafe(r):
			writeRune(&b, r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return inner(b.String())
}

// Unsafe says whether r must not be shown as it is: it is a control, format,
// separator, private or unassigned character, or one that has no visible form.
func Unsafe(r rune) bool {
	return !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		r == '\u2800' // braille blank: printable by category, yet empty
}

// Line returns one line of output such that no CI system takes it for a command.
// It is meant for whole lines, whose outside parts went through Text already, and
// leaves the program's own colour sequences alone. Line breaks within are escaped.
func Line(s string) string {
	if strings.ContainsAny(s, "\r\n\v\f\u0085\u2028\u2029") {
		s = breaks.Replace(s)
	}
	s = inner(s)
	n := blankPrefix(s)
	for _, m := range [...]string{"::", "section_start:", "section_end:"} {
		if strings.HasPrefix(s[n:], m) {
			return s[:n] + `\x` + strconv.FormatUint(uint64(s[n]), 16) + s[n+1:]
		}
	}
	return s
}

var breaks = strings.NewReplacer("\r", `\r`, "\n", `\n`, "\v", `\x0b`, "\f", `\x0c`,
	"\u0085", `\u{85}`, "\u2028", `\u{2028}`, "\u2029", `\u{2029}`)

var commands = strings.NewReplacer("##[", `##\x5b`, "##vso[", `##vso\x5b`)

// inner disarms the commands that are recognised anywhere in a line.
func inner(s string) string {
	if !strings.Contains(s, "##") {
		return s
	}
	return commands.Replace(s)
}

// blankPrefix is the length of what a log viewer may not count as the beginning
// of the line: white space, invisible characters and terminal sequences.
func blankPrefix(s string) int {
	for i := 0; i < len(s); {
		if n := sequence(s[i:]); n > 0 {
			i += n
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || r != ' ' && !unicode.IsSpace(r) && !Unsafe(r) {
			return i
		}
		i += size
	}
	return len(s)
}

// sequence is the length of the terminal sequence (ESC [ … letter) that s begins with, or 0.
func sequence(s string) int {
	if !strings.HasPrefix(s, "\x1b[") {
		return 0
	}
	for i := 2; i < len(s); i++ {
		if s[i] >= 0x40 && s[i] <= 0x7e {
			return i + 1
		}
	}
	return 0
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e || s[i] == '#' {
			return false
		}
	}
	return true
}

func writeByte(b *strings.Builder, c byte) {
	const hex = "0123456789abcdef"
	b.WriteString(`\x`)
	b.WriteByte(hex[c>>4])
	b.WriteByte(hex[c&15])
}

func writeRune(b *strings.Builder, r rune) {
	b.WriteString(`\u{`)
	b.WriteString(strconv.FormatUint(uint64(r), 16))
	b.WriteByte('}')
}
