// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/policy"
)

// What is written in two ways is one name, and what is no name matches nothing.
func TestMatchReferenceTricks(t *testing.T) {
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		glob, name string
		want       bool
	}{
		{"docker.io/alpine", "alpine", true},
		{"docker.io/*", "alpine", true},
		{"docker.io/**", "evil/alpine", true},
		{"docker.io/*", "evil/alpine", false},
		{"index.docker.io/library/alpine", "docker.io/alpine", true},
		{"alpine", "index.docker.io/alpine:3", true},
		{"alpine", "Docker.IO/library/alpine:3", true},
		{"Registry.Example.com/**", "registry.example.COM/a", true},
		{"registry.example.com/a", "registry.example.com:443/a", true},
		{"registry.example.com:443/a", "registry.example.com/a", true},
		{"registry.example.com/a", "registry.example.com:8443/a", false},
		{"localhost/a", "localhost:443/a", false},
		{"registry.example.com/legacy/**", "registry.example.com/legacy/../prod/a", false},
		{"registry.example.com/legacy/**", "registry.example.com/legacy//a", false},
		{"registry.example.com/legacy/**", "registry.example.com/legacy/./a", false},
		{"registry.example.com/**", "registry.example.com./a", false},
		{"registry.example.com/**", "registry.example.com@evil.example.com/a", false},
		{"registry.example.com/**", "user:password@registry.example.com/a", false},
		{"**", "user@evil.example.com/a", false},
		{"**", "https://registry.example.com/a", false},
		{"**", "registry.exаmple.com/a", false}, // a Cyrillic а
		{"**", "registry.example.com/A", false},
		{"**", "registry.example.com:0443/a", false},
		{"**", "registry.example.com:/a", false},
		{"**", "registry.example.com/a:", false},
		{"**", "registry.example.com/a b", false},
		{"**", "registry.example.com/a\n", false},
		{"**", "a@sha256:", false},
		{"**", strings.Repeat("a", 64), false},
		{"a:*", "a@" + digest, true},
		{"a:1.*", "a@" + digest, false},
		{"a:1.*", "a:1.2@" + digest, true},
		{"a:V1", "a:v1", false}, // tags have letter case
	} {
		if got := policy.MatchReference(c.glob, c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.glob, c.name, got)
		}
	}
}
