// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/verdict"
)

func TestNewerTags(t *testing.T) {
	for _, tt := range []struct{ what, from, tags, want string }{
		{"alpine", "3.20.3", "3.19.9 3.20 3.20.2 3.20.3 3.20.7 3.20.8 3.21 3.21.0 3.21.5 3.22.1 3.23.0 20240923 edge latest", "3.20.8 patch, 3.21.5 minor, 3.23.0 minor"},
		{"alpine, no newer patch", "3.20.8", "3.20.3 3.20.8 3.21.5 4.0.0", "3.21.5 minor, 4.0.0 major"},
		{"the newest", "3.23.0", "3.20.3 3.21.5 3.23.0", ""},
		{"two numbers", "3.20", "3.19 3.20 3.20.8 3.21 3.22 3 4", "3.21 minor, 3.22 minor"},
		{"one number", "22", "20 22 23 24 22.1 22-slim 20240923", "23 major"},
		{"a variant stays", "3.12.4-slim-bookworm", "3.12.8 3.12.8-slim 3.12.8-slim-bookworm 3.12.9-alpine 3.13.1-slim-bookworm", "3.12.8-slim-bookworm patch, 3.13.1-slim-bookworm minor"},
		{"no variant gets none", "1.27.1", "1.27.2-alpine 1.27.3-slim", ""},
		{"no pre-releases", "3.13.0", "3.13.1rc1 3.13.1-rc1 3.13.1_rc1 3.13.1-beta.2 3.14.0a1 3.14.0-dev 3.14-rc 3.14.0-SNAPSHOT 3.13.1-nightly", ""},
		{"from a pre-release", "3.13.0rc1-slim", "3.13.0 3.13.0-slim 3.13.0rc2-slim 3.12.9-slim", "3.13.0-slim patch"},
		{"with a v", "v1.30.1", "v1.29.9 1.30.9 v1.30.4 v1.31.0 V1.30.9", "v1.30.4 patch, v1.31.0 minor"},
		{"dated", "bookworm-20240926-slim", "bookworm-20240812-slim bookworm-20250113-slim bookworm-20250113 trixie-20250113-slim", "bookworm-20250113-slim patch"},
		{"dates alone", "20240926", "20240812 20250113 3", "20250113 patch"},
		{"ubuntu", "24.04", "22.04 24.04 24.10 25.04 26.04", "24.10 minor, 25.04 major"},
		{"a revision", "9.4-1214", "9.4-1123 9.4-1214.1726694543 9.5-1731517889 9.4 9.4-x", "9.4-1214.1726694543 patch, 9.5-1731517889 minor"},
		{"a distribution's revision", "16.4.0-debian-12-r3", "16.4.0-debian-12-r10 16.4.0-debian-12-r9 16.4.0-debian-11-r30 16.5.0-debian-12-r1", "16.4.0-debian-12-r10 patch, 16.5.0-debian-12-r1 minor"},
		{"numbers, not letters", "1.9.9", "1.9.10 1.10.0 1.100.0", "1.9.10 patch, 1.10.0 minor, 1.100.0 minor"},
		{"one version, two spellings", "3.20.3", "3.20.08 3.20.8", "3.20.08 patch"},
		{"no version", "latest", "latest 1.0.0 edge", ""},
		{"a name", "bookworm-slim", "trixie-slim bookworm-20250113-slim", ""},
		{"signatures", "1.0.0", "sha256-" + strings.Repeat("1", 64) + ".sig", ""},
		{"hostile", "3.20.3", "3.20.9\n::error 3.20.99999999999999999999 3.20.4;x ../3.20.9 3.20.9@sha256:x -3.20.9 3.20.8.8.8.8.8.8 3.20.\u202e9", ""},
		{"hostile itself", "3.20.3;x", "3.20.9", ""},
	} {
		tags := strings.FieldsFunc(tt.tags, func(r rune) bool { return r == ' ' })
		for range 2 {
			var got []string
			for _, n := range newerTags(tt.from, tags) {
				got = append(got, n.tag+" "+string(n.step))
			}
			if s := strings.Join(got, ", "); s != tt.want {
				t.Errorf("%s: %s, want %s", tt.what, s, tt.want)
			}
			slices.Reverse(tags) // the order of the registry does not matter
		}
	}
}

func TestThousandsOfTags(t *testing.T) {
	var tags []string
	for i := range 10_000 {
		tags = append(tags, fmt.Sprintf("3.20.%d", i%900), fmt.Sprintf("3.%d.%d", 21+i%70, i%50), strings.Repeat("9", 128))
	}
	got := newerTags("3.20.3", tags)
	if len(got) != maxNewer || got[0].tag != "3.20.899" || got[1].tag != "3.21.40" && got[1].step != verdict.StepMinor {
		t.Errorf("%+v", got)
	}
}

// FuzzNewerTags: whatever a registry lists, what is chosen is a tag of the list, newer, of
// the same variant, and nothing but a tag.
func FuzzNewerTags(f *testing.F) {
	f.Add("3.20.3", "3.20.8\n3.21.0\nedge")
	f.Add("1-slim", "2-slim\n3")
	f.Add("3.13.0rc1-slim", "3.13.0-slim")
	f.Add("9.4-1214", "9.4-1215\n9.4-1214.1")
	f.Add("bookworm-20240926-slim", "bookworm-20250113-slim\n::error::x")
	f.Fuzz(func(t *testing.T, from, list string) {
		tags := strings.Split(list, "\n")
		got := newerTags(from, tags)
		if len(got) > maxNewer {
			t.Errorf("%d tags", len(got))
		}
		base, _ := parseTag(from)
		for i, n := range got {
			tag, ok := parseTag(n.tag)
			if !ok || !slices.Contains(tags, n.tag) || !tagForm.MatchString(n.tag) || n.tag == from {
				t.Fatalf("%q of %q", n.tag, tags)
			}
			if tag.pre || tag.variant != base.variant || tag.prefix != base.prefix || tag.order(base) < 0 {
				t.Errorf("%q after %q", n.tag, from)
			}
			if n.step != verdict.StepPatch && n.step != verdict.StepMinor && n.step != verdict.StepMajor {
				t.Errorf("step %q", n.step)
			}
			if slices.ContainsFunc(got[:i], func(o newerTag) bool { return o.tag == n.tag }) {
				t.Errorf("%q twice", n.tag)
			}
		}
		slices.Reverse(tags)
		if again := newerTags(from, tags); !slices.Equal(again, got) {
			t.Errorf("%v, and in another order %v", got, again)
		}
	})
}
