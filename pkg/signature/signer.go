// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// signer is an authority that is ready to verify.
type signer struct {
	authority Authority
	// keys are what a keyed authority verifies with, in the order in which they are tried
	// (Ed25519 has a plain and a pre-hashed form, RSA in a KMS two paddings); empty for a
	// keyless one.
	keys []signature.Verifier
	// fingerprint is "sha256:…" of the key's DER form.
	fingerprint string
	// usualHash is what clients hash with by such a key; empty where the policy says the same.
	usualHash string
	// material is never nil: an empty one where the authority needs none.
	material root.TrustedMaterial
	// identities are compiled; empty for a keyed authority.
	identities []identity
}

// problem is why an authority could not be made ready, and what to do about it.
type problem struct{ what, hint string }

func (p *problem) Error() string { return p.what }

func problemf(hint, format string, args ...any) error {
	return &problem{what: fmt.Sprintf(format, args...), hint: hint}
}

// prepare makes an authority ready. The signer is nil where, and only where, the state
// has a Problem.
func (v *Verifier) prepare(ctx context.Context, a Authority) (*signer, evidence.AuthorityState) {
	state := evidence.AuthorityState{Name: a.Name}
	s := &signer{authority: a, material: &root.BaseTrustedMaterial{}}
	err := guard(func() error { return v.ready(ctx, s, &state) })
	if err == nil {
		return s, state
	}
	state.Problem = cmp.Or(line(err.Error()), "it could not be made ready")
	if p, ok := errors.AsType[*problem](err); ok {
		state.Hint = line(p.hint)
	}
	return nil, state
}

func (v *Verifier) ready(ctx context.Context, s *signer, state *evidence.AuthorityState) error {
	a := s.authority
	var err error
	switch {
	case a.Key != nil && a.Keyless != nil:
		return errors.New("it has both a key and identities")
	case a.Key != nil:
		if err := v.readyKey(ctx, s, *a.Key); err != nil {
			return err
		}
		state.Signer = "key " + s.fingerprint
		if a.Key.TrustedRoot == nil && a.LogOptional && !a.TimestampRequired {
			return nil
		}
		s.material, state.TrustRoot, err = v.trustedRoot(ctx, a.Key.TrustedRoot)
	case a.Keyless != nil:
		if s.identities, err = compileIdentities(a.Keyless.Identities); err != nil {
			return err
		}
		state.Signer = "keyless: " + describe(s.identities)
		s.material, state.TrustRoot, err = v.trustedRoot(ctx, a.Keyless.TrustedRoot)
	default:
		return errors.New("it has neither a key nor identities")
	}
	if err != nil {
		return err
	}
	return complete(a, s.material, state.TrustRoot)
}

// complete says what the authority needs that the trusted root lacks: without it,
// everything would be told to be invalid.
func complete(a Authority, m root.TrustedMaterial, name string) error {
	var missing []string
	lacks := func(needed bool, have int, what string) {
		if needed && have == 0 {
			missing = append(missing, what)
		}
	}
	lacks(a.Keyless != nil, len(m.FulcioCertificateAuthorities()), "certificate authority")
	lacks(a.Keyless != nil && !a.Keyless.SCTOptional, len(m.CTLogs()), "certificate transparency log (sct is required)")
	lacks(!a.LogOptional, len(m.RekorLogs()), "transparency log (transparency-log is required)")
	lacks(a.TimestampRequired, len(m.TimestampingAuthorities()), "timestamp authority (timestamp is required)")
	if len(missing) == 0 {
		return nil
	}
	return problemf("add them to the trusted root, or say in the authority that they are optional",
		"the trusted root (%s) has no %s", name, strings.Join(missing, ", no "))
}

const (
	maxLine  = 600
	maxValue = 200
)

// line puts what libraries say onto one line of bounded length.
func line(s string) string { return shorten(oneLine(s), maxLine) }

// shorten cuts s to about n bytes, at a rune's start.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
