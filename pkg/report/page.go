// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// defaultWidth is the width of a text report where Options.Width is 0.
const defaultWidth = 100

// minWidth is the least width that a report is laid out for.
const minWidth = 40

// maxText is the number of characters of one outside text that are shown. A longer
// one is cut: a name is not the place for a page of text.
const maxText = 400

// style is a terminal attribute.
type style string

const (
	styleNone   style = ""
	styleBold   style = "1"
	styleDim    style = "2"
	styleRed    style = "31"
	styleGreen  style = "32"
	styleYellow style = "33"
	styleAlarm  style = "1;31"
	styleGood   style = "1;32"
	styleCare   style = "1;33"
)

// page lays out lines of limited width. Callers pass outside text through clean.
type page struct {
	w     *escape.Writer
	width int
	color bool
}

func newPage(w io.Writer, o Options) *page {
	p := &page{w: escape.NewWriter(w), width: o.Width, color: o.Color}
	if p.width == 0 {
		p.width = defaultWidth
	}
	p.width = max(p.width, minWidth)
	return p
}

// paint puts s in a style. Padding must be added before.
func (p *page) paint(st style, s string) string {
	if !p.color || st == styleNone || s == "" {
		return s
	}
	return "\x1b[" + string(st) + "m" + s + "\x1b[0m"
}

// line writes one line. Errors stay in the writer until the end of the report.
func (p *page) line(s string) {
	_, _ = io.WriteString(p.w, strings.TrimRight(s, " ")+"\n")
}

func (p *page) blank() { p.line("") }

// heading starts a section.
func (p *page) heading(st style, s string) {
	p.blank()
	p.line(p.paint(st, s))
}

// wrap writes s in lines that fit, each indented; first stands in front of the
// first line instead of as many blanks.
func (p *page) wrap(indent int, first, s string) {
	p.wrapStyled(indent, cell{text: first}, cell{text: s})
}

func (p *page) wrapStyled(indent int, first, s cell) {
	room := max(p.width-indent, minWidth/2)
	lead := p.paint(first.style, first.text) + blanks(indent-length(first.text))
	for _, part := range fold(s.text, room) {
		p.line(lead + p.paint(s.style, part))
		lead = blanks(indent)
	}
}

// fold breaks s at blanks so that no part is longer than room, except for a
// single word that is: digests and paths stay whole, so that they can be copied.
func fold(s string, room int) []string {
	var parts []string
	cur, n := "", 0
	for _, word := range strings.Split(s, " ") {
		l := length(word)
		if cur != "" && n+1+l > room {
			parts = append(parts, cur)
			cur, n = word, l
			continue
		}
		if cur != "" {
			cur, n = cur+" ", n+1
		}
		cur, n = cur+word, n+l
	}
	return append(parts, cur)
}

// clean makes outside text fit to be shown on one line.
func clean(s string) string {
	// Escaping makes text longer, so cut before and after.
	return wording.Clip(escape.Text(wording.Clip(s, maxText)), maxText)
}

// clipFront keeps the end, which is what tells paths apart.
func clipFront(s string, n int) string {
	extra := length(s) - n
	if extra <= 0 {
		return s
	}
	for i := range s {
		if extra < 0 {
			return "…" + s[i:]
		}
		extra--
	}
	return "…"
}

func length(s string) int { return utf8.RuneCountInString(s) }

// cell is one field of a table.
type cell struct {
	text  string
	style style
}

// column describes a column of a table.
type column struct {
	title string
	// path cells are cut at their front where room is short, others at their end.
	path bool
	// fixed columns are never cut.
	fixed bool
	// wrap is for the last column only: its text goes on in the next line instead of being cut.
	wrap bool
}

// table writes rows in aligned columns, the widest of which shrink where the
// page is too narrow.
func (p *page) table(indent int, cols []column, rows [][]cell) {
	const gap = 2
	widths := make([]int, len(cols))
	for i, c := range cols {
		widths[i] = length(c.title)
		for _, r := range rows {
			widths[i] = max(widths[i], length(r[i].text))
		}
	}
	shrink(cols, widths, p.width-indent-gap*(len(cols)-1))
	head := make([]cell, len(cols))
	titled := false
	for i, c := range cols {
		head[i] = cell{c.title, styleDim}
		titled = titled || c.title != ""
	}
	if titled {
		rows = append([][]cell{head}, rows...)
	}
	for _, r := range rows {
		var b strings.Builder
		b.WriteString(blanks(indent))
		at := indent
		for i, c := range r {
			if i == len(r)-1 && cols[i].wrap {
				parts := fold(c.text, widths[i])
				for _, part := range parts[:len(parts)-1] {
					p.line(b.String() + p.paint(c.style, part))
					b.Reset()
					b.WriteString(blanks(at))
				}
				b.WriteString(p.paint(c.style, parts[len(parts)-1]))
				break
			}
			text := c.text
			if cols[i].path {
				text = clipFront(text, widths[i])
			} else {
				text = wording.Clip(text, widths[i])
			}
			b.WriteString(p.paint(c.style, text))
			if i < len(r)-1 {
				b.WriteString(blanks(widths[i] - length(text) + gap))
			}
			at += widths[i] + gap
		}
		p.line(b.String())
	}
}

func blanks(n int) string { return strings.Repeat(" ", max(0, n)) }

// shrink takes room from the widest columns until the table fits or nothing can
// be taken without making it unreadable.
func shrink(cols []column, widths []int, room int) {
	const least = 12
	for {
		total, widest := 0, -1
		for i, w := range widths {
			total += w
			if !cols[i].fixed && w > least && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if total <= room || widest < 0 {
			return
		}
		widths[widest] = max(least, widths[widest]-1)
	}
}
