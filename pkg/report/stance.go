// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// The statuses of OpenVEX.
const (
	stanceNotAffected = "not_affected"
	stanceFixed       = "fixed"
	stanceAffected    = "affected"
	stanceUnderReview = "under_investigation"
)

// stance is what policy and VEX documents say about a vulnerability in this image, in the
// words of OpenVEX.
type stance struct {
	status, justification, impact, action, notes string
}

// stanceOf is what can honestly be said of a vulnerability. A waiver is an accepted risk,
// never "not affected": whoever trusts the statement must not read that the risk is
// gone. A VEX statement is passed on only where every rule that asks honours it. It
// is not ok where neither says anything.
func stanceOf(m matched, ws waiverIndex) (s stance, ok bool) {
	var honoured *evidence.VEXStatement
	var waivers []string
	for i := range m.judged {
		w := m.judged[i].waived
		switch {
		case w == nil:
		case w.VEX == nil:
			waivers = append(waivers, acceptance(ws, w.Waiver)+drifts(w.Drift))
		case honoured == nil:
			honoured = w.VEX
		}
	}
	open := slices.ContainsFunc(m.judged, func(e entry) bool { return e.waived == nil })
	switch {
	case len(waivers) > 0:
		s = stance{status: stanceAffected, action: joined(slices.Compact(waivers))}
		if m.FixedVersion != "" {
			s.action += "; then upgrade to " + clean(m.FixedVersion)
		}
		if open {
			s.notes = "it still violates a rule that no waiver covers"
		}
		return s, true
	case honoured != nil && !open:
		return passedOn(honoured), true
	case len(m.VEX) > 0:
		return notHonoured(&m.VEX[0], m.FixedVersion), true
	default:
		return stance{}, false
	}
}

// acceptance is a waiver in words.
func acceptance(ws waiverIndex, id string) string {
	w := ws[id]
	text := "risk accepted"
	if u := clean(w.Until); u != "" {
		text += " until " + u + ", under review until then"
	}
	text += ": waiver " + clean(id)
	if r := clean(w.Reason); r != "" {
		text += ", " + r
	}
	if o := clean(w.Owner); o != "" {
		text += " (owner " + o + ")"
	}
	return text
}

func drifts(list []string) string {
	text := ""
	for _, d := range list {
		text += "; since it was waived: " + clean(d)
	}
	return text
}

// passedOn repeats a statement that the rules honour.
func passedOn(x *evidence.VEXStatement) stance {
	s := stance{status: stanceNotAffected, notes: origin(x)}
	if x.Status == stanceFixed {
		s.status = stanceFixed
		s.notes += besides(x.Justification)
		return s
	}
	word, rest, _ := strings.Cut(x.Justification, ": ")
	if openVEXJustification(word) {
		s.justification, s.impact = word, clean(rest)
	} else {
		s.impact = cmp.Or(clean(x.Justification), "no reason was given")
	}
	return s
}

// notHonoured is a statement that no rule goes by.
func notHonoured(x *evidence.VEXStatement, fixed string) stance {
	if x.Status == stanceAffected {
		s := stance{status: stanceAffected, action: "no action is stated", notes: origin(x) + besides(x.Justification)}
		if fixed != "" {
			s.action = "upgrade to " + clean(fixed)
		}
		return s
	}
	s := stance{status: stanceUnderReview, notes: origin(x) + besides(x.Justification)}
	if x.Status != stanceUnderReview {
		s.notes = "the document says " + clean(x.Status) + ", and not every rule of the policy goes by it; " + s.notes
	}
	return s
}

func origin(x *evidence.VEXStatement) string {
	text := "from " + cmp.Or(clean(x.Source), "a VEX document")
	if a := clean(x.Author); a != "" {
		text += " by " + a
	}
	return text
}

func besides(text string) string {
	if text = clean(text); text != "" {
		return ": " + text
	}
	return ""
}

func openVEXJustification(word string) bool {
	return slices.Contains([]string{"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
		"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist"}, word)
}

// waiverText is a waiver and what became of it.
func waiverText(w verdict.WaiverState) string {
	text := clean(w.ID) + ", " + waiverUse(w)
	if u := clean(w.Until); u != "" {
		text += ", until " + u
	}
	text += besides(waiverScope(w)) + besides(w.Reason)
	if o := clean(w.Owner); o != "" {
		text += " (owner " + o + ")"
	}
	if w.Refused != "" {
		text += "; refused: " + clean(w.Refused)
	}
	return text + drifts(w.Drift)
}
