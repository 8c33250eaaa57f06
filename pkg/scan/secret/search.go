// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

const (
	// Trivy searches a file in chunks that overlap, and its last part once more. A secret
	// is found where a pattern matches within a chunk, so the chunks decide what is found.
	chunkBytes   = 64 << 10
	overlapBytes = 4 << 10

	// maxFindings is how many secrets a file may have.
	maxFindings = 1 << 18
	// maxCost is how much is spent on the places of a chunk where a rule may match before
	// it is tried on the whole chunk: in bytes that a pattern reads, which are about runBytes
	// for a run. A pattern that must match at the beginning reads no more than leadBytes.
	maxCost   = 2 * chunkBytes
	runBytes  = 64
	leadBytes = 1 << 10

	longS      = '\u017f'
	kelvinSign = '\u212a'
)

// search is the search through one file.
type search struct {
	*tables
	ctx    context.Context
	path   string
	always []int // the rules that are tried on each chunk

	state  []state // by rule, for this chunk
	tried  []int   // the rules that are not idle
	err    error
	inTail bool   // a factor is in the last overlapBytes of the chunk
	buffer []byte // of streams

	// lines is how many line feeds there are before the byte at counted. all is the file
	// where it is in memory.
	lines, counted int
	all            []byte
	found          []found
}

type state struct {
	ready bool // the pattern may match
	cost  int  // of the windows in which it does not
}

type found struct{ rule, start, end, line, endLine int }

func (s *Scanner) search(ctx context.Context, path string) (*search, error) {
	t, err := s.tables()
	if err != nil {
		return nil, err
	}
	x, _ := s.searches.Get().(*search)
	if x == nil {
		x = &search{tables: t, state: make([]state, len(t.rules))}
	}
	x.ctx, x.path = ctx, path
	for _, i := range t.unfiltered {
		ok, err := t.rules[i].forPath(path)
		if err != nil {
			return nil, err
		}
		if ok {
			x.always = append(x.always, i)
		}
	}
	return x, nil
}

// done keeps the buffers for the next search.
func (s *Scanner) done(x *search) {
	clear(x.buffer)
	clear(x.state)
	*x = search{tables: x.tables, state: x.state, tried: x.tried[:0], always: x.always[:0], buffer: x.buffer}
	s.searches.Put(x)
}

// memory searches a file that is in memory.
func (x *search) memory(b []byte) error {
	x.all = b
	for start := 0; ; start += chunkBytes - overlapBytes {
		end := min(start+chunkBytes, len(b))
		if err := x.chunk(b[start:end], start); err != nil {
			return err
		}
		if end == len(b) {
			return x.tail(b[start:end], start, true)
		}
	}
}

// stream searches what r gives.
func (x *search) stream(r io.Reader) error {
	if x.buffer == nil {
		x.buffer = make([]byte, chunkBytes)
	}
	for start, have := 0, 0; ; {
		n, err := io.ReadFull(r, x.buffer[have:])
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
		b := x.buffer[:have+n]
		last := err != nil
		if n > 0 {
			if err := x.chunk(b, start); err != nil {
				return err
			}
		}
		if last {
			return x.tail(b, start, n > 0)
		}
		step := len(b) - overlapBytes
		x.lines += bytes.Count(b[:step], []byte{'\n'})
		have, start = copy(x.buffer, b[step:]), start+step
	}
}

// tail searches the last bytes again, as Trivy does: there a pattern may match that must
// stand at the beginning. Where no factor is, none can. What the last chunk has beyond them
// is in last too; searched says whether it was searched.
func (x *search) tail(last []byte, start int, searched bool) error {
	skip := max(0, len(last)-overlapBytes)
	if searched && skip == 0 || !x.inTail && len(x.always) == 0 {
		return nil
	}
	if x.all == nil {
		x.lines += bytes.Count(last[:skip], []byte{'\n'})
	}
	return x.chunk(last[skip:], start+skip)
}

// chunk searches b, which begins at start.
func (x *search) chunk(b []byte, start int) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	x.inTail = false
	for _, i := range x.tried {
		x.state[i] = state{}
	}
	x.tried = x.tried[:0]
	for _, i := range x.always {
		x.ready(i)
	}
	ascii := x.filter.scan(b, func(n, at int) { x.factor(b, n, at) })
	folds := !ascii && x.beyondASCII(b)
	if x.err != nil || len(x.tried) == 0 {
		return x.err
	}
	slices.Sort(x.tried)
	var lower []byte
	for _, i := range x.tried {
		if !x.state[i].ready {
			continue
		}
		if r := &x.rules[i]; folds || !r.implied {
			if lower == nil {
				lower = bytes.ToLower(b)
			}
			if !r.hasKeyword(lower) {
				continue
			}
		}
		if err := x.apply(i, b, start); err != nil {
			return err
		}
	}
	return nil
}

