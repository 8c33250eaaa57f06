// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
)

func TestCompareVersions(t *testing.T) {
	const osClass, language, no = evidence.ClassOS, evidence.ClassLanguage, 9
	for _, tt := range []struct {
		class evidence.Class
		a, b  string
		want  int
	}{
		{osClass, "1.1.1c-r0", "1.1.1k-r0", -1},
		{osClass, "1.1.1-r10", "1.1.1-r9", 1},
		{osClass, "1.2.3-1", "1.2-9", 1},
		{osClass, "1:1.0-1", "2.0-1", 1},
		{osClass, "2.31-13+deb11u11", "2.31-13+deb11u5", 1},
		{osClass, "1.0~rc1-1", "1.0-1", -1},
		{osClass, "1.0-1~bpo", "1.0-1", -1},
		{osClass, "1.1.1", "1.1.1a", -1},
		{osClass, "1.0a", "1.0.1", -1},
		{osClass, "007", "7", 0},
		{osClass, "1.0_rc1-r0", "1.0-r0", no},
		{osClass, "9.7_p1-r4", "9.7_p1-r5", -1},
		{osClass, "9.7_p2-r0", "9.7_p1-r5", 1},
		{osClass, "9.7_p1-r0", "9.7-r5", 1},
		{osClass, "1:3.0.7-27.el9_4", "1:3.0.7-27.el9_3", 1},
		{osClass, "3.0.7-27.el9_10", "3.0.7-27.el9_9", 1},
		{osClass, "1.0^git1", "1.0", no},
		{osClass, "x:1", "1", no},
		{osClass, "", "1", no},
		{language, "v0.10.0", "0.9.0", 1},
		{language, "1.0.0-rc.1", "1.0.0", -1},
		{language, "1.0.0-rc.2", "1.0.0-rc.10", -1},
		{language, "1.0.0+build", "1.0.0", 0},
		{language, "1", "1.0.0", 0},
		{language, "2.0.Final", "2.1", no},
		{language, "1.0", "99999999999999999999999", no},
		{language, "same", "same", 0},
	} {
		got, ok := compareVersions(tt.class, tt.a, tt.b)
		if !ok {
			got = no
		}
		if got != tt.want {
			t.Errorf("%s: compare %q and %q = %d, want %d", tt.class, tt.a, tt.b, got, tt.want)
		}
		if back, ok := compareVersions(tt.class, tt.b, tt.a); ok && back != -tt.want {
			t.Errorf("%s: compare %q and %q is not the reverse", tt.class, tt.b, tt.a)
		}
	}
}

// TestTarget: of several fixed versions the one that the installed one's own line demands.
func TestTarget(t *testing.T) {
	const osClass, language = evidence.ClassOS, evidence.ClassLanguage
	for _, tt := range []struct {
		what             string
		class            evidence.Class
		installed, fixed string
		want             string
	}{
		{"apk", osClass, "3.3.2-r0", "3.3.2-r1", "3.3.2-r1"},
		{"apk with a patch level", osClass, "9.7_p1-r3", "9.7_p1-r4", "9.7_p1-r4"},
		{"deb", osClass, "3.0.9-1", "3.0.11-1~deb12u2", "3.0.11-1~deb12u2"},
		{"deb with an epoch", osClass, "1:2.3-1", "1:2.3-1+deb12u1", "1:2.3-1+deb12u1"},
		{"rpm", osClass, "1:3.0.7-24.el9", "1:3.0.7-25.el9_3", "1:3.0.7-25.el9_3"},
		{"npm, this line", language, "2.1.0", "1.9.5, 2.2.1, 3.0.0", "2.2.1"},
		{"npm, in any order", language, "2.1.0", "3.0.0, 2.2.1, 1.9.5", "2.2.1"},
		{"npm, an older line", language, "1.2.0", "1.9.5, 2.2.1", "1.9.5"},
		{"npm, a line without a fix", language, "2.3.0", "1.9.5, 3.0.1", "3.0.1"},
		{"npm, a pre-release", language, "2.0.0-rc.1", "2.0.0, 3.0.0", "2.0.0"},
		{"PyPI", language, "2.31", "2.31.1", "2.31.1"},
		{"PyPI, no order", language, "1.0.post1", "1.1, 2.0.dev1", "1.1|2.0.dev1"},
		{"semver with a v", language, "v0.17.0", "0.17.1, 0.18.2", "0.17.1"},
		{"older ones only", language, "3.0.0", "1.0.0, 2.0.0", "1.0.0|2.0.0"},
		{"words", language, "1.0.0", "1.0.1 || 2.0.1", "1.0.1"},
	} {
		if got := strings.Join(target(tt.class, tt.installed, tt.fixed), "|"); got != tt.want {
			t.Errorf("%s: %s with %q: %s, want %s", tt.what, tt.installed, tt.fixed, got, tt.want)
		}
	}
}
