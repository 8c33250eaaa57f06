// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"sync"

	"golang.org/x/term"

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
	f, ok := raw.(interface{ Fd() uintptr })
	live := ok && term.IsTerminal(int(f.Fd())) && a.env.Get("CI") == "" && a.env.Get("TERM") != "dumb"
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
		if r := []rune(msg); len(r) > 78 {
			msg = string(r[:77]) + "…"
		}
		fmt.Fprintf(p.w, "\r\x1b[K%s", msg)
		p.shown = true
		return
	}
	fmt.Fprintf(p.w, "ocigate: %s\n", msg)
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
