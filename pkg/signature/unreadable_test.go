// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

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
