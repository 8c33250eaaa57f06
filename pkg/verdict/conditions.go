// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// maxValue is how much of a predicate's value a message shows, in characters.
const maxValue = 100

// condition is one demand on predicates, with its regular expression ready.
type condition struct {
	policy.Condition
	pattern *regexp.Regexp
	// broken says why no predicate can meet it.
	broken string
}

func conditions(list []policy.Condition) []condition {
	out := make([]condition, 0, len(list))
	for _, c := range list {
		own := condition{Condition: c}
		if c.Matches != "" {
			var err error
			if own.pattern, err = regexp.Compile(`^(?:` + c.Matches + `)$`); err != nil {
				own.broken = fmt.Sprintf("%q is not a regular expression", c.Matches)
			}
		}
		if !own.judgesValue() && c.Present == nil {
			own.broken = noDemand
		}
		out = append(out, own)
	}
	return out
}

// unmet says why the predicate does not meet the condition; empty where it does.
func (c condition) unmet(predicate any, at time.Time) string {
	if c.broken != "" {
		return c.Path + ": " + c.broken
	}
	values, missing := follow(predicate, c.Steps)
	if c.Present != nil && !*c.Present {
		if len(values) > 0 {
			return fmt.Sprintf("%s is %s, and must not be there", c.Path, shown(values[0]))
		}
		if !c.judgesValue() {
			return ""
		}
	}
	switch {
	case len(values) == 0:
		return c.Path + " is not there"
	case missing:
		return c.Path + " is not there in every element"
	}
	for _, v := range values {
		if why := c.judge(v, at); why != "" {
			return fmt.Sprintf("%s is %s, and %s", c.Path, shown(v), why)
		}
	}
	return ""
}

// judgesValue says whether there is a demand on the value itself.
func (c condition) judgesValue() bool {
	return c.Equals != nil || len(c.OneOf)+len(c.NoneOf) > 0 || c.Matches != "" || c.AtLeast != nil || c.AtMost != nil || c.MaxAge != 0
}

// follow are the values that a path leads to. missing is true where it leads nowhere,
// or, of some elements of a list, nowhere.
func follow(value any, steps []policy.Step) (values []any, missing bool) {
	if len(steps) == 0 {
		return nil, true
	}
	values = []any{value}
	for _, st := range steps {
		var next []any
		for _, v := range values {
			found := enter(v, st)
			missing = missing || len(found) == 0
			next = append(next, found...)
		}
		values = next
	}
	return values, missing || len(values) == 0
}

func enter(v any, st policy.Step) []any {
	switch x := v.(type) {
	case map[string]any:
		if e, ok := x[st.Key]; ok && !st.All && st.Index == nil {
			return []any{e}
		}
	case []any:
		switch {
		case st.All:
			return x
		case st.Index != nil && *st.Index >= 0 && *st.Index < len(x):
			return x[*st.Index : *st.Index+1]
		}
	}
	return nil
}

// judge says why a value does not do. Types are compared strictly: "5" is no number.
func (c condition) judge(v any, at time.Time) string {
	if v == nil {
		return "must have a value"
	}
	text, isText := v.(string)
	n, isNumber := number(v)
	switch {
	case c.Equals != nil && !is(v, *c.Equals):
		return "must be " + scalars([]policy.Scalar{*c.Equals})
	case len(c.OneOf) > 0 && !isOneOf(v, c.OneOf):
		return "must be " + scalars(c.OneOf)
	case len(c.NoneOf) > 0 && !sameType(v, c.NoneOf):
		return "cannot be compared with " + scalars(c.NoneOf)
	case len(c.NoneOf) > 0 && isOneOf(v, c.NoneOf):
		return "must not be " + scalars(c.NoneOf)
	case c.pattern != nil && !(isText && c.pattern.MatchString(text)):
		return fmt.Sprintf("must be a text that matches %q", c.Matches)
	case c.AtLeast != nil && !(isNumber && n >= *c.AtLeast):
		return "must be a number of at least " + decimal(*c.AtLeast)
	case c.AtMost != nil && !(isNumber && n <= *c.AtMost):
		return "must be a number of at most " + decimal(*c.AtMost)
	case c.MaxAge != 0:
		return tooOld(text, c.MaxAge, at)
	default:
		return ""
	}
}

// tooOld says why a time in text is no time of the last while.
func tooOld(text string, most time.Duration, at time.Time) string {
	t, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return "must be a time as RFC 3339 writes it"
	case t.After(at.Add(skew)):
		return "must not be a time to come"
	case at.Sub(t) > most:
		return fmt.Sprintf("is %s ago; at most %s is allowed", wording.Age(at.Sub(t)), wording.Age(most))
	default:
		return ""
	}
}

func number(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case json.Number:
		n, err := x.Float64()
		return n, err == nil
	default:
		return 0, false
	}
}

func is(v any, s policy.Scalar) bool {
	switch x := v.(type) {
	case string:
		return s.String != nil && x == *s.String
	case bool:
		return s.Bool != nil && x == *s.Bool
	default:
		n, ok := number(v)
		return ok && s.Number != nil && n == *s.Number
	}
}

func isOneOf(v any, list []policy.Scalar) bool {
	return slices.ContainsFunc(list, func(s policy.Scalar) bool { return is(v, s) })
}

// sameType says whether any of the list is of the value's type: else that it is none
// of them says nothing.
func sameType(v any, list []policy.Scalar) bool {
	return slices.ContainsFunc(list, func(s policy.Scalar) bool {
		switch v.(type) {
		case string:
			return s.String != nil
		case bool:
			return s.Bool != nil
		default:
			_, ok := number(v)
			return ok && s.Number != nil
		}
	})
}

func scalars(list []policy.Scalar) string {
	var words []string
	for _, s := range list {
		switch {
		case s.String != nil:
			words = append(words, strconv.Quote(*s.String))
		case s.Number != nil:
			words = append(words, decimal(*s.Number))
		case s.Bool != nil:
			words = append(words, strconv.FormatBool(*s.Bool))
		}
	}
	return wording.Or(words)
}

func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// shown is a value as messages show it.
func shown(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(wording.Clip(x, maxValue))
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	default:
		return strings.TrimSpace(wording.Clip(fmt.Sprint(x), maxValue))
	}
}
