// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// sectionDocuments is a policy.Loader.
type sectionDocuments map[string]string

func (d sectionDocuments) Load(_ context.Context, reference string, _ *policy.Document) (*policy.Document, error) {
	if data, ok := d[reference]; ok {
		return &policy.Document{Source: reference, Data: []byte("version: 1\nname: " + reference + "\n" + data)}, nil
	}
	return nil, fs.ErrNotExist
}

func (d sectionDocuments) load(t *testing.T, reference string, enforce ...string) *policy.Policy {
	t.Helper()
	req := policy.Request{Policy: reference}
	for _, e := range enforce {
		req.Enforce = append(req.Enforce, policy.Enforced{Reference: e, SetBy: "--enforce"})
	}
	p, err := policy.Load(t.Context(), req, d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const legacy = `
rules: {secrets: [{id: no-secrets}]}
images:
  - match: ["registry.example.com/legacy/**"]
    rules: {secrets: [{id: no-secrets, max: 9}]}
`

// An image must not choose the section of an enforced policy by naming itself.
func TestSelfNamedImage(t *testing.T) {
	d := sectionDocuments{"owner": legacy, "own": "rules: {config: [{id: non-root, user: non-root}]}\n"}
	enforced, own := d.load(t, "own", "owner"), d.load(t, "owner")
	const name = "registry.example.com/legacy/a:1"
	type subject = evidence.Subject
	for _, tt := range []struct {
		name    string
		policy  *policy.Policy
		subject subject
		want    verdict.Status
	}{
		{"a registry's image is what the command line names", enforced, subject{Source: "registry", Name: name}, verdict.Passed},
		{"a daemon's too", enforced, subject{Source: "docker-daemon", Name: name}, verdict.Passed},
		{"another name", enforced, subject{Source: "registry", Name: "registry.example.com/a:1"}, verdict.Failed},
		{"an archive names itself", enforced, subject{Source: "docker-archive", Name: name, Tags: []string{name}}, verdict.Errored},
		{"an archive without a name", enforced, subject{Source: "oci"}, verdict.Failed},
		{"an image id", enforced, subject{Source: "docker-daemon", Reference: "sha256:" + strings.Repeat("a", 64)}, verdict.Failed},
		{"the command line says where an archive goes", enforced, subject{Source: "oci-archive", Tags: []string{"b:1"}, Destination: name}, verdict.Passed},
		{"and the name inside does not count", enforced, subject{Source: "oci-archive", Tags: []string{name}, Destination: "b:1"}, verdict.Failed},
		{"nor where it was staged", enforced, subject{Source: "registry", Name: name, Destination: "registry.example.com/a:1"}, verdict.Failed},
		{"climbing into a section", enforced, subject{Source: "registry", Name: "registry.example.com/legacy/../a:1"}, verdict.Failed},
		{"a policy that is not enforced is the repository's own", own, subject{Source: "docker-archive", Name: name, Tags: []string{name}}, verdict.Passed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev := found(secret("aws-access-key-id", "app/.env"))
			tt.subject.Digest, tt.subject.Platform, tt.subject.Reference = "sha256:aa", ev.Subject.Platform, tt.subject.Reference+tt.subject.Name
			ev.Subject = tt.subject
			v := verdict.Decide(verdict.Input{Policy: tt.policy, Reference: "x.tar", Evidence: []evidence.Evidence{ev}, EffectiveTime: now})
			if v.Status != tt.want {
				t.Errorf("%s, want %s: %+v", v.Status, tt.want, outcome(v, "no-secrets"))
			}
			if v.Status == verdict.Errored && !strings.Contains(outcome(v, "image").Problems[0].Hint, "--destination") {
				t.Errorf("no hint: %+v", outcome(v, "image"))
			}
		})
	}
}

// What a section demands of platforms and accepts by waivers holds for its images,
// and for no other.
func TestSectionsOfOneDecision(t *testing.T) {
	d := sectionDocuments{"p": `
platforms: [linux/amd64]
rules: {secrets: [{id: no-secrets}]}
images:
  - match: ["registry.example.com/arm/**"]
    platforms: [linux/amd64, linux/arm64]
  - match: ["registry.example.com/waived/**"]
    waivers: [{id: w, rule: no-secrets, until: 2026-12-31, reason: r, owner: o}]
`}
	p := d.load(t, "p")
	judge := func(names ...string) verdict.Verdict {
		var evs []evidence.Evidence
		for _, n := range names {
			ev := found(secret("aws-access-key-id", "app/.env"))
			ev.Subject.Name = n
			evs = append(evs, ev)
		}
		return verdict.Decide(verdict.Input{Policy: p, Evidence: evs, EffectiveTime: now})
	}
	if v := judge("registry.example.com/arm/a:1"); len(v.Problems) != 1 || !strings.Contains(v.Problems[0].Message, "linux/arm64") {
		t.Errorf("the section's platform is not missed: %+v", v.Problems)
	}
	if v := judge("registry.example.com/a:1"); len(v.Problems) != 0 {
		t.Errorf("a platform of another section is missed: %+v", v.Problems)
	}
	v := judge("registry.example.com/waived/a:1", "registry.example.com/a:1")
	if v.Subjects[0].Status != verdict.Passed || v.Subjects[1].Status != verdict.Failed || v.Status != verdict.Failed {
		t.Errorf("%s, %s", v.Subjects[0].Status, v.Subjects[1].Status)
	}
	if len(v.Waivers) != 1 || v.Waivers[0].Matches != 1 || v.Waivers[0].Use != verdict.WaiverUsed {
		t.Errorf("%+v", v.Waivers)
	}
}

// A repository must not approve its own image as the base that answers for findings,
// while the owner's base rule only warns.
func TestOwnApprovalBelowEnforced(t *testing.T) {
	const head = "version: 1\nname: x\n"
	for name, tt := range map[string]struct {
		from, images, own string
		want              verdict.Result
	}{
		"the owner's rule holds":                     {"2026-01-01", "debian", "{id: mine, images: ['**']}", verdict.Fail},
		"the owner's rule warns yet":                 {"2027-01-01", "debian", "{id: mine, images: ['**']}", verdict.Fail},
		"another rule of the owner's is made to say": {"2027-01-01", "debian", "{id: mine, images: ['**']}, {id: pinned, images: ['**']}", verdict.Fail},
		"the owner approves, from a day to come":     {"2027-01-01", "alpine", "{id: mine, images: ['**']}", verdict.Pass},
	} {
		d := documents{
			"owner": head + "rules:\n  base: [{id: approved, images: [" + tt.images + "], from: " + tt.from + "}, {id: pinned, pinned: true}]\n" +
				"  vulnerabilities: [{id: application, severity: [critical, unknown], origin: application}]\n",
			"own": head + "rules: {base: [" + tt.own + "]}\n",
		}
		p, err := policy.Load(t.Context(), policy.Request{Policy: "own", Enforce: []policy.Enforced{{Reference: "owner", SetBy: "--enforce"}}}, d)
		if err != nil {
			t.Fatal(err)
		}
		ev := based(nil)
		f := vuln("CVE-1", evidence.SeverityCritical, 0, "")
		f.Layer = evidence.Layer{DiffID: baseLayer}
		ev.Findings = []evidence.Finding{f}
		v := decide(p, ev)
		if o := outcome(v, "application"); o.Result != tt.want {
			t.Errorf("%s: %s: %s", name, o.Result, o.Summary)
		}
		if o := outcome(v, "mine"); o.Result != verdict.Pass {
			t.Errorf("%s: the repository's own rule: %s: %s", name, o.Result, o.Summary)
		}
	}
}
