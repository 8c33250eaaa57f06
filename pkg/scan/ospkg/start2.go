// SPDX-License-Identifier: Apache-2.0

package ospkg

import "github.com/ocigate/ocigate/pkg/scan/analysis"

func rpm() []analysis.Analyzer          { return nil }
func dpkgLicenses() []analysis.Analyzer { return nil }
func dpkg() []analysis.PostAnalyzer     { return nil }
