// SPDX-License-Identifier: Apache-2.0

// Package waiverfile writes files of waivers: it adds waivers to a file without
// touching what is there, makes one of a verdict, and imports what other tools call
// ignore rules. It decides nothing.
package waiverfile

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/policy"
)

// Append returns the file with the waivers added at its end; data is empty for a new
// file. What is there is kept byte for byte. The result is read back: it is an error
// if it does not say exactly what was there and what was added.
func Append(source string, data []byte, add ...policy.Waiver) ([]byte, error) {
	var before []policy.Waiver
	indent := "  "
	if len(bytes.TrimSpace(data)) > 0 {
		var err error
		if before, err = policy.ParseWaivers(source, data); err != nil {
			return nil, err
		}
		// A list may be indented or not; "- " stands before the first key.
		indent = strings.Repeat(" ", max(0, before[0].Position.Column-len("- ")-1))
	} else {
		data = []byte("version: 1\nwaivers:\n")
	}
	for _, w := range add {
		if slices.ContainsFunc(before, func(b policy.Waiver) bool { return b.ID == w.ID }) {
			return nil, fmt.Errorf("%s has a waiver %q already", source, w.ID)
		}
	}
	out := bytes.Clone(data)
	if !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	for _, w := range add {
		text, err := item(w)
		if err != nil {
			return nil, err
		}
		if _, err := policy.ParseWaivers(source, []byte("version: 1\nwaivers:\n"+text)); err != nil {
			return nil, &invalid{w.ID, err}
		}
		for line := range strings.Lines(text) {
			if strings.TrimSpace(line) != "" {
				line = indent + line
			}
			out = append(out, line...)
		}
	}
	after, err := policy.ParseWaivers(source, out)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be added to: its list of waivers must be in block style and come last: %w", source, err)
	}
	if !same(append(slices.Clone(before), add...), after) {
		return nil, errors.New(source + " cannot be added to: its list of waivers must be in block style and come last")
	}
	return out, nil
}

// invalid is a waiver that no file can hold. Its place in a file that is not written
// would tell nobody anything.
type invalid struct {
	id  string
	err error
}

func (e *invalid) Error() string {
	return fmt.Sprintf("the waiver %q cannot be written: %s", e.id, complaint(e.err))
}
func (e *invalid) Unwrap() error { return e.err }

// same compares what waivers say, not where they stand.
func same(want, got []policy.Waiver) bool {
	return slices.EqualFunc(want, got, func(a, b policy.Waiver) bool {
		a.Source, a.Position, b.Source, b.Position = "", policy.Position{}, "", policy.Position{}
		return reflect.DeepEqual(a, b)
	})
}

// item writes a waiver as an item of a list in block style.
func item(w policy.Waiver) (string, error) {
	m := &yaml.Node{Kind: yaml.MappingNode}
	put := func(into *yaml.Node, key string, value *yaml.Node) {
		into.Content = append(into.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, value)
	}
	text := func(key, s string) {
		if s != "" {
			put(m, key, stringNode(s))
		}
	}
	plain := func(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: s} }
	list := func(key string, items []string) {
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, s := range items {
			n.Content = append(n.Content, stringNode(s))
		}
		if len(items) > 0 {
			put(m, key, n)
		}
	}
	text("id", w.ID)
	text("rule", w.Rule)
	text("finding", w.Finding)
	text("package", w.Package)
	text("path", w.Path)
	list("image", w.Images)
	var platforms []string
	for _, p := range w.Platforms {
		platforms = append(platforms, p.String())
	}
	list("platform", platforms)
	text("origin", w.Origin)
	put(m, "until", plain(w.Until.Format(time.DateOnly)))
	text("reason", w.Reason)
	text("owner", w.Owner)
	text("reference", w.Reference)
	if r := w.Recorded; r != nil {
		n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		put(n, "date", plain(r.Date.Format(time.DateOnly)))
		put(n, "severity", plain(r.Severity.String()))
		put(n, "fixed", plain(strconv.FormatBool(r.Fixed)))
		if r.KnownExploited != nil {
			put(n, "known-exploited", plain(strconv.FormatBool(*r.KnownExploited)))
		}
		put(m, "recorded", n)
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{m}}); err != nil {
		return "", fmt.Errorf("write waiver %s: %w", w.ID, err)
	}
	return b.String(), enc.Close()
}

func stringNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	if slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(s)) {
		n.Style = yaml.DoubleQuotedStyle // a truth value to some readers
	}
	return n
}

// newID makes an id of the parts that is not taken, and takes it.
func newID(taken map[string]bool, parts ...string) string {
	id := slug(strings.Join(parts, "-"))
	for i := 1; ; i++ {
		s := id
		if i > 1 {
			s += "-" + strconv.Itoa(i)
		}
		if !taken[s] {
			taken[s] = true
			return s
		}
	}
}

// slug is an id that resembles s.
func slug(s string) string {
	const maxSlug = 80
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	s = strings.Trim(s[:min(len(s), maxSlug)], "-_.")
	if s == "" {
		return "waiver"
	}
	return s
}
