// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

const (
	logged = sigstoretest.LogV1
	valid  = evidence.CheckVerified
	foul   = evidence.CheckInvalid
	theirs = evidence.CheckOtherSigner
)

// TestAttacks: what somebody with access to the registry, or with a signature of their
// own, might try. Each is tried in both formats where it exists in both.
func TestAttacks(t *testing.T) {
	type made struct {
		bundle *protobundle.Bundle
		tag    *sigstoretest.TagItem
		att    *sigstoretest.TagItem
	}
	sign := func(w *world, by signer0, o signOptions) made {
		return made{bundle: w.Bundle(sigstoretest.SignatureStatement(w.image), by, o), tag: w.TagSignature(w.image, by, o)}
	}
	keyless := func(w *world) Authority { return w.keyless() }
	lenient := func(w *world) Authority {
		a := w.keyless()
		a.LogOptional = true
		return a
	}
	subject := func(id Identity) func(*world) Authority {
		return func(w *world) Authority { return w.keyless(id) }
	}
	key, second := sigstoretest.NewKey(t, sigstoretest.ECDSA), sigstoretest.NewKey(t, sigstoretest.ECDSA)
	keyed := func(w *world) Authority { return w.keyed(key, false) }
	keyedLogged := func(w *world) Authority { return w.keyed(key, true) }
	hour := time.Hour
	github := sigstoretest.GitHub("acme/app", "release.yml", "refs/heads/main")
	githubID := Identity{Issuer: sigstoretest.GitHubIssuer, SubjectRegExp: "https://github.com/acme/.*"}

	for name, c := range map[string]struct {
		opts []sigstoretest.Option
		make func(*world) made
		by   func(*world) Authority
		want evidence.CheckResult
		why  string
		// tagWhy is the reason in the tag format where it is another.
		tagWhy string
	}{
		"genuine, keyless":                    {make: func(w *world) made { return sign(w, w.dev(), signOptions{Log: logged}) }, by: keyless, want: valid},
		"genuine, key":                        {make: func(w *world) made { return sign(w, key.Signer(), signOptions{}) }, by: keyed, want: valid},
		"genuine, log optional and there":     {make: func(w *world) made { return sign(w, w.dev(), signOptions{Log: logged}) }, by: lenient, want: valid},
		"another key":                         {make: func(w *world) made { return sign(w, second.Signer(), signOptions{}) }, by: keyed, want: theirs, why: "not made with the key"},
		"another key, logged":                 {make: func(w *world) made { return sign(w, second.Signer(), signOptions{Log: logged}) }, by: keyedLogged, want: theirs, why: "not made with the key"},
		"a certificate where a key is wanted": {make: func(w *world) made { return sign(w, w.dev(), signOptions{Log: logged}) }, by: keyedLogged, want: theirs, why: dev},
		"a key where a certificate is wanted": {make: func(w *world) made { return sign(w, key.Signer(), signOptions{Log: logged}) }, by: keyless, want: theirs, why: "with a key"},
		"the right key, not in the log":       {make: func(w *world) made { return sign(w, key.Signer(), signOptions{}) }, by: keyedLogged, want: foul, why: "no entry in the transparency log"},
		"keyless, not in the log":             {make: func(w *world) made { return sign(w, w.dev(), signOptions{TSA: true}) }, by: keyless, want: foul, why: "no entry in the transparency log"},
		"wrong issuer": {make: func(w *world) made {
			return sign(w, w.Keyless(sigstoretest.Claims{"iss": "https://evil.example", "sub": dev, "email": dev, "email_verified": true}), signOptions{Log: logged})
		}, by: keyless, want: theirs, why: "https://evil.example"},
		"look-alike subject": {make: func(w *world) made {
			return sign(w, w.Keyless(sigstoretest.Email(dev+".evil.com")), signOptions{Log: logged})
		}, by: keyless, want: theirs, why: dev + ".evil.com"},
		"look-alike subject, unanchored expression": {make: func(w *world) made {
			return sign(w, w.Keyless(sigstoretest.Email(dev+".evil.com")), signOptions{Log: logged})
		}, by: subject(Identity{Issuer: devIssuer, SubjectRegExp: `dev@example\.com`}), want: theirs, why: dev + ".evil.com"},
		"expression with an open end": {make: func(w *world) made {
			return sign(w, w.Keyless(sigstoretest.Email("evil@example.org")), signOptions{Log: logged})
		},
			by: subject(Identity{Issuer: devIssuer, SubjectRegExp: `dev@example\.com|boss@example\.com`}), want: theirs, why: "evil@example.org"},
		"second of two identities": {make: func(w *world) made { return sign(w, w.dev(), signOptions{Log: logged}) },
			by: func(w *world) Authority {
				return w.keyless(Identity{Issuer: "https://else.example", Subject: "x"}, Identity{IssuerRegExp: `https://accounts\.example\.com`, SubjectRegExp: `.*@example\.com`})
			}, want: valid},
		"issuer of one identity, subject of another": {make: func(w *world) made { return sign(w, w.dev(), signOptions{Log: logged}) },
			by: func(w *world) Authority {
				return w.keyless(Identity{Issuer: devIssuer, Subject: "x@example.com"}, Identity{Issuer: "https://else.example", Subject: dev})
			}, want: theirs, why: dev},
		"the right repository": {make: func(w *world) made { return sign(w, w.Keyless(github), signOptions{Log: logged}) }, by: func(w *world) Authority {
			id := githubID
			id.Extensions = map[string]string{"sourceRepositoryURI": "https://github.com/acme/app"}
			return w.keyless(id)
		}, want: valid},
		"a reusable workflow called by another repository": {make: func(w *world) made { return sign(w, w.Keyless(github), signOptions{Log: logged}) }, by: func(w *world) Authority {
			id := githubID
			id.Extensions = map[string]string{"sourceRepositoryURI": "https://github.com/acme/other"}
			return w.keyless(id)
		}, want: theirs, why: "sourceRepositoryURI"},
		"another sigstore": {make: func(w *world) made {
			evil := sigstoretest.New(t)
			by := evil.Keyless(sigstoretest.Email(dev))
			return made{bundle: evil.Bundle(sigstoretest.SignatureStatement(w.image), by, signOptions{Log: logged}), tag: evil.TagSignature(w.image, by, signOptions{Log: logged})}
		}, by: keyless, want: foul, why: "log"},
		"another Fulcio, our log": {make: func(w *world) made {
			by := sigstoretest.New(t).Keyless(sigstoretest.Email(dev))
			return sign(w, by, signOptions{Log: logged})
		}, by: keyless, want: foul, why: "certificate"},
		"our Fulcio, another log": {make: func(w *world) made {
			evil := sigstoretest.New(t)
			by := w.dev()
			return made{bundle: evil.Bundle(sigstoretest.SignatureStatement(w.image), by, signOptions{Log: logged}), tag: evil.TagSignature(w.image, by, signOptions{Log: logged})}
		}, by: keyless, want: foul, why: "log"},
		"no SCT": {make: func(w *world) made {
			w.NoSCT = true
			return sign(w, w.dev(), signOptions{Log: logged})
		}, by: keyless, want: foul, why: "certificate transparency log"},
		"no SCT, where that is accepted": {make: func(w *world) made {
			w.NoSCT = true
			return sign(w, w.dev(), signOptions{Log: logged})
		}, by: func(w *world) Authority {
			a := w.keyless()
			a.Keyless.SCTOptional = true
			return a
		}, want: valid},
		"signed after the certificate expired": {make: func(w *world) made {
			w.IssueTime = time.Now().Add(-3 * hour)
			return sign(w, w.dev(), signOptions{Log: logged})
		}, by: keyless, want: foul, why: "not valid", tagWhy: "expired"},
		"signed before the certificate was valid": {make: func(w *world) made {
			w.IssueTime = time.Now().Add(-hour)
			by := w.dev()
			w.LogTime = time.Now().Add(-2 * hour)
			return sign(w, by, signOptions{Log: logged})
		}, by: keyless, want: foul, why: "not valid", tagWhy: "not yet valid"},
		"signed while the certificate was valid, long ago": {make: func(w *world) made {
			w.IssueTime = time.Now().Add(-3 * hour)
			w.LogTime = w.IssueTime.Add(time.Minute)
			return sign(w, w.dev(), signOptions{Log: logged})
		}, by: keyless, want: valid},
		"expired, no proof of time": {make: func(w *world) made {
			w.IssueTime = time.Now().Add(-3 * hour)
			return sign(w, w.dev(), signOptions{})
		}, by: lenient, want: foul, why: "nothing that verifies proves", tagWhy: "nothing proves"},
		"expired, stamped in time, log optional": {make: func(w *world) made {
			w.IssueTime = time.Now().Add(-3 * hour)
			w.TSATime = w.IssueTime.Add(time.Minute)
			return sign(w, w.dev(), signOptions{TSA: true})
		}, by: lenient, want: valid},
		"stamped after the certificate expired": {make: func(w *world) made {
			w.IssueTime = time.Now().Add(-3 * hour)
			return sign(w, w.dev(), signOptions{TSA: true})
		}, by: lenient, want: foul, why: "expired"},
		"stamped by another authority": {make: func(w *world) made {
			evil := sigstoretest.New(t)
			by := w.dev()
			w.IssueTime = time.Time{}
			m := sign(w, by, signOptions{Log: logged})
			e := made{bundle: evil.Bundle(sigstoretest.SignatureStatement(w.image), by, signOptions{TSA: true}), tag: m.tag.Clone()}
			m.bundle.VerificationMaterial.TimestampVerificationData = e.bundle.VerificationMaterial.TimestampVerificationData
			m.tag.Annotations[sigstoretest.TimestampAnnotation] = evil.TagSignature(w.image, by, signOptions{TSA: true}).Annotations[sigstoretest.TimestampAnnotation]
			return m
		}, by: func(w *world) Authority {
			a := w.keyless()
			a.TimestampRequired = true
			return a
		}, want: foul, why: "timestamp"},
		"no timestamp where one is demanded": {make: func(w *world) made { return sign(w, w.dev(), signOptions{Log: logged}) }, by: func(w *world) Authority {
			a := w.keyless()
			a.TimestampRequired = true
			return a
		}, want: foul, why: "timestamp"},
		"the timestamp of another signature": {make: func(w *world) made {
			by := w.dev()
			a, b := sign(w, by, signOptions{Log: logged, TSA: true}), sign(w, by, signOptions{TSA: true})
			a.bundle.VerificationMaterial.TimestampVerificationData = b.bundle.VerificationMaterial.TimestampVerificationData
			a.tag.Annotations[sigstoretest.TimestampAnnotation] = b.tag.Annotations[sigstoretest.TimestampAnnotation]
			return a
		}, by: func(w *world) Authority {
			a := w.keyless()
			a.TimestampRequired = true
			return a
		}, want: foul, why: "timestamp"},
		"expired intermediate (CVE-2026-24122)": {
			opts: []sigstoretest.Option{sigstoretest.WithIntermediate(time.Now().Add(-48*hour), time.Now().Add(-2*hour))},
			make: func(w *world) made {
				w.IssueTime, w.LeafValidity = time.Now().Add(-3*hour), 24*hour
				return sign(w, w.dev(), signOptions{Log: logged})
			}, by: keyless, want: foul, why: "certificate", tagWhy: "authority's own certificate was not valid"},
		"expired intermediate, no proof of time": {
			opts: []sigstoretest.Option{sigstoretest.WithIntermediate(time.Now().Add(-48*hour), time.Now().Add(-2*hour))},
			make: func(w *world) made {
				w.IssueTime, w.LeafValidity = time.Now().Add(-3*hour), 24*hour
				return sign(w, w.dev(), signOptions{})
			}, by: lenient, want: foul, why: "authority's own certificate was not valid"},
		"the log vouches for another artifact": {make: func(w *world) made {
			other := w.other("the other")
			by := w.dev()
			m := sign(w, by, signOptions{Log: logged})
			o := made{bundle: w.Bundle(sigstoretest.SignatureStatement(other), by, signOptions{Log: logged}), tag: w.TagSignature(other, by, signOptions{Log: logged})}
			m.bundle.VerificationMaterial.TlogEntries = o.bundle.VerificationMaterial.TlogEntries
			m.tag.Annotations[sigstoretest.BundleAnnotation] = o.tag.Annotations[sigstoretest.BundleAnnotation]
			return m
		}, by: keyless, want: foul, why: "its log entry is of another"},
		"the log's promise is of another entry": {make: func(w *world) made {
			by := w.dev()
			a, b := sign(w, by, signOptions{Log: logged}), sign(w, by, signOptions{Log: logged})
			a.bundle.VerificationMaterial.TlogEntries[0].IntegratedTime++
			a.tag.Annotations[sigstoretest.BundleAnnotation] = alter(t, b.tag.Annotations[sigstoretest.BundleAnnotation], func(m map[string]any) {
				p := m["Payload"].(map[string]any)
				p["integratedTime"] = p["integratedTime"].(float64) + 1
			})
			return a
		}, by: keyless, want: foul, why: "log"},
		"log entry with our key, by the wrong signer": {make: func(w *world) made {
			a, b := sign(w, key.Signer(), signOptions{}), sign(w, second.Signer(), signOptions{Log: logged})
			a.bundle.VerificationMaterial.TlogEntries = b.bundle.VerificationMaterial.TlogEntries
			a.tag.Annotations[sigstoretest.BundleAnnotation] = b.tag.Annotations[sigstoretest.BundleAnnotation]
			return a
		}, by: keyedLogged, want: foul, why: "its log entry is of another"},
		"another image's signature": {make: func(w *world) made {
			other := w.other("the other")
			return made{bundle: w.Bundle(sigstoretest.SignatureStatement(other), w.dev(), signOptions{Log: logged}), tag: w.TagSignature(other, w.dev(), signOptions{Log: logged})}
		}, by: keyless, want: foul, why: "not about sha256:"},
		"another image's signature, key": {make: func(w *world) made {
			other := w.other("the other")
			return made{bundle: w.Bundle(sigstoretest.SignatureStatement(other), key.Signer(), signOptions{}), tag: w.TagSignature(other, key.Signer(), signOptions{})}
		}, by: keyed, want: foul, why: "not about sha256:"},
		"altered payload, key": {make: func(w *world) made {
			other := w.other("the other")
			m := made{bundle: w.Bundle(sigstoretest.SignatureStatement(other), key.Signer(), signOptions{}), tag: w.TagSignature(other, key.Signer(), signOptions{})}
			m.bundle.GetDsseEnvelope().Payload = sigstoretest.SignatureStatement(w.image)
			m.tag.Payload = bytes.ReplaceAll(m.tag.Payload, []byte(other.DigestStr()), []byte(w.image.DigestStr()))
			return m
		}, by: keyed, want: theirs, why: "altered"},
		"altered payload, keyless": {make: func(w *world) made {
			other := w.other("the other")
			by := w.dev()
			m := made{bundle: w.Bundle(sigstoretest.SignatureStatement(other), by, signOptions{Log: logged}), tag: w.TagSignature(other, by, signOptions{Log: logged})}
			m.bundle.GetDsseEnvelope().Payload = sigstoretest.SignatureStatement(w.image)
			m.tag.Payload = bytes.ReplaceAll(m.tag.Payload, []byte(other.DigestStr()), []byte(w.image.DigestStr()))
			return m
		}, by: keyless, want: foul, why: "its log entry is of another"},
		"altered payload, keyless without log": {make: func(w *world) made {
			other := w.other("the other")
			by := w.dev()
			m := made{bundle: w.Bundle(sigstoretest.SignatureStatement(other), by, signOptions{}), tag: w.TagSignature(other, by, signOptions{})}
			m.bundle.GetDsseEnvelope().Payload = sigstoretest.SignatureStatement(w.image)
			m.tag.Payload = bytes.ReplaceAll(m.tag.Payload, []byte(other.DigestStr()), []byte(w.image.DigestStr()))
			return m
		}, by: lenient, want: foul, why: "altered"},
		"somebody else's certificate beside the signature of our key": {make: func(w *world) made {
			m := sign(w, key.Signer(), signOptions{})
			m.tag.Annotations[sigstoretest.CertificateAnnotation] = string(sigstoretest.CertificatesPEM(w.dev().Cert))
			m.bundle = nil
			return m
		}, by: keyed, want: valid},
		"our developer's certificate beside another key's signature": {make: func(w *world) made {
			by := w.dev()
			m := sign(w, second.Signer(), signOptions{Log: logged})
			m.tag.Annotations[sigstoretest.CertificateAnnotation] = string(sigstoretest.CertificatesPEM(by.Cert))
			m.bundle.VerificationMaterial.Content = sign(w, by, signOptions{}).bundle.VerificationMaterial.Content
			return m
		}, by: keyless, want: foul, why: "another signer"},
		"the SBOM of the image": {make: func(w *world) made {
			st := sigstoretest.Statement(w.image, "https://spdx.dev/Document", map[string]any{"spdxVersion": "SPDX-2.3"})
			return made{bundle: w.Bundle(st, w.dev(), signOptions{Log: logged}), att: w.TagAttestation(st, w.dev(), signOptions{Log: logged})}
		}, by: keyless, want: valid},
		"another image's attestation": {make: func(w *world) made {
			st := sigstoretest.Statement(w.other("the other"), "https://spdx.dev/Document", map[string]any{})
			return made{bundle: w.Bundle(st, w.dev(), signOptions{Log: logged}), att: w.TagAttestation(st, w.dev(), signOptions{Log: logged})}
		}, by: keyless, want: foul, why: "not about sha256:"},
		"attestation by another developer": {make: func(w *world) made {
			st := sigstoretest.Statement(w.image, "https://spdx.dev/Document", map[string]any{})
			by := w.Keyless(sigstoretest.Email("evil@example.com"))
			return made{bundle: w.Bundle(st, by, signOptions{Log: logged}), att: w.TagAttestation(st, by, signOptions{Log: logged})}
		}, by: keyless, want: theirs, why: "evil@example.com"},
		"attestation with the log entry of another": {make: func(w *world) made {
			by := w.dev()
			one := sigstoretest.Statement(w.image, "https://spdx.dev/Document", map[string]any{"a": 1})
			two := sigstoretest.Statement(w.image, "https://spdx.dev/Document", map[string]any{"a": 2})
			m := made{bundle: w.Bundle(one, by, signOptions{Log: logged}), att: w.TagAttestation(one, by, signOptions{Log: logged})}
			o := made{bundle: w.Bundle(two, by, signOptions{Log: logged}), att: w.TagAttestation(two, by, signOptions{Log: logged})}
			m.bundle.VerificationMaterial.TlogEntries = o.bundle.VerificationMaterial.TlogEntries
			m.att.Annotations[sigstoretest.BundleAnnotation] = o.att.Annotations[sigstoretest.BundleAnnotation]
			return m
		}, by: keyless, want: foul, why: "its log entry is of another"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, form := range []string{"bundle", "tag", "att"} {
				w := newWorld(t, form == "tag", c.opts...)
				m := c.make(w)
				reason := c.why
				switch {
				case form == "bundle" && m.bundle != nil:
					sigstoretest.PushBundle(t, w.image, w.JSON(m.bundle))
				case form == "tag" && m.tag != nil:
					w.tag("sig", m.tag)
				case form == "att" && m.att != nil:
					w.tag("att", m.att)
				default:
					continue
				}
				if form != "bundle" && c.tagWhy != "" {
					reason = c.tagWhy
				}
				item, check := only(t, w.verify(c.by(w)))
				t.Logf("%s: %s: %s", form, check.Result, check.Reason)
				wantCheck(t, check, c.want, reason)
				if form == "att" && item.Kind != evidence.KindAttestation || form == "tag" && item.Kind != evidence.KindSignature {
					t.Errorf("kind %s", item.Kind)
				}
				if strings.Contains(item.PredicateType, "spdx") && item.Kind != evidence.KindAttestation {
					t.Errorf("an SBOM is a %s", item.Kind)
				}
			}
		})
	}
}

