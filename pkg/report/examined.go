// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// examined lists what was looked at. A pass says no more than this list.
func (p *page) examined(v verdict.Verdict, s verdict.SubjectVerdict) {
	ev := s.Evidence
	p.heading(styleBold, "Examined")
	p.image(ev.Subject)
	if v.Scope == "" && !v.FailedFast {
		p.packages(ev)
		p.layers(ev.Layers)
		p.files(ev.Coverage)
		p.database(ev.Database, v.EffectiveTime)
		p.feeds(ev.Feeds)
	} else {
		p.field("layers", "not examined")
	}
	p.base(ev.Base)
	p.signatures("signatures", ev.Signatures, ev.Subject.Digest, ev.Subject.IndexDigest)
	p.accepted(s)
}

// field is one line of the list; an empty name continues the one above.
func (p *page) field(name, value string) {
	const indent = 14
	p.wrap(indent, "  "+name, value)
}

func (p *page) image(s evidence.Subject) {
	name := clean(cmp.Or(s.Name, s.Reference))
	if name == "" {
		name = "not known"
	}
	p.field("image", name)
	switch {
	case s.Digest != "":
		p.field("digest", clean(s.Digest))
	case s.ImageID != "":
		p.field("image id", clean(s.ImageID))
	default:
		p.field("digest", "not known")
	}
	if s.IndexDigest != "" && s.IndexDigest != s.Digest {
		p.field("index", clean(s.IndexDigest))
	}
	from := clean(string(s.Source))
	if pl := s.Platform.String(); pl != "" {
		from = strings.TrimPrefix(from+", "+clean(pl), ", ")
	}
	if from != "" {
		p.field("source", from)
	}
}

func (p *page) packages(ev evidence.Evidence) {
	os := strings.TrimSpace(clean(ev.Coverage.OS.Family) + " " + clean(ev.Coverage.OS.Release))
	if os == "" {
		os = "none"
	}
	if ev.Coverage.OS.EndOfLife {
		os += " (no longer maintained by its vendor)"
	}
	p.field("os", os)
	total := 0
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(ev.Coverage.Packages)) {
		total += ev.Coverage.Packages[k]
		kinds = append(kinds, fmt.Sprintf("%d %s", ev.Coverage.Packages[k], clean(k)))
	}
	switch {
	case len(kinds) == 0 && len(ev.Packages) == 0:
		p.field("packages", "none")
	case len(kinds) == 0:
		p.field("packages", fmt.Sprint(len(ev.Packages)))
	case len(kinds) == 1:
		p.field("packages", kinds[0])
	default:
		p.field("packages", fmt.Sprintf("%d: %s", total, strings.Join(kinds, ", ")))
	}
	if len(ev.Coverage.NotMatched) > 0 {
		var names []string
		for _, n := range ev.Coverage.NotMatched {
			names = append(names, clean(n))
		}
		p.field("", "not examined, as nothing could be matched: "+strings.Join(names, ", "))
	}
}

func (p *page) layers(ls []evidence.LayerFacts) {
	n := map[evidence.Verification]int{}
	var size, compressed int64
	for _, l := range ls {
		switch l.Verification {
		case evidence.LayerVerified, evidence.LayerOnDaemonsWord:
			n[l.Verification]++
		default:
			n[evidence.LayerNotVerified]++
		}
		size += max(0, l.Size)
		compressed += max(0, l.CompressedSize)
	}
	if len(ls) == 0 {
		p.field("layers", "none")
		return
	}
	var how []string
	for _, k := range []evidence.Verification{
		evidence.LayerVerified, evidence.LayerOnDaemonsWord, evidence.LayerNotVerified,
	} {
		switch {
		case n[k] == len(ls) && k == evidence.LayerVerified && len(ls) > 1:
			how = append(how, "all verified")
		case n[k] == len(ls):
			how = append(how, string(k))
		case n[k] > 0:
			how = append(how, fmt.Sprintf("%d %s", n[k], k))
		}
	}
	s := fmt.Sprintf("%d, %s", len(ls), strings.Join(how, ", "))
	if size > 0 {
		s += "; " + wording.Bytes(size)
	}
	if compressed > 0 {
		s += fmt.Sprintf(" (%s compressed)", wording.Bytes(compressed))
	}
	p.field("layers", s)
}

func (p *page) files(c evidence.Coverage) {
	s := fmt.Sprintf("%d", c.Files)
	if c.Bytes > 0 {
		s += ", " + wording.Bytes(c.Bytes)
	}
	switch {
	case !c.SecretScan:
		s += "; not searched for secrets"
	case c.BaseLayers == 1:
		s += "; searched for secrets except in 1 layer of the base image"
	case c.BaseLayers > 1:
		s += fmt.Sprintf("; searched for secrets except in %d layers of the base image", c.BaseLayers)
	default:
		s += "; searched for secrets"
	}
	p.field("files", s)
}

func (p *page) database(db evidence.DatabaseState, now time.Time) {
	if db.UpdatedAt == nil && db.Digest == "" {
		p.field("database", "none")
		return
	}
	p.field("database", databaseLine(db, now))
	if db.Digest != "" {
		p.field("", clean(db.Digest))
	}
	if db.Java != nil {
		p.field("java db", databaseLine(*db.Java, now))
	}
}

func databaseLine(db evidence.DatabaseState, now time.Time) string {
	s := "of unknown date"
	if db.UpdatedAt != nil {
		s = wording.Time(*db.UpdatedAt)
		if !db.UpdatedAt.After(now) {
			s += ", " + wording.Age(now.Sub(*db.UpdatedAt)) + " old"
		}
	}
	if db.Origin != "" {
		s += ", from " + clean(db.Origin)
	}
	return s
}

// accepted lists what was not examined because the policy says that it need not be.
func (p *page) accepted(s verdict.SubjectVerdict) {
	const shown = 5
	n := 0
	for _, o := range s.Outcomes {
		if o.Group != verdict.GroupBuiltin || o.Result != verdict.Pass {
			continue
		}
		for _, pr := range o.Problems {
			n++
			if n > shown {
				continue
			}
			name := ""
			if n == 1 {
				name = "accepted"
			}
			line := clean(pr.Message)
			if pr.What != "" {
				line = clean(pr.What) + ": " + line
			}
			p.field(name, line+" (accepted by the policy)")
		}
	}
	if n > shown {
		p.field("", fmt.Sprintf("… and %d more (see --output json=FILE)", n-shown))
	}
}