// beyondASCII looks for the factors in a text with the two runes that match ASCII letters.
// It returns false for any other text.
func (x *search) beyondASCII(b []byte) bool {
	long, kelvin := []byte(string(longS)), []byte(string(kelvinSign))
	if !bytes.Contains(b, long) && !bytes.Contains(b, kelvin) {
		return false
	}
	x.inTail = true
	plain := bytes.ReplaceAll(bytes.ReplaceAll(b, long, []byte("s")), kelvin, []byte("k"))
	x.filter.scan(plain, func(n, _ int) { x.ready(x.filter.seqs[n].rule) })
	return true
}

func (x *search) ready(i int) {
	st := &x.state[i]
	if !st.ready && st.cost == 0 {
		x.tried = append(x.tried, i)
	}
	st.ready = true
}

// factor decides whether the rule of a factor at a place in b may match there.
func (x *search) factor(b []byte, n, at int) {
	if at+overlapBytes >= len(b) {
		x.inTail = true
	}
	f := &x.filter.seqs[n]
	st := &x.state[f.rule]
	if st.ready || x.err != nil {
		return
	}
	r := &x.rules[f.rule]
	w, p, ok := r.window(b, at, len(f.seq))
	if !ok || st.cost > maxCost {
		x.ready(f.rule)
		return
	}
	if st.cost == 0 {
		x.tried = append(x.tried, f.rule)
	}
	st.cost += 1 + len(w)/runBytes
	if !r.run.within(w) {
		return
	}
	st.cost += min(len(w), leadBytes)
	re, err := p()
	if err != nil {
		x.err = err
		return
	}
	st.ready = re.Match(w)
}

// window is the part of b in which each match with the factor at that place lies, and what
// matches there if the rule does. That match may be another one, since b has text before
// and after it: whether the rule does match is seen on the whole of b.
func (r *rule) window(b []byte, at, size int) ([]byte, pattern, bool) {
	f := r.factors
	switch {
	case r.anchored != nil:
		return b[max(0, at-f.before):], r.anchored, true
	case f.before >= 0 && f.after >= 0:
		const context = 4 // a rune, for what looks at the one before or after
		return b[max(0, at-f.before-context):min(len(b), at+size+f.after+context)], r.re, true
	}
	return nil, nil, false
}

// apply notes where the rule matches in b, which begins at start.
func (x *search) apply(i int, b []byte, start int) error {
	if err := x.ctx.Err(); err != nil {
		return err
	}
	r := &x.rules[i]
	re, err := r.re()
	if err != nil {
		return err
	}
	if x.all != nil {
		x.lines, x.counted = x.lines+bytes.Count(x.all[x.counted:start], []byte{'\n'}), start
	}
	line, from := x.lines+1, 0
	for _, m := range re.FindAllSubmatchIndex(b, -1) {
		ok, err := x.allowed(r, b[m[0]:m[1]])
		if err != nil {
			return err
		}
		if ok {
			continue
		}
		for _, loc := range r.secrets(re, m) {
			if loc[0] < from {
				line, from = x.lines+1, 0
			}
			line, from = line+bytes.Count(b[from:loc[0]], []byte{'\n'}), loc[0]
			x.found = append(x.found, found{i, start + loc[0], start + loc[1], line, line + bytes.Count(b[loc[0]:loc[1]], []byte{'\n'})})
		}
	}
	if len(x.found) > maxFindings {
		return fmt.Errorf("more than %d secrets", maxFindings)
	}
	return nil
}

func (x *search) allowed(r *rule, match []byte) (bool, error) {
	if ok, err := matchesAny(x.allow, match); ok || err != nil {
		return ok, err
	}
	return matchesAny(r.allow, match)
}

// secrets are where the secrets of a match are: all of it, or the groups of the rule's name.
func (r *rule) secrets(re *regexp.Regexp, m []int) [][2]int {
	if r.text.SecretGroup == "" {
		return [][2]int{{m[0], m[1]}}
	}
	var out [][2]int
	for i, name := range re.SubexpNames() {
		if name == r.text.SecretGroup && m[2*i] >= 0 {
			out = append(out, [2]int{m[2*i], m[2*i+1]})
		}
	}
	return out
}

// secret is what was found; nil: nothing.
func (x *search) secret() *ftypes.Secret {
	slices.SortFunc(x.found, func(f, g found) int {
		return cmp.Or(cmp.Compare(x.rules[f.rule].text.ID, x.rules[g.rule].text.ID),
			cmp.Compare(f.line, g.line), cmp.Compare(f.endLine, g.endLine), cmp.Compare(f.start, g.start))
	})
	// What two chunks have in common is found twice.
	x.found = slices.CompactFunc(x.found, func(f, g found) bool {
		return f.rule == g.rule && f.start == g.start && f.line == g.line && f.endLine == g.endLine
	})
	if len(x.found) == 0 {
		return nil
	}
	out := &ftypes.Secret{FilePath: x.path}
	for _, f := range x.found {
		out.Findings = append(out.Findings, x.rules[f.rule].finding(f))
	}
	return out
}
