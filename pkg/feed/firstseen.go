// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// FirstSeen are the days of the first runs that saw a vulnerability in a package. It
// keeps every entry: one file may serve many images, and a finding that comes back is
// not new.
type FirstSeen struct {
	// entries are days (YYYY-MM-DD) by finding and package.
	entries map[string]map[string]string
}

// firstSeenFile is the form of the file.
type firstSeenFile struct {
	Version int                          `json:"version"`
	Entries map[string]map[string]string `json:"entries"`
}

const maxKey = 1000

// ParseFirstSeen reads the file that Write writes. Anything else is refused.
func ParseFirstSeen(data []byte) (*FirstSeen, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("it has more than %d bytes", maxSize)
	}
	var doc firstSeenFile
	if err := decode(data, &doc, true); err != nil {
		return nil, err
	}
	switch {
	case doc.Version != 1:
		return nil, fmt.Errorf("its version is %d, and this ocigate reads version 1", doc.Version)
	case doc.Entries == nil:
		return nil, errors.New("it has no entries")
	}
	for id, packages := range doc.Entries {
		if id == "" || len(id) > maxKey {
			return nil, errors.New("an entry has no finding")
		}
		for name, date := range packages {
			if t, err := time.Parse(time.DateOnly, date); err != nil || !sane(t) || name == "" || len(name) > maxKey {
				return nil, fmt.Errorf("an entry of %q is not a package and a day of the form 2026-11-01", id)
			}
		}
	}
	return &FirstSeen{doc.Entries}, nil
}

// size is the number of entries.
func (s *FirstSeen) size() int {
	n := 0
	for _, packages := range s.entries {
		n += len(packages)
	}
	return n
}

// day is the earliest day on which a finding, or one of its aliases, was seen; nil for none.
func (s *FirstSeen) day(f evidence.Finding) *time.Time {
	var first *time.Time
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		t, err := time.Parse(time.DateOnly, s.entries[id][packageKey(f)])
		if err == nil && (first == nil || t.Before(*first)) {
			first = &t
		}
	}
	return first
}

// packageKey is the package URL up to its version, or else the type and name. The path is
// no part of it: a package that moves is not new.
func packageKey(f evidence.Finding) string {
	p := f.Package
	switch {
	case p == nil:
		return "-"
	case p.PURL == "":
		return p.Type + ":" + p.Name
	}
	purl := p.PURL
	if i := strings.IndexAny(purl, "?#"); i >= 0 {
		purl = purl[:i]
	}
	if i := strings.LastIndexByte(purl, '@'); i > strings.LastIndexByte(purl, '/') {
		purl = purl[:i]
	}
	return purl
}

// With returns a copy with the vulnerabilities of the evidence that were not there, as of day.
func (s *FirstSeen) With(all []evidence.Evidence, day time.Time) *FirstSeen {
	out := &FirstSeen{map[string]map[string]string{}}
	add := func(id, name, date string) {
		if out.entries[id] == nil {
			out.entries[id] = map[string]string{}
		}
		if old, ok := out.entries[id][name]; !ok || date < old {
			out.entries[id][name] = date
		}
	}
	if s != nil {
		for id, packages := range s.entries {
			for name, date := range packages {
				add(id, name, date)
			}
		}
	}
	for _, e := range all {
		for _, f := range e.Findings {
			name := packageKey(f)
			if f.Kind != evidence.KindVulnerability || f.ID == "" || len(f.ID) > maxKey || len(name) > maxKey {
				continue
			}
			date := day
			if known := out.day(f); known != nil && known.Before(day) {
				date = *known
			}
			add(f.ID, name, date.UTC().Format(time.DateOnly))
		}
	}
	return out
}

// Write writes the file, sorted: the same entries give the same bytes.
func (s *FirstSeen) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(firstSeenFile{1, s.entries})
}
