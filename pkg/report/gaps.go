// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// gravity is how much a gap weighs. The words are those of SARIF.
type gravity string

const (
	// gapError keeps the verdict from being PASSED.
	gapError   gravity = "error"
	gapWarning gravity = "warning"
	gapNote    gravity = "note"
)

// gap is what a reader must know besides the violations: what could not be examined,
// what nobody asked for, what a policy accepts. Its text is clean.
type gap struct {
	gravity gravity
	rule    string
	text    string
	// key names it where the text may change from build to build.
	key string
}

// runGaps are those of the run as a whole.
func runGaps(v verdict.Verdict) []gap {
	var gs []gap
	for _, pr := range v.Problems {
		gs = append(gs, gap{gapError, cmp.Or(string(pr.Area), verdict.RuleImage), "could not examine: " + problemText(pr), "problem " + pr.What})
	}
	if len(v.Subjects) == 0 && len(v.Problems) == 0 {
		gs = append(gs, gap{gapError, verdict.RuleImage, "could not decide: nothing was examined", ""})
	}
	add := func(g gravity, key, format string, args ...any) {
		gs = append(gs, gap{gravity: g, text: fmt.Sprintf(format, args...), key: key})
	}
	if v.ReportOnly {
		add(gapWarning, "", "report only: violations do not fail this run, and it must not be used to push or to attest")
	}
	if v.EffectiveTimeGiven {
		add(gapWarning, "effective time", "decided as of %s, a time that was given and is not the clock's", wording.Time(v.EffectiveTime))
	}
	if v.Scope != "" {
		add(gapWarning, "", "%s only: no layer was read, and all other rules of the policy were not examined; it must not be used to push or to attest", clean(string(v.Scope)))
	}
	if v.FailedFast {
		add(gapWarning, "", "ended early: no layer was read, because rules about signatures, attestations or the base image had failed")
	}
	for _, p := range v.NotExamined {
		add(gapWarning, "", "not examined, and not part of this verdict: %s", clean(p.String()))
	}
	for _, n := range v.Notes {
		add(gapNote, "", "%s", clean(n))
	}
	for _, w := range v.Waivers {
		switch {
		case w.Refused != "":
			add(gapNote, "waiver "+w.ID, "the waiver %s is refused: %s", clean(w.ID), clean(w.Refused))
		case w.Use == verdict.WaiverExpired && w.Matches > 0:
			add(gapNote, "waiver "+w.ID, "the waiver %s ended on %s", clean(w.ID), clean(w.Until))
		case w.Use == verdict.WaiverUsed && w.Expiring:
			add(gapNote, "waiver "+w.ID, "the waiver %s ends on %s%s", clean(w.ID), clean(w.Until), daysLeft(w))
		}
	}
	return gs
}

// subjectGaps are those of one subject.
func subjectGaps(v verdict.Verdict, s *verdict.SubjectVerdict) []gap {
	var gs []gap
	for _, o := range s.Outcomes {
		gs = append(gs, outcomeGaps(s, o)...)
	}
	if partial(v) {
		return gs // nothing of what follows was looked at, as a gap of the run says
	}
	add := func(format string, args ...any) {
		gs = append(gs, gap{gravity: gapNote, text: fmt.Sprintf(format, args...)})
	}
	c := s.Evidence.Coverage
	for _, n := range c.NotMatched {
		add("not examined, as nothing could be matched: %s", clean(n))
	}
	switch {
	case !c.SecretScan:
		add("files were not searched for secrets")
	case c.BaseLayers > 0:
		add("not searched for secrets: %s of the base image", wording.Count(c.BaseLayers, "layer"))
	}
	feeds := slices.Clone(s.Evidence.Feeds.VEX)
	for _, f := range []*evidence.FeedState{s.Evidence.Feeds.KEV, s.Evidence.Feeds.EPSS, s.Evidence.Feeds.EOL, s.Evidence.Feeds.FirstSeen} {
		if f != nil {
			feeds = append(feeds, *f)
		}
	}
	for _, f := range feeds {
		if f.Problem != "" {
			add("%s cannot be used: %s", clean(f.Source), clean(f.Problem))
		}
	}
	return gs
}

func outcomeGaps(s *verdict.SubjectVerdict, o verdict.Outcome) []gap {
	var gs []gap
	add := func(g gravity, key, format string, args ...any) {
		gs = append(gs, gap{g, o.Rule, clean(o.Rule) + ": " + fmt.Sprintf(format, args...), key})
	}
	grave := gapError
	if o.Action == policy.ActionWarn {
		grave = gapWarning
	}
	builtin := o.Group == verdict.GroupBuiltin
	switch {
	case o.Result == verdict.Error:
		if !builtin || len(o.Problems) == 0 {
			add(grave, "undecided", "could not decide: %s", strings.TrimPrefix(clean(o.Summary), "not decided: "))
		}
		for _, pr := range o.Problems {
			if builtin || !builtinProblem(s, pr) {
				add(grave, "problem "+pr.What, "could not examine: %s", problemText(pr))
			}
		}
	case o.Result == verdict.Skip && notExamined(o):
		add(gapWarning, "skipped", "%s", clean(o.Summary))
	case o.Result == verdict.Skip:
		add(gapNote, "skipped", "skipped: %s", clean(o.Summary))
	case builtin && o.Result == verdict.Pass:
		for _, pr := range o.Problems {
			add(gapNote, "problem "+pr.What, "not examined, accepted by the policy: %s", problemText(pr))
		}
	default:
		for _, pr := range o.Problems {
			if !builtinProblem(s, pr) {
				add(gapWarning, "problem "+pr.What, "not decided besides: %s", problemText(pr))
			}
		}
	}
	return gs
}

