// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/types"
	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

type (
	signOptions = sigstoretest.SignOptions
	signer0     = sigstoretest.Signer
)

// TestEveryForm signs the image in each form that clients write, and verifies it.
func TestEveryForm(t *testing.T) {
	const provenance = "https://slsa.dev/provenance/v1"
	predicate := map[string]any{"builder": map[string]any{"id": "https://builder.example"}, "n": 3.0}
	for _, referrers := range []bool{true, false} {
		w := newWorld(t, referrers)
		key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
		forms := map[string]struct {
			bundle, attestation bool
		}{"tag signature": {}, "tag attestation": {attestation: true}, "bundle signature": {bundle: true}, "bundle attestation": {true, true}}
		for form, f := range forms {
			for _, keyless := range []bool{false, true} {
				for _, o := range []signOptions{{}, {Log: sigstoretest.LogV1}, {TSA: true}, {Log: sigstoretest.LogV1, TSA: true}, {Log: sigstoretest.LogV2, TSA: true}} {
					if o.Log == sigstoretest.LogV2 && !f.bundle {
						continue
					}
					t.Run(fmt.Sprintf("api %v/%s/keyless %v/log %d tsa %v", referrers, form, keyless, o.Log, o.TSA), func(t *testing.T) {
						img := w.other(t.Name())
						by, a := key.Signer(), w.keyed(key, o.Log != sigstoretest.NoLog)
						if keyless {
							by, a = w.dev(), w.keyless()
							a.LogOptional = o.Log == sigstoretest.NoLog
						}
						a.TimestampRequired = o.TSA
						statement := sigstoretest.SignatureStatement(img)
						if f.attestation {
							statement = sigstoretest.Statement(img, provenance, predicate)
						}
						switch {
						case f.bundle:
							sigstoretest.PushBundle(t, img, w.JSON(w.Bundle(statement, by, o)))
						case f.attestation:
							sigstoretest.PushTag(t, img, "att", w.TagAttestation(statement, by, o))
						default:
							sigstoretest.PushTag(t, img, "sig", w.TagSignature(img, by, o))
						}
						target := w.target(img)
						target.KeepPredicate = func(p string) bool { return p == provenance }
						item, check := only(t, w.verifyTarget(target, a))
						wantCheck(t, check, evidence.CheckVerified, "")
						if check.Logged != (o.Log != sigstoretest.NoLog) {
							t.Errorf("logged: %v", check.Logged)
						}
						if (check.Time != nil) != (o.TSA || o.Log == sigstoretest.LogV1) {
							t.Errorf("time %v by %q", check.Time, check.TimeSource)
						}
						wantKind := map[bool]evidence.SignatureKind{false: evidence.KindSignature, true: evidence.KindAttestation}[f.attestation]
						if item.Kind != wantKind || item.Digest != img.DigestStr() {
							t.Errorf("item %+v", item)
						}
						if f.attestation && !reflect.DeepEqual(item.Predicate, any(predicate)) || !f.attestation && item.Predicate != nil {
							t.Errorf("predicate %v", item.Predicate)
						}
						if want := img.Repository.Name(); len(item.Repositories) != 1 || item.Repositories[0] != want {
							t.Errorf("repositories %q, want %q", item.Repositories, want)
						}
						if keyless && item.Signer.Subject != dev || !keyless && !strings.HasPrefix(item.Signer.Key, "sha256:") {
							t.Errorf("signer %+v", item.Signer)
						}
					})
				}
			}
		}
	}
}

