// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// errReply is a reply that no Redis would send us.
var errReply = errors.New("unexpected reply")

const (
	maxLine     = 16 << 10
	maxElements = 1000
	maxArrays   = 1000     // of one connection
	maxPart     = 64 << 10 // of a string in an array
)

// guarded is a connection to Redis on which the client library meets no reply that
// could hurt it: it makes room for as many bytes or elements as a reply promises, and
// calls itself for arrays in arrays. The requests of this package are answered by
// strings; arrays occur in the greeting only.
type guarded struct {
	net.Conn
	// line is the beginning of a line, skip how much of a string is still to come, and
	// pending how many elements of arrays.
	line    []byte
	skip    int
	pending int
	arrays  int
}

func (g *guarded) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if bad := g.scan(b[:n]); bad != nil {
		return 0, bad
	}
	return n, err
}

func (g *guarded) scan(b []byte) error {
	for len(b) > 0 {
		if g.skip > 0 {
			n := min(g.skip, len(b))
			g.skip -= n
			b = b[n:]
			continue
		}
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		g.line = append(g.line, line...)
		if len(g.line) > maxLine {
			return errReply
		}
		if !whole {
			return nil
		}
		if err := g.header(bytes.TrimSuffix(g.line, []byte("\r"))); err != nil {
			return err
		}
		g.line, b = g.line[:0], rest
	}
	return nil
}

// header looks at the line that begins a reply or an element of one.
func (g *guarded) header(line []byte) error {
	if len(line) == 0 {
		return errReply
	}
	inside := g.pending > 0
	if inside {
		g.pending--
	}
	switch line[0] {
	case '+', '-', ':':
		return nil
	case '$':
		n, err := strconv.Atoi(string(line[1:]))
		if err != nil || n < -1 || n > maxSealed || inside && n > maxPart {
			return fmt.Errorf("%w: a string of %.20q bytes", errReply, line[1:])
		}
		if n >= 0 {
			g.skip = n + len("\r\n")
		}
		return nil
	case '*':
		n, err := strconv.Atoi(string(line[1:]))
		g.arrays++
		if err != nil || n < -1 || n > maxElements || g.arrays > maxArrays {
			return fmt.Errorf("%w: an array of %.20q elements", errReply, line[1:])
		}
		g.pending += max(n, 0)
		if g.pending > maxElements {
			return errReply
		}
		return nil
	}
	return fmt.Errorf("%w: %.20q", errReply, line)
}
