// SPDX-License-Identifier: Apache-2.0

package policytest_test

import (
	"encoding/json"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/policytest"
)

// TestAttestations: modules look at recorded attestations in each case anew, of the image
// and of its base.
func TestAttestations(t *testing.T) {
	p, err := policy.Load(t.Context(), policy.Request{Policy: "policy.yaml"}, onlyFile(`version: 1
name: attested
authorities: [{name: us, key: {env: US}, transparency-log: optional}]
rules:
  attestations:
    - {id: ours, predicateType: test-result, authorities: [us], rego: a.rego}
    - {id: theirs, of: base, predicateType: test-result, authorities: [us], rego: a.rego}
`))
	if err != nil {
		t.Fatal(err)
	}
	signed := func() *evidence.Signatures {
		return &evidence.Signatures{
			Reference: "registry.example.com/app", Digests: []evidence.SignedDigest{{Digest: "sha256:aa", Kind: evidence.SignedManifest}},
			Authorities: []evidence.AuthorityState{{Name: "us", Signer: "key sha256:bb"}},
			Items: []evidence.Signature{{Kind: evidence.KindAttestation, Format: evidence.FormatTag, Digest: "sha256:aa", Place: "p",
				PredicateType: "https://in-toto.io/attestation/test-result/v0.1", Predicate: map[string]any{"result": "PASSED"},
				Checks: []evidence.SignatureCheck{{Authority: "us", Result: evidence.CheckVerified}}}},
		}
	}
	document, err := json.Marshal(evidence.Document{SchemaVersion: evidence.DocumentVersion, Reference: "registry:registry.example.com/app:1",
		Evidence: []evidence.Evidence{{
			Subject: evidence.Subject{Reference: "registry:registry.example.com/app:1", Source: evidence.SourceRegistry, Name: "registry.example.com/app:1", Digest: "sha256:aa"},
			Layers:  []evidence.LayerFacts{{DiffID: "sha256:cc", Verification: evidence.LayerVerified}}, Signatures: signed(),
			Base: &evidence.Base{Claims: []evidence.BaseClaim{{Source: evidence.ClaimFlag, Reference: "registry.example.com/base:1"}}, Source: evidence.ClaimFlag,
				Reference: "registry.example.com/base:1", Digest: "sha256:aa", ManifestDigest: "sha256:aa", Lineage: evidence.LineageProven, Layers: 1, Signatures: signed()},
		}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := policytest.Parse("cases.yaml", []byte(`version: 1
cases:
  - {name: denied, evidence: e.json, effective-time: 2026-11-24, expect: {status: FAILED, rules: {ours: fail, theirs: fail}}}
  - {name: once more, evidence: e.json, effective-time: 2026-11-24, expect: {rules: {ours: fail, theirs: fail}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	results, err := policytest.Run(t.Context(), p, deny{}, s, func(string) ([]byte, error) { return document, nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if len(r.Differences) > 0 {
			t.Errorf("%s: %v", r.Case.Name, r.Differences)
		}
	}
}
