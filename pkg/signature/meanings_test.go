// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

// TestStatementsOfTwoMeanings: a signed statement is about what its members say by their
// exact names, in whatever form it is kept. Another reader might see another image in it,
// or another document.
func TestStatementsOfTwoMeanings(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	hex := strings.TrimPrefix(w.image.DigestStr(), "sha256:")
	about := func(algorithm, digest string) string {
		return `[{"name":"x","digest":{"` + algorithm + `":"` + digest + `"}}]`
	}
	ours, others := about("sha256", hex), about("sha256", strings.Repeat("0", 64))
	const sbom = `"predicateType":"https://spdx.dev/Document","predicate":{"a":1}`
	for name, c := range map[string]struct {
		subject, rest string
		// att and bundle are the results in the two forms; empty: it cannot be read.
		att, bundle evidence.CheckResult
		why         string
	}{
		"plain":                      {ours, sbom, valid, valid, ""},
		"two subjects, one is ours":  {strings.TrimSuffix(others, "]") + "," + ours[1:], sbom, valid, valid, ""},
		"another Subject after":      {others, sbom + `,"Subject":` + ours, foul, foul, "not about sha256:" + hex},
		"another Subject before":     {others + `,"SUBJECT":` + ours, sbom, foul, foul, "not about sha256:" + hex},
		"another PredicateType":      {ours, sbom + `,"PredicateType":"https://slsa.dev/provenance/v1"`, valid, foul, ""},
		"another Predicate":          {ours, sbom + `,"Predicate":{"a":2}`, valid, foul, ""},
		"predicateType twice":        {ours, sbom + `,"predicateType":"https://slsa.dev/provenance/v1"`, "", "", ""},
		"predicate twice":            {ours, sbom + `,"predicate":{"a":2}`, "", "", ""},
		"a key twice, far inside":    {ours, `"predicateType":"https://spdx.dev/Document","predicate":{"a":1,"b":[{"c":1,"c":2}]}`, "", "", ""},
		"subject twice":              {others + `,"subject":` + ours, sbom, "", "", ""},
		"digest twice":               {`[{"digest":{"sha256":"` + strings.Repeat("0", 64) + `","sha256":"` + hex + `"}}]`, sbom, "", "", ""},
		"NaN":                        {ours, `"predicateType":"https://spdx.dev/Document","predicate":{"a":NaN}`, "", "", ""},
		"two statements in a row":    {ours, sbom + `}{"_type":"https://in-toto.io/Statement/v1"`, "", "", ""},
		"PREDICATETYPE only":         {ours, `"PREDICATETYPE":"https://spdx.dev/Document","predicate":{}`, "", "", ""},
		"uppercase hex":              {about("sha256", strings.ToUpper(hex)), sbom, foul, foul, "not about"},
		"a space before":             {about("sha256", " "+hex), sbom, foul, foul, "not about"},
		"SHA256":                     {about("SHA256", hex), sbom, foul, foul, "no SHA-256 digest"},
		"our digest as SHA-512":      {about("sha512", hex), sbom, foul, foul, "no SHA-256 digest"},
		"SHA-512 of something":       {about("sha512", hex+hex), sbom, foul, foul, "no SHA-256 digest"},
		"no digest":                  {`[{"name":"` + w.image.DigestStr() + `"}]`, sbom, foul, foul, "no SHA-256 digest"},
		"no subject":                 {`[]`, sbom, foul, foul, "no SHA-256 digest"},
		"null":                       {`null`, sbom, foul, foul, "no SHA-256 digest"},
		"its digest with its prefix": {about("sha256", w.image.DigestStr()), sbom, foul, foul, "not about"},
	} {
		t.Run(name, func(t *testing.T) {
			statement := []byte(`{"_type":"https://in-toto.io/Statement/v1","subject":` + c.subject + `,` + c.rest + `}`)
			forms := map[string]evidence.CheckResult{"att": c.att, "bundle": c.bundle}
			for form, want := range forms {
				w := newWorld(t, form == "bundle")
				w.image = w.image.Repository.Digest("sha256:" + hex) // the same content, so the same digest
				if form == "att" {
					w.tag("att", w.TagAttestation(statement, key.Signer(), signOptions{}))
				} else {
					sigstoretest.PushBundle(t, w.image, w.JSON(w.Bundle(statement, key.Signer(), signOptions{})))
				}
				target := w.target(w.image)
				target.KeepPredicate = func(string) bool { return true }
				s := w.verifyTarget(target, w.keyed(key, false))
				if want == "" {
					if len(s.Items) != 1 || s.Items[0].Kind != evidence.KindUnreadable || s.Items[0].Problem == "" {
						t.Errorf("%s: %+v", form, s)
					}
					continue
				}
				item, check := only(t, s)
				if check.Result != want || !strings.Contains(check.Reason, c.why) {
					t.Errorf("%s: %+v, want %s: %s", form, check, want, c.why)
				}
				if want == valid {
					if p, _ := json.Marshal(item.Predicate); string(p) != `{"a":1}` || item.PredicateType != "https://spdx.dev/Document" {
						t.Errorf("%s: %s %s", form, item.PredicateType, p)
					}
				}
			}
		})
	}
}

