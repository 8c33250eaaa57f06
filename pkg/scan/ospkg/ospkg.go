// SPDX-License-Identifier: Apache-2.0

// Package ospkg finds out which operating system an image has and which packages
// its package database lists.
package ospkg

import (
	"slices"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// Analyzers are the analysers of single files.
func Analyzers() []analysis.Analyzer {
	return slices.Concat(releases(), apk(), rpm(), dpkgLicenses())
}

// PostAnalyzers are those that need several files together.
func PostAnalyzers() []analysis.PostAnalyzer { return dpkg() }
