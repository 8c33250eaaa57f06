// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/policy"
)

// basePolicy is a policy with one base rule.
func basePolicy(t *testing.T, keys string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("p.yaml", []byte("version: 1\nname: x\nrules: {base: [{id: b, "+keys+"}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	someDigest  = "sha256:beefdbd8a1da6d2915566fde36db9db0b524eb737fc57cd1367effd16dc0d06d"
	otherDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
)

// TestNamesBase pins which registries a policy lets be asked about a base that only
// an image names.
func TestNamesBase(t *testing.T) {
	cases := []struct {
		glob, reference string
		want            bool
	}{
		{"docker.io/library/alpine:3.*", "docker.io/library/alpine:3.20", true},
		{"alpine:3.*", "docker.io/library/alpine:3.20", true},
		{"docker.io/library/alpine:3.*", "docker.io/library/alpine:2.6", false},
		{"docker.io/library/alpine:3.*", "docker.io/library/alpine@" + someDigest, false},
		{"alpine@" + someDigest, "docker.io/library/alpine:3.20@" + someDigest, true},
		{"alpine@" + someDigest, "docker.io/library/alpine:3.20@" + otherDigest, false},
		{"alpine@" + someDigest, "docker.io/library/alpine:3.20", true}, // what the tag is has to be asked
		{"registry.example.com/**", "registry.example.com/base/alpine:1", true},
		{"registry.example.com/**", "registry.example.com:444/base/alpine:1", false},
		{"registry.example.com/**", "registry.example.com.evil.example/base:1", false},
		{"registry.example.com/**", "169.254.169.254/base:1", false},
		{"**", "registry.example.com/base/alpine:1", false},
		{"*/base/**", "registry.example.com/base/alpine:1", false},
		{"*.example.com/**", "registry.example.com/base/alpine:1", false},
		{"{docker.io,169.254.169.254}/**", "169.254.169.254/x:1", false},
		{"registry.example.co[m]/**", "registry.example.com/base:1", false},
		{"**/alpine", "docker.io/library/alpine:1", false},
		{"localhost:5000/base", "localhost:5000/base:1", true},
	}
	for _, c := range cases {
		if got := basePolicy(t, fmt.Sprintf("images: [%q]", c.glob)).NamesBase(c.reference); got != c.want {
			t.Errorf("%s names %s: %t", c.glob, c.reference, got)
		}
	}
}

func TestApproves(t *testing.T) {
	cases := []struct {
		glob, reference, digest string
		tagShown                bool
		approved, onTag         bool
	}{
		{"alpine:3.*", "docker.io/library/alpine:3.20", someDigest, true, true, false},
		{"alpine:3.*", "docker.io/library/alpine:3.20", someDigest, false, false, true},
		{"alpine:3.*", "docker.io/library/alpine:2.6", someDigest, true, false, false},
		{"alpine", "docker.io/library/alpine:3.20", someDigest, false, true, false},
		{"alpine:*", "docker.io/library/alpine:3.20", someDigest, false, true, false},
		{"alpine:*", "docker.io/library/alpine", someDigest, false, true, false},
		{"alpine:3.*", "docker.io/library/alpine", someDigest, false, false, false},
		{"alpine@" + someDigest, "docker.io/library/alpine:3.20", someDigest, false, true, false},
		{"alpine@" + someDigest, "oci-archive:base.tar", someDigest, false, true, false}, // the digest is the image
		{"alpine@" + someDigest, "docker.io/library/alpine:3.20", otherDigest, true, false, false},
		{"alpine@" + someDigest, "docker.io/library/alpine:3.20", "", true, false, false},
		{"alpine@sha256:*", "docker.io/library/alpine:3.20", someDigest, false, true, false},
		{"alpine:3.20@" + someDigest, "docker.io/library/alpine:3.20", someDigest, false, true, false},
		{"docker.io/library/alpine", "oci-archive:base.tar", someDigest, false, false, false},
		{"**", "oci-archive:base.tar", someDigest, false, true, false},
		{"docker.io/**", "registry.example.com/alpine:3", someDigest, true, false, false},
	}
	for _, c := range cases {
		var digests []string
		if c.digest != "" {
			digests = []string{c.digest}
		}
		approved, onTag := policy.BaseRule{Images: []string{c.glob}}.Approves(c.reference, digests, c.tagShown)
		if approved != c.approved || onTag != c.onTag {
			t.Errorf("%s on %s, shown %t: %t, %t", c.glob, c.reference, c.tagShown, approved, onTag)
		}
	}
}

// documents are policies by reference.
type documents map[string]string

func (d documents) Load(_ context.Context, reference string, _ *policy.Document) (*policy.Document, error) {
	data, ok := d[reference]
	if !ok {
		return nil, errors.New("no such document")
	}
	return &policy.Document{Source: reference, Data: []byte(data)}, nil
}

// TestBaseTightens tries to loosen an enforced base rule key by key.
func TestBaseTightens(t *testing.T) {
	rule := func(keys string) string {
		return "version: 1\nname: x\nrules: {base: [{id: b, " + keys + "}]}\n"
	}
	const enforced = "images: [a, b], pinned: true, latest: forbidden, max-age: 30d, current: required, scratch: forbidden"
	const bare = "latest: forbidden"
	cases := []struct {
		enforced, mine string
		tightens       bool
	}{
		{enforced, "images: [a]", true},
		{enforced, "images: [b, a]", true},
		{enforced, "images: [a, c]", false},
		{enforced, `images: ["**"]`, false},
		{enforced, "pinned: false", false},
		{enforced, "max-age: 2w", true},
		{enforced, "max-age: 31d", false},
		{enforced, "scratch: allowed", false},
		{enforced, "action: warn", false},
		{enforced, "from: 2030-01-01", false},
		{bare, "images: [a]", true},
		{bare, "pinned: true", true},
		{bare, "max-age: 30d", true},
		{bare, "current: required", true},
		{bare, "scratch: forbidden", true},
		{bare, "scratch: allowed", false},
		{"scratch: allowed, pinned: true", "scratch: forbidden", true},
	}
	for _, c := range cases {
		_, err := policy.Load(t.Context(), policy.Request{Policy: "mine", Enforce: []policy.Enforced{{Reference: "theirs", SetBy: "--enforce"}}},
			documents{"theirs": rule(c.enforced), "mine": rule(c.mine)})
		if (err == nil) != c.tightens || err != nil && !strings.Contains(err.Error(), "loosens what is enforced") {
			t.Errorf("%s below %s: %v", c.mine, c.enforced, err)
		}
	}
}
