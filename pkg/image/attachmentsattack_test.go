// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// hostile answers everything but the ping.
func hostile(t testing.TB, answer http.HandlerFunc) string {
	registry := imagetest.NewRegistry(t)
	registry.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v2/" {
			return false
		}
		answer(w, r)
		return true
	}
	return registry.Host + "/app"
}

// status answers with a status and a body.
func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// list answers with a list of referrers.
func list(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", string(types.OCIImageIndex))
	_, _ = io.WriteString(w, body)
}

// endless writes until the reader has enough.
func endless(w http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := w.Write(make([]byte, 1<<16)); err != nil {
			return
		}
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to+r.URL.Path, http.StatusTemporaryRedirect)
	}
}

var subject = imagetest.Digest([]byte("subject"))

// asks are the three questions.
func asks(ctx context.Context, a *image.Attachments) map[string]func() error {
	return map[string]func() error{
		"tag":       func() error { _, _, err := a.Manifest(ctx, dashed(subject)+".sig"); return err },
		"digest":    func() error { _, _, err := a.Manifest(ctx, subject.String()); return err },
		"blob":      func() error { _, err := a.Blob(ctx, subject, 1<<20); return err },
		"referrers": func() error { _, err := a.Referrers(ctx, subject); return err },
	}
}

// TestRefusals: what a registry does not say is never "there is none".
func TestRefusals(t *testing.T) {
	denied := `{"errors":[{"code":"DENIED","message":"no"}]}`
	named := func(repository string) string { return strings.Replace(repository, "127.0.0.1", "localhost", 1) }
	for _, c := range []struct {
		name, repository string
		kind             image.ErrorKind
		word             string
	}{
		{"401", hostile(t, status(401, "")), image.KindUnauthorized, "docker login"},
		{"403", hostile(t, status(403, denied)), image.KindUnauthorized, "docker login"},
		{"404 that means 403", hostile(t, status(404, denied)), image.KindUnauthorized, "docker login"},
		{"429", hostile(t, status(429, "")), image.KindNetwork, "limits requests"},
		{"500", hostile(t, status(500, "")), image.KindNetwork, "try again"},
		{"endless error", hostile(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500); endless(w, r) }), image.KindNetwork, ""},
		{"metadata service", named(hostile(t, redirect("http://169.254.169.254"))), image.KindNetwork, "169.254.169.254 is refused"},
		{"endless redirects", hostile(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}), image.KindNetwork, "10 redirects"},
	} {
		a := attachments(t, c.repository, options(t))
		for question, ask := range asks(t.Context(), a) {
			t.Run(c.name+"/"+question, func(t *testing.T) { wantFailure(t, ask, c.kind, c.word) })
		}
	}
}

// TestCheckRedirect: a public registry sends nobody into the network that this machine is in.
func TestCheckRedirect(t *testing.T) {
	request := func(u string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, u, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	const public, loopback = "https://registry.example.com/v2/", "http://127.0.0.1:5000/v2/"
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{public, "https://blobs.example.net/x", true},
		{public, "https://8.8.8.8/x", true},
		{public, "https://registry.example.com:8443/x", true},
		{loopback, "http://127.0.0.2:5000/x", true},
		{public, "http://blobs.example.net/x", false},
		{public, "https://127.0.0.1/x", false},
		{public, "https://10.1.2.3/x", false},
		{public, "https://169.254.169.254/x", false},
		{public, "https://100.100.100.200/x", false},
		{public, "https://[::1]/x", false},
		{public, "https://[::ffff:10.0.0.1]/x", false},
		{public, "https://[fe80::1%25eth0]/x", false},
		{public, "https://localhost/x", false},
		{public, "https://LOCALHOST./x", false},
		{public, "https://a.localhost/x", false},
		{public, "https://2130706433/x", false},
		{public, "https://127.1/x", false},
		{public, "https://0x7f.0.0.0x1/x", false},
	} {
		if err := image.CheckRedirect(request(c.to), []*http.Request{request(c.from)}); (err == nil) != c.ok {
			t.Errorf("%s to %s: %v", c.from, c.to, err)
		}
	}
}

