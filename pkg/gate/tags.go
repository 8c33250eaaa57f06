// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/verdict"
)

// newerTag is a tag that a base could be moved to.
type newerTag struct {
	tag  string
	step verdict.Step
}

// maxNewer bounds how many tags are proposed.
const maxNewer = 3

// newerTags chooses from the tags of a repository those that are named by the same scheme
// as the base's and are not a step back: the newest of the base's own line first, then
// the next line, the newest line, and the next major version. Pre-releases are never
// among them, and a variant ("-slim") stays what it is.
func newerTags(from string, tags []string) []newerTag {
	base, ok := parseTag(from)
	if !ok {
		return nil
	}
	best := map[string]*parsedTag{}
	keep := func(slot string, t *parsedTag) {
		if best[slot] == nil || t.compare(best[slot]) > 0 {
			best[slot] = t
		}
	}
	var minor, major []*parsedTag
	for _, s := range tags {
		t, ok := parseTag(s)
		if !ok || !t.follows(base) {
			continue
		}
		switch base.stepTo(t) {
		case verdict.StepPatch:
			keep("patch", t)
		case verdict.StepMinor:
			minor = append(minor, t)
			keep("minor", t)
		default:
			major = append(major, t)
		}
	}
	for _, t := range minor {
		if t.numbers[1] == nextLine(minor, 1) {
			keep("next", t)
		}
	}
	for _, t := range major {
		if t.numbers[0] == nextLine(major, 0) {
			keep("major", t)
		}
	}
	var list []newerTag
	for _, slot := range []string{"patch", "next", "minor", "major"} {
		t := best[slot]
		if t == nil || len(list) == maxNewer || slices.ContainsFunc(list, func(n newerTag) bool { return n.tag == t.text }) {
			continue
		}
		list = append(list, newerTag{t.text, base.stepTo(t)})
	}
	return list
}

// nextLine is the smallest number at a place, the next line after the base's.
func nextLine(list []*parsedTag, place int) uint64 {
	return slices.MinFunc(list, func(a, b *parsedTag) int { return cmp.Compare(a.numbers[place], b.numbers[place]) }).numbers[place]
}

// parsedTag is a tag that names a version: "v3.20.3-slim", "bookworm-20240926",
// "9.4-1214", "16.4.0-debian-12-r9".
type parsedTag struct {
	text, prefix string
	numbers      []uint64
	revision     []uint64
	variant      string
	pre          bool
}

var (
	tagForm       = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	versionForm   = regexp.MustCompile(`^([A-Za-z_-]*)([0-9]+(?:\.[0-9]+)*)(.*)$`)
	revisionForm  = regexp.MustCompile(`^-([0-9]+(?:\.[0-9]+)*)$`)
	releaseForm   = regexp.MustCompile(`^(.*)-r([0-9]+)$`)
	preForm       = regexp.MustCompile(`^[.-]?(?:a|b|c|rc|alpha|beta|pre|preview|dev|m|milestone|snapshot|nightly|canary|ea|cr|test|next|experimental)[.-]?[0-9]*(?:[.-](.*))?$`)
	preWord       = regexp.MustCompile(`(?i)(?:^|[._-])(?:rc|alpha|beta|pre|preview|dev|snapshot|nightly|canary|edge|unstable|testing)[0-9]*(?:[._-]|$)`)
	digestTagForm = regexp.MustCompile(`^sha256-[0-9a-f]{64}`)
)

func parseTag(s string) (*parsedTag, bool) {
	if !tagForm.MatchString(s) || digestTagForm.MatchString(s) {
		return nil, false
	}
	m := versionForm.FindStringSubmatch(s)
	if m == nil {
		return nil, false
	}
	t := &parsedTag{text: s, prefix: m[1]}
	var ok bool
	if t.numbers, ok = numbersOf(m[2]); !ok {
		return nil, false
	}
	rest := m[3]
	t.pre = preWord.MatchString(t.prefix)
	if rest == "" {
		return t, true
	}
	if p := preForm.FindStringSubmatch(strings.ToLower(rest)); p != nil {
		t.pre = true
		rest = ""
		if p[1] != "" {
			rest = "-" + p[1]
		}
	} else if preWord.MatchString(rest) {
		t.pre = true
	}
	if r := revisionForm.FindStringSubmatch(rest); r != nil {
		t.revision, ok = numbersOf(r[1])
		return t, ok
	}
	if r := releaseForm.FindStringSubmatch(rest); r != nil {
		rest = r[1] + "-r"
		if t.revision, ok = numbersOf(r[2]); !ok {
			return nil, false
		}
	}
	if rest != "" && !strings.HasPrefix(rest, "-") {
		return nil, false // "3.20x": nobody knows what that is
	}
	t.variant = rest
	return t, true
}

// numbersOf reads dotted numbers; more than a date and a time is none.
func numbersOf(s string) ([]uint64, bool) {
	const most, digits = 6, 14
	parts := strings.Split(s, ".")
	if len(parts) > most {
		return nil, false
	}
	var list []uint64
	for _, p := range parts {
		n, err := strconv.ParseUint(p, 10, 64)
		if err != nil || len(p) > digits {
			return nil, false
		}
		list = append(list, n)
	}
	return list, true
}

// follows says whether t is of the base's scheme, and newer.
func (t *parsedTag) follows(base *parsedTag) bool {
	if t.pre || t.prefix != base.prefix || t.variant != base.variant ||
		len(t.numbers) != len(base.numbers) || len(t.revision) != len(base.revision) && len(base.revision)*len(t.revision) == 0 {
		return false
	}
	for i, n := range t.numbers {
		more := 3
		if i == 0 {
			more = 1 // 3 → 20240923 is no version of the same scheme
		}
		if digits(n) > digits(base.numbers[i])+more {
			return false
		}
	}
	c := t.order(base)
	return c > 0 || c == 0 && base.pre
}

func digits(n uint64) int { return len(strconv.FormatUint(n, 10)) }

func (t *parsedTag) order(other *parsedTag) int {
	return cmp.Or(slices.Compare(t.numbers, other.numbers), slices.Compare(t.revision, other.revision))
}

// compare is order, and chooses between two spellings of one version.
func (t *parsedTag) compare(other *parsedTag) int {
	return cmp.Or(t.order(other), strings.Compare(other.text, t.text))
}

// stepTo says how far away a newer tag is.
func (t *parsedTag) stepTo(newer *parsedTag) verdict.Step {
	const date = 6 // digits of a number that is a date, not a version
	switch {
	case digits(t.numbers[0]) >= date:
		return verdict.StepPatch
	case t.numbers[0] != newer.numbers[0]:
		return verdict.StepMajor
	case len(t.numbers) > 1 && t.numbers[1] != newer.numbers[1] && digits(t.numbers[1]) < date:
		return verdict.StepMinor
	default:
		return verdict.StepPatch
	}
}
