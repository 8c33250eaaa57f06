// SPDX-License-Identifier: Apache-2.0

package vex_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/vex"
)

// signed signs data as cosign's sign-blob does.
func signed(t *testing.T, signer crypto.Signer, data []byte) (signature, key []byte) {
	t.Helper()
	sum := sha256.Sum256(data)
	message, opts := sum[:], crypto.SignerOpts(crypto.SHA256)
	if _, ok := signer.(ed25519.PrivateKey); ok {
		message, opts = data, crypto.Hash(0)
	}
	sig, err := signer.Sign(rand.Reader, message, opts)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(sig) + "\n"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func TestVerifySignature(t *testing.T) {
	data := []byte(`{"statements": []}`)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, other := signed(t, stranger, data)
	for name, signer := range map[string]crypto.Signer{"Ed25519": edwards, "ECDSA": curve, "RSA": large} {
		signature, key := signed(t, signer, data)
		if err := vex.VerifySignature(data, signature, key); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for what, bad := range map[string]struct{ data, signature, key []byte }{
			"another document":  {[]byte(string(data) + " "), signature, key},
			"another key":       {data, signature, other},
			"no signature":      {data, nil, key},
			"empty signature":   {data, []byte("\n"), key},
			"torn signature":    {data, signature[:len(signature)/2], key},
			"no key":            {data, signature, nil},
			"two keys":          {data, signature, append(append([]byte{}, other...), key...)},
			"a key that is not": {data, signature, []byte(strings.Replace(string(key), "M", "N", 1))},
		} {
			if vex.VerifySignature(bad.data, bad.signature, bad.key) == nil {
				t.Errorf("%s, %s: accepted", name, what)
			}
		}
	}
}

func FuzzVerifySignature(f *testing.F) {
	f.Add([]byte("{}"), []byte("AA=="), []byte("-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, data, signature, key []byte) {
		if vex.VerifySignature(data, signature, key) == nil {
			t.Errorf("%q is signed by %q", data, key)
		}
	})
}
