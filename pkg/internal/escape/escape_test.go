// SPDX-License-Identifier: Apache-2.0

package escape_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/ocigate/ocigate/pkg/internal/escape"
)

func TestText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", "openssl 1.1.1c-r0", "openssl 1.1.1c-r0"},
		{"letters of any script", "größe 日本語 → …", "größe 日本語 → …"},
		{"line breaks", "a\nb\r\nc\td", `a\nb\r\nc\td`},
		{"escape sequence", "\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		{"operating system command", "\x1b]0;title\x07", `\x1b]0;title\x07`},
		{"nul and delete", "a\x00b\x7f", `a\x00b\x7f`},
		{"C1 control", "a\u009bb", `a\u{9b}b`},
		{"not UTF-8", "a\xff\xfeb", `a\xff\xfeb`},
		{"a real replacement character", "a\uFFFDb", "a\uFFFDb"},
		{"half a surrogate", "\xed\xa0\x80", `\xed\xa0\x80`},
		{"bidi override", "a\u202egpj.exe", `a\u{202e}gpj.exe`},
		{"bidi isolate", "\u2066x\u2069", `\u{2066}x\u{2069}`},
		{"zero width", "a\u200bb\ufeffc\u200dd", `a\u{200b}b\u{feff}c\u{200d}d`},
		{"separators", "a\u2028b\u2029c\u0085d", `a\u{2028}b\u{2029}c\u{85}d`},
		{"spaces that are not spaces", "a\u00a0b\u3000c", `a\u{a0}b\u{3000}c`},
		{"fillers", "a\u3164b\u2800c\u115fd", `a\u{3164}b\u{2800}c\u{115f}d`},
		{"variation selectors and tags", "a\ufe0fb\U000E0041c", `a\u{fe0f}b\u{e0041}c`},
		{"command in the middle", "x ##[error]y ##vso[task.setvariable]z", `x ##\x5berror]y ##vso\x5btask.setvariable]z`},
		{"many hashes", "####[group]", `####\x5bgroup]`},
		{"hash alone", "a #1 ## b", "a #1 ## b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := escape.Text(tt.in); got != tt.want {
				t.Errorf("Text(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestLine(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "FAILED  app:1", "FAILED  app:1"},
		{"colons within", "std::vector ::x", "std::vector ::x"},
		{"workflow command", "::error::x", `\x3a:error::x`},
		{"after spaces", "   ::stop-commands::x", `   \x3a:stop-commands::x`},
		{"after a wide space", "\u00a0\u3000::error::x", "\u00a0\u3000" + `\x3a:error::x`},
		{"after a colour", "\x1b[31m ::error::x", "\x1b[31m " + `\x3a:error::x`},
		{"after a byte order mark", "\ufeff::error::x", "\ufeff" + `\x3a:error::x`},
		{"azure", "  ##vso[task.complete]", `  ##vso\x5btask.complete]`},
		{"legacy command", "x##[command]y", `x##\x5bcommand]y`},
		{"gitlab", "section_start:1:x", `\x73ection_start:1:x`},
		{"gitlab end", " section_end:1:x", ` \x73ection_end:1:x`},
		{"carriage return", "x\r::error::y", `x\r::error::y`},
		{"newline", "x\n::error::y", `x\n::error::y`},
		{"only blanks", "   ", "   "},
		{"unfinished sequence", "\x1b[31", "\x1b[31"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := escape.Line(tt.in); got != tt.want {
				t.Errorf("Line(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestWriterGuardsAcrossWrites(t *testing.T) {
	var b bytes.Buffer
	w := escape.NewWriter(&b)
	for _, c := range "ok\n  ::error::x\nsection_start:1:a\n:" {
		if _, err := io.WriteString(w, string(c)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "ok\n  " + `\x3a:error::x` + "\n" + `\x73ection_start:1:a` + "\n:"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken pipe")

func TestWriterKeepsItsError(t *testing.T) {
	w := escape.NewWriter(brokenWriter{})
	if _, err := io.WriteString(w, "a\n"); !errors.Is(err, errBroken) {
		t.Errorf("Write: %v, want %v", err, errBroken)
	}
	if err := w.Flush(); !errors.Is(err, errBroken) {
		t.Errorf("Flush: %v, want %v", err, errBroken)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "::error::x", "a\r##[x]", "\x1b[31m", "\u202e", "\xff", "##vso[", "####[[", "日本語"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := escape.Text(s)
		if !utf8.ValidString(got) {
			t.Fatalf("Text(%q) = %q is not UTF-8", s, got)
		}
		for _, r := range got {
			if escape.Unsafe(r) || unicode.IsControl(r) {
				t.Fatalf("Text(%q) = %q keeps %U", s, got, r)
			}
		}
		if again := escape.Text(got); again != got {
			t.Fatalf("Text is not idempotent: %q, then %q", got, again)
		}
		line := escape.Line(s)
		if strings.ContainsAny(line, "\r\n") || strings.Contains(line, "##[") || strings.Contains(line, "##vso[") {
			t.Fatalf("Line(%q) = %q", s, line)
		}
		start := strings.TrimSpace(line)
		for _, m := range []string{"::", "section_start:", "section_end:"} {
			if strings.HasPrefix(start, m) {
				t.Fatalf("Line(%q) = %q begins with %q", s, line, m)
			}
		}
	})
}
