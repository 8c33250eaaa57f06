// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
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

func TestLintWaivers(t *testing.T) {
	if n, err := policy.LintWaivers("w.yaml", []byte(waiverFile)); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	n, err := policy.LintWaivers("w.yaml", []byte("version: 2\nwaivers:\n  - {id: W, until: 2026-02-30, reason: r, ownr: o}\n"))
	var parse *policy.ParseError
	if n != 0 || !errors.As(err, &parse) || len(parse.Diagnostics) < 4 || parse.Diagnostics[0].File != "w.yaml" {
		t.Errorf("%d, %v", n, err)
	}
}
