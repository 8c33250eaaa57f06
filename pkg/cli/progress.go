// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"sync"

	"github.com/ocigate/ocigate/pkg/internal/escape"
)

// progress shows what is going on: on a terminal one line that changes, elsewhere
// one line per phase.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	live  bool
	quiet bool
	shown bool
}

func (a *app) newProgress(raw io.Writer, quiet bool) *progress {
	_, isTerm := terminalWidth(raw)
	live := isTerm && a.env.Get("CI") == "" && a.env.Get("TERM") != "dumb"
	return &progress{w: raw, live: live, quiet: quiet}
}

// phase begins a phase; it is shown everywhere.
func (p *progress) phase(msg string) { p.show(msg, true) }

// detail is shown on a terminal only.
func (p *progress) detail(msg string) { p.show(msg, false) }

// warn is no progress: it is shown everywhere, on a line that stays.
func (p *progress) warn(msg string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
	fmt.Fprintf(p.w, "ocigate: warning: %s\n", escape.Line(escape.Text(msg)))
}

func (p *progress) show(msg string, always bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quiet || !p.live && !always {
		return
	}
	msg = escape.Line(escape.Text(msg))
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[K%s", fit(msg, p.columns()))
		p.shown = true
		return
	}
	fmt.Fprintf(p.w, "ocigate: %s\n", msg)
}

// columns is the width of the terminal, which may change while the program runs.
func (p *progress) columns() int {
	if n, _ := terminalWidth(p.w); n > 0 {
		return n
	}
	return 80
}

// fit shortens a line so that it does not wrap: what has wrapped cannot be erased. The
// last column stays free, and what is not ASCII may take two.
func fit(line string, columns int) string {
	room := columns - 1
	used := 0
	for i, r := range line {
		if used += 1; r >= 0x1100 {
			used++
		}
		if used > room {
			return shorten(line[:i]) + "…"
		}
	}
	return line
}

// shorten makes room for the ellipsis.
func shorten(s string) string {
	r := []rune(s)
	return string(r[:max(0, len(r)-1)])
}

// done removes the line that changes.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