func TestKeyAlgorithms(t *testing.T) {
	w := newWorld(t, true)
	for _, kind := range []sigstoretest.KeyKind{sigstoretest.ECDSA384, sigstoretest.RSA2048, sigstoretest.Ed25519, sigstoretest.Ed25519ph} {
		t.Run(string(kind), func(t *testing.T) {
			key := sigstoretest.NewKey(t, kind)
			img := w.other(string(kind))
			sigstoretest.PushTag(t, img, "sig", w.TagSignature(img, key.Signer(), signOptions{}))
			sigstoretest.PushBundle(t, img, w.JSON(w.Bundle(sigstoretest.SignatureStatement(img), key.Signer(), signOptions{})))
			s := w.verifyTarget(w.target(img), w.keyed(key, false))
			if len(s.Items) != 2 {
				t.Fatalf("%+v", s)
			}
			for _, i := range s.Items {
				wantCheck(t, i.Checks[0], evidence.CheckVerified, "")
			}
		})
	}
}

// TestHashOfLargerCurves: clients take SHA-384 for a P-384, and SHA-256 is what a policy
// means that names none. The reason says what to write.
func TestHashOfLargerCurves(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA384)
	w.tag("sig", w.TagSignature(w.image, key.Signer(), signOptions{}))
	sigstoretest.PushBundle(t, w.image, w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), key.Signer(), signOptions{})))
	a := w.keyed(key, false)
	a.Key.Hash = 0
	want := map[evidence.SignatureFormat]evidence.CheckResult{evidence.FormatTag: theirs, evidence.FormatBundle: foul} // a bundle names its key
	for _, i := range w.verify(a).Items {
		wantCheck(t, i.Checks[0], want[i.Format], "hashAlgorithm: sha384")
		delete(want, i.Format)
	}
	if len(want) > 0 {
		t.Errorf("not there: %v", want)
	}
	for _, other := range []sigstoretest.KeyKind{sigstoretest.ECDSA, sigstoretest.RSA2048, sigstoretest.ECDSA384} {
		for _, i := range w.verify(w.keyed(sigstoretest.NewKey(t, other), false)).Items {
			if i.Checks[0].Result != theirs || strings.Contains(i.Checks[0].Reason, "hashAlgorithm") {
				t.Errorf("%s: %+v", other, i.Checks[0])
			}
		}
	}
}

// TestUnion: both formats and all places are looked at, whatever one of them holds.
func TestUnion(t *testing.T) {
	w := newWorld(t, true)
	a, b := sigstoretest.NewKey(t, sigstoretest.ECDSA), sigstoretest.NewKey(t, sigstoretest.ECDSA)
	w.tag("sig", w.TagSignature(w.image, a.Signer(), signOptions{}), w.TagSignature(w.image, b.Signer(), signOptions{}))
	w.tag("att", w.TagAttestation(sigstoretest.Statement(w.image, "https://spdx.dev/Document", map[string]any{}), a.Signer(), signOptions{}))
	sigstoretest.PushBundle(t, w.image, w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), b.Signer(), signOptions{})))
	// cosign's experimental form: two manifests, each counts.
	for _, k := range []*sigstoretest.Key{a, b} {
		item := w.TagSignature(w.image, k.Signer(), signOptions{})
		layer := sigstoretest.PutBlob(t, w.image.Repository, item.Payload)
		layer.MediaType, layer.Annotations = types.MediaType(item.MediaType), item.Annotations
		pushManifest(t, w, map[string]any{"artifactType": cosignSigType, "layers": []any{layer}})
	}
	// What is known to be something else is not even fetched, other things quietly left.
	skipped := sigstoretest.PushReferrer(t, w.image, sigstoretest.Referrer{ArtifactType: "application/vnd.cncf.notary.signature", ConfigType: "application/vnd.cncf.notary.signature", LayerType: "application/jose+json", Body: []byte("x")})
	sigstoretest.PushReferrer(t, w.image, sigstoretest.Referrer{ArtifactType: "application/x-whatever", ConfigType: "application/x-whatever", LayerType: "text/plain", Body: []byte("y")})
	ka, kb := w.keyed(a, false), w.keyed(b, false)
	ka.Name, kb.Name = "a", "b"
	s := w.verify(kb, ka)
	if len(s.Problems) > 0 {
		t.Fatal(s.Problems)
	}
	got := map[evidence.SignatureFormat]int{}
	verified := map[string]int{}
	for _, i := range s.Items {
		got[i.Format]++
		for n, c := range i.Checks {
			if c.Authority != s.Authorities[n].Name {
				t.Errorf("checks are not in the order of the authorities: %+v", i.Checks)
			}
			if c.Result == evidence.CheckVerified {
				verified[c.Authority]++
			}
		}
	}
	if !reflect.DeepEqual(got, map[evidence.SignatureFormat]int{evidence.FormatTag: 3, evidence.FormatBundle: 1, evidence.FormatReferrer: 2}) {
		t.Errorf("formats %v", got)
	}
	if verified["a"] != 3 || verified["b"] != 3 || s.Authorities[0].Name != "a" {
		t.Errorf("verified %v", verified)
	}
	if n := w.registry.Count("GET", "/v2/team/payments/manifests/"+skipped.String()); n != 0 {
		t.Errorf("a notary signature was fetched %d times", n)
	}
}

