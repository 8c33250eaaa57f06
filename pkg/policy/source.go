// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// MaxSize is the greatest size of a policy file, in bytes.
const MaxSize = 1 << 20

// checkText refuses bytes that are no text, and characters that make a file read
// differently in an editor or a review than in the parser: the line breaks that
// only YAML knows could hide a rule in a comment.
func checkText(data []byte) *Diagnostic {
	if len(data) > MaxSize {
		return &Diagnostic{
			Position: Position{1, 1},
			Message:  fmt.Sprintf("the file has %d bytes; a policy has at most %d", len(data), MaxSize),
		}
	}
	at := Position{1, 1}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size <= 1 {
			return &Diagnostic{Position: at, Message: "the file is not UTF-8 text", Hint: "save it as UTF-8"}
		}
		lone := r == '\r' && (i+1 == len(data) || data[i+1] != '\n')
		if lone || forbidden(r) {
			return &Diagnostic{
				Position: at,
				Message:  fmt.Sprintf("character %U is not allowed in a policy", r),
				Hint:     forbiddenHint(r),
			}
		}
		i += size
		at.Column++
		if r == '\n' {
			at = Position{at.Line + 1, 1}
		}
	}
	return nil
}

// forbidden are the characters that YAML forbids, the bidirectional controls and
// the line breaks other than LF and CRLF.
func forbidden(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return false
	case r < ' ', r >= 0x7f && r <= 0x9f, r == 0xfeff, r == 0xfffe, r == 0xffff:
		return true
	case r == 0x2028, r == 0x2029:
		return true
	default:
		return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}
}

func forbiddenHint(r rune) string {
	switch {
	case r == 0:
		return "this looks like a binary file or UTF-16; save it as UTF-8"
	case r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029:
		return "end lines with LF or CRLF"
	case r == 0xfeff:
		return "a byte order mark may only stand at the very start"
	default:
		return ""
	}
}

// syntaxError turns an error of the YAML library into a diagnostic. The library's
// texts are constant except that they name anchors, which is content.
func syntaxError(data []byte, err error) Diagnostic {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if number, message, ok := strings.Cut(rest, ": "); ok {
			text = message
			line, _ = strconv.Atoi(number)
		}
	}
	if strings.HasPrefix(text, "unknown anchor") {
		text = "an alias stands for nothing"
	}
	// The library's parser, other than its scanner, names the line at which the
	// enclosing block begins, or none; where it stopped reading is closer.
	if line == 0 || strings.HasPrefix(text, "did not find expected") {
		line = stoppedAt(data)
	}
	lines := bytes.Split(data, []byte("\n"))
	line = min(max(line, 1), len(lines))
	column := 1 + len(lines[line-1]) - len(bytes.TrimLeft(lines[line-1], " \t"))
	return Diagnostic{
		Position: Position{line, column},
		Message:  "not valid YAML: " + text,
		Hint:     syntaxHint(text),
	}
}

func syntaxHint(text string) string {
	switch {
	case strings.HasPrefix(text, "mapping values are not allowed"):
		return `check the indentation, and quote values that contain ": "`
	case strings.Contains(text, "tab character"), strings.Contains(text, "cannot start any token"):
		return "indent by spaces, not tabs, and quote values that begin with @, % or `"
	case strings.Contains(text, "alphabetic or numeric"), strings.HasPrefix(text, "an alias"):
		return "quote values that begin with * or &"
	case strings.Contains(text, "expected key"), strings.Contains(text, "'-' indicator"):
		return "check the indentation of this line and the one above"
	case strings.Contains(text, "unexpected end of stream"):
		return "is a quote left open?"
	default:
		return ""
	}
}

// stoppedAt is the line at which the YAML library gives up, found by handing it
// one byte at a time.
func stoppedAt(data []byte) (line int) {
	r := &countingReader{data: data}
	defer func() {
		// See yamldoc.Decode.
		if recover() != nil {
			line = r.line()
		}
	}()
	d := yaml.NewDecoder(r)
	for {
		var n yaml.Node
		if d.Decode(&n) != nil {
			return r.line()
		}
	}
}

type countingReader struct {
	data []byte
	next int
}

func (r *countingReader) Read(p []byte) (int, error) {
	if r.next >= len(r.data) {
		return 0, io.EOF
	}
	p[0] = r.data[r.next]
	r.next++
	return 1, nil
}

// line is that of the last byte that was read and is no white space.
func (r *countingReader) line() int {
	return 1 + bytes.Count(bytes.TrimRight(r.data[:r.next], " \t\r\n"), []byte("\n"))
}
