// SPDX-License-Identifier: Apache-2.0

package langpkg

import "github.com/ocigate/ocigate/pkg/scan/analysis"

func listed() []analysis.Analyzer        { return nil }
func lockFiles() []analysis.PostAnalyzer { return nil }
