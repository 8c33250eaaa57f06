// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"slices"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// sarifLimits are what GitHub takes of one file. A larger one is refused as a whole.
type sarifLimits struct {
	runs, results, shown, gzip int
}

func githubLimits() sarifLimits {
	return sarifLimits{runs: 20, results: 25_000, shown: 5_000, gzip: 9_500_000}
}

// SARIF writes SARIF 2.1.0 for code scanning: one run for each image and platform, in a
// category of its own that stays from build to build. Waived violations are results
// with a suppression; what could not be decided is a result and a notification.
func SARIF(w io.Writer, v verdict.Verdict, o Options) error {
	return sarifWithin(w, v, o, githubLimits())
}

func sarifWithin(w io.Writer, v verdict.Verdict, o Options, l sarifLimits) error {
	for {
		var b bytes.Buffer
		if err := WriteJSON(&b, sarifOf(v, o, l)); err != nil {
			return fmt.Errorf("write verdict as SARIF: %w", err)
		}
		n, err := packed(b.Bytes(), l.gzip)
		if err != nil {
			return fmt.Errorf("write verdict as SARIF: %w", err)
		}
		if n > l.gzip && l.results > 0 {
			// Repeat with what may fit; at least one result less, so that this ends.
			most := min(l.results, longest(v))
			l.results = max(0, min(most-1, int(0.9*float64(most)*float64(l.gzip)/float64(n))))
			continue
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return fmt.Errorf("write verdict as SARIF: %w", err)
		}
		return nil
	}
}

// longest is at least the number of results of the longest run.
func longest(v verdict.Verdict) int {
	n := 0
	for i := range v.Subjects {
		n = max(n, len(entries(&v.Subjects[i]))+len(v.Subjects[i].Outcomes)+len(v.Problems))
	}
	return n
}

// packed is the size of b as it is uploaded, or 0 where it is below most anyway.
func packed(b []byte, most int) (int, error) {
	if len(b) <= most {
		return 0, nil
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		return 0, err
	}
	if err := z.Close(); err != nil {
		return 0, err
	}
	return out.Len(), nil
}

func sarifOf(v verdict.Verdict, o Options, l sarifLimits) sarifLog {
	log := sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0"}
	subjects := v.Subjects
	var left []gap
	if len(subjects) > l.runs {
		subjects = worstFirst(subjects)[:l.runs]
		left = append(left, gap{gravity: gapWarning, text: fmt.Sprintf(
			"%d of %d platforms are left out, as code scanning takes %d runs of one file; the worst are here", len(v.Subjects)-l.runs, len(v.Subjects), l.runs)})
	}
	if len(subjects) == 0 {
		// Without results, nothing closes the alerts of the platforms; and one in this category
		// would never be closed.
		log.Runs = []sarifRun{newSarifRun(v, &verdict.SubjectVerdict{Status: verdict.Errored}, o).run}
		return log
	}
	categories := map[string]int{}
	for i := range subjects {
		r := newSarifRun(v, &subjects[i], o)
		// A file with two runs of one category is refused; Windows has several of one platform.
		id := &r.run.Automation.ID
		if categories[*id]++; categories[*id] > 1 {
			*id += fmt.Sprintf("%d/", categories[*id])
		}
		if i == 0 {
			r.problems(v)
		}
		r.outcomes(l)
		r.notify(left)
		log.Runs = append(log.Runs, r.run)
	}
	return log
}

// sarifBuilder makes one run.
type sarifBuilder struct {
	run     sarifRun
	verdict verdict.Verdict
	subject *verdict.SubjectVerdict
	waivers waiverIndex
	// rules and scores are by id, and by the rule's index.
	rules  map[string]int
	scores map[int]float64
}

func newSarifRun(v verdict.Verdict, s *verdict.SubjectVerdict, o Options) *sarifBuilder {
	r := &sarifBuilder{verdict: v, subject: s, waivers: indexWaivers(v), rules: map[string]int{}, scores: map[int]float64{}}
	sub := s.Evidence.Subject
	r.run.Tool = sarifTool{Driver: sarifDriver{Name: "ocigate", Version: clean(o.Versions.Ocigate), InformationURI: informationURI}}
	if t := clean(o.Versions.Trivy); t != "" {
		r.run.Tool.Extensions = []sarifExtension{{Name: "trivy", Version: t}}
	}
	r.run.Automation = sarifAutomation{
		ID:          category(v) + target(sub, v.Reference) + "/",
		Description: sarifText{Text: sarifMessage("image " + imageTitle(sub, v.Reference))},
	}
	r.run.Properties = map[string]string{"status": statusWord(v, s.Status)}
	for _, f := range facts(v) {
		if old := r.run.Properties[f.name]; old != "" {
			f.value = old + "; " + f.value
		}
		r.run.Properties[f.name] = f.value
	}
	for name, value := range map[string]string{
		"image": sub.Name, "digest": sub.Digest, "indexDigest": sub.IndexDigest, "imageID": sub.ImageID,
		"platform": sub.Platform.String(), "databaseDigest": s.Evidence.Database.Digest,
	} {
		if value != "" {
			r.run.Properties[name] = clean(value)
		}
	}
	at := wording.Time(v.EffectiveTime)
	r.run.Invocations = []sarifInvocation{{
		Successful: true, ExitCode: v.ExitCode(), ExitText: statusWord(v, v.Status), Start: at, End: at,
	}}
	gs := append(runGaps(v), subjectGaps(v, s)...)
	if v.FailedFast || known(s.Status) == verdict.Errored || slices.ContainsFunc(gs, func(g gap) bool { return g.gravity == gapError }) {
		r.run.Invocations[0].Successful = false
	}
	r.notify([]gap{{gravity: gapNote, text: headline(v)}})
	r.notify(gs)
	return r
}

// notify says what is not a result.
func (r *sarifBuilder) notify(gs []gap) {
	for _, g := range gs {
		n := sarifNotification{Level: string(g.gravity), Message: sarifText{Text: sarifMessage(g.text)}}
		r.run.Invocations[0].Notifications = append(r.run.Invocations[0].Notifications, n)
	}
}

// outcomes adds results, the gravest first, up to the limit.
func (r *sarifBuilder) outcomes(l sarifLimits) {
	for i := range r.subject.Outcomes {
		if o := &r.subject.Outcomes[i]; o.Result == verdict.Error || r.verdict.FailedFast && o.Result == verdict.Skip && notExamined(*o) {
			r.undecided(o)
		}
	}
	es := entries(r.subject)
	room := max(0, l.results-len(r.run.Results))
	for i := range es[:min(len(es), room)] {
		r.result(&es[i])
	}
	total := len(r.run.Results)
	if rest := len(es) - room; rest > 0 {
		total += rest
		r.notify([]gap{{gravity: gapWarning, text: fmt.Sprintf(
			"%d of %d results are left out, the least severe ones, as code scanning takes 25,000 results of one run and 10 MB of one file; --output json=FILE has them all", rest, total)}})
	}
	if n := len(r.run.Results); n > l.shown {
		r.notify([]gap{{gravity: gapNote, text: fmt.Sprintf("code scanning shows %d of these %d results, the most severe ones", l.shown, n)}})
	}
}

// category begins the categories of a run. Those of a part of the policy are its own, so
// that an upload closes no alert about what it did not look at.
func category(v verdict.Verdict) string {
	if v.Scope != "" {
		return "ocigate-" + ident(string(v.Scope)) + "/"
	}
	return "ocigate/"
}