// TestRedirectToPlainHTTP: what https protects is not fetched without it.
func TestRedirectToPlainHTTP(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			redirect("http://registry.example.com")(w, r)
		}
	}))
	defer server.Close()
	opts := options(t)
	opts.CAs = x509.NewCertPool()
	opts.CAs.AddCert(server.Certificate())
	a := attachments(t, strings.TrimPrefix(server.URL, "https://")+"/app", opts)
	for question, ask := range asks(t.Context(), a) {
		t.Run(question, func(t *testing.T) { wantFailure(t, ask, image.KindNetwork, "https to http") })
	}
}

func TestWrongBytes(t *testing.T) {
	a := attachments(t, hostile(t, status(200, "something else")), options(t))
	questions := asks(t.Context(), a)
	wantFailure(t, questions["digest"], image.KindIntegrity, subject.String())
	wantFailure(t, questions["blob"], image.KindIntegrity, subject.String())
	wantFailure(t, questions["referrers"], image.KindNotAnImage)

	a = attachments(t, hostile(t, endless), options(t))
	for question, ask := range asks(t.Context(), a) {
		t.Run("endless "+question, func(t *testing.T) { wantFailure(t, ask, image.KindLimit, "larger than") })
	}
	// A blob is no larger than what the caller has room for, to the byte.
	body := strings.Repeat("x", 100)
	a = attachments(t, hostile(t, status(200, body)), options(t))
	digest := imagetest.Digest([]byte(body))
	for _, limit := range []int64{-1, 0, 99} {
		wantFailure(t, func() error { _, err := a.Blob(t.Context(), digest, limit); return err }, image.KindLimit)
	}
	if b, err := a.Blob(t.Context(), digest, 100); err != nil || string(b) != body {
		t.Errorf("%q %v", b, err)
	}
	wantFailure(t, func() error { _, err := a.Blob(t.Context(), v1.Hash{}, 100); return err }, image.KindNotAnImage)
	wantFailure(t, func() error { _, err := a.Referrers(t.Context(), v1.Hash{}); return err }, image.KindNotAnImage)
	for _, id := range []string{"", "..", "a/b", "sha256:", "sha256:../../x", "a b", "a\nb", strings.Repeat("a", 129)} {
		wantFailure(t, func() error { _, _, err := a.Manifest(t.Context(), id); return err }, image.KindUsage)
	}
}

// TestChangedMind: the second answer for a digest must be the first one.
func TestChangedMind(t *testing.T) {
	var asked atomic.Int64
	repository := hostile(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, []string{"subject", "another"}[min(asked.Add(1)-1, 1)])
	})
	a := attachments(t, repository, options(t))
	if raw, found, err := a.Manifest(t.Context(), subject.String()); err != nil || !found || string(raw) != "subject" {
		t.Errorf("%q %v %v", raw, found, err)
	}
	wantFailure(t, asks(t.Context(), a)["digest"], image.KindIntegrity, subject.String())
}

func TestHang(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"within the answer": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"within a refusal": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(404)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		arrived := make(chan struct{}, 10)
		a := attachments(t, hostile(t, func(w http.ResponseWriter, r *http.Request) {
			arrived <- struct{}{}
			answer(w, r)
		}), options(t))
		for _, question := range []string{"tag", "digest", "blob", "referrers"} {
			t.Run(name+"/"+question, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() { <-arrived; cancel() }()
				wantFailure(t, asks(ctx, a)[question], image.KindCanceled)
			})
		}
	}
}

// A token server that has nothing says nothing about the image.
func TestTokenServerWithout(t *testing.T) {
	registry := imagetest.NewRegistry(t)
	var expired atomic.Bool
	registry.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Path == "/token" && expired.Load():
			w.WriteHeader(http.StatusNotFound)
		case r.URL.Path == "/token":
			_, _ = io.WriteString(w, `{"token":"x"}`)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+registry.Host+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
		return true
	}
	a := attachments(t, registry.Host+"/app", options(t))
	expired.Store(true)
	for question, ask := range asks(t.Context(), a) {
		if err := ask(); err == nil {
			t.Errorf("%s: no error", question)
		}
	}
	_, err := image.OpenAttachments(t.Context(), registry.Host+"/app", options(t))
	if err == nil {
		t.Error("no token, but no error")
	}
}

