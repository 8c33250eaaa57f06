// SPDX-License-Identifier: Apache-2.0

// Package sigstoretest is a sigstore on the loopback interface for tests: a Fulcio
// with a certificate transparency log, Rekor v1 and v2, a timestamp authority and
// identity tokens; signatures and attestations in every form that clients write, made
// by functions or by the real clients; and the registries that hold them.
//
// Everything can be altered before it is used: what an attacker would do is a field,
// or the bytes between two calls.
package sigstoretest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/rekor/pkg/generated/models"
)

// Stack is one sigstore. Two of them share nothing. Set its fields between requests;
// their zero values are what the public instance does.
type Stack struct {
	// FulcioURL, RekorURL, RekorV2URL and TSAURL are where the services are.
	FulcioURL, RekorURL, RekorV2URL, TSAURL string
	// Root and Intermediate issue certificates; TSARoot issued TSALeaf.
	Root, Intermediate, TSARoot, TSALeaf *x509.Certificate

	// NoSCT leaves the certificate transparency log's word out of certificates.
	NoSCT bool
	// IssueTime is the start of certificates; zero: now.
	IssueTime time.Time
	// LeafValidity is how long certificates are valid; zero: ten minutes.
	LeafValidity time.Duration
	// LogTime is what Rekor v1 says when it integrated an entry; zero: now.
	LogTime time.Time
	// LogInstead, where set, is given each entry's body, and what it returns is logged:
	// a log that vouches for something else.
	LogInstead func(body []byte) []byte
	// TSATime is what the timestamp authority says; zero: now.
	TSATime time.Time
	// TrustFrom and TrustUntil bound the validity of everything in trusted roots; zero:
	// two days ago and 300 days from now.
	TrustFrom, TrustUntil time.Time

	t            testing.TB
	interFrom    time.Time
	interUntil   time.Time
	rootKey      *ecdsa.PrivateKey
	interKey     *ecdsa.PrivateKey
	tsaKey       *ecdsa.PrivateKey
	ctKey        *ecdsa.PrivateKey
	jwtKey       func() (*rsa.PrivateKey, error)
	logV1, logV2 *transparencyLog

	mu      sync.Mutex
	hits    map[string]int
	entries map[string]models.LogEntryAnon // of the Rekor v1, by leaf hash
}

// Option changes how a Stack is built.
type Option func(*Stack)

// WithIntermediate sets the validity of Fulcio's intermediate certificate: default
// two days ago to a year from now.
func WithIntermediate(from, until time.Time) Option {
	return func(s *Stack) { s.interFrom, s.interUntil = from, until }
}

const day = 24 * time.Hour

// New starts a Stack that ends with the test.
func New(t testing.TB, opts ...Option) *Stack {
	t.Helper()
	now := time.Now()
	s := &Stack{t: t, hits: map[string]int{}, entries: map[string]models.LogEntryAnon{}, interFrom: now.Add(-2 * day), interUntil: now.Add(365 * day)}
	for _, o := range opts {
		o(s)
	}
	if err := s.makeKeys(); err != nil {
		t.Fatal(err)
	}
	if err := s.makeAuthorities(now); err != nil {
		t.Fatal(err)
	}
	s.FulcioURL = s.serve("fulcio", s.serveFulcio)
	s.RekorURL = s.serve("rekor", s.serveRekor)
	s.RekorV2URL = s.serve("rekor-v2", s.serveRekorV2)
	s.TSAURL = s.serve("tsa", s.serveTSA)
	return s
}

func (s *Stack) makeKeys() error {
	var rekor, rekorV2 *ecdsa.PrivateKey
	for _, k := range []**ecdsa.PrivateKey{&s.rootKey, &s.interKey, &s.tsaKey, &s.ctKey, &rekor, &rekorV2} {
		var err error
		if *k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
	}
	s.logV1, s.logV2 = newLog(rekor), newLog(rekorV2)
	s.jwtKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	return nil
}

func (s *Stack) makeAuthorities(now time.Time) error {
	from, until := now.Add(-30*day), now.Add(365*day)
	root := authority("test root", from, until)
	var err error
	if s.Root, err = certify(root, root, s.rootKey.Public(), s.rootKey); err != nil {
		return err
	}
	inter := authority("test intermediate", s.interFrom, s.interUntil)
	inter.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
	if s.Intermediate, err = certify(inter, s.Root, s.interKey.Public(), s.rootKey); err != nil {
		return err
	}
	tsaRootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tsaRoot := authority("test timestamp root", from, until)
	if s.TSARoot, err = certify(tsaRoot, tsaRoot, tsaRootKey.Public(), tsaRootKey); err != nil {
		return err
	}
	// A timestamp authority's key usage must be critical, which crypto/x509 does not make it.
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "test timestamp authority"}, NotBefore: from, NotAfter: until,
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}},
	}
	s.TSALeaf, err = certify(leaf, s.TSARoot, s.tsaKey.Public(), tsaRootKey)
	return err
}

func authority(name string, from, until time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: name, Organization: []string{"test"}}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func certify(template, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func serial() *big.Int {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return new(big.Int).SetBytes(b[:])
}

func (s *Stack) serve(name string, h http.HandlerFunc) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.hits[name+" "+r.Method+" "+r.URL.Path]++
		s.mu.Unlock()
		h(w, r)
	}))
	s.t.Cleanup(server.Close)
	return server.URL
}

// Requests is how many requests a service has had, by "SERVICE METHOD PATH"; the
// services are fulcio, rekor, rekor-v2 and tsa.
func (s *Stack) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	hits := make(map[string]int, len(s.hits))
	for k, n := range s.hits {
		hits[k] = n
	}
	return hits
}

// CAPEM is the intermediate and the root certificate, in this order.
func (s *Stack) CAPEM() []byte { return CertificatesPEM(s.Intermediate, s.Root) }

// TSAPEM is the timestamp authority's chain, its own certificate first.
func (s *Stack) TSAPEM() []byte { return CertificatesPEM(s.TSALeaf, s.TSARoot) }

// RekorPEM is the public key of the Rekor v1.
func (s *Stack) RekorPEM() []byte { return publicPEM(s.logV1.key.Public()) }

// RekorV2PEM is the public key of the Rekor v2.
func (s *Stack) RekorV2PEM() []byte { return publicPEM(s.logV2.key.Public()) }

// CTLogPEM is the public key of the certificate transparency log.
func (s *Stack) CTLogPEM() []byte { return publicPEM(s.ctKey.Public()) }

// CertificatesPEM writes certificates in the given order.
func CertificatesPEM(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

func publicPEM(pub crypto.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic(fmt.Sprintf("a key of a type that no test has: %v", err))
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// keyID is the identifier of a log: the hash of its public key.
func keyID(pub crypto.PublicKey) [sha256.Size]byte {
	block, _ := pem.Decode(publicPEM(pub))
	return sha256.Sum256(block.Bytes)
}

func or(t, otherwise time.Time) time.Time {
	if t.IsZero() {
		return otherwise
	}
	return t
}
