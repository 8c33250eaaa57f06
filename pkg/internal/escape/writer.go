// SPDX-License-Identifier: Apache-2.0

package escape

import (
	"bytes"
	"io"
)

// Writer passes whole lines on through Line. A line without its newline is kept
// until it is complete or Flush is called.
type Writer struct {
	w    io.Writer
	line []byte
	err  error
}

// NewWriter returns a Writer in front of w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Write implements io.Writer. An error of the writer behind is kept and returned
// by every later call.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for w.err == nil {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			w.line = append(w.line, p...)
			return n, nil
		}
		w.line = append(w.line, p[:i]...)
		w.emit("\n")
		p = p[i+1:]
	}
	return 0, w.err
}

// Flush writes an unfinished line, without adding a newline.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.line) > 0 {
		w.emit("")
	}
	return w.err
}

func (w *Writer) emit(end string) {
	_, w.err = io.WriteString(w.w, Line(string(w.line))+end)
	w.line = w.line[:0]
}
