// SPDX-License-Identifier: Apache-2.0

package vex

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
)

// minRSA is the least size of an RSA key that is trusted, in bits.
const minRSA = 2048

// VerifySignature checks a detached signature of a document's bytes, in base64 as
// `cosign sign-blob --key` writes it, with a public key in PEM form: ECDSA and RSA
// (PKCS #1 v1.5) over SHA-256, or Ed25519. There is no certificate and no log: who
// names the key vouches for it.
func VerifySignature(data, signature, key []byte) error {
	block, rest := pem.Decode(key)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return errors.New("the key is not one public key in PEM form")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("the key is no public key: %w", err)
	}
	sig, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(signature)))
	if err != nil {
		return errors.New("it is not a signature in base64")
	}
	sum := sha256.Sum256(data)
	ok := false
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, sum[:], sig)
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, data, sig)
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return fmt.Errorf("the RSA key has %d bits; at least %d are trusted", k.N.BitLen(), minRSA)
		}
		ok = rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil
	default:
		return fmt.Errorf("keys of type %T are not supported", public)
	}
	if !ok {
		return errors.New("it is not by the key, or not of this document")
	}
	return nil
}
