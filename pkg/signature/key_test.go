// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/ocigate/ocigate/pkg/evidence"
)

func trustPEM(t testing.TB, pub any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func trustECDSA(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func trustRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// keyed is an authority that needs nothing but its key.
func keyed(k Key) Authority { return Authority{Name: "team", Key: &k, LogOptional: true} }

func prepared(t *testing.T, o Options, a Authority) (*signer, evidence.AuthorityState) {
	t.Helper()
	s, state := New(o).prepare(t.Context(), a)
	if (s == nil) != (state.Problem != "") {
		t.Fatalf("signer %v with state %+v", s, state)
	}
	if s != nil && s.material == nil {
		t.Fatal("no material")
	}
	return s, state
}

func TestKeysVerify(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ph, err := signature.LoadED25519phSigner(ed)
	if err != nil {
		t.Fatal(err)
	}
	by := func(k crypto.PrivateKey, h crypto.Hash) signature.Signer {
		s, err := signature.LoadSigner(k, h)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tests := []struct {
		name string
		hash crypto.Hash
		by   signature.Signer
	}{
		{"P-256", 0, by(trustECDSA(t, elliptic.P256()), crypto.SHA256)},
		{"P-384", crypto.SHA384, by(trustECDSA(t, elliptic.P384()), crypto.SHA384)},
		{"P-384 with sha256", crypto.SHA256, by(trustECDSA(t, elliptic.P384()), crypto.SHA256)},
		{"P-521", crypto.SHA512, by(trustECDSA(t, elliptic.P521()), crypto.SHA512)},
		{"RSA", 0, by(trustRSA(t, 2048), crypto.SHA256)},
		{"RSA with sha512", crypto.SHA512, by(trustRSA(t, 2048), crypto.SHA512)},
		{"Ed25519", 0, by(ed, crypto.SHA256)},
		{"Ed25519ph", 0, ph},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pub, err := test.by.PublicKey()
			if err != nil {
				t.Fatal(err)
			}
			s, state := prepared(t, Options{}, keyed(Key{PEM: trustPEM(t, pub), Hash: test.hash}))
			if s == nil {
				t.Fatal(state.Problem)
			}
			if state.Signer != "key "+s.fingerprint || !strings.HasPrefix(s.fingerprint, "sha256:") || len(s.fingerprint) != 71 || state.TrustRoot != "" {
				t.Errorf("state %+v", state)
			}
			sig, err := test.by.SignMessage(strings.NewReader("message"))
			if err != nil {
				t.Fatal(err)
			}
			verified := func(message string) bool {
				for _, k := range s.keys {
					if k.VerifySignature(bytes.NewReader(sig), strings.NewReader(message)) == nil {
						return true
					}
				}
				return false
			}
			if !verified("message") || verified("another") {
				t.Error("the key does not verify what it must, or more")
			}
		})
	}
}

func TestKeysRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	good := trustPEM(t, trustECDSA(t, elliptic.P256()).Public())
	private, err := x509.MarshalPKCS8PrivateKey(trustECDSA(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	dh, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	tests := []struct {
		name string
		key  Key
		want string
	}{
		{"nothing", Key{}, "exactly one of"},
		{"two sources", Key{PEM: good, Env: "K"}, "exactly one of"},
		{"blank", Key{PEM: []byte(" \n")}, "is empty"},
		{"no PEM", Key{PEM: []byte("ssh-ed25519 AAAA")}, "besides blocks"},
		{"something after", Key{PEM: append(bytes.Clone(good), "more"...)}, "besides blocks"},
		{"something before", Key{PEM: append([]byte("more\n"), good...)}, "besides blocks"},
		{"two keys", Key{PEM: append(bytes.Clone(good), good...)}, "more than 1"},
		{"a damaged one before", Key{PEM: append([]byte("-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----\n"), good...)}, "damaged"},
		{"an open one before", Key{PEM: append([]byte("-----BEGIN PUBLIC KEY-----\n"), good...)}, "damaged"},
		{"headers", Key{PEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Headers: map[string]string{"A": "b"}, Bytes: []byte{1}})}, "headers"},
		{"huge", Key{PEM: bytes.Repeat([]byte("A"), maxKeyBytes+1)}, "more than 65536 bytes"},
		{"private", Key{PEM: block("PRIVATE KEY", private)}, "private key"},
		{"encrypted", Key{PEM: block("ENCRYPTED SIGSTORE PRIVATE KEY", private)}, "private key"},
		{"certificate", Key{PEM: block("CERTIFICATE", []byte{1})}, "is a certificate"},
		{"no key inside", Key{PEM: block("PUBLIC KEY", []byte("secret"))}, "cannot be read"},
		{"other block", Key{PEM: block("SECRET WORD", []byte{1})}, "not a public key"},
		{"P-224", Key{PEM: trustPEM(t, trustECDSA(t, elliptic.P224()).Public())}, "P-224 is not supported"},
		{"RSA 1024", Key{PEM: trustPEM(t, trustRSA(t, 1024).Public())}, "1024 bits is too weak"},
		{"X25519", Key{PEM: trustPEM(t, dh.PublicKey())}, "not supported"},
		{"SHA-1", Key{PEM: good, Hash: crypto.SHA1}, "hash algorithm"},
		{"MD5 and SHA-1", Key{PEM: good, Hash: crypto.MD5SHA1}, "hash algorithm"},
		{"unknown hash", Key{PEM: good, Hash: 99}, "hash algorithm"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, state := prepared(t, Options{Getenv: func(string) string { return string(good) }}, keyed(test.key))
			if s != nil || !strings.Contains(state.Problem, test.want) {
				t.Errorf("%+v", state)
			}
			if strings.Contains(state.Problem+state.Hint, "SECRET WORD") || strings.Contains(state.Problem, "secret") {
				t.Errorf("content is shown: %+v", state)
			}
		})
	}
}

