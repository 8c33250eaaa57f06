// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// WaiverLimits bound the waivers of a policy.
type WaiverLimits struct {
	// MaxHorizon is how far after the effective time a waiver may end; 0 is any. A
	// waiver that ends later is refused until its end has come near enough.
	MaxHorizon time.Duration `json:",omitempty"`
	// SameDay is the number of waivers in use that end on one day from which the
	// verdict says so; 0 is DefaultSameDay.
	SameDay int `json:",omitempty"`
	// FailOnDrift (`on-drift: fail`) ends a waiver whose finding has become graver
	// than what was recorded. Then a vulnerability is waived only by a waiver that
	// records facts. Otherwise drift is shown.
	FailOnDrift bool `json:",omitempty"`
	// ReferenceRequired refuses waivers without a reference.
	ReferenceRequired bool `json:",omitempty"`
}

// DefaultSameDay is the waiver-limits.same-day of a policy that sets none.
const DefaultSameDay = 5

// Recorded are the facts of a finding on the day that it was waived.
type Recorded struct {
	Date     time.Time
	Severity evidence.Severity
	// Fixed says whether a fix existed.
	Fixed bool
	// KnownExploited says whether it was known to be exploited; nil where that was not asked.
	KnownExploited *bool `json:",omitempty"`
}

func (p *parser) waiverLimitsKey() key {
	l := &p.policy.WaiverLimits
	sameDay := p.countKey("same-day", "The number of waivers in use ending on one day from which the verdict says so; default 5.", &l.SameDay, atMost("5"))
	read := sameDay.read
	sameDay.read = func(v value) {
		before := len(p.diagnostics)
		if read(v); len(p.diagnostics) == before && l.SameDay < 2 {
			p.fault(v, "", "must be at least 2")
		}
	}
	word := func(name, about, loose, strict string, into *bool) key {
		return key{name: name, about: about, shape: shape{kind: shapeString, enum: []string{loose, strict}},
			tighten: towardsFrom(loose, loose, strict), read: func(v value) {
				s, _ := p.enum(v, loose, strict)
				*into = s == strict
			}}
	}
	return p.mappingKey("waiver-limits", "What bounds the waivers.", "write {max-horizon: 90d}", []key{
		p.durationKey("max-horizon", "How far after the effective time a waiver may end; one that ends later does not count. Default any.", &l.MaxHorizon, lower),
		sameDay,
		word("on-drift", "What becomes of a waiver whose finding since gained a fix, rose in severity or became known-exploited: show (the default) or fail.",
			"show", "fail", &l.FailOnDrift),
		word("reference", "Whether every waiver needs a reference: optional (the default) or required.", "optional", "required", &l.ReferenceRequired),
	})
}

// recordedKey reads the facts at the time of waiving.
func (p *parser) recordedKey(into **Recorded, at *value) key {
	r := &Recorded{}
	exploited := key{name: "known-exploited", about: "Whether it was known to be exploited.", shape: shape{kind: shapeBoolean},
		read: func(v value) {
			if b, ok := p.boolean(v); ok {
				r.KnownExploited = &b
			}
		}}
	severity := key{name: "severity", about: "Its severity.", shape: shape{kind: shapeString, enum: severityNames()}, read: func(v value) {
		if s, ok := p.enum(v, severityNames()...); ok {
			r.Severity, _ = evidence.ParseSeverity(s) // one of the names
		}
	}}
	k := p.mappingKey("recorded", "The facts of the finding when it was waived, for drift; `ocigate waiver add` writes them.",
		"write {date: 2026-01-31, severity: high, fixed: false}", []key{
			p.dateKey("date", "The day of these facts.", &r.Date, nil).must(),
			severity.must(),
			p.boolKey("fixed", "Whether a fix existed.", &r.Fixed, nil).must(),
			exploited,
		})
	k.tighten = nil
	read := k.read
	k.read = func(v value) { *into, *at = r, v; read(v) }
	return k
}
