// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/bench/usage"
)

func TestTable(t *testing.T) {
	m := &measured{
		trivy:   usage.Usage{Wall: 10 * time.Second, CPU: 12 * time.Second, Memory: 400e6},
		ocigate: usage.Usage{Wall: 2 * time.Second, CPU: 3 * time.Second, Memory: 700e6},
		floor:   usage.Usage{Wall: time.Second},
	}
	var tab table
	tab.add(aCase{name: "a", secrets: true, wall: 0.18, floor: 2, memory: 1.5}, m, nil)
	tab.add(aCase{name: "b", secrets: true, wall: 1, first: 0.2}, m, &measured{trivy: usage.Usage{Wall: 20 * time.Second}})
	var out strings.Builder
	tab.write(&out)
	for _, want := range []string{
		"| a | 10.00 s | 2.00 s | 0.20 ✗ | ≤ 0.18 | 1.00 s | 2.00 (≤ 2.00) | 400 MB | 700 MB | 1.75 ✗ (≤ 1.50) | 12.00 s | 3.00 s |",
		"| b | 10.00 s | 2.00 s | 0.20 | ≤ 1.00 |",
		"| b, beside the CLI's first | 20.00 s | 2.00 s | 0.10 | ≤ 0.20 |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestCasesCompareWithCases(t *testing.T) {
	names := map[string]bool{}
	for _, c := range cases() {
		if names[c.name] {
			t.Errorf("%s twice", c.name)
		}
		names[c.name] = true
		if c.firstCase != "" && !names[c.firstCase] {
			t.Errorf("%s: no case %q before it", c.name, c.firstCase)
		}
	}
}
