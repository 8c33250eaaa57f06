// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sigstore/sigstore/pkg/signature"
)

const (
	maxKeyBytes = 64 << 10
	minRSABits  = 2048
	maxRSABits  = 16384
)

// readyKey loads the key of an authority.
func (v *Verifier) readyKey(ctx context.Context, s *signer, k Key) error {
	hash := k.Hash
	if hash == 0 {
		hash = crypto.SHA256
	}
	if !slices.Contains([]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}, hash) {
		return problemf("use sha256, sha384 or sha512", "its hash algorithm is not supported")
	}
	pub, err := v.publicKey(ctx, k)
	if err != nil {
		return err
	}
	if err := strongKey(pub); err != nil {
		return err
	}
	if s.keys, err = verifiers(pub, hash, k.KMS != ""); err != nil {
		return err
	}
	s.usualHash = usualHash(pub, hash)
	s.fingerprint, err = fingerprint(pub)
	return err
}

// usualHash is what clients hash with by a key on a larger curve, where that is another.
func usualHash(pub crypto.PublicKey, hash crypto.Hash) string {
	k, ok := pub.(*ecdsa.PublicKey)
	switch {
	case ok && k.Curve == elliptic.P384() && hash != crypto.SHA384:
		return "sha384"
	case ok && k.Curve == elliptic.P521() && hash != crypto.SHA512:
		return "sha512"
	}
	return ""
}

// publicKey reads the key from the one place that names it.
func (v *Verifier) publicKey(ctx context.Context, k Key) (crypto.PublicKey, error) {
	switch {
	case len(k.PEM) > 0 && k.Env == "" && k.KMS == "":
		return parseKey(k.PEM)
	case k.Env != "" && len(k.PEM) == 0 && k.KMS == "":
		return v.envKey(k.Env)
	case k.KMS != "" && len(k.PEM) == 0 && k.Env == "":
		// Each platform of an image asks for the same authorities.
		return v.fetched.once(ctx, fetchKey{"kms", k.KMS}, func() (any, error) { return v.kmsKey(ctx, k.KMS) })
	}
	return nil, errors.New("it needs its key from exactly one of PEM data, an environment variable and a KMS")
}

// envKey says nothing about the variable's value: it may be something else's secret.
func (v *Verifier) envKey(name string) (crypto.PublicKey, error) {
	value := ""
	if v.opts.Getenv != nil {
		value = v.opts.Getenv(name)
	}
	if value == "" {
		return nil, problemf("set it to the public key in PEM form", "the environment variable %s, which holds its key, is not set", shorten(name, maxValue))
	}
	pub, err := parseKey([]byte(value))
	if err != nil {
		return nil, problemf("set it to one public key in PEM form, with its line breaks",
			"the environment variable %s holds no usable public key", shorten(name, maxValue))
	}
	return pub, nil
}

// parseKey reads exactly one public key in PEM form. Its errors show nothing of data.
func parseKey(data []byte) (crypto.PublicKey, error) {
	const hint = "give one block that begins with -----BEGIN PUBLIC KEY-----"
	blocks, err := pemBlocks(data, maxKeyBytes, 1)
	if err != nil {
		return nil, problemf(hint, "its key %v", err)
	}
	var pub crypto.PublicKey
	switch kind := blocks[0].Type; {
	case kind == "PUBLIC KEY":
		pub, err = x509.ParsePKIXPublicKey(blocks[0].Bytes)
	case kind == "RSA PUBLIC KEY":
		pub, err = x509.ParsePKCS1PublicKey(blocks[0].Bytes)
	case strings.HasSuffix(kind, "PRIVATE KEY"):
		return nil, problemf("keep the private key secret; name the public one (cosign.pub)", "its key is a private key")
	case kind == "CERTIFICATE":
		return nil, problemf("extract the key: openssl x509 -pubkey -noout", "its key is a certificate, not a public key")
	default:
		return nil, problemf(hint, "its key is not a public key in PEM form")
	}
	if err != nil {
		return nil, problemf(hint, "its key cannot be read: it is damaged, or of a type that is not supported")
	}
	return pub, nil
}

// pemBlocks reads at most count blocks, at least one, with nothing but white space
// around them: what a parser would skip, a reader could take for what counts.
func pemBlocks(data []byte, limit, count int) ([]*pem.Block, error) {
	if len(data) > limit {
		return nil, fmt.Errorf("has more than %d bytes", limit)
	}
	var out []*pem.Block
	rest := bytes.TrimSpace(data)
	for len(rest) > 0 {
		if !bytes.HasPrefix(rest, []byte("-----BEGIN ")) {
			return nil, errors.New("has something besides blocks in PEM form")
		}
		start := rest
		block, after := pem.Decode(rest)
		// A damaged block is skipped by Decode, which then returns a later one.
		if block == nil || bytes.Count(start[:len(start)-len(after)], []byte("-----BEGIN ")) != 1 {
			return nil, errors.New("has a damaged block in PEM form")
		}
		if len(block.Headers) > 0 {
			return nil, errors.New("has a block with headers, which are not supported")
		}
		if out = append(out, block); len(out) > count {
			return nil, fmt.Errorf("has more than %d in PEM form", count)
		}
		rest = bytes.TrimSpace(after)
	}
	if len(out) == 0 {
		return nil, errors.New("is empty")
	}
	return out, nil
}

// strongKey refuses keys that are weak, and types that cannot be verified with.
func strongKey(pub crypto.PublicKey) error {
	const hint = "use ECDSA (P-256, P-384, P-521), Ed25519, or RSA with at least 2048 bits"
	switch k := pub.(type) {
	case *rsa.PublicKey:
		switch bits := k.N.BitLen(); {
		case bits < minRSABits:
			return problemf(hint, "a key of RSA with %d bits is too weak", bits)
		case bits > maxRSABits:
			return problemf(hint, "a key of RSA with %d bits is not supported", bits)
		case k.E < 3 || k.E%2 == 0 || k.N.Bit(0) == 0:
			return problemf(hint, "a key of RSA is not valid")
		}
		return nil
	case *ecdsa.PublicKey:
		if !slices.Contains([]elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}, k.Curve) {
			return problemf(hint, "a key of ECDSA on the curve %s is not supported", k.Curve.Params().Name)
		}
		return nil
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return problemf(hint, "a key of Ed25519 has %d bytes", len(k))
		}
		return nil
	}
	return problemf(hint, "a key of type %T is not supported", pub)
}

// verifiers are the ways in which signatures by the key are made.
func verifiers(pub crypto.PublicKey, hash crypto.Hash, kms bool) ([]signature.Verifier, error) {
	first, err := signature.LoadVerifier(pub, hash)
	if err != nil {
		return nil, err
	}
	out := []signature.Verifier{first}
	var second signature.Verifier
	switch k := pub.(type) {
	case ed25519.PublicKey: // cosign signs pre-hashed where an entry of the log is wanted
		second, err = signature.LoadED25519phVerifier(k)
	case *rsa.PublicKey:
		if !kms {
			return out, nil
		}
		second, err = signature.LoadRSAPSSVerifier(k, hash, nil) // in a KMS the key decides
	default:
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	return append(out, second), nil
}

func fingerprint(pub crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", err
	}
	return digestOf(der), nil
}
