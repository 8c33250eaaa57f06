// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"testing"
	"time"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/evidence"
)

func TestEndOfLife(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		family, release string
		past            bool
		want            string // a date, "maintained", or empty: not known
	}{
		{"alpine", "3.20.3", true, "2026-04-01T23:59:59Z"},
		{"alpine", "3.10.3", true, "2021-05-01T23:59:59Z"},
		{"alpine", "3.99.0", false, ""},
		{"alpine", "", false, ""},
		{"debian", "9.13", true, "2022-06-30T23:59:59Z"},
		{"debian", "13.1", false, "maintained"},
		{"debian", "trixie/sid", false, ""},
		{"ubuntu", "24.04", false, "2034-03-31T23:59:59Z"},
		{"amazon", "2 (Karoo)", true, "2026-06-30T23:59:59Z"},
		{"amazon", "", false, ""},
		{"centos", "7.9", true, "2024-06-30T23:59:59Z"},
		{"wolfi", "20230201", false, ""},
		{"azurelinux", "3.0", false, ""},
		// Somebody else maintains it, as Trivy says by not calling it ended.
		{"alpine", "3.10.3", false, ""},
		{"nobody", "1", false, ""},
	} {
		var facts evidence.OSFacts
		endOfLife(t.Context(), ftypes.OS{Family: ftypes.OSType(tt.family), Name: tt.release, Eosl: tt.past}, at, &facts)
		got := ""
		switch {
		case facts.EndOfLifeDate != nil:
			got = facts.EndOfLifeDate.Format(time.RFC3339)
		case facts.Maintained:
			got = "maintained"
		}
		if got != tt.want || (got != "") != (facts.EndOfLifeSource == "trivy") {
			t.Errorf("%s %s: %q, want %q", tt.family, tt.release, got, tt.want)
		}
	}
}