// pushManifest pushes a manifest that refers to the image.
func pushManifest(t testing.TB, w *world, m map[string]any) string {
	t.Helper()
	m["schemaVersion"], m["mediaType"] = 2, types.OCIManifestSchema1
	m["subject"] = map[string]any{"mediaType": types.OCIManifestSchema1, "size": 1, "digest": w.image.DigestStr()}
	if m["config"] == nil {
		m["config"] = map[string]any{"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": digestOf([]byte("{}"))}
	}
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	digest := digestOf(raw)
	sigstoretest.PutManifest(t, w.image.Repository.Digest(digest), types.OCIManifestSchema1, raw)
	return digest
}

// TestIndex: what is signed on the index counts for its platforms, and is fetched once.
func TestIndex(t *testing.T) {
	w := newWorld(t, true)
	index := sigstoretest.SmallIndex("multi")
	top := w.node(index)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	sigstoretest.PushBundle(t, top, w.JSON(w.Bundle(sigstoretest.SignatureStatement(top), key.Signer(), signOptions{})))
	sigstoretest.PushTag(t, top, "sig", w.TagSignature(top, key.Signer(), signOptions{}))
	before := len(w.registry.Requests())
	v := New(Options{})
	for _, e := range index.Entries {
		doc, _ := e.Node.Document()
		target := w.target(top)
		target.Digests = []evidence.SignedDigest{{Digest: top.DigestStr(), Kind: evidence.SignedIndex}, {Digest: digestOf(doc), Kind: evidence.SignedManifest}}
		s := v.Verify(t.Context(), target, []Authority{w.keyed(key, false)})
		if len(s.Items) != 2 || len(s.Problems) != 0 {
			t.Fatalf("%+v", s)
		}
		for _, i := range s.Items {
			wantCheck(t, i.Checks[0], evidence.CheckVerified, "")
			if i.Digest != top.DigestStr() {
				t.Errorf("hangs on %s", i.Digest)
			}
		}
	}
	seen := map[string]int{}
	for _, r := range w.registry.Requests()[before:] {
		if strings.HasPrefix(r, "GET ") && !strings.HasSuffix(r, "/v2/") {
			seen[r]++
		}
	}
	for r, n := range seen {
		if n > 1 {
			t.Errorf("%s: %d times", r, n)
		}
	}
}

