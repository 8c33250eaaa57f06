// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"fmt"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// File is a file that was read.
type File struct {
	// Source is how reports name it.
	Source string
	Digest string
	Data   []byte
}

// Files are the files of one run; nil where there is none.
type Files struct {
	KEV, EPSS, EOL *File
}

// Set is what was read from the files of one run.
type Set struct {
	kev       *catalogue
	epss      *scores
	eol       *cycles
	firstSeen *FirstSeen
	states    evidence.Feeds
}

// Read reads the files. What cannot be used is a problem in the state of its feed.
func Read(f Files, firstSeen *FirstSeen, firstSeenFile *File) *Set {
	s := &Set{firstSeen: firstSeen}
	s.states.KEV = read(f.KEV, func(data []byte) (int, *time.Time, error) {
		k, err := parseKEV(data)
		if err != nil {
			return 0, nil, err
		}
		s.kev = k
		return k.size(), k.Updated, nil
	})
	s.states.EPSS = read(f.EPSS, func(data []byte) (int, *time.Time, error) {
		e, err := parseEPSS(data)
		if err != nil {
			return 0, nil, err
		}
		s.epss = e
		return e.size(), e.Updated, nil
	})
	s.states.EOL = read(f.EOL, func(data []byte) (int, *time.Time, error) {
		e, err := parseEOL(data)
		if err != nil {
			return 0, nil, err
		}
		s.eol = e
		return e.size(), nil, nil
	})
	if firstSeen != nil && firstSeenFile != nil {
		s.states.FirstSeen = &evidence.FeedState{Source: firstSeenFile.Source, Digest: firstSeenFile.Digest, Entries: firstSeen.size()}
	}
	return s
}

func read(f *File, parse func([]byte) (int, *time.Time, error)) (state *evidence.FeedState) {
	if f == nil {
		return nil
	}
	state = &evidence.FeedState{Source: f.Source, Digest: f.Digest}
	defer func() {
		if p := recover(); p != nil {
			state.Problem = fmt.Sprintf("reading it panicked: %v", p)
		}
	}()
	n, updated, err := parse(f.Data)
	if err != nil {
		state.Problem = err.Error()
	}
	state.Entries, state.Updated = n, updated
	return state
}

// Annotate writes into the evidence what the feeds know of its findings and of its
// operating system at the effective time.
func (s *Set) Annotate(e *evidence.Evidence, at time.Time) {
	e.Feeds.KEV, e.Feeds.EPSS, e.Feeds.EOL, e.Feeds.FirstSeen = s.states.KEV, s.states.EPSS, s.states.EOL, s.states.FirstSeen
	for i := range e.Findings {
		f := &e.Findings[i]
		if f.Kind != evidence.KindVulnerability {
			continue
		}
		if s.kev != nil {
			f.KnownExploited = s.kev.day(*f)
		}
		if s.epss != nil {
			f.EPSS = s.epss.of(*f)
		}
		if s.firstSeen != nil {
			f.FirstSeen = s.firstSeen.day(*f)
		}
	}
	if s.eol != nil {
		s.eol.apply(&e.Coverage.OS, s.states.EOL.Source, at)
	}
}
