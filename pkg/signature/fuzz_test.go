// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

func FuzzBundle(f *testing.F) {
	w := newWorld(f, true)
	key := sigstoretest.NewKey(f, sigstoretest.ECDSA)
	for _, o := range []signOptions{{}, {Log: logged, TSA: true}, {Log: sigstoretest.LogV2, TSA: true}} {
		f.Add(w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), w.dev(), o)))
		f.Add(w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), key.Signer(), o)))
	}
	f.Add(w.JSON(w.BlobBundle([]byte("x"), key.Signer(), signOptions{})))
	f.Add([]byte("{}"))
	check := fuzzed(f, w, key)
	f.Fuzz(func(t *testing.T, raw []byte) {
		i, err := readBundle(raw)
		check(t, i, err)
	})
}

func FuzzLegacyLayer(f *testing.F) {
	w := newWorld(f, true)
	key := sigstoretest.NewKey(f, sigstoretest.ECDSA)
	add := func(i *sigstoretest.TagItem, att bool) {
		a := i.Annotations
		f.Add(i.Payload, a[sigstoretest.SignatureAnnotation], a[sigstoretest.CertificateAnnotation], a[sigstoretest.ChainAnnotation], a[sigstoretest.BundleAnnotation], a[sigstoretest.TimestampAnnotation], att)
	}
	add(w.TagSignature(w.image, w.dev(), signOptions{Log: logged, TSA: true}), false)
	add(w.TagSignature(w.image, key.Signer(), signOptions{}), false)
	add(w.TagAttestation(sigstoretest.Statement(w.image, "x", 1), w.dev(), signOptions{Log: logged, TSA: true}), true)
	check := fuzzed(f, w, key)
	f.Fuzz(func(t *testing.T, payload []byte, sig, cert, chain, bundle, stamp string, att bool) {
		i, err := readLegacy(payload, map[string]string{
			sigstoretest.SignatureAnnotation: sig, sigstoretest.CertificateAnnotation: cert, sigstoretest.ChainAnnotation: chain,
			sigstoretest.BundleAnnotation: bundle, sigstoretest.TimestampAnnotation: stamp,
		}, att)
		check(t, i, err)
	})
}

// fuzzed checks what was made of any bytes: no authority that signed nothing verifies it.
func fuzzed(f *testing.F, w *world, key *sigstoretest.Key) func(*testing.T, *item, error) {
	f.Helper()
	v := New(Options{})
	stranger := sigstoretest.NewKey(f, sigstoretest.ECDSA)
	a, _ := v.prepare(f.Context(), w.keyed(stranger, false))
	b, _ := v.prepare(f.Context(), w.keyless(Identity{Issuer: "https://nobody.example", Subject: "nobody"}))
	c, _ := v.prepare(f.Context(), w.keyed(key, false))
	if a == nil || b == nil || c == nil {
		f.Fatal("an authority is not ready")
	}
	now := time.Now()
	return func(t *testing.T, i *item, err error) {
		if err != nil {
			return
		}
		i.found.Digest = w.image.DigestStr()
		i.nameRepositories()
		for _, s := range []*signer{a, b, c} {
			got := checkItem(t.Context(), s, i, now)
			if got.Result == valid && (s != c || !i.isAbout(i.found.Digest)) {
				t.Fatalf("%s verifies it: %+v", s.authority.Name, got)
			}
			if strings.Contains(got.Reason, "broke off") {
				t.Fatalf("panic: %s", got.Reason)
			}
		}
	}
}
