// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLines: no name that a file or a case has makes a command for a CI system of the
// lines of lint and test.
func TestLines(t *testing.T) {
	var out bytes.Buffer
	a := &app{streams: Streams{Out: &out, Err: &out}, env: func(string) (string, bool) { return "", false }}
	a.lintText(linted{OK: true, Files: []lintedFile{{File: "::error::x", OK: true}, {File: "::error::y", OK: true, Kind: "waivers"}}})

	t.Chdir("../policytest/testdata")
	data, err := os.ReadFile("shop.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cases := filepath.Join(dir, "cases.yaml")
	text := "version: 1\ncases:\n  - {name: x, evidence: shop.json, expect: {rules: {'::error::z': pass}}}\n"
	if err := errors.Join(os.WriteFile(cases, []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "shop.json"), data, 0o600)); err != nil {
		t.Fatal(err)
	}
	f := policyFlags{policy: filepath.Join(dir, "policy.yaml")}
	if err := os.WriteFile(f.policy, []byte("version: 1\nname: p\nrules: {secrets: [{id: s}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var exit *exitError
	if err := a.policyTest(t.Context(), []string{cases}, f); !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			t.Errorf("%q", line)
		}
	}
	if n := strings.Count(out.String(), ":error::"); n != 3 {
		t.Errorf("%d of 3 names are shown:\n%s", n, out.String())
	}
}
