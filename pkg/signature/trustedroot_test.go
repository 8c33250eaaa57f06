// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
)

// trustCert is a certificate with its key.
type trustCert struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func (c trustCert) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

var trustOnce = sync.OnceValue(func() time.Time { return time.Now().Truncate(time.Second) })

// issue makes a certificate; parent nil is one that signs itself.
func issue(t testing.TB, name string, parent *trustCert, change ...func(*x509.Certificate)) trustCert {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: trustOnce().Add(-time.Hour), NotAfter: trustOnce().Add(24 * time.Hour), KeyUsage: x509.KeyUsageCertSign}
	for _, f := range change {
		f(template)
	}
	c := trustCert{key: trustECDSA(t, elliptic.P256())}
	signedBy, key := template, c.key
	if parent != nil {
		signedBy, key = parent.Certificate, parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signedBy, c.key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c.Certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

func leafCert(usage x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = false, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	}
}

func joined(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// rootJSON is a trusted_root.json with one of everything.
func rootJSON(t testing.TB) []byte {
	t.Helper()
	ca, tsa := issue(t, "ca", nil), issue(t, "tsa", nil)
	log := func() map[string]*root.TransparencyLog {
		m, err := logs(trustPEM(t, trustECDSA(t, elliptic.P256()).Public()))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01,
		[]root.CertificateAuthority{&root.FulcioCertificateAuthority{Root: ca.Certificate}}, log(),
		[]root.TimestampingAuthority{&root.SigstoreTimestampingAuthority{Root: tsa.Certificate}}, log())
	if err != nil {
		t.Fatal(err)
	}
	data, err := tr.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// keyless is an authority for one identity.
func keyless(r *TrustedRoot) Authority {
	return Authority{Name: "team", Keyless: &Keyless{TrustedRoot: r, Identities: []Identity{{Issuer: "https://issuer.example", Subject: "dev@x.example"}}}}
}

func TestTrustedRootJSON(t *testing.T) {
	s, state := prepared(t, Options{}, keyless(&TrustedRoot{Name: "trusted_root.json", JSON: rootJSON(t)}))
	if s == nil {
		t.Fatal(state.Problem)
	}
	if state.Signer != "keyless: https://issuer.example dev@x.example" || state.TrustRoot != "trusted_root.json" {
		t.Errorf("%+v", state)
	}
	m := s.material
	if len(m.FulcioCertificateAuthorities()) != 1 || len(m.RekorLogs()) != 1 || len(m.CTLogs()) != 1 || len(m.TimestampingAuthorities()) != 1 {
		t.Errorf("material %+v", m)
	}
}

func TestTrustedRootsRefused(t *testing.T) {
	good := rootJSON(t)
	with := func(change func(map[string]any)) []byte {
		var m map[string]any
		if err := json.Unmarshal(good, &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		out, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ca := issue(t, "ca", nil)
	tests := []struct {
		name string
		root TrustedRoot
		want string
	}{
		{"nothing", TrustedRoot{}, "exactly one of"},
		{"two", TrustedRoot{JSON: good, CA: ca.pem()}, "exactly one of"},
		{"no JSON", TrustedRoot{JSON: []byte("trust me")}, "cannot be read"},
		{"another JSON", TrustedRoot{JSON: []byte(`{"a":1}`)}, "cannot be read"},
		{"an empty object", TrustedRoot{JSON: []byte(`{}`)}, "media type"},
		{"null", TrustedRoot{JSON: []byte(`null`)}, "cannot be read"},
		{"two documents", TrustedRoot{JSON: joined(good, good)}, "cannot be read"},
		{"other media type", TrustedRoot{JSON: with(func(m map[string]any) { m["mediaType"] = "x" })}, "media type"},
		{"null in a list", TrustedRoot{JSON: with(func(m map[string]any) { m["tlogs"] = []any{nil} })}, "cannot be read"},
		{"empty log", TrustedRoot{JSON: with(func(m map[string]any) { m["tlogs"] = []any{map[string]any{}} })}, "cannot be read"},
		{"empty authority", TrustedRoot{JSON: with(func(m map[string]any) { m["certificateAuthorities"] = []any{map[string]any{}} })}, "cannot be read"},
		{"no certificate", TrustedRoot{JSON: with(func(m map[string]any) {
			m["certificateAuthorities"] = []any{map[string]any{"certChain": map[string]any{"certificates": []any{map[string]any{"rawBytes": "AAAA"}}}}}
		})}, "cannot be read"},
		{"thousands", TrustedRoot{JSON: with(func(m map[string]any) { m["ctlogs"] = slices.Repeat([]any{map[string]any{}}, 1000) })}, "more than 256 entries"},
		{"huge", TrustedRoot{JSON: bytes.Repeat([]byte(" "), maxRootBytes+1)}, "bytes"},
		{"nested", TrustedRoot{JSON: bytes.Repeat([]byte(`{"tlogs":[`), 100000)}, "cannot be read"},
		{"no authority", TrustedRoot{JSON: with(func(m map[string]any) { delete(m, "certificateAuthorities") })}, "no certificate authority"},
		{"no CT log", TrustedRoot{JSON: with(func(m map[string]any) { delete(m, "ctlogs") })}, "no certificate transparency log"},
		{"no log", TrustedRoot{JSON: with(func(m map[string]any) { delete(m, "tlogs") })}, "no transparency log"},

		{"no certificate in PEM", TrustedRoot{CA: []byte("trust me")}, "ca: has something besides"},
		{"a key for a certificate", TrustedRoot{CA: trustPEM(t, ca.key.Public())}, "ca: block 1 is no certificate"},
		{"a certificate for a key", TrustedRoot{CA: ca.pem(), Rekor: ca.pem()}, "rekor: block 1 is no public key"},
		{"damaged key", TrustedRoot{CTLog: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}})}, "ctlog: key 1 cannot be read"},
		{"weak key", TrustedRoot{Rekor: trustPEM(t, trustECDSA(t, elliptic.P224()).Public())}, "rekor: key 1: "},
		{"too many", TrustedRoot{CA: bytes.Repeat(ca.pem(), maxPEMCerts+1)}, "more than 64"},
		{"huge PEM", TrustedRoot{TSA: bytes.Repeat([]byte("\n"), maxPEMBytes+1)}, "tsa: has more than"},
		{"only PEM logs", TrustedRoot{Rekor: trustPEM(t, ca.key.Public())}, "no certificate authority"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.root.Name = "roots/x.json"
			s, state := prepared(t, Options{}, keyless(&test.root))
			if s != nil || !strings.Contains(state.Problem, test.want) || !strings.Contains(state.Problem, "roots/x.json") {
				t.Errorf("%+v", state)
			}
			if len(state.Problem) > maxLine+4 || strings.Contains(state.Problem, "\n") {
				t.Errorf("%d bytes: %q", len(state.Problem), state.Problem)
			}
		})
	}
}

