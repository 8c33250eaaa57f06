// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Versions are compared only to word advice ("upgrade to …"); nothing here decides
// whether a version is vulnerable. Where the simple rules below do not clearly
// apply, the answer is "not comparable" and the advice lists what it knows.

// compareVersions orders two versions of one package. The second result is false
// where the order is not clear.
func compareVersions(class evidence.Class, a, b string) (int, bool) {
	switch {
	case a == b:
		return 0, true
	case class == evidence.ClassOS:
		return compareOS(a, b)
	default:
		return compareSemver(a, b)
	}
}

// compareOS compares [epoch:]upstream[-revision] as apk, dpkg and rpm do for
// ordinary versions.
func compareOS(a, b string) (int, bool) {
	ea, ua, ra, okA := splitOS(a)
	eb, ub, rb, okB := splitOS(b)
	if !okA || !okB {
		return 0, false
	}
	return cmp.Or(cmp.Compare(ea, eb), compareParts(ua, ub), compareParts(ra, rb)), true
}

func splitOS(v string) (epoch int, upstream, revision string, ok bool) {
	// apk's suffixes of pre-releases (1.0_rc1 < 1.0, other than 1.0_p1) and the caret of rpm
	// have rules of their own. Any other "_" separates.
	if v == "" || strings.Contains(v, "^") || beforeRelease(v) {
		return 0, "", "", false
	}
	if e, rest, found := strings.Cut(v, ":"); found {
		n, err := strconv.Atoi(e)
		if err != nil {
			return 0, "", "", false
		}
		epoch, v = n, rest
	}
	upstream = v
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		upstream, revision = v[:i], v[i+1:]
	}
	return epoch, upstream, revision, true
}

func beforeRelease(v string) bool {
	return slices.ContainsFunc([]string{"_alpha", "_beta", "_pre", "_rc"}, func(s string) bool { return strings.Contains(v, s) })
}

// compareParts compares runs of digits by number and runs of letters by letter;
// digits are newer than letters, more is newer than less, and "~" is older than
// nothing at all.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		a, b = strings.TrimLeft(a, ".+-_"), strings.TrimLeft(b, ".+-_")
		tildeA, tildeB := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~")
		switch {
		case tildeA && tildeB:
			a, b = a[1:], b[1:]
			continue
		case tildeA:
			return -1
		case tildeB:
			return 1
		case a == "" || b == "":
			return cmp.Compare(len(a), len(b))
		}
		var x, y string
		x, a = run(a)
		y, b = run(b)
		if c := compareRuns(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// run splits off the leading run of digits or of anything else.
func run(s string) (head, tail string) {
	digits := isDigit(s[0])
	i := 1
	for i < len(s) && isDigit(s[i]) == digits && !strings.ContainsRune(".+-_~", rune(s[i])) {
		i++
	}
	return s[:i], s[i:]
}

func compareRuns(x, y string) int {
	dx, dy := isDigit(x[0]), isDigit(y[0])
	switch {
	case dx && dy:
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	case dx:
		return 1
	case dy:
		return -1
	default:
		return cmp.Compare(x, y)
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// compareSemver compares dotted numbers, with a "v" in front and a pre-release behind.
func compareSemver(a, b string) (int, bool) {
	na, pa, okA := splitSemver(a)
	nb, pb, okB := splitSemver(b)
	if !okA || !okB {
		return 0, false
	}
	for i := range max(len(na), len(nb)) {
		if c := cmp.Compare(at(na, i), at(nb, i)); c != 0 {
			return c, true
		}
	}
	switch {
	case pa == pb:
		return 0, true
	case pa == "":
		return 1, true
	case pb == "":
		return -1, true
	default:
		return compareParts(pa, pb), true
	}
}

func splitSemver(v string) (numbers []uint64, pre string, ok bool) {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "+")
	v, pre, _ = strings.Cut(v, "-")
	for _, p := range strings.Split(v, ".") {
		n, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return nil, "", false
		}
		numbers = append(numbers, n)
	}
	return numbers, pre, true
}

func at(ns []uint64, i int) uint64 {
	if i < len(ns) {
		return ns[i]
	}
	return 0
}

// target picks from "1.9.5, 2.2.1" the lowest version that is newer than the
// installed one. Where that cannot be told it returns all of them.
func target(class evidence.Class, installed, fixed string) (versions []string) {
	for _, v := range strings.FieldsFunc(fixed, func(r rune) bool { return r == ',' || r == ' ' }) {
		if v != "||" && v != "or" {
			versions = append(versions, v)
		}
	}
	best := ""
	for _, v := range versions {
		c, ok := compareVersions(class, v, installed)
		if !ok {
			return versions
		}
		if c <= 0 {
			continue
		}
		if best == "" {
			best = v
		} else if c, ok := compareVersions(class, v, best); !ok {
			return versions
		} else if c < 0 {
			best = v
		}
	}
	if best == "" {
		return versions
	}
	return []string{best}
}
