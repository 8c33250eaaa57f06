// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// place is a violation before and after: of which rule it is, and about what. The
// package's version is left out, as it is what a newer base changes.
type place struct {
	platform      evidence.Platform
	rule, id, pkg string
	path, message string
}

// comparison is what became of the violations.
type comparison struct {
	before, after          verdict.Status
	gone, stay, come, open []place
}

func compare(before, after verdict.Verdict) comparison {
	c := comparison{before: before.Status, after: after.Status}
	was, is := violations(before), violations(after)
	for _, p := range was {
		switch {
		case slices.Contains(is, p):
		case decided(after, p):
			c.gone = append(c.gone, p)
		default:
			c.open = append(c.open, p)
		}
	}
	for _, p := range is {
		if slices.Contains(was, p) {
			c.stay = append(c.stay, p)
		} else {
			c.come = append(c.come, p)
		}
	}
	return c
}

// decided says whether the place's rule has an answer: what was not looked at is not gone.
func decided(v verdict.Verdict, p place) bool {
	return slices.ContainsFunc(v.Subjects, func(s verdict.SubjectVerdict) bool {
		return s.Evidence.Subject.Platform == p.platform && slices.ContainsFunc(s.Outcomes, func(o verdict.Outcome) bool {
			return o.Rule == p.rule && slices.Contains([]verdict.Result{verdict.Pass, verdict.Fail, verdict.Warn}, o.Result)
		})
	})
}

// violations are those that make a rule fail or warn, each once, sorted.
func violations(v verdict.Verdict) []place {
	var out []place
	for _, s := range v.Subjects {
		for _, o := range s.Outcomes {
			for _, x := range slices.Concat(o.Violations, o.Warnings) {
				out = append(out, violationPlace(s.Evidence.Subject.Platform, o.Rule, x))
			}
		}
	}
	slices.SortFunc(out, comparePlaces)
	return slices.Compact(out)
}

func violationPlace(p evidence.Platform, rule string, v verdict.Violation) place {
	at := place{platform: p, rule: rule, id: v.ID, path: v.Path}
	pkg := v.Package
	if f := v.Finding; f != nil {
		at.id, at.path = f.ID, f.Path
		if f.Package != nil {
			pkg = f.Package
		}
	}
	if pkg != nil {
		at.pkg, at.path = pkg.Name, cmp.Or(at.path, pkg.Path)
	}
	if at.id == "" && at.pkg == "" && at.path == "" {
		at.message = v.Message
	}
	return at
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.platform.String(), b.platform.String()), cmp.Compare(a.rule, b.rule), cmp.Compare(a.id, b.id),
		cmp.Compare(a.pkg, b.pkg), cmp.Compare(a.path, b.path), cmp.Compare(a.message, b.message))
}

func (p place) String() string {
	words := slices.DeleteFunc([]string{p.rule + ":", p.id, p.pkg, p.path, p.message}, func(s string) bool { return s == "" })
	return strings.Join(words, " ")
}

// tell says what was made and what that changed: before the report where that is text on
// standard output, else on standard error.
func (r *rebasing) tell(outs []output, made *rebasedImage, c comparison) {
	w := r.streams.Err
	if slices.ContainsFunc(outs, func(o output) bool { return o.path == "" && o.format == "text" }) {
		w = r.streams.Out
	}
	say := func(format string, args ...any) {
		fmt.Fprintf(w, "%s\n", escape.Line(escape.Text(fmt.Sprintf(format, args...))))
	}
	several := len(made.images) > 1
	for i, m := range made.images {
		if several {
			say("Rebased %s", m.Platform)
		}
		sayImage(say, made, m, made.old[i])
	}
	say("Written:  %s (%s)", made.written.Reference, made.written.Digest)
	say("Before → after: %s → %s", c.before, c.after)
	sayPlaces(say, "gone", c.gone, several)
	sayPlaces(say, "stay", c.stay, several)
	sayPlaces(say, "new", c.come, several)
	if len(c.open) > 0 {
		sayPlaces(say, "could not be decided", c.open, several)
	}
	say("The new image is unsigned: signatures, attestations and provenance of the old one are not copied. It was never run: test it before it is pushed.")
	fmt.Fprintln(w)
}

func sayImage(say func(string, ...any), made *rebasedImage, m *image.Rebased, old evidence.Base) {
	say("Old base: %s (%s), %s", old.Reference, old.Digest, m.Old)
	say("New base: %s (%s), %s", made.name, made.digest, m.New)
	say("Layers:   %d of the new base, %d of the image's own", m.Layers-m.Own, m.Own)
	for _, text := range m.Warnings {
		say("Warning:  %s", text)
	}
}

// sayPlaces lists no more than a screen holds; the reports have all that are left.
func sayPlaces(say func(string, ...any), what string, ps []place, platforms bool) {
	const most = 20
	say("  %d %s", len(ps), what)
	for _, p := range ps[:min(most, len(ps))] {
		if platforms {
			say("    %s %s", p.platform, p)
		} else {
			say("    %s", p)
		}
	}
	if len(ps) > most {
		say("    … and %d more", len(ps)-most)
	}
}
