// SPDX-License-Identifier: Apache-2.0

package ospkg

import "github.com/ocigate/ocigate/pkg/scan/analysis"

func releases() []analysis.Analyzer { return nil }
func apk() []analysis.Analyzer      { return nil }
