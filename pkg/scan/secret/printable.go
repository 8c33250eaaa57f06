// SPDX-License-Identifier: Apache-2.0

package secret

import "io"

// minPrintable is the least length of what is taken out of a binary file.
const minPrintable = 5

// printable reads, of a binary file, the runs of minPrintable and more printable bytes,
// each with a line feed after it. A byte is taken for a rune, as Trivy does.
type printable struct {
	in      io.Reader
	raw     []byte // of buffer, what is not looked at yet
	buffer  [8 << 10]byte
	run     [minPrintable - 1]byte // the beginning of a run
	n       int                    // length of the run
	pending []byte                 // what did not fit into the caller's memory
	keep    [minPrintable]byte
	err     error
}

// Read fills b, but for the end of the file.
func (p *printable) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) {
		if len(p.pending) > 0 {
			c := copy(b[n:], p.pending)
			n, p.pending = n+c, p.pending[c:]
			continue
		}
		if len(p.raw) == 0 {
			if !p.fill() {
				return n, p.err
			}
			continue
		}
		n += p.take(b[n:])
	}
	return n, nil
}

// fill reads more of the file. At its end, it ends the run.
func (p *printable) fill() bool {
	if p.err == nil {
		var n int
		n, p.err = p.in.Read(p.buffer[:])
		p.raw = p.buffer[:n]
		return true
	}
	if p.err == io.EOF && p.n >= minPrintable {
		p.n, p.pending = 0, append(p.keep[:0], '\n')
		return true
	}
	return false
}

// take moves from raw to b, which is not full, and returns how much.
func (p *printable) take(b []byte) int {
	n := 0
	for i, c := range p.raw {
		switch {
		case n == len(b):
			p.raw = p.raw[i:]
			return n
		case !isPrint(c):
			if p.n >= minPrintable {
				b[n], n = '\n', n+1
			}
			p.n = 0
		case p.n < len(p.run):
			p.run[p.n], p.n = c, p.n+1
		case p.n == len(p.run):
			p.n++
			p.pending = append(append(p.keep[:0], p.run[:]...), c)
			p.raw = p.raw[i+1:]
			return n
		default:
			b[n], n = c, n+1
		}
	}
	p.raw = nil
	return n
}

// isPrint is unicode.IsPrint for runes below 256.
func isPrint(c byte) bool {
	return ' ' <= c && c <= '~' || c > 0xa0 && c != 0xad
}
