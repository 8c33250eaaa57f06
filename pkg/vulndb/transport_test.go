// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
)

func TestPlainAllowed(t *testing.T) {
	insecure := []string{"registry.lan", "other.lan:5000"}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:80": true, "127.1.2.3": true, "[::1]:5000": true, "::1": true,
		"registry.lan": true, "registry.lan:5000": true, "REGISTRY.LAN": true, "other.lan:5000": true,
		"other.lan": false, "other.lan:80": false, "ghcr.io": false, "192.168.1.1": false, "10.0.0.1:5000": false,
		"host.local": false, "localhost.example.com": false, "127.0.0.1.example.com": false, "": false,
	} {
		if got := plainAllowed(host, insecure); got != want {
			t.Errorf("plainAllowed(%q) = %v", host, got)
		}
	}
}

// redirector notes which hosts would be spoken to, and connects to none.
type redirector struct{ requests []string }

func (r *redirector) RoundTrip(req *http.Request) (*http.Response, error) {
	r.requests = append(r.requests, req.URL.String())
	return nil, &url.Error{Op: "Get", URL: "https://user:hunter2@" + req.URL.Host + "/x?sig=hunter2", Err: errors.New("no route")}
}

func TestNoPlainHTTPToPrivateAddresses(t *testing.T) {
	rt := &redirector{}
	o := options(t, t.TempDir(), day1, "192.168.7.7/trivy-db:2", "db.local/trivy-db:2")
	o.Transport = rt
	_, err := Ensure(t.Context(), o)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
	for _, u := range rt.requests {
		if !strings.HasPrefix(u, "https://") {
			t.Errorf("request %s", u)
		}
	}
	if len(rt.requests) == 0 {
		t.Error("no request at all")
	}
}

func TestRedirectToPlainHTTPIsRefused(t *testing.T) {
	repository := breaking(t, spec("a", day1), func(w http.ResponseWriter, r *http.Request, _ []byte) {
		http.Redirect(w, r, "http://cdn.example.com/blob?sig=hunter2", http.StatusTemporaryRedirect)
	})
	_, err := Ensure(t.Context(), options(t, t.TempDir(), day1, repository))
	if err == nil || !strings.Contains(err.Error(), "plain http to cdn.example.com is refused") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestErrorsHoldNoCredentials(t *testing.T) {
	repository := dbtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		// A server that repeats what it was told.
		_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"no access with ` + r.Header.Get("Authorization") + `"}]}`))
	})) + "/trivy-db:2"
	o := options(t, t.TempDir(), day1, repository)
	o.Keychain = keychain{}
	_, err := Ensure(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "no access with Basic ***") {
		t.Errorf("got %v", err)
	}
}

func TestDefaults(t *testing.T) {
	if k := vulnerabilityKind(Options{}); k.repositories[0] != "mirror.gcr.io/aquasec/trivy-db:2" || len(k.repositories) != 2 {
		t.Errorf("%q", k.repositories)
	}
	k := javaKind(Options{})
	if k.repositories[1] != "ghcr.io/aquasecurity/trivy-java-db:1" {
		t.Errorf("%q", k.repositories)
	}
	ref, err := k.parse("mirror.example.com/java", Options{})
	if err != nil || ref.Identifier() != "1" {
		t.Errorf("%v, %v: a repository without tag gets the schema's", ref, err)
	}
}

func TestByDigest(t *testing.T) {
	u := newUpstream(t)
	u.publish(t, spec("a", day1))
	o := options(t, t.TempDir(), day1, u.repository())
	tag, err := vulnerabilityKind(o).parse(u.repository(), o)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := remote.Head(tag)
	if err != nil {
		t.Fatal(err)
	}
	o.Repositories = []string{u.host + "/trivy-db@" + desc.Digest.String()}
	d := closing(t, must[*Database](t)(Ensure(t.Context(), o)))
	if d.State.Origin != o.Repositories[0] {
		t.Errorf("origin %q, want %q", d.State.Origin, o.Repositories[0])
	}
}