// Another host that has lost something does not say that there is none. A registry
// behind another name does.
func TestNotFoundElsewhere(t *testing.T) {
	other := imagetest.NewRegistry(t)
	lost := attachments(t, hostile(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+other.Host+"/bucket/object", http.StatusTemporaryRedirect)
	}), options(t))
	wantFailure(t, asks(t.Context(), lost)["tag"], image.KindNetwork, "another host")
	front := attachments(t, hostile(t, redirect("http://"+other.Host)), options(t))
	if _, found, err := front.Manifest(t.Context(), dashed(subject)+".sig"); found || err != nil {
		t.Errorf("%v %v", found, err)
	}
	wantReferrers(t, front, subject)
}

func TestReferrersOfOddRegistries(t *testing.T) {
	page := referrer("page")
	big := make([]v1.Descriptor, 0, 1100)
	for n := range cap(big) {
		big = append(big, referrer(fmt.Sprint(n)))
	}
	next := func(w http.ResponseWriter, link string) { w.Header().Set("Link", link) }
	for _, c := range []struct {
		name     string
		api, tag http.HandlerFunc
		kind     image.ErrorKind // empty: one referrer, page
		word     string
	}{
		{name: "GHCR: a web page", api: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/-/v2/packages", http.StatusSeeOther)
		}, tag: func(w http.ResponseWriter, _ *http.Request) { list(w, listOf(page)) }},
		{name: "a web server", api: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<html>")
		}, tag: func(w http.ResponseWriter, _ *http.Request) { list(w, listOf(page)) }},
		{name: "GitLab: the tag is the digest", api: func(w http.ResponseWriter, _ *http.Request) { list(w, listOf(page)) },
			tag: status(200, "subject")},
		{name: "pages", api: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "" {
				next(w, `<https://elsewhere.example.com/>; rel="preconnect", <?last=1>; rel="next"`)
				list(w, listOf())
				return
			}
			list(w, listOf(page, page))
		}},
		{name: "a loop", api: func(w http.ResponseWriter, r *http.Request) {
			next(w, `<`+r.URL.Path+`?n=1>; rel=next`)
			list(w, listOf())
		}, kind: image.KindLimit, word: "does not end"},
		{name: "no end", api: func(w http.ResponseWriter, r *http.Request) {
			next(w, fmt.Sprintf(`<?last=%s1>; rel="next"`, r.URL.Query().Get("last")))
			list(w, listOf())
		}, kind: image.KindLimit, word: "100 pages"},
		{name: "another host", api: func(w http.ResponseWriter, r *http.Request) {
			next(w, `<http://127.0.0.1:1`+r.URL.Path+`?n=1>; rel="next"`)
			list(w, listOf())
		}, kind: image.KindNetwork, word: "another place"},
		{name: "another path", api: func(w http.ResponseWriter, _ *http.Request) { next(w, `</v2/x>; rel="next"`); list(w, listOf()) }, kind: image.KindNetwork, word: "another place"},
		{name: "a page less", api: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "" {
				w.WriteHeader(404)
				return
			}
			next(w, `<?n=1>; rel="next"`)
			list(w, listOf(page))
		}, kind: image.KindNetwork, word: "page 2"},
		{name: "50 MB", api: func(w http.ResponseWriter, _ *http.Request) { list(w, strings.Repeat(" ", 50<<20)) }, kind: image.KindLimit, word: "larger than"},
		{name: "50 MB at the tag", tag: func(w http.ResponseWriter, _ *http.Request) { list(w, strings.Repeat(" ", 50<<20)) }, kind: image.KindLimit, word: "larger than"},
		{name: "50 MB in pages", api: func(w http.ResponseWriter, r *http.Request) {
			next(w, fmt.Sprintf(`<?last=%s1>; rel="next"`, r.URL.Query().Get("last")))
			list(w, listOf()+strings.Repeat(" ", 5<<20))
		}, kind: image.KindLimit, word: "larger than"},
		{name: "too many", api: func(w http.ResponseWriter, _ *http.Request) { list(w, listOf(big...)) }, kind: image.KindLimit, word: "1000 referrers"},
		{name: "no list", api: func(w http.ResponseWriter, _ *http.Request) { list(w, `{"errors":[]}`) }, kind: image.KindNetwork, word: "no list"},
		{name: "no JSON", api: func(w http.ResponseWriter, _ *http.Request) { list(w, `nope`) }, kind: image.KindNotAnImage},
		{name: "twice", api: func(w http.ResponseWriter, _ *http.Request) {
			list(w, `{"schemaVersion":2,"manifests":[],"manifests":[]}`)
		}, kind: image.KindNotAnImage},
		{name: "an image", api: func(w http.ResponseWriter, _ *http.Request) { doc, _ := sample().Document(); list(w, string(doc)) }, kind: image.KindIntegrity},
		{name: "an image at the tag", tag: func(w http.ResponseWriter, _ *http.Request) { doc, _ := sample().Document(); list(w, string(doc)) }, kind: image.KindNotAnImage, word: "no index of referrers"},
		{name: "no digest", api: func(w http.ResponseWriter, _ *http.Request) {
			list(w, `{"schemaVersion":2,"manifests":[{"digest":"sha256:x"}]}`)
		}, kind: image.KindNotAnImage},
		{name: "a null digest", api: func(w http.ResponseWriter, _ *http.Request) { list(w, `{"schemaVersion":2,"manifests":[{}]}`) }, kind: image.KindNotAnImage, word: "valid digest"},
		{name: "api forbidden", api: status(403, ""), tag: func(w http.ResponseWriter, _ *http.Request) { list(w, listOf(page)) }, kind: image.KindUnauthorized},
		{name: "tag forbidden", api: func(w http.ResponseWriter, _ *http.Request) { list(w, listOf(page)) }, tag: status(403, ""), kind: image.KindUnauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := attachments(t, hostile(t, func(w http.ResponseWriter, r *http.Request) {
				answer := c.tag
				if strings.Contains(r.URL.Path, "/referrers/") {
					answer = c.api
				}
				if answer == nil {
					answer = status(404, "")
				}
				answer(w, r)
			}), options(t))
			if c.kind == "" {
				wantReferrers(t, a, subject, page)
				return
			}
			found, err := a.Referrers(t.Context(), subject)
			wantFailure(t, func() error { return err }, c.kind, c.word)
			if strings.HasSuffix(c.name, "forbidden") && len(found) != 1 {
				t.Errorf("what was found nevertheless: %v", found)
			}
		})
	}
}

