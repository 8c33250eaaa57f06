// SPDX-License-Identifier: Apache-2.0

package verdict

import (
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
