// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// defaultTitle is a sentence made from the rule's own settings.
func defaultTitle(r *Rule) string {
	switch r.Group {
	case GroupVulnerabilities:
		return vulnerabilityTitle(r.Vulnerabilities)
	case GroupSecrets:
		noun := "secrets"
		if r.Secrets.Max == 1 {
			noun = "secret"
		}
		if s := severityWords(r.Secrets.Severities); s != "" {
			noun += " of " + s + " severity"
		}
		return amount(r.Secrets.Max) + " " + noun
	case GroupConfig:
		return "The container does not run as root"
	default:
		return referenceTitle(r.Reference)
	}
}

func vulnerabilityTitle(r *VulnerabilityRule) string {
	words := []string{amount(r.Max)}
	if s := severityWords(r.Severities); s != "" {
		words = append(words, s)
	}
	have := "vulnerabilities that have"
	if r.Max == 1 {
		have = "vulnerability that has"
	}
	switch {
	case r.Fixed == nil:
		have, _, _ = strings.Cut(have, " ")
	case *r.Fixed:
		have += " a fix"
	default:
		have += " no fix"
	}
	words = append(words, have)
	if len(r.PackageTypes) > 0 {
		var types []string
		for _, t := range r.PackageTypes {
			if t == string(evidence.ClassOS) {
				t = "operating system"
			}
			types = append(types, t)
		}
		words = append(words, "in "+or(types)+" packages")
	}
	return strings.Join(words, " ")
}

func referenceTitle(r *ReferenceRule) string {
	const shown = 3
	switch n := len(r.ForbiddenTags); {
	case n == 1:
		return "The tag is not " + r.ForbiddenTags[0]
	case n <= shown:
		return "The tag is not " + or(r.ForbiddenTags)
	default:
		return fmt.Sprintf("The tag is not %s or one of %d more", strings.Join(r.ForbiddenTags[:shown], ", "), n-shown)
	}
}

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
	return or(words)
}

// or joins words: "a", "a or b", "a, b or c".
func or(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// defaultRemediation says what to do about a violation of the rule.
func defaultRemediation(r *Rule) string {
	switch r.Group {
	case GroupVulnerabilities:
		switch fixed := r.Vulnerabilities.Fixed; {
		case fixed == nil:
			return "Upgrade the packages to versions that fix the vulnerabilities, in the image or by a newer base image. Where there is no fix, remove the package or record a waiver with an end date."
		case *fixed:
			return "Upgrade the packages to the versions that fix the vulnerabilities, in the image or by a newer base image."
		default:
			return "Remove or replace the packages, or record a waiver with an end date until a fix exists."
		}
	case GroupSecrets:
		return "Revoke the secret, then build the image without it: deleting the file in a later layer leaves it in the earlier one. Pass secrets at run time, or to the build by a secret mount."
	case GroupConfig:
		return "Set USER in the Dockerfile to a user and group other than root, by number, such as USER 65532:65532."
	default:
		return "Push under a tag that names one build, such as a version or a commit."
	}
}
