// SPDX-License-Identifier: Apache-2.0

package signature_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
	"github.com/ocigate/ocigate/pkg/signature"
)

// The matrix: what the real clients sign, in all the ways that they can, is verified by
// whom it is by, and by nobody else.

type kind = sigstoretest.Kind

const (
	v2, v3    = sigstoretest.CosignV2, sigstoretest.CosignV3
	ghSubject = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main"
)

var predicateTypes = map[string]string{
	"slsaprovenance1": "https://slsa.dev/provenance/v1", "spdxjson": "https://spdx.dev/Document", "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
}

// impossible says that the client cannot make this: see sigstoretest.Kind.
func impossible(c sigstoretest.Client, k kind) bool {
	switch {
	case k.Log == sigstoretest.LogV2 && (!k.Bundle || c == v2), k.Log == sigstoretest.LogV2 && !k.TSA && (k.Keyless || k.OwnCA):
		return true
	case k.OwnCA && k.Bundle && c == v2, c == v3 && !k.Bundle && k.TSA && k.Attest != "":
		return true
	}
	return false
}

func named(c sigstoretest.Client, k kind) string {
	parts := []string{string(c), map[bool]string{true: "bundle", false: "tag"}[k.Bundle], "key", fmt.Sprintf("log %d", k.Log)}
	switch {
	case k.Keyless:
		parts[2] = "keyless"
	case k.OwnCA:
		parts[2] = "own CA"
	}
	if k.TSA {
		parts = append(parts, "timestamp")
	}
	return strings.TrimSpace(strings.Join(parts, " ") + " " + k.Attest)
}

// sharedKey is ready for parallel use: its encrypted form, which takes a while, is made.
func sharedKey(t *testing.T) *sigstoretest.Key {
	t.Helper()
	v2.Path(t)
	v3.Path(t)
	k := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	k.CosignPEM(t)
	return k
}

// signed is an image that a client has signed with the key, where keys are asked for.
func signed(t *testing.T, c sigstoretest.Client, k kind, key *sigstoretest.Key) *sigstoretest.Signing {
	t.Helper()
	g := sigstoretest.NewSigning(t, k)
	g.Key = key
	if err := g.Sign(t, c, k); err != nil {
		t.Fatal(err)
	}
	return g
}

// expectation is an authority, and what it must say.
type expectation struct {
	authority signature.Authority
	result    evidence.CheckResult
	reason    string
}

// by is the authority of whoever signed.
func by(g *sigstoretest.Signing, k kind, without ...sigstoretest.Part) signature.Authority {
	tr := &signature.TrustedRoot{Name: "trusted_root.json", JSON: g.Stack.TrustedRoot(without...)}
	a := signature.Authority{Name: "right", LogOptional: k.Log == sigstoretest.NoLog, TimestampRequired: k.TSA}
	if k.Keyless {
		a.Keyless = &signature.Keyless{TrustedRoot: tr, Identities: []signature.Identity{{Issuer: sigstoretest.GitHubIssuer, Subject: ghSubject,
			Extensions: map[string]string{"githubWorkflowRepository": "acme/app"}}}}
	} else {
		a.Key = &signature.Key{PEM: g.Key.PublicPEM, TrustedRoot: tr}
	}
	return a
}

// expectations are what the authorities that may be asked about a signing must say of it.
func expectations(t *testing.T, g *sigstoretest.Signing, k kind) []expectation {
	t.Helper()
	right := by(g, k)
	wrong := by(g, k)
	wrong.Name = "wrong"
	log := by(g, k)
	log.Name, log.LogOptional, log.TimestampRequired = "log", false, false
	stamp := by(g, k)
	stamp.Name, stamp.TimestampRequired = "stamp", true
	out := append([]expectation{{right, evidence.CheckVerified, ""}}, demanding(k, log, stamp)...)
	seen := "not made with the key"
	switch {
	case k.Keyless:
		out = append(out, certified(t, g, k)...)
		wrong.Keyless.Identities[0].Subject, seen = strings.Replace(ghSubject, "release.yml", "other.yml", 1), "wanted"
	case k.OwnCA:
		out = append(out, owned(g, k)...)
		fallthrough
	default:
		wrong.Key.PEM = sigstoretest.NewKey(t, sigstoretest.ECDSA).PublicPEM
	}
	return append(out, expectation{wrong, evidence.CheckOtherSigner, seen})
}

