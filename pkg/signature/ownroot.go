// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

const (
	maxPEMBytes = 1 << 20
	maxPEMCerts = 64
	maxLogKeys  = 32
)

// ownRoot makes a trusted root of certificates and keys in PEM form. Their validity is
// not bounded further than by the certificates.
func ownRoot(r *TrustedRoot) (root.TrustedMaterial, error) {
	var cas []root.CertificateAuthority
	var tsas []root.TimestampingAuthority
	own, err := authorities(r.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	for _, c := range own {
		if c.leaf != nil {
			return nil, fmt.Errorf("ca: %s is no certificate of an authority", quoted(c.leaf.Subject.String()))
		}
		cas = append(cas, &root.FulcioCertificateAuthority{Root: c.root, Intermediates: c.intermediates})
	}
	if own, err = authorities(r.TSA); err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	for _, c := range own {
		tsas = append(tsas, &root.SigstoreTimestampingAuthority{Root: c.root, Intermediates: c.intermediates, Leaf: c.leaf})
	}
	rekor, err := logs(r.Rekor)
	if err != nil {
		return nil, fmt.Errorf("rekor: %w", err)
	}
	ct, err := logs(r.CTLog)
	if err != nil {
		return nil, fmt.Errorf("ctlog: %w", err)
	}
	return root.NewTrustedRoot(root.TrustedRootMediaType01, cas, ct, tsas, rekor)
}

// chain is a root with what leads to it, the nearest to the leaf first. The leaf is
// that of a timestamp authority; nil where answers bring it along.
type chain struct {
	root, leaf    *x509.Certificate
	intermediates []*x509.Certificate
}

// authorities sorts certificates into chains: one for each leaf, and one for each root
// that has none.
func authorities(data []byte) ([]chain, error) {
	certs, err := certificates(data)
	if err != nil {
		return nil, err
	}
	var roots, intermediates, leaves []*x509.Certificate
	for _, c := range certs {
		switch {
		case !c.IsCA:
			leaves = append(leaves, c)
		case bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(c) == nil:
			roots = append(roots, c)
		default:
			intermediates = append(intermediates, c)
		}
	}
	if len(certs) > 0 && len(roots) == 0 {
		return nil, errors.New("has no root certificate (one that signs itself)")
	}
	var out []chain
	placed := map[*x509.Certificate]bool{}
	for _, r := range roots {
		c := chain{root: r, intermediates: below(r, intermediates)}
		for _, i := range c.intermediates {
			placed[i] = true
		}
		found := false
		for _, leaf := range leaves {
			if issuedByAny(leaf, append(c.intermediates, r)) {
				placed[leaf], found = true, true
				out = append(out, chain{root: r, intermediates: c.intermediates, leaf: leaf})
			}
		}
		if !found {
			out = append(out, c)
		}
	}
	for _, c := range append(intermediates, leaves...) {
		if !placed[c] {
			return nil, fmt.Errorf("%s leads to none of the root certificates", quoted(c.Subject.String()))
		}
	}
	return out, nil
}

// below are those that lead to the root, the farthest from it first.
func below(r *x509.Certificate, all []*x509.Certificate) []*x509.Certificate {
	out := []*x509.Certificate{r}
	for next := 0; next < len(out); next++ {
		for _, c := range all {
			if !slices.Contains(out, c) && issuedByAny(c, out[next:next+1]) {
				out = append(out, c)
			}
		}
	}
	out = out[1:]
	slices.Reverse(out)
	return out
}

func issuedByAny(c *x509.Certificate, parents []*x509.Certificate) bool {
	return slices.ContainsFunc(parents, func(p *x509.Certificate) bool {
		return bytes.Equal(c.RawIssuer, p.RawSubject) && c.CheckSignatureFrom(p) == nil
	})
}

// certificates reads certificates in PEM form; none where data is empty.
func certificates(data []byte) ([]*x509.Certificate, error) {
	if len(data) == 0 {
		return nil, nil
	}
	blocks, err := pemBlocks(data, maxPEMBytes, maxPEMCerts)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for i, b := range blocks {
		if b.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("block %d is no certificate", i+1)
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		if err := strongKey(c.PublicKey); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i+1, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// logs reads public keys of logs in PEM form; none where data is empty.
func logs(data []byte) (map[string]*root.TransparencyLog, error) {
	out := map[string]*root.TransparencyLog{}
	if len(data) == 0 {
		return out, nil
	}
	blocks, err := pemBlocks(data, maxPEMBytes, maxLogKeys)
	if err != nil {
		return nil, err
	}
	for i, b := range blocks {
		if b.Type != "PUBLIC KEY" {
			return nil, fmt.Errorf("block %d is no public key", i+1)
		}
		pub, err := x509.ParsePKIXPublicKey(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("key %d cannot be read", i+1)
		}
		if err := strongKey(pub); err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		id := sha256.Sum256(b.Bytes)
		out[hex.EncodeToString(id[:])] = &root.TransparencyLog{
			ID: id[:], PublicKey: pub, HashFunc: crypto.SHA256, SignatureHashFunc: logHash(pub),
			// The library takes a zero start for a mistake.
			ValidityPeriodStart: time.Unix(0, 0).UTC(),
		}
	}
	return out, nil
}

// logHash is the hash that a log signs with, by its key: as in a trusted_root.json.
func logHash(pub crypto.PublicKey) crypto.Hash {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P384():
			return crypto.SHA384
		case elliptic.P521():
			return crypto.SHA512
		}
	case ed25519.PublicKey:
		return crypto.SHA512
	}
	return crypto.SHA256
}
