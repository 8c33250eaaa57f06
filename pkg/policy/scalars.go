// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
)

const (
	// maxLine and maxText keep reports readable; they are in characters.
	maxLine = 200
	maxText = 2000
	// maxCount is beyond any budget that a person chose on purpose.
	maxCount = 100_000
	// maxDuration is beyond any age that a person chose on purpose, and far from
	// where time.Duration overflows.
	maxDuration = 3650 * 24 * time.Hour
)

func isPlain(n *yaml.Node) bool {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Style&quoted == 0
}

// scalar reports whether v is one that can be looked at further.
func (p *parser) scalar(v value, want string) bool {
	n := v.node
	if n.Kind != yaml.ScalarNode || v.isNull() || n.Style&yaml.TaggedStyle != 0 {
		p.wrongType(v, want, "")
		return false
	}
	return true
}

// text reads a string of any number of lines that is not blank.
func (p *parser) text(v value) (string, bool) { return p.textUpTo(v, maxText) }

// textUpTo is text of at most so many characters.
func (p *parser) textUpTo(v value, most int) (string, bool) {
	const want = "a string"
	if !p.scalar(v, want) {
		return "", false
	}
	s := v.node.Value
	if isPlain(v.node) && (v.node.Tag != "!!str" || isOldBool(s)) {
		// YAML readers disagree on such values: 1.10 is 1.1 to some, no is false to others.
		hint := "quote it"
		if isWord(s) {
			hint = "quote it: " + quote(s)
		}
		if isOldBool(s) {
			p.fault(v, hint, "is a truth value to some readers of YAML")
			return "", false
		}
		p.wrongType(v, want, hint)
		return "", false
	}
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		p.fault(v, "", "must not be empty")
		return "", false
	case utf8.RuneCountInString(s) > most:
		p.fault(v, "", "is longer than %d characters", most)
		return "", false
	}
	if i := strings.IndexFunc(s, func(r rune) bool { return r != '\t' && r != '\n' && forbidden(r) }); i >= 0 {
		// An escape sequence in double quotes brings in what checkText keeps out.
		r, _ := utf8.DecodeRuneInString(s[i:])
		p.fault(v, "", "contains the character %U, which is not allowed in a policy", r)
		return "", false
	}
	return s, true
}

// line reads a string of one line.
func (p *parser) line(v value) (string, bool) {
	s, ok := p.text(v)
	switch {
	case !ok:
		return "", false
	case strings.ContainsAny(s, "\n\t"):
		p.fault(v, "", "must be one line without tabs")
		return "", false
	case utf8.RuneCountInString(s) > maxLine:
		p.fault(v, "", "is longer than %d characters", maxLine)
		return "", false
	}
	return s, true
}

// identifier reads the id of a rule or waiver.
func (p *parser) identifier(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok || isIdentifier(s) {
		return s, ok
	}
	p.fault(v, didYouMean(slug(s)), "%s may only contain a-z, 0-9, dot, underscore and hyphen, and begins with a-z or 0-9", quote(s))
	return "", false
}

func isIdentifier(s string) bool {
	const first = "abcdefghijklmnopqrstuvwxyz0123456789"
	return s != "" && strings.IndexByte(first, s[0]) >= 0 && strings.Trim(s, first+"._-") == ""
}

// slug is an identifier that resembles s, or "".
func slug(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) >= 0 {
		return "" // what remained of the words would be none
	}
	s = strings.Map(func(r rune) rune {
		if isIdentifier("a" + string(r)) {
			return r
		}
		return '-'
	}, strings.ToLower(s))
	s = strings.Trim(s, "-_.")
	if len(s) > maxQuote/2 || !isIdentifier(s) {
		return ""
	}
	return s
}

// enum reads one of a few words.
func (p *parser) enum(v value, allowed ...string) (string, bool) {
	want := "one of " + strings.Join(allowed, ", ")
	if len(allowed) == 1 {
		want = quote(allowed[0])
	}
	if !p.scalar(v, want) {
		return "", false
	}
	s := v.node.Value
	if slices.Contains(allowed, s) {
		return s, true
	}
	p.fault(v, didYouMean(spelling.Nearest(s, allowed)), "must be %s, not %s", want, quote(s))
	return "", false
}