// certified are the expectations of certificates: roots by their parts, of which one is
// another's.
func certified(t *testing.T, g *sigstoretest.Signing, k kind) []expectation {
	t.Helper()
	other := sigstoretest.New(t)
	root := func(name string) (signature.Authority, *signature.TrustedRoot) {
		a := by(g, k)
		a.Name, a.Keyless.TrustedRoot = name, parts(g.Stack, k)
		return a, a.Keyless.TrustedRoot
	}
	own, _ := root("own")
	if k.Log == sigstoretest.LogV2 {
		return []expectation{{own, evidence.CheckInvalid, "trusted_root.json"}}
	}
	ct, r := root("other CT log")
	r.CTLog = other.CTLogPEM()
	accepts, r := root("optional CT log")
	r.CTLog, accepts.Keyless.SCTOptional = nil, true
	ca, r := root("other CA")
	r.CA = other.CAPEM()
	out := []expectation{
		{own, evidence.CheckVerified, ""}, {ct, evidence.CheckInvalid, "certificate transparency"},
		{accepts, evidence.CheckVerified, ""}, {ca, evidence.CheckInvalid, "certificate"},
	}
	if k.Log == sigstoretest.LogV1 {
		log, r := root("other log")
		r.Rekor = other.RekorPEM()
		out = append(out, expectation{log, evidence.CheckInvalid, "log"})
	}
	if k.TSA {
		tsa, r := root("other timestamp authority")
		r.TSA = other.TSAPEM()
		out = append(out, expectation{tsa, evidence.CheckInvalid, "timestamp"})
	}
	return out
}

// parts are a trusted root by its certificates and keys.
func parts(s *sigstoretest.Stack, k kind) *signature.TrustedRoot {
	r := &signature.TrustedRoot{CA: s.CAPEM(), TSA: s.TSAPEM(), CTLog: s.CTLogPEM(), Rekor: s.RekorPEM()}
	if k.Log == sigstoretest.LogV2 {
		r.Rekor = s.RekorV2PEM()
	}
	return r
}

// owned are what authorities of identities say of a certificate that a company's own
// authority issued: it names no OIDC issuer, and no log of certificates has seen it.
func owned(g *sigstoretest.Signing, k kind) []expectation {
	identity := func(name string) signature.Authority {
		a := by(g, k)
		a.Name = name
		tr := a.Key.TrustedRoot
		if k.Log != sigstoretest.LogV2 {
			tr = parts(g.Stack, k)
		}
		a.Key, a.Keyless = nil, &signature.Keyless{SCTOptional: true, TrustedRoot: tr,
			Identities: []signature.Identity{{Issuer: "CN=test intermediate,O=test", Subject: sigstoretest.OwnEmail}}}
		return a
	}
	sct, issuer, subject := identity("with SCT"), identity("other issuer"), identity("other subject")
	sct.Keyless.SCTOptional = false
	issuer.Keyless.Identities[0].Issuer = "CN=test root,O=test"
	subject.Keyless.Identities[0].Subject = "other@example.com"
	log, stamp := identity("identity, log"), identity("identity, stamp")
	log.LogOptional, log.TimestampRequired, stamp.TimestampRequired = false, false, true
	out := []expectation{
		{identity("identity"), evidence.CheckVerified, ""}, {sct, evidence.CheckInvalid, "certificate transparency"},
		{issuer, evidence.CheckOtherSigner, "issuer"}, {subject, evidence.CheckOtherSigner, "subject"},
	}
	return append(out, demanding(k, log, stamp)...)
}

// demanding are what authorities say that demand the log, and a timestamp.
func demanding(k kind, log, stamp signature.Authority) []expectation {
	out := []expectation{{log, evidence.CheckVerified, ""}, {stamp, evidence.CheckVerified, ""}}
	if k.Log == sigstoretest.NoLog {
		out[0].result, out[0].reason = evidence.CheckInvalid, "log"
	}
	if !k.TSA {
		out[1].result, out[1].reason = evidence.CheckInvalid, "timestamp"
	}
	return out
}