func TestOwnCertificates(t *testing.T) {
	ca := issue(t, "ca", nil)
	middle := issue(t, "middle", &ca)
	lowest := issue(t, "lowest", &middle)
	tsa := issue(t, "tsa", nil)
	stamp := issue(t, "stamp", &tsa, leafCert(x509.ExtKeyUsageTimeStamping))
	s, state := prepared(t, Options{}, keyless(&TrustedRoot{
		CA: joined(middle.pem(), ca.pem(), lowest.pem()), TSA: joined(stamp.pem(), tsa.pem()),
		Rekor: trustPEM(t, ca.key.Public()), CTLog: trustPEM(t, tsa.key.Public()),
	}))
	if s == nil {
		t.Fatal(state.Problem)
	}
	cas := s.material.FulcioCertificateAuthorities()
	if len(cas) != 1 {
		t.Fatalf("%d authorities", len(cas))
	}
	f := cas[0].(*root.FulcioCertificateAuthority)
	if !f.Root.Equal(ca.Certificate) || len(f.Intermediates) != 2 || !f.Intermediates[0].Equal(lowest.Certificate) || !f.Intermediates[1].Equal(middle.Certificate) {
		t.Errorf("chain %v", f.Intermediates)
	}
	signing := issue(t, "dev", &lowest, leafCert(x509.ExtKeyUsageCodeSigning))
	if _, err := cas[0].Verify(signing.Certificate, trustOnce()); err != nil {
		t.Error(err)
	}
	if _, err := cas[0].Verify(stamp.Certificate, trustOnce()); err == nil {
		t.Error("a certificate of the timestamp authority's is accepted for signing")
	}
	a := s.material.TimestampingAuthorities()
	if len(a) != 1 || !a[0].(*root.SigstoreTimestampingAuthority).Leaf.Equal(stamp.Certificate) {
		t.Errorf("timestamp authorities %v", a)
	}
}

