// SPDX-License-Identifier: Apache-2.0

package dockerfile

import (
	"regexp"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const (
	telling = `[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|credential|api[_-]?key|private[_-]?key|access[_-]?key)[\w.-]*`
	word    = `"[^"]*"|'[^']*'|[^\s"';|&]+`
)

var (
	// assignment is a name that says what it holds, and the value: NAME=value, "NAME: value", --name value.
	assignment = regexp.MustCompile(`(?i)(` + telling + `["']?\s*=\s*|` + telling + `["']?:\s+|--` + telling + `\s+)(` + word + `)`)
	// name is one that says so alone, as in "ENV NAME value".
	name = regexp.MustCompile(`(?i)^` + telling + `$`)
	// userinfo is user:password@ of a URL, and header an Authorization.
	userinfo = regexp.MustCompile(`(://)[^/@\s]+@`)
	header   = regexp.MustCompile(`(?i)(authorization:\s*(?:bearer\s|basic\s|token\s)?\s*)[^\s"']+`)
)

// mask hides what looks like a credential. What refers to a variable is none.
func mask(s string) string {
	s = userinfo.ReplaceAllString(s, "${1}"+evidence.Masked+"@")
	s = header.ReplaceAllString(s, "${1}"+evidence.Masked)
	return assignment.ReplaceAllStringFunc(s, func(m string) string {
		parts := assignment.FindStringSubmatch(m)
		if value := strings.Trim(parts[2], `"'`); value == "" || value[0] == '$' {
			return m
		}
		return parts[1] + evidence.Masked
	})
}

// maskPair hides the value of ENV, ARG or LABEL in the form NAME value.
func maskPair(s string) string {
	first, rest, ok := strings.Cut(s, " ")
	if !ok || !name.MatchString(first) || strings.HasPrefix(rest, "$") {
		return s
	}
	return first + " " + evidence.Masked
}