// builtinProblem says whether a built-in outcome reports the problem already.
func builtinProblem(s *verdict.SubjectVerdict, pr evidence.Problem) bool {
	return slices.ContainsFunc(s.Outcomes, func(b verdict.Outcome) bool {
		return b.Group == verdict.GroupBuiltin && b.Result == verdict.Error && slices.Contains(b.Problems, pr)
	})
}

// problemText is what, why and what to do next on one line.
func problemText(pr evidence.Problem) string {
	s := cmp.Or(clean(pr.Message), "no reason was given")
	what := clean(pr.What)
	if pr.Analyzer != "" {
		what = strings.TrimSpace(what + " (" + clean(pr.Analyzer) + ")")
	}
	if what != "" && !strings.Contains(s, what) {
		s = what + ": " + s
	}
	if pr.Hint != "" {
		s += " (hint: " + clean(pr.Hint) + ")"
	}
	return s
}

// fact is a name and a value of the run, both clean.
type fact struct{ name, value string }

// facts are what every machine format says of the verdict.
func facts(v verdict.Verdict) []fact {
	fs := []fact{
		{"verdict", statusWord(v, v.Status)}, {"reference", clean(v.Reference)},
		{"policy", policyName(v.Policy.Name, v.Policy.Source)}, {"policyDigest", clean(v.Policy.Digest)},
	}
	for _, d := range v.Policy.Enforced {
		fs = append(fs, fact{"enforcedPolicy", strings.TrimSpace(enforced(d) + " " + clean(d.Digest))})
	}
	fs = append(fs, fact{"effectiveTime", wording.Time(v.EffectiveTime)})
	if v.EffectiveTimeGiven {
		fs = append(fs, fact{"effectiveTimeGiven", "true"})
	}
	if v.ReportOnly {
		fs = append(fs, fact{"reportOnly", "true"})
	}
	if v.Scope != "" {
		fs = append(fs, fact{"scope", clean(string(v.Scope))})
	}
	if v.FailedFast {
		fs = append(fs, fact{"failedFast", "true"})
	}
	return slices.DeleteFunc(fs, func(f fact) bool { return f.value == "" })
}

// headline is the verdict in one line: "FAILED shop:1.4 (linux/amd64): 3 rules failed".
func headline(v verdict.Verdict) string { return statusWord(v, v.Status) + " " + summary(v) }

// summary is the headline without the status.
func summary(v verdict.Verdict) string {
	name := cmp.Or(clean(v.Reference), "no image")
	switch len(v.Subjects) {
	case 0:
		return name + ": could not decide, nothing was examined"
	case 1:
		s := v.Subjects[0]
		if pl := s.Evidence.Subject.Platform.String(); pl != "" {
			name += " (" + clean(pl) + ")"
		}
		rest := tally(v, s)
		if s.Status != verdict.Errored && statusOf(v) == verdict.Errored {
			rest = "could not decide; " + rest
		}
		return name + ": " + rest
	default:
		return name + ": " + platformTally(v)
	}
}

// statusOf is never empty: a verdict that nobody decided is an ERROR.
func statusOf(v verdict.Verdict) verdict.Status { return known(v.Status) }

func known(s verdict.Status) verdict.Status {
	switch s {
	case verdict.Passed, verdict.Failed:
		return s
	default:
		return verdict.Errored
	}
}

// subjectLine is what became of one platform, and of which bytes.
func subjectLine(v verdict.Verdict, s *verdict.SubjectVerdict) string {
	sub := s.Evidence.Subject
	line := fmt.Sprintf("%s %s: %s", statusWord(v, s.Status), imageTitle(sub, v.Reference), tally(v, *s))
	if d := clean(cmp.Or(sub.Digest, sub.ImageID)); d != "" {
		line += ", " + d
	}
	return line
}

// statusWord never shows the status of a part of the policy as that of the whole.
func statusWord(v verdict.Verdict, s verdict.Status) string {
	word := string(known(s))
	if v.Scope != "" {
		word += " (" + clean(string(v.Scope)) + " only)"
	}
	return word
}

// partial says that the image was not scanned, on purpose: what is not among the findings
// has not gone away.
func partial(v verdict.Verdict) bool { return v.Scope != "" || v.FailedFast }
