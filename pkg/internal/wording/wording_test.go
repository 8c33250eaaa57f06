// SPDX-License-Identifier: Apache-2.0

package wording

import (
	"strings"
	"testing"
	"time"
)

func TestWording(t *testing.T) {
	const day = 24 * time.Hour
	at := time.Date(2026, 3, 10, 1, 2, 3, 4, time.FixedZone("", 2*60*60))
	for _, c := range [][2]string{
		{Count(0, "layer"), "0 layers"}, {Count(1, "layer"), "1 layer"}, {Count(2, "vulnerability"), "2 vulnerabilities"}, {Count(1, "entry"), "1 entry"}, {Count(7, "day"), "7 days"},
		{Or(nil), ""}, {Or([]string{"a"}), "a"}, {Or([]string{"a", "b"}), "a or b"}, {Or([]string{"a", "b", "c"}), "a, b or c"},
		{Age(45 * time.Minute), "45m"}, {Age(13 * time.Hour), "13h"}, {Age(3*day + 4*time.Hour), "3d4h"}, {Age(3 * day), "3d"}, {Age(9*day + 5*time.Hour), "9d"},
		{Date(at), "2026-03-09"}, {Time(at), "2026-03-09T23:02:03Z"},
		{Bytes(0), "0 B"}, {Bytes(1023), "1023 B"}, {Bytes(7759462), "7.4 MiB"}, {Bytes(1 << 30), "1 GiB"},
		{Clip("äöü", 3), "äöü"}, {Clip("äöüß", 3), "äö…"}, {Clip("abc", 9), "abc"}, {Clip(strings.Repeat("\xff", 4), 3), "\xff\xff…"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

func TestShortDigests(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for in, want := range map[string]string{
		"":                                   "",
		"sha256":                             "sha256",
		"sha256:":                            "sha256:",
		"sha256:abc, layer 1":                "sha256:abc, layer 1",
		"sha256:" + hex:                      "sha256:0123456789ab…",
		"at sha256-" + hex + ".sig, layer 1": "at sha256-0123456789ab….sig, layer 1",
		"sha256sha256:" + hex + "sha256":     "sha256sha256:0123456789ab…sha256",
		"sha256:" + hex[:63]:                 "sha256:" + hex[:63],
	} {
		if got := ShortDigests(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
