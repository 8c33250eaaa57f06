// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"testing"
)

// KeyKind is an algorithm of a key.
type KeyKind string

// The kinds. Ed25519ph is Ed25519 that signs a hash: what cosign does where a log is used.
const (
	ECDSA     KeyKind = "ecdsa"
	ECDSA384  KeyKind = "ecdsa-p384"
	RSA2048   KeyKind = "rsa-2048"
	RSA3072   KeyKind = "rsa-3072"
	Ed25519   KeyKind = "ed25519"
	Ed25519ph KeyKind = "ed25519ph"
)

// Key is a key pair.
type Key struct {
	Kind    KeyKind
	Private crypto.Signer
	// Hash is that of the signed message. Ed25519 has none, Ed25519ph SHA-512; else it
	// is SHA-256 (SHA-384 for ECDSA384), and can be changed.
	Hash crypto.Hash
	// PublicPEM and PrivatePEM are in PKIX and PKCS #8 form.
	PublicPEM, PrivatePEM []byte

	encrypted []byte
}

// NewKey makes a key.
func NewKey(t testing.TB, kind KeyKind) *Key {
	t.Helper()
	k, err := newKey(kind)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newKey(kind KeyKind) (*Key, error) {
	k := &Key{Kind: kind, Hash: crypto.SHA256}
	var err error
	switch kind {
	case ECDSA:
		k.Private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSA384:
		k.Hash = crypto.SHA384
		k.Private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA2048:
		k.Private, err = rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		k.Private, err = rsa.GenerateKey(rand.Reader, 3072)
	case Ed25519, Ed25519ph:
		k.Hash = 0
		if kind == Ed25519ph {
			k.Hash = crypto.SHA512
		}
		_, k.Private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no such kind of key: %q", kind)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.Private)
	if err != nil {
		return nil, err
	}
	k.PrivatePEM = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	k.PublicPEM = publicPEM(k.Private.Public())
	return k, nil
}

// Sign signs a message.
func (k *Key) Sign(message []byte) ([]byte, error) {
	if k.Hash == 0 {
		return k.Private.Sign(rand.Reader, message, crypto.Hash(0))
	}
	return k.Private.Sign(rand.Reader, k.digest(message), k.Hash)
}

// digest is the hash of a message under the key's algorithm; SHA-256 where it has none.
func (k *Key) digest(message []byte) []byte {
	alg := k.Hash
	if alg == 0 {
		alg = crypto.SHA256
	}
	h := alg.New()
	h.Write(message)
	return h.Sum(nil)
}

// Hint is how bundles name the key.
func (k *Key) Hint() string {
	id := keyID(k.Private.Public())
	return base64.StdEncoding.EncodeToString(id[:])
}