// look verifies what hangs on an image in its registry.
func look(t *testing.T, digest name.Digest, index string, as ...signature.Authority) *evidence.Signatures {
	t.Helper()
	repository := digest.Repository.Name()
	store, err := image.OpenAttachments(t.Context(), repository, image.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	target := signature.Target{Reference: repository, Store: store, KeepPredicate: func(string) bool { return true }}
	if index != "" {
		target.Digests = append(target.Digests, evidence.SignedDigest{Digest: index, Kind: evidence.SignedIndex})
	}
	target.Digests = append(target.Digests, evidence.SignedDigest{Digest: digest.DigestStr(), Kind: evidence.SignedManifest})
	return verify(t, target, as...)
}

func verify(t *testing.T, target signature.Target, as ...signature.Authority) *evidence.Signatures {
	t.Helper()
	s := signature.New(signature.Options{}).Verify(context.WithoutCancel(t.Context()), target, as)
	for _, p := range s.Problems {
		t.Errorf("%s: %s", p.What, p.Message)
	}
	for _, a := range s.Authorities {
		if a.Problem != "" {
			t.Errorf("authority %s: %s", a.Name, a.Problem)
		}
	}
	return s
}

// checks are what the authorities say of one item, by their names.
func checks(i evidence.Signature) map[string]evidence.SignatureCheck {
	out := map[string]evidence.SignatureCheck{}
	for _, c := range i.Checks {
		out[c.Authority] = c
	}
	return out
}

// wantAll demands of the one item of an image everything that is expected of its kind.
func wantAll(t *testing.T, g *sigstoretest.Signing, k kind, format evidence.SignatureFormat) {
	t.Helper()
	expected := expectations(t, g, k)
	s := look(t, g.Image, "", authorities(expected)...)
	if len(s.Items) != 1 {
		t.Fatalf("%d items: %+v", len(s.Items), s.Items)
	}
	wantChecks(t, s.Items[0], expected)
	wantItem(t, g, k, format, s.Items[0])
	c := checks(s.Items[0])["right"]
	if c.Logged != (k.Log != sigstoretest.NoLog) || (c.Time != nil) != (k.TSA || k.Log == sigstoretest.LogV1) {
		t.Errorf("logged %v, time %v by %q", c.Logged, c.Time, c.TimeSource)
	}
}

func authorities(of []expectation) (out []signature.Authority) {
	for _, e := range of {
		out = append(out, e.authority)
	}
	return out
}

func wantChecks(t *testing.T, item evidence.Signature, expected []expectation) {
	t.Helper()
	said := checks(item)
	for _, e := range expected {
		c := said[e.authority.Name]
		if c.Result != e.result || !strings.Contains(c.Reason, e.reason) || (e.result == evidence.CheckVerified) != (c.Reason == "") {
			t.Errorf("%s: %q: %q, want %q: %q", e.authority.Name, c.Result, c.Reason, e.result, e.reason)
		}
	}
}

func wantItem(t *testing.T, g *sigstoretest.Signing, k kind, format evidence.SignatureFormat, item evidence.Signature) {
	t.Helper()
	want := evidence.KindSignature
	if k.Attest != "" {
		want = evidence.KindAttestation
	}
	if item.Kind != want || item.Format != format || item.Digest != g.Image.DigestStr() || item.Problem != "" {
		t.Errorf("item %+v", item)
	}
	if k.Attest != "" && (item.PredicateType != predicateTypes[k.Attest] || item.Predicate == nil) {
		t.Errorf("predicate type %q: %v", item.PredicateType, item.Predicate)
	}
	if k.Keyless && (item.Signer.Subject != ghSubject || item.Signer.Issuer != sigstoretest.GitHubIssuer) || !k.Keyless && !k.OwnCA && item.Signer.Key == "" {
		t.Errorf("signer %+v", item.Signer)
	}
	// Only the tag format's signatures and attestations name the repository.
	if n := len(item.Repositories); n != 1 && !(k.Bundle && k.Attest == "") {
		t.Errorf("repositories %q", item.Repositories)
	}
}

// formatOf is where a client keeps a kind.
func formatOf(k kind) evidence.SignatureFormat {
	switch {
	case k.Bundle:
		return evidence.FormatBundle
	case k.Referrer:
		return evidence.FormatReferrer
	default:
		return evidence.FormatTag
	}
}

type option struct {
	log sigstoretest.Log
	tsa bool
}

// matrix has a client make all of these kinds that it can.
func matrix(t *testing.T, c sigstoretest.Client, bundle bool, options []option, types ...string) {
	t.Helper()
	key := sharedKey(t)
	for _, signer := range []kind{{}, {Keyless: true}, {OwnCA: true}} {
		for _, o := range options {
			for _, attest := range types {
				k := signer
				k.Bundle, k.Log, k.TSA, k.Attest = bundle, o.log, o.tsa, attest
				if impossible(c, k) {
					continue
				}
				t.Run(named(c, k), func(t *testing.T) {
					t.Parallel()
					wantAll(t, signed(t, c, k, key), k, formatOf(k))
				})
			}
		}
	}
}

var oldOptions = []option{{}, {tsa: true}, {log: sigstoretest.LogV1}, {log: sigstoretest.LogV1, tsa: true}}

func TestClientsTagFormat(t *testing.T) {
	matrix(t, v2, false, oldOptions, "", "slsaprovenance1", "spdxjson", "vuln")
}

func TestClientsBundlesV2(t *testing.T) { matrix(t, v2, true, oldOptions, "", "slsaprovenance1") }

func TestClientsBundlesV3(t *testing.T) {
	matrix(t, v3, true, append(oldOptions, option{log: sigstoretest.LogV2, tsa: true}, option{log: sigstoretest.LogV2}), "", "slsaprovenance1")
}

// TestClientsMore are kinds that differ in one thing from those of the matrix.
func TestClientsMore(t *testing.T) {
	key := sharedKey(t)
	for _, m := range []struct {
		name   string
		client sigstoretest.Client
		kind   kind
	}{
		{"tag format", v3, kind{Log: sigstoretest.LogV1}},
		{"tag format, attestation", v3, kind{Keyless: true, Log: sigstoretest.LogV1, Attest: "vuln"}},
		{"SBOM", v2, kind{Bundle: true, Attest: "spdxjson"}},
		{"SBOM", v3, kind{Bundle: true, Attest: "spdxjson"}},
		{"scan", v3, kind{Bundle: true, Keyless: true, Log: sigstoretest.LogV2, TSA: true, Attest: "vuln"}},
		{"services by options", v2, kind{Bundle: true, ServiceFlags: true, Keyless: true, Log: sigstoretest.LogV1}},
		{"services by options", v3, kind{Bundle: true, ServiceFlags: true, Keyless: true, Log: sigstoretest.LogV1, TSA: true, Attest: "vuln"}},
		{"annotations", v2, kind{Args: []string{"-a", "commit=abc"}}},
		{"entry of the type intoto", v2, kind{Log: sigstoretest.LogV1, Attest: "vuln", Args: []string{"--rekor-entry-type", "intoto"}}},
		{"oci-1-1", v2, kind{Referrer: true, Log: sigstoretest.LogV1}},
		{"oci-1-1", v3, kind{Referrer: true, Log: sigstoretest.LogV1}},
		{"oci-1-1, fallback tag", v2, kind{Referrer: true, Registry: sigstoretest.WithoutReferrers}},
		{"oci-1-1, Debian's registry", v2, kind{Referrer: true, Registry: sigstoretest.Debian}},
	} {
		t.Run(m.name+" "+string(m.client), func(t *testing.T) {
			t.Parallel()
			wantAll(t, signed(t, m.client, m.kind, key), m.kind, formatOf(m.kind))
		})
	}
}

// TestClientsRegistries: where things are kept differs, what they are does not.
func TestClientsRegistries(t *testing.T) {
	key := sharedKey(t)
	for _, registry := range []sigstoretest.RegistryKind{sigstoretest.WithoutReferrers, sigstoretest.Debian} {
		for c, kinds := range map[sigstoretest.Client][]kind{
			v2: {{}, {Attest: "vuln"}, {Bundle: true, Keyless: true, Log: sigstoretest.LogV1}},
			v3: {{Bundle: true}, {Bundle: true, Attest: "spdxjson"}, {Bundle: true, Keyless: true, Log: sigstoretest.LogV2, TSA: true}},
		} {
			for _, k := range kinds {
				k.Registry = registry
				t.Run(fmt.Sprintf("%s %s", registry, named(c, k)), func(t *testing.T) {
					t.Parallel()
					wantAll(t, signed(t, c, k, key), k, formatOf(k))
				})
			}
		}
	}
}
