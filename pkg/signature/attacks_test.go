// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"encoding/json"
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
		"altered payload, key": {make: func(w *world) made { // a bundle names its key
			m := made{bundle: w.Bundle(sigstoretest.SignatureStatement(w.other("the other")), key.Signer(), signOptions{})}
			m.bundle.GetDsseEnvelope().Payload = sigstoretest.SignatureStatement(w.image)
			return m
		}, by: keyed, want: foul, why: "altered"},
		"altered payload, key, tag": {make: func(w *world) made {
			other := w.other("the other")
			m := made{tag: w.TagSignature(other, key.Signer(), signOptions{})}
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
