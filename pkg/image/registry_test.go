// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

func TestBasicAuth(t *testing.T) {
	registry := imagetest.NewRegistry(t)
	registry.User, registry.Password = "ci", "hunter2"
	ref := "registry:" + registry.Push("app", "1", sample())
	wantError(t, ref, options(t), image.KindUnauthorized, "docker login "+registry.Host)
	login := func(password string) image.Options {
		auth := base64.StdEncoding.EncodeToString([]byte("ci:" + password))
		return options(t, "DOCKER_CONFIG", imagetest.WriteDir(t, imagetest.File{Name: "config.json", Body: `{"auths":{"` + registry.Host + `":{"auth":"` + auth + `"}}}`}))
	}
	e := wantError(t, ref, login("secret-but-wrong"), image.KindUnauthorized, "docker login "+registry.Host)
	if strings.Contains(e.Error(), "secret-but-wrong") {
		t.Errorf("leaks the password: %v", e)
	}
	wantLayers(t, open(t, ref, login("hunter2")).Images[0], sample().Layers...)
}

func TestRegistryErrors(t *testing.T) {
	registry := imagetest.NewRegistry(t)
	ref := "registry:" + registry.Push("app", "1", sample())
	wantError(t, "registry:"+registry.Host+"/app:2", options(t), image.KindNotFound, "app", "repository and tag")
	wantError(t, "registry:UPPER CASE", options(t), image.KindUsage)
	wantError(t, "registry:127.0.0.1:1/app", options(t), image.KindNetwork, "127.0.0.1:1")
	wrong := "sha256:" + strings.Repeat("0", 64)
	registry.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		r.URL.Path = strings.Replace(r.URL.Path, wrong, "1", 1)
		return false
	}
	wantError(t, strings.TrimSuffix(ref, ":1")+"@"+wrong, options(t), image.KindIntegrity, wrong)
	opts := options(t)
	opts.Limits.MaxManifest = 10
	wantError(t, ref, opts, image.KindLimit, "10 bytes")
}

func TestTransportRefusesPlainHTTP(t *testing.T) {
	rt, err := image.Transport(options(t))
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodGet, "http://192.168.1.1/v2/", nil)
	if _, err := rt.RoundTrip(req); err == nil || !strings.Contains(err.Error(), "plain http") {
		t.Errorf("plain http: %v", err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	get := func(opts image.Options) error {
		rt, err := image.Transport(opts)
		if err != nil {
			return err
		}
		resp, err := (&http.Client{Transport: rt}).Get(server.URL)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := get(options(t)); err == nil {
		t.Error("an unknown authority is trusted")
	}
	withCA := options(t)
	withCA.CAs = x509.NewCertPool()
	withCA.CAs.AddCert(server.Certificate())
	if err := get(withCA); err != nil {
		t.Errorf("own authority: %v", err)
	}
	insecure := options(t)
	insecure.InsecureRegistries = []string{strings.TrimPrefix(server.URL, "https://")}
	if err := get(insecure); err != nil {
		t.Errorf("insecure: %v", err)
	}
}

// TestKeychainHosts: the Azure helper's own pattern would take the first host for its own.
func TestKeychainHosts(t *testing.T) {
	for _, host := range []string{"x.azurecr.io.example.com", "123.dkr.ecr.us-east-1.amazonaws.com.example.com", "evil-gcr.io", "localhost:5000"} {
		r, err := name.NewRegistry(host)
		if err != nil {
			t.Fatal(err)
		}
		auth, err := image.Keychain(options(t)).Resolve(r)
		if err != nil || auth != authn.Anonymous {
			t.Errorf("%s: %v, %v", host, auth, err)
		}
	}
}