// boolean reads true or false.
func (p *parser) boolean(v value) (b, ok bool) {
	const want = "true or false"
	if !p.scalar(v, want) {
		return false, false
	}
	s := v.node.Value
	if isPlain(v.node) && (s == "true" || s == "false") {
		return s == "true", true
	}
	hint := ""
	switch strings.ToLower(s) {
	case "true", "yes", "on", "y", "1":
		hint = "write true, without quotes"
	case "false", "no", "off", "n", "0":
		hint = "write false, without quotes"
	}
	p.fault(v, hint, "must be %s, not %s", want, quote(s))
	return false, false
}

// isOldBool says whether YAML 1.1 takes a plain s for a truth value and 1.2 does not.
func isOldBool(s string) bool {
	return slices.Contains([]string{"yes", "no", "on", "off"}, strings.ToLower(s))
}

// count reads a number of findings.
func (p *parser) count(v value) (int, bool) {
	const want = "a whole number"
	n := v.node
	if !p.scalar(v, want) {
		return 0, false
	}
	hint := ""
	if isDecimal(n.Value) {
		hint = "write " + quoteless(n.Value)
	}
	if !isPlain(n) || n.Tag == "!!str" || n.Tag == "!!bool" || n.Tag == "!!timestamp" {
		p.wrongType(v, want, hint)
		return 0, false
	}
	switch s := n.Value; {
	case strings.HasPrefix(s, "-"):
		p.fault(v, "", "must not be negative")
	case n.Tag == "!!float" && !isDecimal(s):
		p.wrongType(v, want, "")
	case !isDecimal(s) || len(s) > 1 && s[0] == '0':
		p.fault(v, "write it in decimal, without leading zeros, signs and underscores", "%s is not a plain whole number", quote(s))
	default:
		i, err := strconv.Atoi(s)
		if err == nil && i <= maxCount {
			return i, true
		}
		p.fault(v, "", "must be at most %d", maxCount)
	}
	return 0, false
}