func TestDetached(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	archive := []byte("the bytes of an archive")
	sum := sha256.Sum256(archive)
	target := Target{Reference: "image.tar", Digests: []evidence.SignedDigest{
		{Digest: w.image.DigestStr(), Kind: evidence.SignedManifest}, {Digest: "sha256:" + hex.EncodeToString(sum[:]), Kind: evidence.SignedArchive}}}
	old, _ := json.Marshal(map[string]any{"base64Signature": "MEUC", "cert": "", "rekorBundle": map[string]any{}})
	target.Bundles = []DetachedBundle{
		{"blob.json", w.JSON(w.BlobBundle(archive, key.Signer(), signOptions{}))},
		{"statement.json", w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), key.Signer(), signOptions{}))},
		{"foreign.json", w.JSON(w.BlobBundle([]byte("other bytes"), key.Signer(), signOptions{}))},
		{"old.json", old},
		{"two.json", []byte("{}{}")},
	}
	s := w.verifyTarget(target, w.keyed(key, false))
	if len(s.Items) != 5 || len(s.Problems) != 0 {
		t.Fatalf("%+v", s)
	}
	wantCheck(t, s.Items[0].Checks[0], evidence.CheckVerified, "")
	wantCheck(t, s.Items[1].Checks[0], evidence.CheckVerified, "")
	wantCheck(t, s.Items[2].Checks[0], evidence.CheckInvalid, "not about "+w.image.DigestStr())
	if s.Items[0].Digest != target.Digests[1].Digest || s.Items[1].Digest != target.Digests[0].Digest || s.Items[0].Place != "blob.json" {
		t.Errorf("%+v", s.Items)
	}
	for i, want := range map[int]string{3: "--new-bundle-format", 4: "more than one JSON value"} {
		if got := s.Items[i]; got.Kind != evidence.KindUnreadable || !strings.Contains(got.Problem, want) || len(got.Checks) != 0 {
			t.Errorf("%+v", got)
		}
	}
}

// TestOwnCA is a company's authority: long certificates, no log, no SCT; keyed and keyless.
func TestOwnCA(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	now := time.Now()
	by := signer0{Key: key, Cert: w.OwnLeaf(key.Private.Public(), dev, now.Add(-time.Hour), now.Add(time.Hour))}
	for i, o := range []signOptions{{}, {Log: sigstoretest.LogV1}} {
		img := w.other(fmt.Sprint("own ca", i))
		sigstoretest.PushTag(t, img, "sig", w.TagSignature(img, by, o))
		sigstoretest.PushBundle(t, img, w.JSON(w.Bundle(sigstoretest.SignatureStatement(img), by, o)))
		keyed := w.keyed(key, o.Log != sigstoretest.NoLog)
		anybody := w.keyless()
		anybody.LogOptional, anybody.Keyless.SCTOptional = true, true
		company := func(name, issuer string) Authority {
			a := w.keyless(Identity{Issuer: issuer, SubjectRegExp: ".*@.*"})
			a.Name, a.LogOptional, a.Keyless.SCTOptional = name, true, true
			return a
		}
		ours, theirs := company("ours", by.Cert.Issuer.String()), company("theirs", by.Cert.Issuer.String()+",O=x")
		for _, item := range w.verifyTarget(w.target(img), keyed, ours, anybody, theirs).Items {
			wantCheck(t, item.Checks[0], evidence.CheckVerified, "")
			if item.Checks[0].Logged != (i == 1) {
				t.Errorf("%s: %+v", item.Place, item.Checks)
			}
			if i == 0 { // its certificate names no OIDC issuer
				wantCheck(t, item.Checks[1], evidence.CheckVerified, "") // "ours"
				wantCheck(t, item.Checks[2], evidence.CheckOtherSigner, "issuer")
				wantCheck(t, item.Checks[3], evidence.CheckOtherSigner, "issuer")
			}
		}
	}
}

