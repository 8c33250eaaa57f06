// SPDX-License-Identifier: Apache-2.0

package layercache

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
)

// chunks is a connection that sends its parts one by one.
type chunks struct {
	net.Conn
	parts [][]byte
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.parts[0])
	if c.parts[0] = c.parts[0][n:]; len(c.parts[0]) == 0 {
		c.parts = c.parts[1:]
	}
	return n, nil
}

// FuzzGuard: what is let through does not depend on how it comes, and is unchanged.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"+OK\r\n$5\r\nv\r\nue\r\n$-1\r\n", "*2\r\n$3\r\nabc\r\n:1\r\n+OK\r\n", "$999999999999\r\n", "*1\r\n*1\r\n*1\r\n$70000\r\n", "\r\n", "%1\r\n", strings.Repeat("-", maxLine+1)} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		size = max(size, 1)
		whole, wholeErr := io.ReadAll(&guarded{Conn: &chunks{parts: [][]byte{bytes.Clone(data)}}})
		var parts [][]byte
		for rest := bytes.Clone(data); len(rest) > 0; {
			n := min(size, len(rest))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		cut, cutErr := io.ReadAll(&guarded{Conn: &chunks{parts: parts}})
		if errors.Is(wholeErr, errReply) != errors.Is(cutErr, errReply) {
			t.Errorf("%v at once, %v in parts", wholeErr, cutErr)
		}
		if !bytes.HasPrefix(data, whole) || !bytes.HasPrefix(data, cut) || cutErr == nil && len(cut) != len(data) {
			t.Error("other bytes")
		}
	})
}
