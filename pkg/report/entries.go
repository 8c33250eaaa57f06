// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// standing is what a violation does to the verdict, the gravest first.
type standing int

const (
	standsFailed standing = iota
	standsWarned
	// standsTolerated: within what the rule tolerates, or of a rule that could not be decided.
	standsTolerated
	standsPending
	standsWaived
)

// entry is one violation, whatever became of it.
type entry struct {
	outcome   *verdict.Outcome
	violation verdict.Violation
	standing  standing
	waived    *verdict.Waived
	// fingerprint is the same in every rebuild in which the violation is there: it is made
	// of rule, finding, package and path, and of no version, digest, line or text.
	fingerprint string
}

// entries are the violations of a subject, the gravest first.
func entries(s *verdict.SubjectVerdict) []entry {
	var es []entry
	for i := range s.Outcomes {
		o := &s.Outcomes[i]
		st := standsTolerated
		switch o.Result {
		case verdict.Fail:
			st = standsFailed
		case verdict.Warn:
			st = standsWarned
		}
		for _, l := range []struct {
			violations []verdict.Violation
			standing   standing
		}{{o.Violations, st}, {o.Warnings, standsWarned}, {o.Pending, standsPending}} {
			for _, v := range l.violations {
				es = append(es, entry{outcome: o, violation: v, standing: l.standing})
			}
		}
		for j := range o.Waived {
			es = append(es, entry{outcome: o, violation: o.Waived[j].Violation, standing: standsWaived, waived: &o.Waived[j]})
		}
	}
	seen := map[string]int{}
	for i := range es {
		key := fingerprint(es[i].outcome.Rule, es[i].id(), es[i].packageName(), es[i].path())
		if seen[key]++; seen[key] > 1 {
			key = fingerprint(key, fmt.Sprint(seen[key]))
		}
		es[i].fingerprint = key
	}
	slices.SortStableFunc(es, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.standing, b.standing), cmp.Compare(rank(a.violation), rank(b.violation)))
	})
	return es
}

func (e *entry) id() string {
	if f := e.violation.Finding; f != nil {
		return f.ID
	}
	return e.violation.ID
}

func (e *entry) pkg() *evidence.Package {
	if f := e.violation.Finding; f != nil {
		return f.Package
	}
	return e.violation.Package
}

func (e *entry) packageName() string {
	if p := e.pkg(); p != nil {
		return p.Name
	}
	return ""
}

func (e *entry) path() string {
	if f := e.violation.Finding; f != nil {
		return f.Location()
	}
	return e.violation.Path
}

// severity is that of the finding; ok is false where there is none.
func (e *entry) severity() (s evidence.Severity, ok bool) {
	if f := e.violation.Finding; f != nil {
		return f.Severity, true
	}
	return evidence.SeverityUnknown, false
}

// message is the violation in one line.
func (e *entry) message() string {
	return cmp.Or(clean(e.violation.Message), clean(e.outcome.Summary), clean(e.outcome.Rule), "a violation without a text")
}

// sentence is the message, and where that is if it does not say so.
func (e *entry) sentence() string {
	text := e.message()
	if p := clean(e.path()); p != "" && !strings.Contains(text, p) {
		text += " in " + p
	}
	return text
}

// fix is what removes it, in one line; empty where nobody knows.
func (e *entry) fix() string {
	return cmp.Or(clean(e.violation.Fix), clean(e.outcome.Remediation))
}

// state says why the violation does not fail the image; empty for one that does.
func (e *entry) state(ws waiverIndex) string {
	switch e.standing {
	case standsWarned:
		return "a warning: it does not fail the image"
	case standsTolerated:
		if e.outcome.Result == verdict.Error {
			return "the rule could not be decided"
		}
		return fmt.Sprintf("tolerated: the rule allows %d", e.outcome.Max)
	case standsPending:
		if d := e.violation.Deadline; d != nil {
			return "in its grace period: it counts from " + wording.Date(*d)
		}
		return "in its grace period"
	case standsWaived:
		return ws.justification(e.waived)
	default:
		return ""
	}
}

// waiverIndex finds waivers by id.
type waiverIndex map[string]verdict.WaiverState

func indexWaivers(v verdict.Verdict) waiverIndex {
	ws := waiverIndex{}
	for _, w := range v.Waivers {
		if old, ok := ws[w.ID]; !ok || old.Use != verdict.WaiverUsed && w.Use == verdict.WaiverUsed {
			ws[w.ID] = w
		}
	}
	return ws
}

// justification is who accepts a violation, why and until when, or what a VEX document says.
func (ws waiverIndex) justification(w *verdict.Waived) string {
	var parts []string
	add := func(name, value string) {
		if value = clean(value); value != "" {
			parts = append(parts, name+value)
		}
	}
	if x := w.VEX; x != nil {
		add("removed by VEX: ", strings.TrimSuffix(x.Status+": "+x.Justification, ": "))
		add("document ", x.Source)
		add("by ", x.Author)
	} else {
		s := ws[w.Waiver]
		parts = append(parts, strings.TrimSuffix("waived by "+clean(w.Waiver)+": "+clean(s.Reason), ": "))
		add("until ", s.Until)
		add("owner ", s.Owner)
		add("see ", s.Reference)
	}
	for _, d := range w.Drift {
		add("since it was waived: ", d)
	}
	return strings.Join(parts, "; ")
}

// fingerprint is a digest of texts that keeps their borders.
func fingerprint(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ident makes an id of outside text: short, visible, and different where the texts are.
func ident(s string) string {
	const most = 120
	c := clean(s)
	if length(c) > most || length(s) > maxText {
		return wording.Clip(c, most) + "~" + fingerprint(s)[:12]
	}
	return c
}

// repository is the image's name without tag and digest: what stays from build to build.
func repository(s evidence.Subject, reference string) string {
	name := cmp.Or(s.Name, s.Destination, s.Reference, reference)
	transport, rest, _ := strings.Cut(name, ":")
	switch evidence.Source(transport) {
	case evidence.SourceDockerArchive, evidence.SourceOCI, evidence.SourceOCIArchive:
		return ident(name) // a path: a colon in it is no tag's
	case evidence.SourceDockerDaemon, evidence.SourceRegistry:
		name = strings.TrimPrefix(rest, "//")
	}
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return cmp.Or(ident(name), "image")
}

// target names the image and the platform: "docker.io/library/shop/linux/amd64".
func target(s evidence.Subject, reference string) string {
	return strings.TrimSuffix(repository(s, reference)+"/"+ident(s.Platform.String()), "/")
}

// imageTitle is the image as a person calls it, with the platform.
func imageTitle(s evidence.Subject, reference string) string {
	name := cmp.Or(clean(cmp.Or(s.Reference, reference, s.Name)), "no image")
	if pl := s.Platform.String(); pl != "" {
		name += " (" + clean(pl) + ")"
	}
	return name
}