// TestOwnCAInRekorV2: those entries commit to the certificate, by whose key it is judged.
func TestOwnCAInRekorV2(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	now := time.Now()
	by := signer0{Key: key, Cert: w.OwnLeaf(key.Private.Public(), dev, now.Add(-time.Hour), now.Add(time.Hour))}
	again := signer0{Key: key, Cert: w.OwnLeaf(key.Private.Public(), dev, now.Add(-time.Hour), now.Add(time.Hour))}
	logged := signOptions{Log: sigstoretest.LogV2, TSA: true}
	other := w.other("another")
	for name, m := range map[string]struct {
		entryOf *protobundle.Bundle
		result  evidence.CheckResult
		reason  string
	}{
		"own entry":                    {nil, evidence.CheckVerified, ""},
		"entry of another image":       {w.Bundle(sigstoretest.SignatureStatement(other), by, logged), evidence.CheckInvalid, "log entry"},
		"entry of the bare key":        {w.Bundle(sigstoretest.SignatureStatement(w.image), key.Signer(), logged), evidence.CheckInvalid, "log entry"},
		"entry of another certificate": {w.Bundle(sigstoretest.SignatureStatement(w.image), again, logged), evidence.CheckInvalid, "log entry"},
		"no entry":                     {w.Bundle(sigstoretest.SignatureStatement(w.image), by, signOptions{}), evidence.CheckInvalid, "log"},
		"entry of another sigstore":    {sigstoretest.New(t).Bundle(sigstoretest.SignatureStatement(w.image), by, logged), evidence.CheckInvalid, "log"},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.Bundle(sigstoretest.SignatureStatement(w.image), by, logged)
			if m.entryOf != nil {
				b.VerificationMaterial.TlogEntries = m.entryOf.VerificationMaterial.TlogEntries
			}
			target := Target{Reference: "image", Digests: w.target(w.image).Digests, Bundles: []DetachedBundle{{"b.json", w.JSON(b)}}}
			_, c := only(t, w.verifyTarget(target, w.keyed(key, true)))
			wantCheck(t, c, m.result, m.reason)
			if m.result == evidence.CheckVerified && (!c.Logged || c.Time == nil) {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestOrderAndNils(t *testing.T) {
	w := newWorld(t, true)
	var last string
	for range 12 {
		sigstoretest.PushBundle(t, w.image, w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), sigstoretest.NewKey(t, sigstoretest.ECDSA).Signer(), signOptions{})))
	}
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	for range 3 {
		got, err := json.Marshal(w.verify(w.keyed(key, false)))
		if err != nil {
			t.Fatal(err)
		}
		if last != "" && string(got) != last {
			t.Fatal("two runs differ")
		}
		last = string(got)
	}
	none := New(Options{}).Verify(t.Context(), Target{}, nil)
	if none == nil || none.Items == nil || none.Problems == nil || none.Authorities == nil || none.Digests == nil {
		t.Errorf("%+v", none)
	}
	s := w.verify(Authority{Name: "nobody"})
	if s.Authorities[0].Problem == "" || len(s.Items) != 12 || len(s.Items[0].Checks) != 0 {
		t.Errorf("%+v", s.Authorities)
	}
}

// BenchmarkVerifyFiveBundles is a registry 50 ms away.
func BenchmarkVerifyFiveBundles(b *testing.B) {
	w := newWorld(b, true)
	for range 5 {
		sigstoretest.PushBundle(b, w.image, w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), w.dev(), signOptions{Log: sigstoretest.LogV1, TSA: true})))
	}
	verifyFive(b, w)
}

func BenchmarkVerifyFiveTags(b *testing.B) {
	w := newWorld(b, true)
	var items []*sigstoretest.TagItem
	for range 5 {
		items = append(items, w.TagSignature(w.image, w.dev(), signOptions{Log: sigstoretest.LogV1, TSA: true}))
	}
	w.tag("sig", items...)
	verifyFive(b, w)
}

func verifyFive(b *testing.B, w *world) {
	b.Helper()
	w.registry.Latency = 50 * time.Millisecond
	a := w.keyless()
	for b.Loop() {
		s := New(Options{}).Verify(b.Context(), Target{Reference: w.image.Repository.Name(), Store: w.open(w.image.Repository), Digests: w.target(w.image).Digests}, []Authority{a})
		if len(s.Items) != 5 || s.Items[4].Checks[0].Result != evidence.CheckVerified {
			b.Fatalf("%+v", s)
		}
	}
}
