// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	"github.com/ocigate/ocigate/pkg/policy"
)

const waiverFile = "version: 1\nwaivers:\n  - {id: w, finding: CVE-1, until: 2026-12-31, reason: r, owner: o}\n"

func TestIsWaiverFile(t *testing.T) {
	for data, want := range map[string]bool{
		waiverFile:              true,
		"\ufeff" + waiverFile:   true,
		"waivers: []\n":         true,
		valid:                   false,
		valid + "waivers: []\n": false,
		"version: 1\n":          false,
		"":                      false,
		"- waivers\n":           false,
		"waivers: [\n":          false,
		"\x00":                  false,
	} {
		if got := policy.IsWaiverFile([]byte(data)); got != want {
			t.Errorf("%q: %v", data, got)
		}
	}
}
