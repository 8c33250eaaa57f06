// SPDX-License-Identifier: Apache-2.0

package report

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// escapeMarkdown makes text that GitHub and GitLab show as it is: no HTML, no Markdown, no
// table cell, no link, no mention, no reference to an issue. Character references
// cannot be structure; what is made into links after Markdown was read is broken up by
// a zero-width space.
func escapeMarkdown(s string) string {
	s = escape.Text(s)
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case strings.ContainsRune("&<>\"'\\`*_[]{}|~$^!%", r):
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		case r == '@' || r == '#':
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";&#8203;")
		case r == ':' && strings.HasPrefix(s[i:], "://"):
			b.WriteString(":&#8203;")
		case r == '.' && i >= 3 && strings.EqualFold(s[i-3:i], "www"):
			b.WriteString("&#8203;.")
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}

// code is a name, version or path as it is to be typed. What a code span in a table cannot
// hold for sure is written as text.
func code(s string) string {
	s = clean(s)
	if s == "" {
		return ""
	}
	if strings.ContainsAny(s, "`|\\<>&") || strings.TrimSpace(s) != s {
		return escapeMarkdown(s)
	}
	return "`" + s + "`"
}

// shellCode is a command. In a code span nothing of its signs means anything; code is
// more careful, as it does not know who wrote what it is given.
func shellCode(s string) string {
	const signs = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+:/@'>=^~ "
	if s = typed(s); s == "" || strings.Trim(s, signs) != "" || strings.TrimSpace(s) != s {
		return escapeMarkdown(s)
	}
	return "`" + s + "`"
}

// prose is clean text as Markdown.
func prose(s string) string { return escapeMarkdown(clean(s)) }

// longText is for descriptions, which are more than a line of a table. Their line breaks
// mean nothing.
func longText(s string) string {
	const most = 4000
	s = strings.Join(strings.Fields(wording.Clip(s, most)), " ")
	return wording.Clip(escape.Text(s), most)
}

// fenced is text as a block of code, whatever it holds.
func fenced(text string) string {
	longest, run := 2, 0
	for _, c := range []byte(text) {
		if c != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	return fence + "text\n" + strings.Trim(text, "\n") + "\n" + fence + "\n"
}

// sheet is a Markdown document of limited size.
type sheet struct {
	parts []part
}

// part is text, or the head of a table whose rows can be left out.
type part struct {
	text string
	rows []sheetRow
	left int
}

// sheetRow has the order in which rows are left out: the highest first.
type sheetRow struct {
	text  string
	order int
}

func (d *sheet) text(s string) { d.parts = append(d.parts, part{text: s}) }

func (d *sheet) heading(level int, s string) {
	d.text("\n" + strings.Repeat("#", level) + " " + s + "\n\n")
}

func (d *sheet) table(columns []string, rows []sheetRow) {
	if len(rows) == 0 {
		return
	}
	head := "| " + strings.Join(columns, " | ") + " |\n|" + strings.Repeat(" --- |", len(columns)) + "\n"
	d.parts = append(d.parts, part{text: head, rows: rows})
}

func tableRow(order int, cells ...string) sheetRow {
	return sheetRow{"| " + strings.Join(cells, " | ") + " |\n", order}
}

// render leaves whole rows out, those with the highest order first, until the document
// has no more than most bytes, and says where it did. If that is not enough it ends early.
func (d *sheet) render(most int) string {
	const notice = 200
	type place struct{ part, row int }
	size := 0
	var rows []place
	for i, p := range d.parts {
		size += len(p.text)
		for j, r := range p.rows {
			size += len(r.text)
			rows = append(rows, place{i, j})
		}
		if len(p.rows) > 0 {
			size++
		}
	}
	drop := map[place]bool{}
	if size > most {
		slices.SortStableFunc(rows, func(a, b place) int {
			return d.parts[a.part].rows[a.row].order - d.parts[b.part].rows[b.row].order
		})
		for n := len(rows) - 1; n >= 0 && size > most-notice; n-- {
			at := rows[n]
			p := &d.parts[at.part]
			if p.left == 0 {
				size += notice
			}
			p.left++
			size -= len(p.rows[at.row].text)
			drop[at] = true
		}
	}
	var b strings.Builder
	for i, p := range d.parts {
		var text strings.Builder
		text.WriteString(p.text)
		for j, r := range p.rows {
			if !drop[place{i, j}] {
				text.WriteString(r.text)
			}
		}
		if p.left > 0 {
			text.WriteString("\n**" + wording.Count(p.left, "row") + " left out, the least severe, as this report would be too long.** The JSON report has them all.\n")
		} else if len(p.rows) > 0 {
			text.WriteString("\n")
		}
		if b.Len()+text.Len() > most-notice {
			b.WriteString("\n**The rest of this report is left out, as it would be too long.** The JSON report is complete.\n")
			break
		}
		b.WriteString(text.String())
	}
	return b.String()
}
