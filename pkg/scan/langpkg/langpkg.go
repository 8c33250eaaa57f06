// SPDX-License-Identifier: Apache-2.0

// Package langpkg finds the packages of programming languages: what their installers
// wrote down, what is compiled into binaries, and what SBOMs list.
package langpkg

import (
	"slices"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// Analyzers are the analysers of single files.
func Analyzers() []analysis.Analyzer {
	return slices.Concat(binaries(), installed(), listed(), sboms())
}

// PostAnalyzers are those that need several files together. Jar is one more.
func PostAnalyzers() []analysis.PostAnalyzer { return slices.Concat(python(), lockFiles()) }
