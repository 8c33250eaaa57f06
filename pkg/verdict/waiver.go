// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// ledger keeps the book of the waivers of one decision.
type ledger struct {
	waivers []policy.Waiver
	time    time.Time
	matches []int
}

func newLedger(ws []policy.Waiver, t time.Time) *ledger {
	return &ledger{waivers: ws, time: t, matches: make([]int, len(ws))}
}

// waive returns the id of the first waiver in the policy that holds and accepts v.
// Every waiver that matches is counted, expired ones included.
func (l *ledger) waive(s *subject, rule string, level int, v Violation) (string, bool) {
	id, ok := "", false
	for i, w := range l.waivers {
		if !s.holds[i] {
			continue // it stands in a section for other images
		}
		// What is enforced is waived by its own document only.
		if s.policy.EnforcedLevel(level) && w.Level != level || !waiverMatches(w, rule, v) {
			continue
		}
		l.matches[i]++
		if !ok && !w.ExpiredAt(l.time) {
			id, ok = w.ID, true
		}
	}
	return id, ok
}

func (l *ledger) states() []WaiverState {
	states := make([]WaiverState, 0, len(l.waivers))
	for i, w := range l.waivers {
		s := WaiverState{
			ID: w.ID, Rule: w.Rule, Finding: w.Finding, Package: w.Package, Path: w.Path,
			Until: w.Until.UTC().Format(time.DateOnly), Reason: w.Reason, Owner: w.Owner, Reference: w.Reference,
			Use: WaiverUnused, Matches: l.matches[i],
		}
		switch {
		case w.ExpiredAt(l.time):
			s.Use = WaiverExpired
		case l.matches[i] > 0:
			s.Use = WaiverUsed
		}
		states = append(states, s)
	}
	return states
}

// waiverMatches says whether each selector that is set matches. A waiver that
// names neither rule nor finding matches nothing.
func waiverMatches(w policy.Waiver, rule string, v Violation) bool {
	if w.Rule == "" && w.Finding == "" || w.Rule != "" && w.Rule != rule {
		return false
	}
	if w.Finding == "" && w.Package == "" && w.Path == "" {
		return true
	}
	if v.Finding == nil {
		return false
	}
	f := *v.Finding
	if w.Finding != "" && w.Finding != f.ID && !slices.Contains(f.Aliases, w.Finding) {
		return false
	}
	if w.Package != "" && !packageMatches(w.Package, f.Package) {
		return false
	}
	return w.Path == "" || f.Location() != "" && matchPath(w.Path, f.Location())
}

// packageMatches compares a name, or a package URL up to its version.
func packageMatches(want string, p *evidence.Package) bool {
	switch {
	case p == nil:
		return false
	case strings.HasPrefix(want, "pkg:"):
		return p.PURL != "" && unversioned(p.PURL) == unversioned(want)
	default:
		return p.Name == want
	}
}

// unversioned cuts a package URL before its version, qualifiers and subpath. The
// version follows the last "@" of the path: a scope such as @angular may be
// written with one too.
func unversioned(purl string) string {
	if i := strings.IndexAny(purl, "?#"); i >= 0 {
		purl = purl[:i]
	}
	if i := strings.LastIndexByte(purl, '@'); i > strings.LastIndexByte(purl, '/') && i > 0 {
		purl = purl[:i]
	}
	return purl
}