func isDecimal(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// quoteless shows a number without its leading zeros.
func quoteless(s string) string {
	s = strings.TrimLeft(s, "0")
	if s == "" {
		return "0"
	}
	return s[:min(len(s), 20)]
}

// number reads a decimal number above 0 and at most most.
func (p *parser) number(v value, most int) (float64, bool) {
	want := fmt.Sprintf("a number above 0 and at most %d", most)
	n := v.node
	if !p.scalar(v, want) {
		return 0, false
	}
	if !isPlain(n) || n.Tag != "!!int" && n.Tag != "!!float" {
		hint := ""
		if _, err := strconv.ParseFloat(n.Value, 64); err == nil && isNumber(n.Value) {
			hint = "write " + n.Value + " without quotes"
		}
		p.wrongType(v, want, hint)
		return 0, false
	}
	f, err := strconv.ParseFloat(n.Value, 64)
	switch {
	case !isNumber(n.Value) || err != nil:
		p.fault(v, "write it in decimal, such as 7 or 0.25", "%s is not a plain number", quote(n.Value))
	case f <= 0 || f > float64(most):
		p.fault(v, "", "must be %s, not %s", want, quote(n.Value))
	default:
		return f, true
	}
	return 0, false
}

// isNumber says whether s is written as 7 or 7.25: no sign, exponent or leading zeros.
func isNumber(s string) bool {
	whole, fraction, dot := strings.Cut(s, ".")
	return isDecimal(whole) && (len(whole) == 1 || whole[0] != '0') && (!dot || isDecimal(fraction)) && len(s) <= 12
}

// duration reads Nh, Nd or Nw.
func (p *parser) duration(v value) (time.Duration, bool) {
	const want = "a duration such as 12h, 3d or 2w"
	if !p.scalar(v, want) {
		return 0, false
	}
	s := v.node.Value
	var unit time.Duration
	switch {
	case strings.HasSuffix(s, "h"):
		unit = time.Hour
	case strings.HasSuffix(s, "d"):
		unit = 24 * time.Hour
	case strings.HasSuffix(s, "w"):
		unit = 7 * 24 * time.Hour
	}
	digits := s
	if unit != 0 {
		digits = s[:len(s)-1]
	}
	switch {
	case isDecimal(s) && strings.Trim(s, "0") != "":
		p.fault(v, "did you mean "+quoteless(s)+"d?", "must be %s, not a bare number", want)
		return 0, false
	case unit != 0 && strings.HasPrefix(digits, "-") && isDecimal(digits[1:]), digits == "0" && unit != 0:
		p.fault(v, "", "must be positive")
		return 0, false
	case unit == 0 || !isDecimal(digits) || len(digits) > 1 && digits[0] == '0':
		p.fault(v, "", "must be %s, not %s", want, quote(s))
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > int64(maxDuration/unit) {
		p.fault(v, "", "must be at most %dd", int(maxDuration/(24*time.Hour)))
		return 0, false
	}
	return time.Duration(n) * unit, true
}

// date reads a day, YYYY-MM-DD.
func (p *parser) date(v value) (time.Time, bool) {
	const want = "a date of the form YYYY-MM-DD"
	if !p.scalar(v, want) {
		return time.Time{}, false
	}
	s := v.node.Value
	if !isDateShaped(s) {
		hint := ""
		if len(s) > 10 && isDateShaped(s[:10]) {
			hint = "write the day alone; it counts to its end in UTC"
		}
		p.fault(v, hint, "must be %s, not %s", want, quote(s))
		return time.Time{}, false
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		p.fault(v, "", "%s is not a day of the calendar", s)
		return time.Time{}, false
	}
	// A waiver is time-boxed: without a bound, 9999-12-31 would be a way around that.
	if t.Year() < 2000 || t.Year() > 2099 {
		p.fault(v, "", "must lie between 2000-01-01 and 2099-12-31")
		return time.Time{}, false
	}
	return t, true
}

func isDateShaped(s string) bool {
	return len(s) == 10 && s[4] == '-' && s[7] == '-' && isDecimal(s[:4]+s[5:7]+s[8:])
}

// glob reads a doublestar pattern.
func (p *parser) glob(v value) (string, bool) {
	s, ok := p.line(v)
	switch {
	case ok && !doublestar.ValidatePattern(s):
		p.fault(v, "escape [, ], { and } by a backslash if they are meant literally", "%s is not a valid glob", quote(s))
		return "", false
	case ok && alternatives(s) > maxAlternatives:
		p.fault(v, "write several globs", "stands for more than %d globs", maxAlternatives)
		return "", false
	}
	return s, ok
}

// maxAlternatives bounds what the braces of a glob stand for: each is tried.
const maxAlternatives = 1000

// alternatives is about how many globs the braces of one stand for: {a,b}{c,d} is 4.
func alternatives(glob string) int {
	n := 1
	var open []int // the alternatives so far of each brace that is open
	for i := 0; i < len(glob) && n <= maxAlternatives; i++ {
		switch last := len(open) - 1; {
		case glob[i] == '\\':
			i++
		case glob[i] == '{':
			open = append(open, 1)
		case last >= 0 && glob[i] == ',':
			open[last]++
		case last >= 0 && glob[i] == '}':
			n *= open[last]
			open = open[:last]
		}
	}
	return n
}

// size reads a number of bytes: 0B, 500MiB, 1GB.
func (p *parser) size(v value) (int64, bool) {
	const want = "a size such as 500MiB, 2GB or 0B"
	if !p.scalar(v, want) {
		return 0, false
	}
	s := v.node.Value
	digits := strings.TrimRight(s, "BkKMGi")
	factor, ok := units[s[len(digits):]]
	if !ok || s == digits || !isDecimal(digits) || len(digits) > 1 && digits[0] == '0' {
		hint := ""
		if isDecimal(s) {
			hint = "did you mean " + quoteless(s) + "MiB?"
		}
		p.fault(v, hint, "must be %s, not %s", want, quote(s))
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || float64(n)*factor > 1<<50 {
		p.fault(v, "", "must be at most 1048576GiB")
		return 0, false
	}
	return n * int64(factor), true
}
