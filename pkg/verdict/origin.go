// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// judgeBase decides the base rules before all others, which may ask for the origin
// of what they find.
func (s *subject) judgeBase() {
	s.baseRules = map[int]Outcome{}
	approved, met := false, true
	// What is enforced goes by the base rules that are enforced, those included which only
	// warn yet: else a repository could approve its own image as the base until that day.
	onlyEnforced := slices.ContainsFunc(s.policy.Rules, func(r policy.Rule) bool {
		return s.policy.EnforcedLevel(r.Level) && asksForOrigin(r)
	})
	for i, r := range s.policy.Rules {
		if r.Base == nil {
			continue
		}
		o := s.decide(r)
		s.baseRules[i] = o
		if o.Action != policy.ActionFail && !(onlyEnforced && o.Enforced && r.Action == policy.ActionFail) {
			continue
		}
		approved = approved || len(r.Base.Images) > 0 && (o.Enforced || !onlyEnforced)
		// Below an enforced rule a waived violation is still the base's, and nobody answers
		// for a base that is not signed, whoever waived that.
		unsigned := slices.ContainsFunc(o.Waived, func(w Waived) bool { return w.ID == factSignedBy })
		met = met && o.Result == Pass && !(o.Enforced && len(o.Waived) > 0) && !unsigned
	}
	b := s.evidence.Base
	s.baseMet = approved && met && b != nil && b.Lineage == evidence.LineageProven &&
		b.Layers > 0 && b.Layers <= len(s.evidence.Layers)
	s.layerFacts = map[evidence.Layer]layerFact{}
}

func asksForOrigin(r policy.Rule) bool {
	return r.Vulnerabilities != nil && r.Vulnerabilities.Origin != "" || r.Licences != nil && r.Licences.Origin != ""
}

// layerFact is what is known of a layer: there are few layers and many findings.
type layerFact struct {
	origin Origin
	line   int
}

func (s *subject) layerFact(l evidence.Layer) layerFact {
	f, ok := s.layerFacts[l]
	if !ok {
		if f.origin = s.originOf(l); f.origin == OriginApplication {
			f.line = s.layerLine(l)
		}
		if s.layerFacts != nil {
			s.layerFacts[l] = f
		}
	}
	return f
}

// origin says who answers for a layer. It is the base only if the lineage is proven
// and the base meets every failing base rule, one of which names the approved
// images. A layer that occurs above the base, too, is the application's.
func (s *subject) origin(l evidence.Layer) Origin { return s.layerFact(l).origin }

func (s *subject) originOf(l evidence.Layer) Origin {
	if !s.baseMet || l.DiffID == "" && l.Digest == "" {
		return OriginApplication
	}
	origin := OriginApplication
	for i, facts := range s.evidence.Layers {
		same := l.DiffID != "" && l.DiffID == facts.DiffID || l.DiffID == "" && l.Digest == facts.Digest
		switch {
		case !same:
		case i >= s.evidence.Base.Layers:
			return OriginApplication
		default:
			origin = OriginBase
		}
	}
	return origin
}

// locate fills in the origin of violations that are about a layer, and the line of
// the Dockerfile for those of the application.
func (s *subject) locate(vs []Violation) {
	var last evidence.Layer
	var fact layerFact
	for i := range vs {
		if vs[i].Origin != "" {
			continue // known already
		}
		l, ok := layerOf(&vs[i])
		if !ok {
			continue
		}
		if l != last {
			last, fact = l, s.layerFact(l)
		}
		vs[i].Origin = fact.origin
		if vs[i].Line == 0 {
			vs[i].Line = fact.line
		}
	}
}

func layerOf(v *Violation) (evidence.Layer, bool) {
	known := func(l evidence.Layer) bool { return l.DiffID != "" || l.Digest != "" }
	l := v.Layer
	if !known(l) && v.Finding != nil {
		l = findingLayer(v.Finding)
	}
	if !known(l) && v.Package != nil {
		l = v.Package.Layer
	}
	return l, known(l)
}
