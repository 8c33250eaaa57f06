// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

func somewhere(t *testing.T) name.Digest {
	t.Helper()
	return Repo(t, "registry.example", "acme/app").Digest("sha256:" + fmt.Sprintf("%064d", 7))
}

// TestKnobs verifies what each knob makes: it is refused, and for its own reason.
func TestKnobs(t *testing.T) {
	now := time.Now()
	// The intermediate ended an hour ago; a leaf made before outlives it.
	expired := New(t, WithIntermediate(now.Add(-10*day), now.Add(-time.Hour)))
	expired.IssueTime, expired.LeafValidity = now.Add(-2*time.Hour), day
	for name, c := range map[string]struct {
		stack *Stack
		turn  func(s *Stack)
		o     SignOptions
		says  string
	}{
		"no SCT":                {turn: func(s *Stack) { s.NoSCT = true }, o: SignOptions{Log: LogV1}, says: "signed certificate timestamp"},
		"expired leaf":          {turn: func(s *Stack) { s.IssueTime = now.Add(-time.Hour) }, o: SignOptions{Log: LogV1}, says: "integrated time outside certificate validity"},
		"log in the past":       {turn: func(s *Stack) { s.LogTime = now.Add(-time.Hour) }, o: SignOptions{Log: LogV1}, says: "integrated time outside certificate validity"},
		"timestamp in the past": {turn: func(s *Stack) { s.TSATime = now.Add(-time.Hour) }, o: SignOptions{TSA: true}, says: "certificate"},
		"log of another":        {turn: func(s *Stack) { s.LogInstead = anotherEntry(t, s) }, o: SignOptions{Log: LogV1}, says: "does not match"},
		"log v2 of another": {turn: func(s *Stack) { s.LogInstead = func([]byte) []byte { return []byte(`{"apiVersion":"0.0.2"}`) } },
			o: SignOptions{Log: LogV2, TSA: true}, says: "entry"},
		"trusted later":        {turn: func(s *Stack) { s.TrustFrom = now.Add(time.Hour) }, o: SignOptions{Log: LogV1}, says: ""},
		"expired intermediate": {stack: expired, turn: func(*Stack) {}, o: SignOptions{TSA: true}, says: "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.stack
			if s == nil {
				s = New(t)
			}
			c.turn(s)
			image := somewhere(t)
			b := s.JSON(s.Bundle(SignatureStatement(image), s.Keyless(Email("dev@example.com")), c.o))
			w := want{stack: s, issuer: EmailIssuer, subject: "dev@example.com", log: c.o.Log, tsa: c.o.TSA}
			if _, err := w.bundle(t, b, ofImage(t, image)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error with %q", err, c.says)
			}
		})
	}
}

// anotherEntry makes the log vouch for an entry about another signature.
func anotherEntry(t *testing.T, s *Stack) func([]byte) []byte {
	t.Helper()
	by := NewKey(t, ECDSA).Signer()
	body, err := canonicalize(s.dsseEntry(by, s.json(envelope{PayloadType: InTotoType, Payload: []byte("{}"),
		Signatures: []envelopeSignature{{Sig: s.sign(by, pae(InTotoType, []byte("{}")))}}})))
	if err != nil {
		t.Fatal(err)
	}
	return func([]byte) []byte { return body }
}

func TestExtensions(t *testing.T) {
	s := New(t)
	for _, c := range []Claims{GitHub("acme/app", "release.yml", "refs/heads/main"), GitLab("acme/app", "main")} {
		leaf := s.Keyless(c).Cert
		got, err := certificate.SummarizeCertificate(leaf)
		if err != nil {
			t.Fatal(err)
		}
		subject, _ := c.subject()
		if got.Issuer != c.str("iss") || got.SubjectAlternativeName != subject || got.BuildSignerURI != subject || got.BuildTrigger != "push" ||
			got.SourceRepositoryVisibilityAtSigning != "private" || got.RunInvocationURI == "" || !strings.HasSuffix(got.SourceRepositoryURI, "/acme/app") ||
			got.SourceRepositoryRef != "refs/heads/main" || !strings.HasSuffix(got.SourceRepositoryOwnerURI, "/acme") || got.BuildConfigDigest == "" {
			t.Errorf("%s: %+v", c.str("iss"), got)
		}
	}
}

func TestTokensOfOthersAreRefused(t *testing.T) {
	s, other := New(t), New(t)
	token := other.Token(Email("dev@example.com"))
	req, err := http.NewRequest(http.MethodPost, s.FulcioURL+"/api/v2/signingCert", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", resp.StatusCode)
	}
	if n := s.Requests()["fulcio POST /api/v2/signingCert"]; n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestRegistryFaults(t *testing.T) {
	r := NewRegistry(t, true)
	image := PushNode(t, Repo(t, r.Host, "acme/app"), SmallImage("app"))
	path := "/v2/acme/app/manifests/" + image.DigestStr()
	read := func(ctx context.Context) (int, string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.Host+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), err
	}

	r.Fault = func(_ *http.Request, n int) *Fault {
		if n == 2 {
			return &Fault{Status: http.StatusTeapot, Body: []byte("second")}
		}
		return nil
	}
	if code, _, err := read(t.Context()); code != http.StatusOK || err != nil {
		t.Errorf("first: %d, %v", code, err)
	}
	if code, body, _ := read(t.Context()); code != http.StatusTeapot || body != "second" {
		t.Errorf("second: %d %q", code, body)
	}
	if n := r.Count(http.MethodGet, path); n != 2 {
		t.Errorf("%d requests", n)
	}

	r.Fault = func(req *http.Request, _ int) *Fault {
		if req.URL.Path == path {
			return &Fault{Redirect: "/v2/"}
		}
		return nil
	}
	if code, _, err := read(t.Context()); code != http.StatusOK || err != nil {
		t.Errorf("redirected: %d, %v", code, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	r.Fault = func(*http.Request, int) *Fault { cancel(); return &Fault{Hang: true} }
	if _, _, err := read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("hanging: %v", err)
	}
}

func TestRegistriesAnswerReferrersAsTheyShould(t *testing.T) {
	for kind, status := range map[RegistryKind]int{WithReferrers: http.StatusOK, WithoutReferrers: http.StatusNotFound, Debian: http.StatusNotFound} {
		t.Run(string(kind), func(t *testing.T) {
			image := PushNode(t, Repo(t, StartRegistry(t, kind), "acme/app"), SmallImage("app"))
			s, k := New(t), NewKey(t, ECDSA)
			PushBundle(t, image, s.JSON(s.Bundle(SignatureStatement(image), k.Signer(), SignOptions{})))
			resp, err := http.Get("http://" + image.RegistryStr() + "/v2/acme/app/referrers/" + image.DigestStr())
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != status {
				t.Errorf("status %d, want %d", resp.StatusCode, status)
			}
			fallback := image.Repository.Tag(strings.Replace(image.DigestStr(), ":", "-", 1))
			if _, err := remote.Head(fallback); (err == nil) != (status == http.StatusNotFound) {
				t.Errorf("fallback tag: %v", err)
			}
			if types, err := (want{stack: s, key: k}).bundles(t, image); len(types) != 1 || err != nil {
				t.Errorf("%q, %v", types, err)
			}
		})
	}
}
