// SPDX-License-Identifier: Apache-2.0

package policytest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/policytest"
)

const signedPolicy = `version: 1
name: signed
authorities:
  - name: release
    keyless:
      identities:
        - {issuer: "https://issuer.example", subject: "https://builder.example/release"}
rules:
  signatures:
    - id: by-us
      authorities: [release]
  attestations:
    - id: tested
      authorities: [release]
      predicateType: https://example.com/test/v1
      conditions:
        - {path: 'runs[*].result', equals: PASSED}
  base:
    - id: base
      signed-by: release
`

const signedCases = `version: 1
cases:
  - name: as recorded
    evidence: signed.json
    expect: {rules: {by-us: pass, tested: pass, base: pass}}
  - name: nothing is signed
    evidence: signed.json
    patch: {signatures: {items: []}}
    expect: {status: FAILED, rules: {by-us: {result: fail, ids: [unsigned]}, tested: {result: fail, ids: [unsigned]}, base: pass}}
  - name: the content is too large to be recorded
    evidence: large.json
    expect: {rules: {by-us: pass, tested: error, base: pass}}
  - name: nobody looked at the base's signatures
    evidence: signed.json
    patch: {base: {signatures: null}}
    expect: {rules: {by-us: pass, base: error}}
  - name: the registry did not answer
    evidence: signed.json
    patch: {signatures: {items: [], problems: [{area: image, message: "503"}]}}
    expect: {rules: {by-us: error, tested: error}}
`

// signedShop is an image in a registry, signed and tested, on a signed base.
func signedShop(predicate any) []byte {
	d := shop()
	ev := &d.Evidence[0]
	ev.Subject.Source, ev.Subject.Digest = evidence.SourceRegistry, "sha256:dd"
	day := d.EffectiveTime.Add(-24 * time.Hour)
	item := func(kind evidence.SignatureKind, digest, predicateType string, predicate any) evidence.Signature {
		return evidence.Signature{
			Kind: kind, Format: evidence.FormatBundle, Digest: digest, Place: "a referrer", PredicateType: predicateType, Predicate: predicate,
			Checks: []evidence.SignatureCheck{{Authority: "release", Result: evidence.CheckVerified, Time: &day}},
		}
	}
	signatures := func(digest string, items ...evidence.Signature) *evidence.Signatures {
		return &evidence.Signatures{
			Reference: "example.test/shop", Digests: []evidence.SignedDigest{{Digest: digest, Kind: evidence.SignedManifest}},
			Authorities: []evidence.AuthorityState{{Name: "release"}}, Items: items,
		}
	}
	ev.Signatures = signatures("sha256:dd", item(evidence.KindSignature, "sha256:dd", "", nil), item(evidence.KindAttestation, "sha256:dd", "https://example.com/test/v1", predicate))
	ev.Base = &evidence.Base{
		Claims: []evidence.BaseClaim{{Source: evidence.ClaimFlag, Reference: "example.test/base:1"}}, Source: evidence.ClaimFlag, Reference: "example.test/base:1", Digest: "sha256:ee",
		Lineage: evidence.LineageProven, Layers: 1, Signatures: signatures("sha256:ee", item(evidence.KindSignature, "sha256:ee", "", nil)),
	}
	data, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return data
}

// TestSignaturesAreRecorded: evidence holds what rules about signatures ask for, and
// where it cannot, they are not met.
func TestSignaturesAreRecorded(t *testing.T) {
	pol, err := policy.Load(t.Context(), policy.Request{Policy: "policy.yaml"}, onlyFile(signedPolicy))
	if err != nil {
		t.Fatal(err)
	}
	suite, err := policytest.Parse("cases.yaml", []byte(signedCases))
	if err != nil {
		t.Fatal(err)
	}
	results := func(n int) map[string]any {
		var runs []any
		for range n {
			runs = append(runs, map[string]any{"result": "PASSED"})
		}
		return map[string]any{"runs": runs}
	}
	got, err := policytest.Run(t.Context(), pol, deny{}, suite, func(path string) ([]byte, error) {
		if path == "large.json" {
			return signedShop(results(10_000)), nil
		}
		return signedShop(results(2)), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got {
		for _, d := range r.Differences {
			t.Errorf("%s: %s", r.Case.Name, d)
		}
	}
}
