// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// signer is an authority that is ready to verify.
type signer struct {
	authority Authority
	// keys are what a keyed authority verifies with, in the order in which they are tried
	// (Ed25519 has a plain and a pre-hashed form); empty for a keyless one.
	keys []signature.Verifier
	// fingerprint is "sha256:…" of the key's DER form.
	fingerprint string
	// material is never nil: an empty one where the authority needs none.
	material root.TrustedMaterial
	// identities are compiled; empty for a keyed authority.
	identities []identity
}

// identity is a compiled Identity.
type identity struct{ Identity }

// prepare makes an authority ready. The signer is nil where the state has a Problem.
func (v *Verifier) prepare(ctx context.Context, a Authority) (*signer, evidence.AuthorityState) {
	return nil, evidence.AuthorityState{Name: a.Name, Problem: "not built yet"}
}

// recognises says whether one of the identities is the certificate's, and if not, why.
func (s *signer) recognises(c certificate.Summary) (ok bool, reason string) {
	return false, "not built yet"
}
