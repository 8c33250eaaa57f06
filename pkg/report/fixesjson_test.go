// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"testing"

	"github.com/ocigate/ocigate/pkg/report"
)

var fixesFormat = format{"fixes", "fixes.json", report.Fixes}

func TestFixesGolden(t *testing.T) {
	for _, name := range []string{"failed", "several", "passed", "failed-fast"} {
		v := verdicts()[name]
		got := rendered(t, fixesFormat, v)
		golden(t, name+".fixes.json", got)
		if !bytes.Equal(got, rendered(t, fixesFormat, v)) {
			t.Errorf("%s: two reports of one verdict differ", name)
		}
	}
}

// TestFixesAreSafe: what a bot copies into a pull request or a log steers neither.
func TestFixesAreSafe(t *testing.T) {
	for name, v := range everyVerdict() {
		t.Run(name, func(t *testing.T) {
			got := rendered(t, fixesFormat, v)
			safe(t, string(got))
			for _, s := range decoded(t, fixesFormat, got) {
				safe(t, s)
			}
		})
	}
}
