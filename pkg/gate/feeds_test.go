// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/feed"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func exploited(ctx context.Context) (*evidence.Evidence, error) {
	e, err := clean(ctx)
	e.Findings = []evidence.Finding{{Kind: evidence.KindVulnerability, ID: "CVE-2021-44228", Severity: evidence.SeverityLow, Package: &e.Packages[0]}}
	return e, err
}

// Every platform is judged by the policy's feeds; a feed that is no feed is no pass.
func TestFeeds(t *testing.T) {
	const kev = `{"vulnerabilities": [{"cveID": "CVE-2021-44228", "dateAdded": "2021-12-10"}]}`
	seen, err := feed.ParseFirstSeen([]byte(`{"version": 1, "entries": {"CVE-2021-44228": {"gobinary:m": "2026-11-01"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]verdict.Status{kev: verdict.Failed, "<html>": verdict.Errored, "": verdict.Errored} {
		p := policyOf(t, "all")
		p.Feeds.KEV = &policy.Feed{File: &policy.File{Path: "kev.json", Digest: "sha256:x", Data: []byte(data)}}
		p.Rules = []policy.Rule{{ID: "kev", Group: policy.GroupVulnerabilities, Action: policy.ActionFail, Vulnerabilities: &policy.VulnerabilityRule{KnownExploited: true}}}
		req := Request{Reference: "oci:x", Policy: p, EffectiveTime: at, FirstSeen: seen, FirstSeenFile: &feed.File{Source: "seen.json"}}
		v, err := gateOf(index{"linux/amd64", "linux/arm64"}, exploited).Check(t.Context(), req)
		if err != nil || v.Status != want || len(v.Subjects) != 2 {
			t.Fatalf("%q: %s, %v", data, v.Status, err)
		}
		for _, s := range v.Subjects {
			f := s.Evidence.Findings[0]
			if k := s.Evidence.Feeds.KEV; k == nil || k.Source != "kev.json" || (k.Problem == "") != (data == kev) || (f.KnownExploited != nil) != (data == kev) || f.FirstSeen == nil {
				t.Errorf("%q: %+v %+v", data, k, f)
			}
		}
	}
}