// TestPayloadOfTwoMeanings is the same for the payload of the tag format.
func TestPayloadOfTwoMeanings(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	critical := func(digest string) string {
		return `{"identity":{"docker-reference":""},"image":{"docker-manifest-digest":"` + digest + `"},"type":"cosign container image signature"}`
	}
	zeros := critical("sha256:" + strings.Repeat("0", 64))
	for name, c := range map[string]struct{ payload, why string }{
		"another Critical after":  {`{"critical":` + zeros + `,"Critical":` + critical(w.image.DigestStr()) + `,"optional":null}`, "not about"},
		"another Critical before": {`{"CRITICAL":` + critical(w.image.DigestStr()) + `,"critical":` + zeros + `,"optional":null}`, "not about"},
		"uppercase hex":           {`{"critical":` + critical("sha256:"+strings.ToUpper(w.image.DigestStr()[7:])) + `,"optional":null}`, "not about"},
	} {
		t.Run(name, func(t *testing.T) {
			w.tag("sig", w.TagPayload([]byte(c.payload), key.Signer(), signOptions{}))
			_, check := only(t, w.verify(w.keyed(key, false)))
			wantCheck(t, check, foul, c.why)
		})
	}
}

// TestCertificatesOfSeveralNames: whom a certificate names is its first name, of which
// URIs come before addresses; another one beside it makes nobody else of the signer.
func TestCertificatesOfSeveralNames(t *testing.T) {
	w := newWorld(t, true)
	ca := issue(t, "own ca", nil)
	root := &TrustedRoot{Name: "ca", CA: ca.pem()}
	const evil = "evil@example.com"
	u, err := url.Parse("https://evil.example/" + dev)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		emails []string
		uris   []*url.URL
		want   evidence.CheckResult
	}{
		"one":                  {[]string{dev}, nil, valid},
		"ours first":           {[]string{dev, evil}, nil, valid},
		"ours second":          {[]string{evil, dev}, nil, theirs},
		"a URI beside ours":    {[]string{dev}, []*url.URL{u}, theirs},
		"both in one":          {[]string{evil + "," + dev}, nil, theirs},
		"none":                 {nil, nil, theirs},
		"look-alike, in ASCII": {[]string{"dev@examp1e.com"}, nil, theirs},
		"punycode":             {[]string{"dev@xn--xample-9uf.com"}, nil, theirs},
		"uppercase":            {[]string{"DEV@example.com"}, nil, theirs},
	} {
		t.Run(name, func(t *testing.T) {
			leaf := issue(t, "leaf", &ca, leafCert(x509.ExtKeyUsageCodeSigning), func(x *x509.Certificate) { x.EmailAddresses, x.URIs = c.emails, c.uris })
			by := signer0{Key: sigstoretest.NewKey(t, sigstoretest.ECDSA), Cert: leaf.Certificate}
			by.Key.Private = leaf.key
			img := w.other(name)
			sigstoretest.PushTag(t, img, "sig", w.TagSignature(img, by, signOptions{}))
			sigstoretest.PushBundle(t, img, w.JSON(w.Bundle(sigstoretest.SignatureStatement(img), by, signOptions{})))
			a := Authority{Name: "people", LogOptional: true, Keyless: &Keyless{SCTOptional: true, TrustedRoot: root,
				Identities: []Identity{{Issuer: "CN=own ca", Subject: dev}}}}
			s := w.verifyTarget(w.target(img), a)
			if len(s.Items) != 2 || len(s.Problems) != 0 {
				t.Fatalf("%+v", s)
			}
			for _, i := range s.Items {
				if got := i.Checks[0]; got.Result != c.want && (c.want == valid || got.Result == valid) {
					t.Errorf("%s: %+v", i.Format, got)
				}
			}
		})
	}
}

// TestRegistryBusy: a registry that is busy or in trouble has not said that there is nothing,
// and where it sends us to stands nowhere with what may be a secret in it.
func TestRegistryBusy(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	w.tag("sig", w.TagSignature(w.image, key.Signer(), signOptions{}))
	to := func(where string) *sigstoretest.Fault {
		return &sigstoretest.Fault{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {where}}}
	}
	for name, c := range map[string]struct {
		fault *sigstoretest.Fault
		hint  string
	}{
		"429":                     {fault: &sigstoretest.Fault{Status: 429}, hint: "limits requests"},
		"500":                     {fault: &sigstoretest.Fault{Status: 500}, hint: "in trouble"},
		"503":                     {fault: &sigstoretest.Fault{Status: 503}, hint: "in trouble"},
		"teapot":                  {fault: &sigstoretest.Fault{Status: 418}},
		"gone":                    {fault: &sigstoretest.Fault{Status: 410}},
		"no content":              {fault: &sigstoretest.Fault{Status: 204}},
		"redirect":                {fault: to("http://127.0.0.1:1/x?X-Amz-Signature=SECRET&token=SECRET")},
		"redirect with a user":    {fault: to("http://user:SECRET@127.0.0.1:1/SECRETLESS")},
		"redirect to a file":      {fault: to("file:///etc/passwd")},
		"redirect without end":    {fault: to("?")},
		"redirect to nowhere":     {fault: &sigstoretest.Fault{Status: http.StatusFound}},
		"a token that is no JSON": {fault: &sigstoretest.Fault{Status: 401, Header: http.Header{"Www-Authenticate": {"Bearer realm=SECRET"}}}, hint: "log in"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{".sig", "/blobs/", "/referrers/"} {
				w.registry.Fault = func(r *http.Request, _ int) *sigstoretest.Fault {
					if strings.Contains(r.URL.Path, path) {
						return c.fault
					}
					return nil
				}
				s := w.verify(w.keyed(key, false))
				if len(s.Problems) != 1 || s.Problems[0].Message == "" || !strings.Contains(s.Problems[0].Hint, c.hint) {
					t.Errorf("%s: %+v", path, s)
				}
				if b, _ := json.Marshal(s); strings.Contains(strings.ReplaceAll(string(b), "SECRETLESS", ""), "SECRET") {
					t.Errorf("%s: a secret is shown: %s", path, b)
				}
			}
		})
	}
}
