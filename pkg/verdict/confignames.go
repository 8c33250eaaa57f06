// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// named is a kind of what has a name and a value.
type named struct {
	// noun is its name in messages, keyword its instruction in a Dockerfile.
	noun, keyword, fix string
	values             map[string][]string
}

func (s *subject) labels(r policy.NameRule, c *evidence.Config) part {
	return s.names(r, named{"label", "LABEL", "set it in the Dockerfile (LABEL %s=…) or when building (--label)", single(c.Labels)})
}

func (s *subject) annotations(r policy.NameRule, c *evidence.Config) part {
	if s.evidence.Subject.Digest == "" && c.Annotations == nil {
		return part{undecided: "the image was read where it has no manifest, so that its annotations are not known"}
	}
	return s.names(r, named{"annotation", "", "set %s when building or pushing (docker buildx build --annotation)", single(c.Annotations)})
}

func (s *subject) env(r policy.NameRule, c *evidence.Config) part {
	values := map[string][]string{}
	for _, e := range c.Env {
		values[e.Name] = append(values[e.Name], e.Value)
	}
	return s.names(r, named{"environment variable", "ENV", "set it in the Dockerfile: ENV %s=…", values})
}

func single(in map[string]string) map[string][]string {
	out := make(map[string][]string, len(in))
	for k, v := range in {
		out[k] = []string{v}
	}
	return out
}

func (s *subject) names(r policy.NameRule, n named) part {
	p := part{examined: len(n.values), met: fmt.Sprintf("%s in order", wording.Count(len(n.values), n.noun))}
	if len(r.Required)+len(r.Values)+len(r.Forbidden) == 0 {
		p.undecided = noDemand
		return p
	}
	add := func(name, message, fix string) {
		p.violations = append(p.violations, Violation{ID: name, Message: message, Line: s.lineOf(n.keyword, name), Fix: fix})
	}
	wanted := slices.Clone(r.Required)
	wanted = slices.AppendSeq(wanted, maps.Keys(r.Values))
	slices.Sort(wanted)
	for _, name := range slices.Compact(wanted) {
		pattern, hasPattern := r.Values[name]
		why, err := n.fault(name, pattern, hasPattern)
		if err != nil {
			p.undecided = fmt.Sprintf("%q is no regular expression", pattern)
		} else if why != "" {
			add(name, fmt.Sprintf("the %s %s %s", n.noun, name, why), fmt.Sprintf(n.fix, name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.values)) {
		glob, err := forbidden(r.Forbidden, name)
		if err != nil {
			p.undecided = fmt.Sprintf("%q is not a pattern", glob)
		} else if glob != "" {
			add(name, fmt.Sprintf("the %s %s is forbidden by %q", n.noun, name, glob), "remove it from the build")
		}
	}
	return p
}

// fault says what is wrong with what is required. A value that is masked cannot be
// compared, so it does not match.
func (n named) fault(name, pattern string, hasPattern bool) (string, error) {
	values, ok := n.values[name]
	if !ok {
		return "is missing", nil
	}
	re, err := wholeMatch(pattern)
	if err != nil {
		return "", err
	}
	for _, v := range values {
		switch {
		case !hasPattern && strings.TrimSpace(v) == "":
			return "is empty", nil
		case hasPattern && strings.Contains(v, evidence.Masked):
			return "looks like a credential and is masked, so that it cannot be compared with " + pattern, nil
		case hasPattern && !re.MatchString(v):
			return fmt.Sprintf("is %q, which does not match %s", shortText(v), pattern), nil
		}
	}
	return "", nil
}

func wholeMatch(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`^(?s:` + pattern + `)$`)
}

// architectureMatches compares as platforms are: arm64 is arm64/v8.
func architectureMatches(want string, p evidence.Platform) bool {
	name, variant, _ := strings.Cut(want, "/")
	return p.Matches(evidence.Platform{OS: p.OS, Architecture: name, Variant: variant})
}

func (s *subject) architecture(allowed []string) part {
	pl := s.evidence.Subject.Platform
	name := pl.Architecture
	if pl.Variant != "" {
		name += "/" + pl.Variant
	}
	p := part{examined: 1, met: "architecture " + name}
	switch {
	case pl.Architecture == "":
		p.undecided = "the image does not name its architecture"
	case !slices.ContainsFunc(allowed, func(a string) bool { return architectureMatches(a, pl) }):
		p.violations = []Violation{{
			ID: name, Message: fmt.Sprintf("the architecture is %s, and only %s allowed", name, orIs(allowed)),
			Fix: "build for " + strings.Join(allowed, " or ") + " (docker build --platform)",
		}}
	}
	return p
}

func orIs(list []string) string {
	if len(list) == 1 {
		return list[0] + " is"
	}
	return strings.Join(list, ", ") + " are"
}

const dateFix = "build the image again; builders that leave the date out or fix it take one (SOURCE_DATE_EPOCH)"

// dockersBirth is before every image that was built with a clock.
var dockersBirth = time.Date(2013, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *subject) created(r policy.CreatedRule) part {
	t := s.evidence.Image.Created
	p := part{examined: 1}
	violated := func(format string, args ...any) {
		p.violations = []Violation{{ID: "created", Message: fmt.Sprintf(format, args...), Fix: dateFix}}
	}
	fixed := t == nil || t.Before(dockersBirth)
	switch {
	case s.time.IsZero():
		p.undecided = "there is no effective time to compare the image's date with"
	case fixed && r.ReproducibleAccepted:
		p.met = "no date, as reproducible builds have it"
	case t == nil:
		violated("the image has no creation date")
	case fixed:
		violated("the image was created on %s, which is no real date", wording.Date(*t))
	case t.After(s.time.Add(clockSkew)):
		violated("the image was created on %s, in the future of the effective time", wording.Time(*t))
	case r.MaxAge > 0 && s.time.Sub(*t) > r.MaxAge:
		violated("the image was created on %s, %s ago; at most %s is allowed", wording.Date(*t), wording.Age(s.time.Sub(*t)), wording.Age(r.MaxAge))
	default:
		p.met = "created on " + wording.Date(*t)
	}
	return p
}
