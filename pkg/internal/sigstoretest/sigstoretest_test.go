// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/verify"
)

const provenance = "https://slsa.dev/provenance/v1"

// signers are every way to sign, with what must then be verified.
func signers(t *testing.T, s *Stack) map[string]func() (Signer, want) {
	t.Helper()
	out := map[string]func() (Signer, want){}
	for _, kind := range []KeyKind{ECDSA, ECDSA384, RSA2048, RSA3072, Ed25519, Ed25519ph} {
		k := NewKey(t, kind)
		out[string(kind)] = func() (Signer, want) { return k.Signer(), want{stack: s, key: k} }
	}
	for n, c := range map[string]Claims{
		"email": Email("dev@example.com"), "github": GitHub("acme/app", "release.yml", "refs/heads/main"),
		"gitlab": GitLab("acme/app", "main"), "workload": Workload("https://k8s.example.com", "spiffe://example.com/build"),
	} {
		out[n] = func() (Signer, want) {
			subject, _ := c.subject()
			return s.Keyless(c), want{stack: s, issuer: c.str("iss"), subject: subject}
		}
	}
	return out
}

var allOptions = []SignOptions{{}, {TSA: true}, {Log: LogV1}, {Log: LogV1, TSA: true}, {Log: LogV2, TSA: true}, {Log: LogV2}}

func each(t *testing.T, s *Stack, f func(t *testing.T, by Signer, o SignOptions, w want)) {
	t.Helper()
	for name, signer := range signers(t, s) {
		for _, o := range allOptions {
			t.Run(fmt.Sprintf("%s log %d tsa %v", name, o.Log, o.TSA), func(t *testing.T) {
				by, w := signer()
				if o.Log == LogV2 && !o.TSA && by.Cert != nil {
					t.Skip("nobody vouches for the time: it cannot be verified")
				}
				w.log, w.tsa = o.Log, o.TSA
				f(t, by, o, w)
			})
		}
	}
}

// cannot says that no client can make the combination.
func cannot(by Signer, o SignOptions, blob bool) bool {
	switch {
	case by.Key.Kind == Ed25519 && o.Log == LogV2, by.Key.Kind == Ed25519 && o.Log == LogV1 && blob:
		return true // these entries are about a hash
	case by.Key.Kind == Ed25519ph && o.Log == LogV1 && !blob:
		return true // Rekor v1 verifies envelopes with plain Ed25519
	case by.Key.Kind == ECDSA384 && o.Log == LogV1:
		return true // Rekor v1 and cosign 2 know SHA-256 alone for elliptic curves
	}
	return false
}

func TestTagFormat(t *testing.T) {
	s, r := New(t), NewRegistry(t, false)
	image := PushNode(t, Repo(t, r.Host, "acme/app"), SmallImage("app"))
	other := PushNode(t, Repo(t, r.Host, "acme/app"), SmallImage("other"))
	each(t, s, func(t *testing.T, by Signer, o SignOptions, w want) {
		if o.Log == LogV2 {
			t.Skip("the tag format has no entries of Rekor v2")
		}
		// cosign 2 knows SHA-256 alone in the log's entries.
		if !cannot(by, o, true) && (by.Key.Kind != Ed25519ph || o.Log == NoLog) {
			item := s.TagSignature(image, by, o)
			PushTag(t, image, "sig", item)
			if n, err := w.tag(t, image, "sig"); n != 1 || err != nil {
				t.Errorf("signature: %d, %v", n, err)
			}
			PushTag(t, other, "sig", item)
			if _, err := w.tag(t, other, "sig"); err == nil {
				t.Error("the signature is about another image as well")
			}
		}
		if cannot(by, o, false) {
			return
		}
		PushTag(t, image, "att", s.TagAttestation(Statement(image, provenance, map[string]any{"a": 1}), by, o))
		if n, err := w.tag(t, image, "att"); n != 1 || err != nil {
			t.Errorf("attestation: %d, %v", n, err)
		}
	})
}

func TestBundles(t *testing.T) {
	s := New(t)
	image := Repo(t, "registry.example", "acme/app").Digest("sha256:" + fmt.Sprintf("%064d", 7))
	file := []byte("the file")
	each(t, s, func(t *testing.T, by Signer, o SignOptions, w want) {
		if !cannot(by, o, false) {
			b := s.JSON(s.Bundle(SignatureStatement(image), by, o))
			res, err := w.bundle(t, b, ofImage(t, image))
			if err != nil {
				t.Fatalf("signature: %v", err)
			}
			if res.Statement.PredicateType != SignaturePredicate {
				t.Errorf("predicate type %q", res.Statement.PredicateType)
			}
		}
		if !cannot(by, o, true) {
			b := s.JSON(s.BlobBundle(file, by, o))
			if _, err := w.bundle(t, b, verify.WithArtifact(bytes.NewReader(file))); err != nil {
				t.Errorf("file: %v", err)
			}
			if _, err := w.bundle(t, b, verify.WithArtifact(bytes.NewReader([]byte("another")))); err == nil {
				t.Error("the bundle is about another file as well")
			}
		}
	})
}

func TestStacksShareNothing(t *testing.T) {
	s, other := New(t), New(t)
	image := Repo(t, "registry.example", "acme/app").Digest("sha256:" + fmt.Sprintf("%064d", 7))
	b := s.JSON(s.Bundle(SignatureStatement(image), s.Keyless(Email("dev@example.com")), SignOptions{Log: LogV1}))
	w := want{stack: other, issuer: EmailIssuer, subject: "dev@example.com", log: LogV1}
	if _, err := w.bundle(t, b, ofImage(t, image)); err == nil {
		t.Error("another sigstore's trusted root verifies the bundle")
	}
	w.stack = s
	if _, err := w.bundle(t, b, ofImage(t, image)); err != nil {
		t.Error(err)
	}
}

func TestReferrers(t *testing.T) {
	s := New(t)
	for _, api := range []bool{true, false} {
		t.Run(fmt.Sprintf("api %v", api), func(t *testing.T) {
			r, k := NewRegistry(t, api), NewKey(t, ECDSA)
			image := PushNode(t, Repo(t, r.Host, "acme/app"), SmallIndex("app"))
			PushBundle(t, image, s.JSON(s.Bundle(SignatureStatement(image), k.Signer(), SignOptions{})))
			PushBundle(t, image, s.JSON(s.Bundle(Statement(image, provenance, map[string]any{}), k.Signer(), SignOptions{})))
			types, err := want{stack: s, key: k}.bundles(t, image)
			if err != nil || len(types) != 2 {
				t.Errorf("%q, %v", types, err)
			}
		})
	}
}
