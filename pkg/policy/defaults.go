// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// The words that default titles are made of.

func amount(n int) string {
	if n == 0 {
		return "No"
	}
	return fmt.Sprintf("At most %d", n)
}

// severityWords lists severities in the order of reports; all of them is "".
func severityWords(list []evidence.Severity) string {
	var words []string
	for _, s := range evidence.Severities() {
		if slices.Contains(list, s) {
			words = append(words, s.String())
		}
	}
	if len(words) == len(evidence.Severities()) {
		return ""
	}
	return wording.Or(words)
}

// few is a list of words of which at most three are shown.
func few(words []string) string {
	const shown = 3
	if n := len(words); n > shown {
		return fmt.Sprintf("%s or one of %d more", strings.Join(words[:shown], ", "), n-shown)
	}
	return wording.Or(words)
}