func TestKeyFromEnvironment(t *testing.T) {
	good := string(trustPEM(t, trustECDSA(t, elliptic.P256()).Public()))
	env := map[string]string{"GOOD": good, "SECRET": "hunter2-token", "BLOCK": "-----BEGIN HUNTER2-----\nAAAA\n-----END HUNTER2-----\n", "TWO": good + good}
	t.Setenv("REAL", good) // only what Getenv says counts
	getenv := func(name string) string { return env[name] }
	if s, state := prepared(t, Options{Getenv: getenv}, keyed(Key{Env: "GOOD"})); s == nil {
		t.Error(state.Problem)
	}
	for name, want := range map[string]string{
		"MISSING": "MISSING, which holds its key, is not set", "REAL": "REAL, which holds its key, is not set",
		"SECRET": "SECRET holds no usable public key", "BLOCK": "BLOCK holds no usable", "TWO": "TWO holds no usable",
	} {
		_, state := prepared(t, Options{Getenv: getenv}, keyed(Key{Env: name}))
		if !strings.Contains(state.Problem, want) || state.Hint == "" {
			t.Errorf("%s: %+v", name, state)
		}
		if strings.Contains(strings.ToLower(state.Problem+state.Hint), "hunter2") {
			t.Errorf("%s: the value is shown: %+v", name, state)
		}
	}
	if _, state := prepared(t, Options{}, keyed(Key{Env: "GOOD"})); !strings.Contains(state.Problem, "not set") {
		t.Errorf("without an environment: %+v", state)
	}
}

func TestAuthoritiesThatAreNone(t *testing.T) {
	good := trustPEM(t, trustECDSA(t, elliptic.P256()).Public())
	for name, a := range map[string]Authority{
		"nothing":       {},
		"both":          {Key: &Key{PEM: good}, Keyless: &Keyless{Identities: []Identity{{Issuer: "https://a", Subject: "s"}}}},
		"empty key":     {Key: &Key{}},
		"empty keyless": {Keyless: &Keyless{}},
	} {
		s, state := New(Options{}).prepare(context.Background(), a)
		if s != nil || state.Problem == "" {
			t.Errorf("%s: %+v", name, state)
		}
	}
}

func FuzzKey(f *testing.F) {
	f.Add(trustPEM(f, trustECDSA(f, elliptic.P256()).Public()))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"))
	f.Add([]byte("-----BEGIN RSA PUBLIC KEY-----\nMAYCAQECAQE=\n-----END RSA PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, state := New(Options{}).prepare(t.Context(), keyed(Key{PEM: data}))
		switch {
		case (s == nil) != (state.Problem != ""):
			t.Fatalf("signer %v with %+v", s, state)
		case strings.Contains(state.Problem, "making it ready failed"):
			t.Fatal(state.Problem)
		case s != nil && (len(s.keys) == 0 || s.fingerprint == "" || bytes.Count(data, []byte("-----BEGIN ")) != 1):
			t.Fatalf("accepted %q as %+v", data, s)
		}
	})
}
