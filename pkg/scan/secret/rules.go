// SPDX-License-Identifier: Apache-2.0

package secret

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

//go:embed rules.json
var rulesJSON []byte

// document is rules.json.
type document struct {
	Rules []ruleText  `json:"rules"`
	Allow []allowText `json:"allow"`
}

type ruleText struct {
	ID          string      `json:"id"`
	Category    string      `json:"category"`
	Title       string      `json:"title"`
	Severity    string      `json:"severity"`
	Regex       string      `json:"regex"`
	Keywords    []string    `json:"keywords"`
	Path        string      `json:"path"`
	SecretGroup string      `json:"secretGroup"`
	Allow       []allowText `json:"allow"`
}

type allowText struct {
	Regex string `json:"regex"`
	Path  string `json:"path"`
}

// tables are the rules and the filter in front of them.
type tables struct {
	rules  []rule
	allow  []pattern // what matches them is no secret, whatever the rule
	filter filter
	// unfiltered are the rules that are not in the filter: those for certain paths.
	unfiltered []int
}

// rule is one rule. Its patterns compile when they are first needed.
type rule struct {
	text     ruleText
	keywords [][]byte // in lower case; any of them must be in the chunk
	implied  bool     // what the pattern matches has a keyword, if it is ASCII
	re       pattern
	path     pattern
	pathTail string // of ASCII paths that the rule is for, in lower case
	allow    []pattern
	factors  *factors // nil: the rule is tried on each chunk
	anchored pattern  // see filter.go; nil where windows have two ends
	run      run
}

// pattern is a regexp that compiles once, when it is first called. It may be nil.
type pattern func() (*regexp.Regexp, error)

func compile(source string) pattern {
	if source == "" {
		return nil
	}
	return sync.OnceValues(func() (*regexp.Regexp, error) { return regexp.Compile(source) })
}

// matchesAny says whether one of the patterns matches b.
func matchesAny(ps []pattern, b []byte) (bool, error) {
	for _, p := range ps {
		re, err := p()
		if err != nil {
			return false, err
		}
		if re.Match(b) {
			return true, nil
		}
	}
	return false, nil
}

func readTables(text []byte) (*tables, error) {
	var doc document
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("rules for secrets: %w", err)
	}
	t := &tables{rules: make([]rule, len(doc.Rules)), allow: patterns(doc.Allow)}
	a := newAlphabet()
	for i, text := range doc.Rules {
		if err := t.rules[i].read(text, a); err != nil {
			return nil, fmt.Errorf("rule %s for secrets: %w", text.ID, err)
		}
		if t.rules[i].factors == nil {
			t.unfiltered = append(t.unfiltered, i)
		}
	}
	t.filter.build(t.rules, a)
	return t, nil
}

func (r *rule) read(text ruleText, a *alphabet) error {
	tree, err := syntax.Parse(text.Regex, syntax.Perl)
	if err != nil {
		return err
	}
	r.text, r.re, r.path, r.allow = text, compile(text.Regex), compile(text.Path), patterns(text.Allow)
	for _, k := range text.Keywords {
		r.keywords = append(r.keywords, []byte(strings.ToLower(k)))
	}
	r.implied = r.implies(tree)
	if text.Severity == "" {
		r.text.Severity = "UNKNOWN"
	}
	for _, p := range text.Allow {
		if p.Path != "" {
			return fmt.Errorf("rules that allow paths are not supported")
		}
	}
	if r.path != nil {
		r.pathTail, err = tail(text.Path)
		return err
	}
	r.factors, r.run = a.derive(tree), a.longestRun(tree)
	if f := r.factors; f != nil && f.after < 0 && 0 <= f.before && f.before <= maxLead {
		r.anchored = compile(fmt.Sprintf(`\A(?s:.{0,%d})(?:%s)`, f.before, text.Regex))
	}
	return nil
}

func patterns(as []allowText) []pattern {
	var out []pattern
	for _, a := range as {
		if a.Regex != "" {
			out = append(out, compile(a.Regex))
		}
	}
	return out
}

// tail is the literal at the end of all ASCII texts that match, in lower case.
func tail(source string) (string, error) {
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil || re.Op != syntax.OpConcat || re.Sub[len(re.Sub)-1].Op != syntax.OpEndText {
		return "", err
	}
	last := re.Sub[len(re.Sub)-2]
	if last.Op != syntax.OpLiteral {
		return "", nil
	}
	return strings.ToLower(string(last.Rune)), nil
}

// forPath says whether the rule looks at files of that path.
func (r *rule) forPath(p string) (bool, error) {
	if r.path == nil {
		return true, nil
	}
	if ascii(p) && (len(p) < len(r.pathTail) || !strings.EqualFold(p[len(p)-len(r.pathTail):], r.pathTail)) {
		return false, nil
	}
	re, err := r.path()
	return err == nil && re.MatchString(p), err
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// hasKeyword says whether a keyword is in the text, which is in lower case.
func (r *rule) hasKeyword(lower []byte) bool {
	for _, k := range r.keywords {
		if bytes.Contains(lower, k) {
			return true
		}
	}
	return len(r.keywords) == 0
}

// implies says whether the texts that re matches have a keyword, if they are ASCII.
func (r *rule) implies(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return r.hasKeyword([]byte(strings.ToLower(string(re.Rune))))
	case syntax.OpConcat:
		return slices.ContainsFunc(re.Sub, r.implies)
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool { return !r.implies(sub) })
	case syntax.OpCapture, syntax.OpPlus:
		return r.implies(re.Sub[0])
	case syntax.OpRepeat:
		return re.Min > 0 && r.implies(re.Sub[0])
	}
	return false
}

func (r *rule) finding(f found) ftypes.SecretFinding {
	return ftypes.SecretFinding{RuleID: r.text.ID, Category: ftypes.SecretRuleCategory(r.text.Category),
		Severity: r.text.Severity, Title: r.text.Title, StartLine: f.line, EndLine: f.endLine, Offset: f.start}
}