func TestRepositoryNames(t *testing.T) {
	for in, want := range map[string]string{
		"alpine": "docker.io/library/alpine", "alpine:3.20": "docker.io/library/alpine", "registry:ghcr.io/a/b@" + subject.String(): "ghcr.io/a/b",
		"localhost:5000/x:1@" + subject.String(): "localhost:5000/x",
		"registry:2":                             "docker.io/library/registry",
	} {
		if got, err := image.Repository(in); got != want || err != nil {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "UPPER", "a@b"} {
		_, err := image.Repository(in)
		wantFailure(t, func() error { return err }, image.KindUsage)
	}
	for in, want := range map[string]bool{"oci:dir": true, "docker-archive:a.tar": true, "./a.tar": true, "docker-daemon:x": true, "alpine": false, "registry:2": false, "registry:host/x": false} {
		if image.IsLocalBase(in) != want {
			t.Errorf("%s: local %v", in, !want)
		}
	}
	for _, in := range []string{"", "UPPER", "host/app:tag", "host/app@" + subject.String(), "https://host/app", "user:hunter2@example.test/app", "../x"} {
		_, err := image.OpenAttachments(t.Context(), in, options(t))
		wantFailure(t, func() error { return err }, image.KindUsage)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Error(err)
		}
	}
}
