// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/cosign/v2/pkg/cosign"
	"github.com/sigstore/cosign/v2/pkg/oci"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/options"
)

// want is whom and what a signature must be by and about.
type want struct {
	stack           *Stack
	key             *Key   // nil: keyless
	issuer, subject string // no issuer: an own authority
	log             Log
	tsa             bool
}

func (w want) trusted(t *testing.T) *root.TrustedRoot {
	t.Helper()
	tr, err := root.NewTrustedRootFromJSON(w.stack.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// verifier is the key's, in the variant that the key signs with.
func (w want) verifier(t *testing.T) signature.Verifier {
	t.Helper()
	pub, err := cryptoutils.UnmarshalPEMToPublicKey(w.key.PublicPEM)
	if err != nil {
		t.Fatal(err)
	}
	v, err := signature.LoadVerifier(pub, w.key.Hash)
	if w.key.Kind == Ed25519ph {
		v, err = signature.LoadDefaultVerifier(pub, options.WithED25519ph())
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

type keyMaterial struct {
	root.TrustedMaterial
	v signature.Verifier
}

func (k keyMaterial) PublicKeyVerifier(string) (root.TimeConstrainedVerifier, error) {
	return root.NewExpiringKey(k.v, time.Time{}, time.Time{}), nil
}

// bundle verifies with sigstore-go; the artifact is a digest or a file.
func (w want) bundle(t *testing.T, raw []byte, artifact verify.ArtifactPolicyOption) (*verify.VerificationResult, error) {
	t.Helper()
	var b bundle.Bundle
	if err := b.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	var material root.TrustedMaterial = w.trusted(t)
	opts, policy := []verify.VerifierOption{}, []verify.PolicyOption{}
	if w.log != NoLog {
		opts = append(opts, verify.WithTransparencyLog(1))
	}
	if w.tsa {
		opts = append(opts, verify.WithSignedTimestamps(1))
	}
	if w.key != nil {
		material = keyMaterial{material, w.verifier(t)}
		policy = append(policy, verify.WithKey())
		if !w.tsa {
			opts = append(opts, verify.WithNoObserverTimestamps())
		}
	} else {
		anyIssuer := ".*" // an own authority's
		if w.issuer != "" {
			anyIssuer = ""
			opts = append(opts, verify.WithSignedCertificateTimestamps(1))
		}
		id, err := verify.NewShortCertificateIdentity(w.issuer, anyIssuer, w.subject, "")
		if err != nil {
			return nil, err
		}
		policy = append(policy, verify.WithCertificateIdentity(id))
		switch {
		case w.tsa:
		case w.log != NoLog:
			opts = append(opts, verify.WithObserverTimestamps(1))
		default:
			opts = append(opts, verify.WithCurrentTime())
		}
	}
	v, err := verify.NewVerifier(material, opts...)
	if err != nil {
		return nil, err
	}
	return v.Verify(&b, verify.NewPolicy(artifact, policy...))
}

// bundles verifies all bundles that refer to an image and returns their predicate types.
func (w want) bundles(t *testing.T, image name.Digest) ([]string, error) {
	t.Helper()
	index, err := remote.Referrers(image)
	if err != nil {
		return nil, err
	}
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var types []string
	for _, d := range m.Manifests {
		img, err := remote.Image(image.Repository.Digest(d.Digest.String()))
		if err != nil {
			return nil, err
		}
		layers, err := img.Layers()
		if err != nil || len(layers) != 1 {
			return nil, fmt.Errorf("%d layers: %w", len(layers), err)
		}
		r, err := layers[0].Compressed()
		if err != nil {
			return nil, err
		}
		var raw bytes.Buffer
		_, err = raw.ReadFrom(r)
		if err != nil {
			return nil, err
		}
		res, err := w.bundle(t, raw.Bytes(), ofImage(t, image))
		if err != nil {
			return nil, err
		}
		types = append(types, res.Statement.PredicateType)
	}
	return types, nil
}

func ofImage(t *testing.T, image name.Digest) verify.ArtifactPolicyOption {
	t.Helper()
	_, h := splitDigest(image.DigestStr())
	raw, err := hex.DecodeString(h)
	if err != nil {
		t.Fatal(err)
	}
	return verify.WithArtifactDigest("sha256", raw)
}

// tag verifies all items at an image's tag with cosign's library, and returns how many
// there are.
func (w want) tag(t *testing.T, image name.Digest, kind string) (n int, err error) {
	t.Helper()
	// A timestamp of something else makes this version panic.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	co := &cosign.CheckOpts{
		ClaimVerifier: cosign.SimpleClaimVerifier, Offline: true, IgnoreTlog: w.log == NoLog, UseSignedTimestamps: w.tsa,
		TrustedMaterial: w.trusted(t),
	}
	if w.key != nil {
		co.SigVerifier = w.verifier(t)
	} else {
		co.Identities = []cosign.Identity{{Issuer: w.issuer, Subject: w.subject}}
		if w.issuer == "" { // an own authority's
			co.Identities[0].IssuerRegExp, co.IgnoreSCT = ".*", true
		}
	}
	check := cosign.VerifyImageSignature
	if kind == "att" {
		co.ClaimVerifier = cosign.IntotoSubjectClaimVerifier
		check = func(ctx context.Context, s oci.Signature, h v1.Hash, co *cosign.CheckOpts) (bool, error) {
			return cosign.VerifyBlobAttestation(ctx, s, h, co)
		}
	}
	sigs, err := ociremote.Signatures(Tag(image, kind))
	if err != nil {
		return 0, err
	}
	items, err := sigs.Get()
	if err != nil {
		return 0, err
	}
	h, err := v1.NewHash(image.DigestStr())
	if err != nil {
		return 0, err
	}
	for _, i := range items {
		if ts, err := i.RFC3161Timestamp(); w.tsa && (err != nil || ts == nil) {
			return 0, errors.New("it has no timestamp")
		}
		if _, err := check(context.Background(), i, h, co); err != nil {
			return 0, err
		}
	}
	return len(items), nil
}
