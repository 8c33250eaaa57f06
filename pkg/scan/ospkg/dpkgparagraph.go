// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
)

// maxParagraph is how long a paragraph may be, in bytes, with what ends it. It is
// Trivy's limit.
const maxParagraph = 128 << 10

var (
	errLongParagraph = fmt.Errorf("it is longer than %d bytes", maxParagraph)
	errHiddenText    = errors.New("text follows an empty line that does not end the paragraph")
	errTwoPackages   = errors.New("it names two packages")
)

// The fields of a paragraph (deb-control(5)) that are looked at.
const (
	fieldPackage = iota
	fieldStatus
	fieldVersion
	fieldSource
	fieldDepends
	fieldMaintainer
	fieldArchitecture
	fieldSHA256
	fields // how many there are; of any other field, too
)

// paragraph holds the values of its first field of each name. They are valid as long
// as the file's content.
type paragraph struct {
	values [fields][]byte
	seen   [fields]bool
}

func (p *paragraph) get(field int) string { return string(p.values[field]) }

// paragraphs yields what empty lines separate. One that is too long is an error, and
// the last.
func paragraphs(data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(data) > 0 {
			text, next := data, len(data)
			if i := bytes.Index(data, []byte("\n\n")); i >= 0 {
				text, next = data[:i], i+2
			}
			// Where no empty line ends it, Trivy's buffer must not be full.
			if next > maxParagraph || len(text) == maxParagraph {
				yield(nil, errLongParagraph)
				return
			}
			if !yield(text, nil) {
				return
			}
			data = data[next:]
		}
	}
}

// parse reads a paragraph as net/textproto reads a MIME header, which is what Trivy
// takes it for. On top of that it finds what Trivy's way of reading hides. Errors that
// match hidden leave the values valid.
func (p *paragraph) parse(text []byte) error {
	*p = paragraph{}
	if len(text) > 0 && isBlank(text[0]) {
		return fmt.Errorf("it begins with a continuation line: %s", excerpt(text))
	}
	var hidden error
	for len(text) > 0 {
		line, rest := cutLine(text)
		if len(line) == 0 {
			if len(bytes.TrimSpace(rest)) > 0 {
				hidden = errHiddenText
			}
			return hidden
		}
		key, value, ok := bytes.Cut(trimBlanks(line), []byte(":"))
		if !ok || !validKey(key) {
			return fmt.Errorf("a line is no field: %s", excerpt(line))
		}
		field := fieldOf(key)
		keep := field < fields && !p.seen[field]
		value, text, ok = continued(value, rest, keep)
		if !ok {
			return fmt.Errorf("a field holds control characters: %s", excerpt(line))
		}
		if keep {
			p.seen[field], p.values[field] = true, bytes.TrimLeft(value, " \t")
		} else if field == fieldPackage {
			hidden = errTwoPackages
		}
	}
	return hidden
}

// hides says whether err is about something besides the paragraph that was read.
func hides(err error) bool { return err == errHiddenText || err == errTwoPackages }

// continued adds the lines that continue a value, where it is kept.
func continued(value, rest []byte, keep bool) (all, next []byte, ok bool) {
	if !validValue(value) {
		return nil, nil, false
	}
	all = value[:len(value):len(value)]
	for len(rest) > 0 && isBlank(rest[0]) {
		var line []byte
		if line, rest = cutLine(rest); !validValue(line) {
			return nil, nil, false
		}
		if keep {
			all = append(append(all, ' '), trimBlanks(line)...)
		}
	}
	return all, rest, true
}

// cutLine takes a line off, without its end.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return b, nil
	}
	line, rest = b[:i], b[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, rest
}

func fieldOf(key []byte) int {
	var name string
	field := fields
	switch len(key) {
	case 6:
		switch key[1] | 0x20 {
		case 't':
			name, field = "status", fieldStatus
		case 'o':
			name, field = "source", fieldSource
		case 'h':
			name, field = "sha256", fieldSHA256
		}
	case 7:
		switch key[0] | 0x20 {
		case 'p':
			name, field = "package", fieldPackage
		case 'v':
			name, field = "version", fieldVersion
		case 'd':
			name, field = "depends", fieldDepends
		}
	case 10:
		name, field = "maintainer", fieldMaintainer
	case 12:
		name, field = "architecture", fieldArchitecture
	}
	if field == fields || !bytes.EqualFold(key, []byte(name)) {
		return fields
	}
	return field
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// validKey accepts the characters of a token, and blanks, as net/textproto does.
func validKey(key []byte) bool {
	for _, c := range key {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == ' ':
		case strings.IndexByte("!#$%&'*+.^_`|~", c) < 0:
			return false
		}
	}
	return len(key) > 0
}

func validValue(value []byte) bool {
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// excerpt quotes the beginning of a text for an error.
func excerpt(b []byte) string {
	if len(b) > 80 {
		return fmt.Sprintf("%q…", b[:80])
	}
	return fmt.Sprintf("%q", b)
}
