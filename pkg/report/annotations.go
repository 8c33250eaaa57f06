// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// maxAnnotations is how many of one level GitHub shows of one step; it drops the rest
// without a word.
const maxAnnotations = 10

// annotation is one workflow command. Title and message are clean.
type annotation struct {
	title, message string
	// file and line are a place in the workspace, where one is known.
	file string
	line int
	// platforms are those that it holds for.
	platforms []string
}

// Annotations writes GitHub's workflow commands: errors for what keeps the image from
// passing, the gravest first, then warnings. Of each level there are at most ten, and the
// last one says how many were left out.
func Annotations(w io.Writer, v verdict.Verdict, _ Options) error {
	a := annotations{verdict: v, seen: map[string]*annotation{}}
	a.collect()
	var b strings.Builder
	writeAnnotations(&b, "error", a.errors, len(v.Subjects))
	writeAnnotations(&b, "warning", a.warnings, len(v.Subjects))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write verdict as annotations: %w", err)
	}
	return nil
}

type annotations struct {
	verdict          verdict.Verdict
	errors, warnings []*annotation
	// seen finds what was said of another platform already.
	seen map[string]*annotation
}

// collect orders by gravity: violations, what could not be decided, warnings.
func (a *annotations) collect() {
	v := a.verdict
	var gaps []gap
	var platforms []string
	for _, g := range runGaps(v) {
		gaps, platforms = append(gaps, g), append(platforms, "")
	}
	var found []found
	for i := range v.Subjects {
		s := &v.Subjects[i]
		for _, e := range entries(s) {
			found = append(found, foundOn(s, e))
		}
		for _, g := range subjectGaps(v, s) {
			gaps, platforms = append(gaps, g), append(platforms, s.Evidence.Subject.Platform.String())
		}
	}
	sortFound(found)
	for _, f := range found {
		switch {
		case f.entry.standing == standsFailed && !v.ReportOnly:
			a.add(&a.errors, a.violation(f), f.platform)
		case f.entry.standing == standsFailed, f.entry.standing == standsWarned:
			// What does not fail the run is no error.
			a.add(&a.warnings, a.violation(f), f.platform)
		}
	}
	for i, g := range gaps {
		note := annotation{title: cmp.Or(clean(g.rule), "ocigate"), message: g.text}
		switch g.gravity {
		case gapError:
			a.add(&a.errors, note, platforms[i])
		case gapWarning:
			a.add(&a.warnings, note, platforms[i])
		}
	}
}

// found is a violation and where it was found.
type found struct {
	entry      entry
	subject    *verdict.SubjectVerdict
	platform   string
	dockerfile string
}

func foundOn(s *verdict.SubjectVerdict, e entry) found {
	return found{e, s, s.Evidence.Subject.Platform.String(), dockerfilePath(s.Evidence.Dockerfile)}
}

// sortFound puts the gravest of all platforms first.
func sortFound(fs []found) {
	slices.SortStableFunc(fs, func(x, y found) int {
		return cmp.Or(cmp.Compare(x.entry.standing, y.entry.standing), cmp.Compare(rank(x.entry.violation), rank(y.entry.violation)))
	})
}

// violation is a violation with what to do about it, at the line of the Dockerfile that is
// the cause, else at that of the rule.
func (a *annotations) violation(f found) annotation {
	e := &f.entry
	note := annotation{title: cmp.Or(clean(e.outcome.Rule), "rule"), message: e.sentence()}
	if t := clean(e.outcome.Title); t != "" {
		note.title += ": " + t
	}
	if fix := e.fix(); fix != "" {
		note.message += ". To fix it: " + fix
	}
	source := workspaceFile(cmp.Or(e.outcome.Source, a.verdict.Policy.Source))
	switch {
	case f.dockerfile != "" && e.violation.Line > 0:
		note.file, note.line = f.dockerfile, e.violation.Line
	case source != "" && e.outcome.Position.Line > 0:
		note.file, note.line = source, e.outcome.Position.Line
	}
	return note
}

// workspaceFile is the path of a policy below the working directory; empty for one that is
// elsewhere, in the binary or in a registry.
func workspaceFile(source string) string {
	p := path.Clean(source)
	if source == "" || p == "." || p == ".." || strings.HasPrefix(p, "../") || strings.HasPrefix(p, "/") || strings.Contains(p, ":") || length(p) > maxText {
		return ""
	}
	return p
}

// add joins what holds for several platforms.
func (a *annotations) add(list *[]*annotation, n annotation, platform string) {
	key := fingerprint(n.title, n.message, n.file, strconv.Itoa(n.line))
	old := a.seen[key]
	if old == nil {
		old = &n
		a.seen[key] = old
		*list = append(*list, old)
	}
	if p := clean(platform); p != "" && !slices.Contains(old.platforms, p) {
		old.platforms = append(old.platforms, p)
	}
}

func writeAnnotations(b *strings.Builder, level string, list []*annotation, subjects int) {
	left := 0
	if len(list) > maxAnnotations {
		left = len(list) - maxAnnotations + 1
		list = list[:maxAnnotations-1]
	}
	for _, n := range list {
		message := n.message
		if subjects > 1 && len(n.platforms) > 0 {
			message += " (" + strings.Join(n.platforms, ", ") + ")"
		}
		place := ""
		if n.file != "" {
			place = "file=" + commandProperty(clean(n.file)) + ",line=" + strconv.Itoa(n.line) + ","
		}
		fmt.Fprintf(b, "::%s %stitle=%s::%s\n", level, place, commandProperty(n.title), commandText(message))
	}
	if left > 0 {
		fmt.Fprintf(b, "::%s title=ocigate::%s not shown here: see the summary or the JSON report\n", level, wording.Count(left, "more "+level))
	}
}

// commandText escapes the message of a workflow command, which is decoded by whoever shows it.
func commandText(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// commandProperty escapes a property of a workflow command.
func commandProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
