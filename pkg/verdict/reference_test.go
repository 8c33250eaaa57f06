// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func TestReferenceNames(t *testing.T) {
	hex64 := strings.Repeat("0123456789abcdef", 4)
	type subject = evidence.Subject
	registry := func(name string) subject {
		return subject{Source: evidence.SourceRegistry, Reference: name, Name: name, Digest: "sha256:" + hex64}
	}
	archive := func(tags ...string) subject {
		return subject{Source: evidence.SourceDockerArchive, Reference: "app.tar", Tags: tags, ImageID: "sha256:" + hex64}
	}
	to := func(s subject, destination string) subject {
		s.Destination = destination
		return s
	}
	ours := policy.ReferenceRule{Registries: []string{"registry.example.com", "*.internal:5000"}}
	shop := policy.ReferenceRule{Repositories: []string{"registry.example.com/shop/**", "alpine:3.*"}}
	notEvil := policy.ReferenceRule{ForbiddenRepositories: []string{"docker.io/**", "evil.example.com/**"}}
	versions := policy.ReferenceRule{Tags: []string{"v*", "1.*"}}
	semver := policy.ReferenceRule{TagPattern: `v?[0-9]+\.[0-9]+`}
	destination := policy.ReferenceRule{Of: policy.SideDestination, Registries: []string{"registry.example.com"}, ForbiddenTags: []string{"latest"}}
	source := policy.ReferenceRule{Of: policy.SideSource, Registries: []string{"registry.example.com"}}
	digest := policy.ReferenceRule{Digest: true}
	for _, tt := range []struct {
		name    string
		rule    policy.ReferenceRule
		subject subject
		want    verdict.Result
		summary string
	}{
		{"allowed registry", ours, registry("registry.example.com/a:1"), verdict.Pass, "named registry.example.com/a:1"},
		{"in another spelling", ours, registry("Registry.Example.COM:443/a:1"), verdict.Pass, ""},
		{"by glob and port", ours, registry("a.internal:5000/a:1"), verdict.Pass, ""},
		{"another port", ours, registry("a.internal:5001/a:1"), verdict.Fail, `the registry "a.internal:5001"`},
		{"implicit hub", ours, registry("a:1"), verdict.Fail, `the registry "docker.io" of docker.io/library/a:1`},
		{"a host that contains it", ours, registry("registry.example.com.evil.example.com/a:1"), verdict.Fail, ""},
		{"user information", ours, registry("registry.example.com@evil.example.com/a"), verdict.Error, "not an image name"},
		{"trailing dot", ours, registry("registry.example.com./a:1"), verdict.Error, "no host name"},
		{"not ASCII", ours, registry("registry.exаmple.com/a:1"), verdict.Error, "no host name"},
		{"archive without a name", ours, archive(), verdict.Error, "--destination"},
		{"archive with a bare tag", ours, subject{Source: evidence.SourceOCI, Reference: "oci:d", Tags: []string{"1.0"}}, verdict.Error, "--destination"},
		{"archive by every name", ours, archive("registry.example.com/a:1", "evil.example.com/a:1"), verdict.Fail, "evil.example.com/a:1"},
		{"nameless archive, known destination", ours, to(archive(), "registry.example.com/a:1"), verdict.Pass, ""},
		{"source and destination are both judged", ours, to(archive("evil.example.com/a:1"), "registry.example.com/a:1"), verdict.Fail, ""},
		{"image id", ours, subject{Source: evidence.SourceDockerDaemon, Reference: "docker-daemon:sha256:" + hex64}, verdict.Error, ""},
		{"short image id", ours, subject{Source: evidence.SourceDockerDaemon, Reference: hex64[:12]}, verdict.Error, ""},
		{"transport", ours, subject{Source: evidence.SourceRegistry, Reference: "registry:registry.example.com/a:1"}, verdict.Pass, ""},
		{"nothing known", ours, subject{}, verdict.Pass, ""}, // the reference of the request is registry.example.com/app:1.2

		{"repository", shop, registry("registry.example.com/shop/a/b:9"), verdict.Pass, ""},
		{"another repository", shop, registry("registry.example.com/shopping/a:9"), verdict.Fail, "none of the repositories"},
		{"climbing out", shop, registry("registry.example.com/shop/../a:9"), verdict.Error, ""},
		{"repository with tag", shop, registry("docker.io/alpine:3.20"), verdict.Pass, ""},
		{"forbidden hub", notEvil, registry("a:1"), verdict.Fail, "docker.io/library/a:1 is forbidden by"},
		{"forbidden by another name of the hub", notEvil, registry("index.docker.io/evil/a:1"), verdict.Fail, ""},
		{"forbidden with the default port", notEvil, registry("EVIL.example.com:443/a:1"), verdict.Fail, ""},
		{"not forbidden", notEvil, registry("registry.example.com/a:1"), verdict.Pass, ""},
		{"forbidden, but no name", notEvil, archive(), verdict.Error, ""},

		{"allowed tag", versions, registry("a:v1"), verdict.Pass, "tag v1"},
		{"other tag", versions, registry("a:main"), verdict.Fail, `the tag "main" is none of those that are allowed: v*, 1.*`},
		{"implicit latest", versions, registry("a"), verdict.Fail, `"latest"`},
		{"by digest", versions, registry("a@sha256:" + hex64), verdict.Pass, "by digest"},
		{"nameless archive is skipped", versions, archive(), verdict.Skip, ""},
		{"pattern", semver, registry("a:v1.2"), verdict.Pass, ""},
		{"pattern matches in part only", semver, registry("a:v1.2.3"), verdict.Fail, "does not match"},

		{"destination not given", destination, registry("registry.example.com/a:1"), verdict.Error, "--destination"},
		{"destination not given for an archive", destination, archive("registry.example.com/a:1"), verdict.Error, "--destination"},
		{"destination", destination, to(registry("evil.example.com/a:latest"), "registry.example.com/a:1"), verdict.Pass, ""},
		{"destination without tag", destination, to(archive("a:1"), "registry.example.com/a"), verdict.Fail, `the tag "latest" is forbidden`},
		{"destination elsewhere", destination, to(archive("registry.example.com/a:1"), "evil.example.com/a:1"), verdict.Fail, ""},
		{"only the source", source, to(registry("registry.example.com/a:1"), "evil.example.com/a:1"), verdict.Pass, ""},

		{"digest", digest, registry("a:1"), verdict.Pass, "manifest sha256:"},
		{"image id only", digest, archive("a:1"), verdict.Fail, "only its image id"},
		{"no digest at all", digest, subject{Source: evidence.SourceRegistry, Reference: "a:1"}, verdict.Error, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := with(func(ev *evidence.Evidence) { ev.Subject = tt.subject })
			rule := policy.Rule{ID: "names", Group: policy.GroupReference, Action: policy.ActionFail, Reference: &tt.rule}
			o := outcome(decide(rules(rule), ev), "names")
			if o.Result != tt.want || !strings.Contains(o.Summary, tt.summary) {
				t.Errorf("%s: %s, want %s: %s", o.Result, o.Summary, tt.want, tt.summary)
			}
			for _, v := range o.Violations {
				if v.Message == "" || v.ID == "" || v.Fix == "" {
					t.Errorf("a violation without its evidence: %+v", v)
				}
			}
		})
	}
}
