// SPDX-License-Identifier: Apache-2.0

package langpkg

import "github.com/ocigate/ocigate/pkg/scan/analysis"

func binaries() []analysis.Analyzer   { return nil }
func installed() []analysis.Analyzer  { return nil }
func sboms() []analysis.Analyzer      { return nil }
func python() []analysis.PostAnalyzer { return nil }
