// SPDX-License-Identifier: Apache-2.0

package report

import (
	"io"

	"github.com/ocigate/ocigate/pkg/verdict"
)

// Limits that tests set smaller than those of GitHub.

func SARIFWithin(w io.Writer, v verdict.Verdict, runs, results, gzip int) error {
	return sarifWithin(w, v, Options{}, sarifLimits{runs: runs, results: results, shown: results, gzip: gzip})
}

func MarkdownWithin(w io.Writer, v verdict.Verdict, most int) error {
	return markdownWithin(w, v, most)
}

func HTMLWithin(w io.Writer, v verdict.Verdict, o Options, most int) error {
	return htmlWithin(w, v, o, most)
}

func EscapeMarkdown(s string) string { return escapeMarkdown(s) }

func Weblink(s string) string { return weblink(s) }
