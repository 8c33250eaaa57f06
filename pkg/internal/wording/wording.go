// SPDX-License-Identifier: Apache-2.0

// Package wording writes numbers, dates and lists the way that all titles, messages and
// reports do.
package wording

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Count is "1 layer", "2 days", "3 vulnerabilities".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok && !strings.HasSuffix(stem, "a") {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Or joins words: "a", "a or b", "a, b or c".
func Or(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	last := len(list) - 1
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// Age is a duration in the largest unit that keeps it readable: "45m", "13h", "3d4h", "9d".
func Age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d < 7*day && d%day >= time.Hour:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/day)
	}
}

// Date is the day of a time in UTC.
func Date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Time is a time in UTC, to the second.
func Time(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Bytes is a size in the largest binary unit that leaves no long fraction: "7.4 MiB".
func Bytes(n int64) string {
	for _, u := range []struct {
		name   string
		factor int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.factor {
			return strings.TrimSuffix(strconv.FormatFloat(float64(n)/float64(u.factor), 'f', 1, 64), ".0") + " " + u.name
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}

// Clip is a text of at most most characters, the last of which is an ellipsis where
// something was cut.
func Clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	seen := 0
	for i := range s {
		if seen == most-1 && utf8.RuneCountInString(s[i:]) > 1 {
			return s[:i] + "…"
		}
		seen++
	}
	return s
}

// ShortDigests cuts each sha256 digest in a text to 12 digits, for places where it tells
// things apart and nobody copies it.
func ShortDigests(s string) string {
	const digits, shown = 64, 12
	var b strings.Builder
	for {
		i := strings.Index(s, "sha256")
		if i < 0 {
			return b.String() + s
		}
		i += len("sha256")
		// A colon or a hyphen, and the digits.
		if len(s) < i+1+digits || strings.Trim(s[i+1:i+1+digits], "0123456789abcdef") != "" {
			b.WriteString(s[:i])
			s = s[i:]
			continue
		}
		i++
		b.WriteString(s[:i+shown] + "…")
		s = s[i+digits:]
	}
}