// alter changes a JSON document.
func alter(t testing.TB, doc string, f func(map[string]any)) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		t.Fatal(err)
	}
	f(m)
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestUnreadable: what cannot be read is told, does not end the program, and hides nothing else.
func TestUnreadable(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	by := w.dev()
	good := w.TagSignature(w.image, key.Signer(), signOptions{})
	logged := w.TagSignature(w.image, by, signOptions{Log: sigstoretest.LogV1, TSA: true})
	statement := sigstoretest.Statement(w.image, "https://spdx.dev/Document", map[string]any{})
	att := w.TagAttestation(statement, key.Signer(), signOptions{})
	bundle := w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), by, signOptions{Log: sigstoretest.LogV1}))
	ann := func(item *sigstoretest.TagItem, key, value string) *sigstoretest.TagItem {
		c := item.Clone()
		c.Annotations[key] = value
		return c
	}
	body := func(item *sigstoretest.TagItem, payload string) *sigstoretest.TagItem {
		c := item.Clone()
		c.Payload = []byte(payload)
		return c
	}
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	entry := func(f func(map[string]any)) string {
		return alter(t, logged.Annotations[sigstoretest.BundleAnnotation], f)
	}
	altered := func(f func(map[string]any)) []byte { return []byte(alter(t, string(bundle), f)) }
	dsse := func(payload any) []byte {
		return altered(func(m map[string]any) { m["dsseEnvelope"].(map[string]any)["payload"] = payload })
	}
	encoded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	envelope := func(payload any) string {
		return alter(t, string(att.Payload), func(m map[string]any) { m["payload"] = payload })
	}
	for name, c := range map[string]struct {
		sig, att *sigstoretest.TagItem
		bundle   []byte
		want     string
	}{
		"blank certificate":                    {sig: ann(logged, sigstoretest.CertificateAnnotation, " \n\t "), want: "no certificate"},
		"certificate that is none":             {sig: ann(logged, sigstoretest.CertificateAnnotation, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), want: "certificate"},
		"huge certificate annotation":          {sig: ann(logged, sigstoretest.CertificateAnnotation, strings.Repeat("x", 2<<20)), want: "more than"},
		"certificates without end":             {sig: ann(logged, sigstoretest.ChainAnnotation, strings.Repeat(string(sigstoretest.CertificatesPEM(by.Cert)), 50)), want: "holds 50 certificates"},
		"blank chain":                          {sig: ann(logged, sigstoretest.ChainAnnotation, " "), want: "no certificate"},
		"log entry whose body is a number":     {sig: ann(logged, sigstoretest.BundleAnnotation, entry(func(m map[string]any) { m["Payload"].(map[string]any)["body"] = 7 })), want: "no string"},
		"log entry without a body":             {sig: ann(logged, sigstoretest.BundleAnnotation, "{}"), want: "no string"},
		"log entry that is null":               {sig: ann(logged, sigstoretest.BundleAnnotation, "null"), want: "no string"},
		"log entry of no base64":               {sig: ann(logged, sigstoretest.BundleAnnotation, entry(func(m map[string]any) { m["Payload"].(map[string]any)["body"] = "%%" })), want: "base64"},
		"log entry that nests":                 {sig: ann(logged, sigstoretest.BundleAnnotation, entry(func(m map[string]any) { m["Payload"].(map[string]any)["body"] = encoded(deep) })), want: "JSON"},
		"log entry annotation that nests":      {sig: ann(logged, sigstoretest.BundleAnnotation, deep), want: "JSON"},
		"empty timestamp":                      {sig: ann(logged, sigstoretest.TimestampAnnotation, "{}"), want: "no timestamp"},
		"blank signature":                      {sig: ann(good, sigstoretest.SignatureAnnotation, ""), want: "no signature"},
		"signature of no base64":               {sig: ann(good, sigstoretest.SignatureAnnotation, "!!"), want: "no signature"},
		"payload that nests":                   {sig: body(good, deep), want: "JSON"},
		"payload that is no JSON":              {sig: body(good, "hello"), want: "JSON"},
		"payload with a digest twice":          {sig: body(good, strings.Replace(string(good.Payload), `{"critical"`, `{"critical":{},"critical"`, 1)), want: "JSON"},
		"payload about nothing":                {sig: body(good, "{}"), want: "no digest"},
		"attestation among signatures":         {sig: ann(att, sigstoretest.SignatureAnnotation, "AAAA"), want: "attestation"},
		"signature among attestations":         {att: good, want: "no DSSE envelope"},
		"envelope whose payload is a number":   {att: body(att, envelope(7)), want: "envelope"},
		"envelope with no statement":           {att: body(att, envelope(encoded("[]"))), want: "statement"},
		"envelope with a statement that nests": {att: body(att, envelope(encoded(deep))), want: "JSON"},
		"envelope with two payloads":           {att: body(att, strings.Replace(string(att.Payload), `{`, `{"payload":"e30=",`, 1)), want: "JSON"},
		"envelope with signatures without end": {att: body(att, alter(t, string(att.Payload), func(m map[string]any) {
			m["signatures"] = make([]map[string]string, 1000)
		})), want: "more than 32"},
		"envelope with another payload type": {att: body(att, alter(t, string(att.Payload), func(m map[string]any) { m["payloadType"] = "text/plain" })), want: "text/plain"},
		"bundle that is no JSON":             {bundle: []byte("\x1f\x8b junk"), want: "JSON"},
		"bundle that nests":                  {bundle: []byte(deep), want: "JSON"},
		"bundle of nothing":                  {bundle: []byte("{}"), want: "media type"},
		"bundle that is null":                {bundle: []byte("null"), want: ""},
		"bundle of too many values":          {bundle: []byte(`{"verificationMaterial":{"tlogEntries":[` + strings.Repeat("{},", 20_000) + `{}]}}`), want: "more than 10000 values"},
		"bundle with 1000 log entries": {bundle: altered(func(m map[string]any) {
			v := m["verificationMaterial"].(map[string]any)
			all := make([]any, 100)
			for i := range all {
				all[i] = map[string]any{}
			}
			v["tlogEntries"] = all
		}), want: "log entries"},
		"bundle with an empty log entry": {bundle: altered(func(m map[string]any) {
			m["verificationMaterial"].(map[string]any)["tlogEntries"] = []any{map[string]any{}}
		}), want: "log entry has no body"},
		"bundle with a broken certificate": {bundle: altered(func(m map[string]any) {
			m["verificationMaterial"].(map[string]any)["certificate"] = map[string]any{"rawBytes": "AAAA"}
		}), want: ""},
		"bundle without verification material": {bundle: altered(func(m map[string]any) { delete(m, "verificationMaterial") }), want: ""},
		"bundle with a key it does not know":   {bundle: altered(func(m map[string]any) { m["evil"] = 1 }), want: "unknown field"},
		"statement that nests":                 {bundle: dsse(encoded(deep)), want: "JSON"},
		"statement that is a number":           {bundle: dsse(encoded("7")), want: "statement"},
		"statement without type":               {bundle: dsse(encoded("{}")), want: "in-toto"},
		"statement with 2000 subjects":         {bundle: dsse(encoded(`{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","subject":[` + strings.Repeat(`{"name":"a"},`, 2000) + `{}]}`)), want: "subjects"},
	} {
		t.Run(name, func(t *testing.T) {
			var i *item
			err := guard(func() (err error) {
				switch {
				case c.sig != nil:
					i, err = readLegacy(c.sig.Payload, c.sig.Annotations, false)
				case c.att != nil:
					i, err = readLegacy(c.att.Payload, c.att.Annotations, true)
				default:
					i, err = readBundle(c.bundle)
				}
				return err
			})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v (%v), want %q", err, i, c.want)
			}
			if strings.Contains(err.Error(), "broke off") {
				t.Errorf("that was a panic: %v", err)
			}
			// Beside it, what is good is good.
			img := w.other(name)
			switch {
			case c.sig != nil:
				sigstoretest.PushTag(t, img, "sig", c.sig, w.TagSignature(img, key.Signer(), signOptions{}))
			case c.att != nil:
				sigstoretest.PushTag(t, img, "att", c.att)
				sigstoretest.PushTag(t, img, "sig", w.TagSignature(img, key.Signer(), signOptions{}))
			default:
				sigstoretest.PushBundle(t, img, c.bundle)
				sigstoretest.PushTag(t, img, "sig", w.TagSignature(img, key.Signer(), signOptions{}))
			}
			s := w.verifyTarget(w.target(img), w.keyed(key, false))
			kinds := fmt.Sprint(len(s.Items), len(s.Problems))
			if len(c.bundle) == 0 && len(kinds) == 0 {
				t.Fatal(kinds)
			}
			var bad, fine int
			for _, i := range s.Items {
				switch {
				case i.Kind == evidence.KindUnreadable && i.Problem != "" && len(i.Checks) == 0 && i.Place != "":
					bad++
				case i.Checks[0].Result == valid:
					fine++
				}
			}
			// A manifest whose annotations are larger than manifests may be is a limit that was reached.
			if fine != 1 || bad != 1 {
				t.Errorf("items %+v, problems %+v", s.Items, s.Problems)
			}
		})
	}
}
