// SPDX-License-Identifier: Apache-2.0

package waiverfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// Record completes a waiver by what a verdict says about what it waives: an id, if it
// has none, and the facts of today, so that drift can be seen. It is an error if the
// waiver matches no violation of the verdict, or what cannot be waived, or if
// the facts of what it matches differ.
func Record(v verdict.Verdict, w policy.Waiver, now time.Time) (policy.Waiver, error) {
	if w.ExpiredAt(now) {
		return w, fmt.Errorf("the last day %s is over already", w.Until.Format(time.DateOnly))
	}
	matches, known, err := matching(v, w)
	if err != nil {
		return w, err
	}
	if w.ID == "" {
		w.ID = newID(map[string]bool{}, slices.DeleteFunc([]string{w.Rule, w.Finding, name(w.Package)}, func(s string) bool { return s == "" })...)
	}
	if w.Finding == "" {
		return w, nil // of a rule with all its violations there are no facts
	}
	date := v.EffectiveTime
	if now.Before(date) {
		date = now // a verdict of a time to come knows the facts of today
	}
	var facts *policy.Recorded
	for _, f := range matches {
		if f.Kind != evidence.KindVulnerability {
			continue
		}
		r := &policy.Recorded{Date: date.UTC().Truncate(24 * time.Hour), Severity: min(f.Severity, evidence.SeverityCritical), Fixed: f.FixedVersion != ""}
		if f.Severity > evidence.SeverityCritical {
			r.Severity = evidence.SeverityUnknown
		}
		if known {
			exploited := f.KnownExploited != nil
			r.KnownExploited = &exploited
		}
		switch {
		case facts == nil:
			facts = r
		case facts.Fixed != r.Fixed:
			return w, fmt.Errorf("%s has a fix in some packages and none in others: waive them one by one with --package or --path", w.Finding)
		default:
			facts.Severity = max(facts.Severity, r.Severity)
		}
	}
	w.Recorded = facts
	return w, nil
}

// matching returns the findings of the violations that the waiver matches, and
// whether it was known which are exploited.
func matching(v verdict.Verdict, w policy.Waiver) (matches []evidence.Finding, kev bool, err error) {
	n, rules := 0, map[string]bool{}
	kev = true
	for _, s := range v.Subjects {
		sub := s.Evidence.Subject
		kev = kev && s.Evidence.Feeds.KEV != nil && s.Evidence.Feeds.KEV.Problem == ""
		for _, o := range s.Outcomes {
			rules[o.Rule] = true
			if o.Rule == w.Rule && o.Group == verdict.GroupBuiltin {
				return nil, false, fmt.Errorf("the rule %s is built in and cannot be waived", w.Rule)
			}
			all := slices.Concat(o.Violations, o.Pending)
			for _, x := range o.Waived {
				all = append(all, x.Violation)
			}
			for _, x := range all {
				if !verdict.Accepts(w, sub, v.Reference, o.Rule, x) {
					continue
				}
				n++
				if x.Finding != nil {
					matches = append(matches, *x.Finding)
				}
			}
		}
	}
	switch {
	case n > 0:
		return matches, kev, nil
	case w.Rule == "" && w.Finding == "":
		return nil, false, errors.New("a waiver names a rule or a finding")
	case w.Rule != "" && !rules[w.Rule]:
		return nil, false, fmt.Errorf("the verdict has no rule %q", w.Rule)
	default:
		return nil, false, fmt.Errorf("no violation in the verdict matches %s", scope(w))
	}
}

func scope(w policy.Waiver) string {
	var parts []string
	add := func(format, s string) {
		if s != "" {
			parts = append(parts, fmt.Sprintf(format, s))
		}
	}
	add("%s", w.Finding)
	add("rule %s", w.Rule)
	add("package %s", w.Package)
	add("path %s", w.Path)
	add("image %s", strings.Join(w.Images, " or "))
	add("origin %s", w.Origin)
	return strings.Join(parts, ", ")
}

// name is the last part of a package URL, or the name itself.
func name(pkg string) string { return pkg[strings.LastIndexByte(pkg, '/')+1:] }
