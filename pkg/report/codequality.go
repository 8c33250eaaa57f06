// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type (
	qualityEntry struct {
		Description string          `json:"description"`
		CheckName   string          `json:"check_name"`
		Fingerprint string          `json:"fingerprint"`
		Severity    string          `json:"severity"`
		Location    qualityLocation `json:"location"`
	}
	qualityLocation struct {
		Path  string       `json:"path"`
		Lines qualityLines `json:"lines"`
	}
	qualityLines struct {
		Begin int `json:"begin"`
	}
)

// CodeQuality writes GitLab's Code Quality report. Its first entry is the verdict as a
// whole, as the format has no other place for it.
func CodeQuality(w io.Writer, v verdict.Verdict, _ Options) error {
	list := []qualityEntry{qualityVerdict(v)}
	for _, g := range runGaps(v) {
		list = append(list, qualityGap(v, evidence.Subject{}, g))
	}
	ws := indexWaivers(v)
	for i := range v.Subjects {
		s := &v.Subjects[i]
		if len(v.Subjects) > 1 {
			list = append(list, qualityGap(v, s.Evidence.Subject, gap{gravity: gapNote, text: subjectLine(v, s), key: "subject"}))
		}
		for _, g := range subjectGaps(v, s) {
			list = append(list, qualityGap(v, s.Evidence.Subject, g))
		}
		for _, e := range entries(s) {
			list = append(list, qualityOf(v, s, &e, ws))
		}
	}
	// One fingerprint, one entry: GitLab shows only the first of those that share one.
	seen := map[string]int{}
	for i := range list {
		f := list[i].Fingerprint
		if seen[f]++; seen[f] > 1 {
			list[i].Fingerprint = fingerprint(f, fmt.Sprint(seen[f]))
		}
	}
	if err := WriteJSON(w, list); err != nil {
		return fmt.Errorf("write verdict as Code Quality report: %w", err)
	}
	return nil
}

func qualityVerdict(v verdict.Verdict) qualityEntry {
	text := []string{headline(v)}
	for _, f := range facts(v)[1:] {
		text = append(text, f.name+" "+f.value)
	}
	severity := map[verdict.Status]string{verdict.Passed: "info", verdict.Failed: "critical", verdict.Errored: "blocker"}[statusOf(v)]
	return qualityEntry{
		Description: strings.Join(text, "; "), CheckName: "ocigate/verdict", Severity: severity,
		Fingerprint: fingerprint("verdict", repository(evidence.Subject{}, v.Reference), string(statusOf(v))),
		Location:    qualityAt(v, evidence.Subject{}, nil, 0),
	}
}

func qualityGap(v verdict.Verdict, s evidence.Subject, g gap) qualityEntry {
	severity := map[gravity]string{gapError: "blocker", gapWarning: "minor", gapNote: "info"}[g.gravity]
	check := "ocigate/run"
	if g.rule != "" {
		check = "ocigate/" + ident(g.rule)
	}
	return qualityEntry{
		Description: onPlatform(s, g.text), CheckName: check, Severity: severity,
		Fingerprint: fingerprint("gap", target(s, v.Reference), g.rule, cmp.Or(g.key, g.text)), Location: qualityAt(v, s, nil, 0),
	}
}

func qualityOf(v verdict.Verdict, s *verdict.SubjectVerdict, e *entry, ws waiverIndex) qualityEntry {
	text := e.sentence()
	if st := e.state(ws); st != "" {
		text += " (" + st + ")"
	} else if f := e.fix(); f != "" {
		text += "; fix: " + f
	}
	return qualityEntry{
		Description: onPlatform(s.Evidence.Subject, text), CheckName: "ocigate/" + ident(e.outcome.Rule), Severity: qualitySeverity(e),
		Fingerprint: fingerprint(target(s.Evidence.Subject, v.Reference), e.fingerprint),
		Location:    qualityAt(v, s.Evidence.Subject, s.Evidence.Dockerfile, e.violation.Line),
	}
}

// qualitySeverity rates what fails the image; a warning is at most minor, and the rest
// is for information.
func qualitySeverity(e *entry) string {
	switch e.standing {
	case standsFailed:
	case standsWarned:
		return "minor"
	default:
		return "info"
	}
	sev, ok := e.severity()
	if !ok {
		return "critical"
	}
	switch sev {
	case evidence.SeverityCritical:
		return "blocker"
	case evidence.SeverityHigh:
		return "critical"
	case evidence.SeverityLow:
		return "minor"
	default:
		return "major"
	}
}

// qualityAt is the line of the Dockerfile where that is known, else the image.
func qualityAt(v verdict.Verdict, s evidence.Subject, d *evidence.Dockerfile, line int) qualityLocation {
	if p := dockerfilePath(d); p != "" && line > 0 {
		return qualityLocation{clean(p), qualityLines{line}}
	}
	return qualityLocation{strings.TrimPrefix(repository(s, v.Reference), "/"), qualityLines{1}}
}

func onPlatform(s evidence.Subject, text string) string {
	if pl := s.Platform.String(); pl != "" {
		return clean(pl) + ": " + text
	}
	return text
}