func TestOwnCertificatesRefused(t *testing.T) {
	ca, other := issue(t, "ca", nil), issue(t, "ca", nil) // the same name, another key
	middle, stranger := issue(t, "middle", &ca), issue(t, "stranger", &other)
	leaf := issue(t, "leaf", &ca, leafCert(x509.ExtKeyUsageCodeSigning))
	for name, test := range map[string]struct {
		root TrustedRoot
		want string
	}{
		"no root":        {TrustedRoot{CA: middle.pem()}, "no root certificate"},
		"another's":      {TrustedRoot{CA: joined(ca.pem(), stranger.pem())}, `"CN=stranger" leads to none`},
		"leaf":           {TrustedRoot{CA: joined(ca.pem(), leaf.pem())}, `"CN=leaf" is no certificate of an authority`},
		"only a leaf":    {TrustedRoot{CA: leaf.pem()}, "no root certificate"},
		"another's leaf": {TrustedRoot{TSA: joined(other.pem(), leaf.pem())}, `"CN=leaf" leads to none`},
	} {
		_, state := prepared(t, Options{}, keyless(&test.root))
		if !strings.Contains(state.Problem, test.want) {
			t.Errorf("%s: %+v", name, state)
		}
	}
}

func TestOwnLogKeys(t *testing.T) {
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		pub  crypto.PublicKey
		want crypto.Hash
	}{
		"P-256":   {trustECDSA(t, elliptic.P256()).Public(), crypto.SHA256},
		"P-384":   {trustECDSA(t, elliptic.P384()).Public(), crypto.SHA384},
		"P-521":   {trustECDSA(t, elliptic.P521()).Public(), crypto.SHA512},
		"RSA":     {trustRSA(t, 2048).Public(), crypto.SHA256},
		"Ed25519": {edwards, crypto.SHA512},
	} {
		m, err := ownRoot(&TrustedRoot{Rekor: trustPEM(t, test.pub)})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := fingerprint(test.pub)
		if err != nil {
			t.Fatal(err)
		}
		l := m.RekorLogs()[strings.TrimPrefix(want, "sha256:")]
		if l == nil || l.SignatureHashFunc != test.want || l.ValidityPeriodStart.IsZero() || !l.ValidityPeriodEnd.IsZero() {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

// What an authority does not need is not asked for: here nothing can be fetched.
func TestRootsAreLoadedWhereNeeded(t *testing.T) {
	key := Key{PEM: trustPEM(t, trustECDSA(t, elliptic.P256()).Public())}
	if s, state := prepared(t, Options{Offline: true}, Authority{Key: &key, LogOptional: true}); s == nil || state.TrustRoot != "" {
		t.Errorf("%+v", state)
	}
	for name, a := range map[string]Authority{
		"log":        {Key: &key},
		"timestamps": {Key: &key, LogOptional: true, TimestampRequired: true},
		"keyless":    keyless(nil),
	} {
		if _, state := prepared(t, Options{Offline: true}, a); !strings.Contains(state.Problem, "tuf-repo-cdn.sigstore.dev") || state.TrustRoot != publicGood {
			t.Errorf("%s: %+v", name, state)
		}
	}
	own := key
	own.TrustedRoot = &TrustedRoot{Name: "r.json", JSON: rootJSON(t)}
	for _, a := range []Authority{{Key: &own}, {Key: &own, LogOptional: true}, {Key: &own, TimestampRequired: true}} {
		if s, state := prepared(t, Options{}, a); s == nil || len(s.material.RekorLogs()) != 1 || state.TrustRoot != "r.json" {
			t.Errorf("%+v: %+v", a, state)
		}
	}
}

func FuzzTrustedRoot(f *testing.F) {
	good := rootJSON(f)
	ca := issue(f, "ca", nil)
	f.Add(good, false)
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[{"logId":{"keyId":""},"publicKey":{}}]}`), false)
	f.Add(joined(ca.pem(), issue(f, "middle", &ca).pem()), true)
	f.Add(trustPEM(f, ca.key.Public()), true)
	f.Fuzz(func(t *testing.T, data []byte, own bool) {
		roots := []TrustedRoot{{JSON: data}}
		if own {
			roots = []TrustedRoot{{CA: data}, {TSA: data}, {Rekor: data}, {CTLog: data}}
		}
		for _, r := range roots {
			s, state := New(Options{}).prepare(t.Context(), keyless(&r))
			if (s == nil) != (state.Problem != "") || s != nil && len(s.material.FulcioCertificateAuthorities()) == 0 {
				t.Fatalf("signer %v with %+v", s, state)
			}
			if strings.Contains(state.Problem, "making it ready failed") {
				t.Fatal(state.Problem)
			}
		}
	})
}
