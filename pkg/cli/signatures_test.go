// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/signature"
)

// TestVerifierKnowsWhatPoliciesName: packages policy and signature do not know each other,
// and each has a list of extensions and of key management services.
func TestVerifierKnowsWhatPoliciesName(t *testing.T) {
	problem := func(a signature.Authority) string {
		s := signature.New(signature.Options{Offline: true}).Verify(t.Context(), signature.Target{}, []signature.Authority{a})
		return s.Authorities[0].Problem
	}
	keyless := func(extension string) signature.Authority {
		return signature.Authority{Name: "a", Keyless: &signature.Keyless{Identities: []signature.Identity{
			{Issuer: "i", Subject: "s", Extensions: map[string]string{extension: "x"}}}}}
	}
	kms := func(scheme string) signature.Authority {
		return signature.Authority{Name: "a", Key: &signature.Key{KMS: scheme + "://key"}}
	}
	const noExtension, noService = "no certificate extension", "no key management service that is supported"
	if !strings.Contains(problem(keyless("other")), noExtension) || !strings.Contains(problem(kms("other")), noService) {
		t.Fatal("what nobody knows is refused in other words")
	}
	for _, name := range policy.CertificateExtensions() {
		if p := problem(keyless(name)); strings.Contains(p, noExtension) {
			t.Errorf("extension %s: %s", name, p)
		}
	}
	for _, scheme := range policy.KMSSchemes() {
		if p := problem(kms(scheme)); strings.Contains(p, noService) {
			t.Errorf("%s: %s", scheme, p)
		}
	}
}
