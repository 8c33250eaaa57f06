// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sigstore/sigstore/pkg/signature"
)

// The providers' real code runs against services on loopback that answer as theirs do:
// cloud services themselves cannot be reached from tests.

// awsService answers GetPublicKey and DescribeKey for one key.
func awsService(t *testing.T, pub crypto.PublicKey, algorithm string) (uri string, requests *[]string) {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	requests = &[]string{}
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
		body, _ := io.ReadAll(r.Body)
		*requests = append(*requests, action+" "+string(body))
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		out := map[string]any{"KeyId": "k", "PublicKey": der, "KeyUsage": "SIGN_VERIFY", "SigningAlgorithms": []string{algorithm}}
		if action == "DescribeKey" {
			out = map[string]any{"KeyMetadata": map[string]any{"KeyId": "k", "SigningAlgorithms": []string{algorithm}}}
		}
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(s.Close)
	awsEnvironment(t, s)
	return "awskms://" + strings.TrimPrefix(s.URL, "https://") + "/alias/release", requests
}

// awsEnvironment gives the provider what it needs besides the URI.
func awsEnvironment(t *testing.T, s *httptest.Server) {
	t.Helper()
	dir := t.TempDir()
	ca, absent := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "absent")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_CA_BUNDLE": ca, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hunter2-secret",
		"AWS_CONFIG_FILE": absent, "AWS_SHARED_CREDENTIALS_FILE": absent, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
}

func TestKMSOfAWS(t *testing.T) {
	key := trustECDSA(t, elliptic.P256())
	uri, requests := awsService(t, key.Public(), "ECDSA_SHA_256")
	s, state := prepared(t, Options{}, keyed(Key{KMS: uri}))
	if s == nil {
		t.Fatalf("%s (%s)", state.Problem, state.Hint)
	}
	if want, _ := fingerprint(key.Public()); s.fingerprint != want {
		t.Errorf("key %s, want %s", s.fingerprint, want)
	}
	asked := len(*requests)
	if asked == 0 || !strings.Contains((*requests)[0], `"alias/release"`) {
		t.Errorf("requests %q", *requests)
	}
	signer, err := signature.LoadECDSASigner(key, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signer.SignMessage(strings.NewReader("message"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.keys[0].VerifySignature(bytes.NewReader(sig), strings.NewReader("message")); err != nil {
		t.Error(err)
	}
	if len(*requests) != asked {
		t.Errorf("verifying asks the service: %q", (*requests)[asked:])
	}
}

// A key of RSA in a KMS signs with the padding that it was made for.
func TestKMSPaddings(t *testing.T) {
	key := trustRSA(t, 2048)
	uri, _ := awsService(t, key.Public(), "RSASSA_PSS_SHA_256")
	s, state := prepared(t, Options{}, keyed(Key{KMS: uri}))
	if s == nil {
		t.Fatal(state.Problem)
	}
	pss, err := signature.LoadRSAPSSSigner(key, crypto.SHA256, &rsa.PSSOptions{Hash: crypto.SHA256})
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := signature.LoadRSAPKCS1v15Signer(key, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string]signature.Signer{"PSS": pss, "PKCS #1 v1.5": pkcs} {
		sig, err := by.SignMessage(strings.NewReader("message"))
		if err != nil {
			t.Fatal(err)
		}
		err = errors.New("no key")
		for _, k := range s.keys {
			if err = k.VerifySignature(bytes.NewReader(sig), strings.NewReader("message")); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKMSRefusesWeakKeys(t *testing.T) {
	uri, _ := awsService(t, trustECDSA(t, elliptic.P224()).Public(), "ECDSA_SHA_256")
	if _, state := prepared(t, Options{}, keyed(Key{KMS: uri})); !strings.Contains(state.Problem, "P-224") {
		t.Errorf("%+v", state)
	}
}

func TestKMSThatRefuses(t *testing.T) {
	for name, status := range map[string]int{"forbidden": 403, "broken": 500, "another page": 200} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "<html>\n::error::x\n")
			}))
			defer s.Close()
			awsEnvironment(t, s)
			uri := "awskms://" + strings.TrimPrefix(s.URL, "https://") + "/alias/release"
			_, state := prepared(t, Options{}, keyed(Key{KMS: uri}))
			if !strings.Contains(state.Problem, "could not get its key") || !strings.Contains(state.Problem, "alias/release") || state.Hint == "" {
				t.Errorf("%+v", state)
			}
			if strings.Contains(state.Problem, "hunter2") || strings.Contains(state.Problem, "\n") {
				t.Errorf("problem %q", state.Problem)
			}
		})
	}
}

// A service that accepts and never answers is left alone when the context ends.
func TestKMSThatIsSilent(t *testing.T) {
	reached, gone := make(chan struct{}, 16), make(chan struct{})
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached <- struct{}{}; <-gone })
	s := httptest.NewTLSServer(handler)
	defer s.Close()
	vault := httptest.NewServer(handler)
	defer vault.Close()
	defer close(gone)
	awsEnvironment(t, s)
	vaultAt(t, vault.URL)
	for _, uri := range []string{"awskms://" + strings.TrimPrefix(s.URL, "https://") + "/alias/release", "hashivault://release"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			select {
			case <-reached:
				cancel()
			case <-ctx.Done():
			}
		}()
		signer, state := New(Options{}).prepare(ctx, keyed(Key{KMS: uri}))
		if signer != nil || !strings.Contains(state.Problem, "cancel") {
			t.Errorf("%s: %+v", uri, state)
		}
	}
}

func vaultAt(t *testing.T, url string) {
	t.Helper()
	for name, value := range map[string]string{"VAULT_ADDR": url, "VAULT_TOKEN": "hunter2-token", "VAULT_MAX_RETRIES": "0", "BAO_ADDR": "", "BAO_TOKEN": ""} {
		t.Setenv(name, value)
	}
}

func TestKMSOfVault(t *testing.T) {
	key := trustECDSA(t, elliptic.P384())
	var asked atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.URL.Path + " " + r.Header.Get("X-Vault-Token"))
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"latest_version": 2, "keys": map[string]any{
			"1": map[string]any{"public_key": "old"}, "2": map[string]any{"name": "P-384", "public_key": string(trustPEM(t, key.Public()))}}}})
	}))
	defer s.Close()
	vaultAt(t, s.URL)
	signer, state := prepared(t, Options{}, keyed(Key{KMS: "hashivault://release", Hash: crypto.SHA384}))
	if signer == nil {
		t.Fatalf("%s (%s)", state.Problem, state.Hint)
	}
	if want, _ := fingerprint(key.Public()); signer.fingerprint != want || asked.Load() != "/v1/transit/keys/release hunter2-token" {
		t.Errorf("key %s, asked %v", signer.fingerprint, asked.Load())
	}
}

func TestKMSOfVaultRefuses(t *testing.T) {
	status := 403
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"errors":["permission denied"],"data":{"keys":7,"latest_version":1}}`)
	}))
	defer s.Close()
	vaultAt(t, s.URL)
	for _, status = range []int{403, 404, 200} {
		_, state := prepared(t, Options{}, keyed(Key{KMS: "hashivault://release"}))
		if !strings.Contains(state.Problem, "could not get its key") || strings.Contains(state.Problem, "hunter2") {
			t.Errorf("%d: %+v", status, state)
		}
	}
}

// Azure and Google: the provider has the URI, and says why it gets no further.
func TestKMSOfAzureAndGoogle(t *testing.T) {
	// Credentials that ask nobody.
	absent := filepath.Join(t.TempDir(), "google.json")
	for name, value := range map[string]string{
		"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "hunter2-secret", "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
		"GOOGLE_APPLICATION_CREDENTIALS": absent, "GCE_METADATA_HOST": "127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	for uri, want := range map[string]string{
		"azurekms://only-a-vault": "azurekms://[VAULT_NAME]",
		"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1": absent,
		"gcpkms://projects/p": "gcpkms://projects/[PROJECT_ID]",
	} {
		_, state := prepared(t, Options{}, keyed(Key{KMS: uri}))
		if !strings.Contains(state.Problem, "could not get its key") || !strings.Contains(state.Problem, want) {
			t.Errorf("%s: %+v", uri, state)
		}
	}

	// Azure's vault is part of the URI. It is asked, and not believed without a known
	// certificate; the provider would try for ten seconds.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("an unknown certificate is believed") }))
	var met atomic.Bool
	s.Config.ErrorLog = log.New(writerFunc(func(b []byte) {
		if bytes.Contains(b, []byte("TLS handshake")) {
			met.Store(true)
			cancel()
		}
	}), "", 0)
	s.StartTLS()
	defer s.Close()
	_, state := New(Options{}).prepare(ctx, keyed(Key{KMS: "azurekms://" + strings.TrimPrefix(s.URL, "https://") + "/release"}))
	if !met.Load() || !strings.Contains(state.Problem, "could not get its key") || strings.Contains(state.Problem, "hunter2") {
		t.Errorf("asked %t: %+v", met.Load(), state)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(b []byte) (int, error) { f(b); return len(b), nil }

// A program on PATH is never run, whatever the scheme: the library would.
func TestKMSPluginsAreNeverRun(t *testing.T) {
	dir := t.TempDir()
	for _, scheme := range []string{"evil", "awskms", "openbao", "fakekms", "k8s", "AWSKMS"} {
		script := "#!/bin/sh\ntouch " + dir + "/ran\n"
		if err := os.WriteFile(filepath.Join(dir, "sigstore-kms-"+scheme), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
	for _, uri := range []string{"evil://x", "openbao://x", "fakekms://x", "k8s://ns/x", "AWSKMS:///alias/x", "awskms:/x", "awskms://", "awskms", "://x", " awskms://x", "awskms2://x", "evil://awskms://x", "pkcs11:token=x", "../evil://x"} {
		_, state := prepared(t, Options{}, keyed(Key{KMS: uri}))
		if !strings.Contains(state.Problem, "no key management service that is supported") {
			t.Errorf("%s: %+v", uri, state)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
		t.Error("a plug-in was run")
	}
}

func TestKMSOffline(t *testing.T) {
	uri, requests := awsService(t, trustECDSA(t, elliptic.P256()).Public(), "ECDSA_SHA_256")
	_, state := prepared(t, Options{Offline: true}, keyed(Key{KMS: uri}))
	if !strings.Contains(state.Problem, "not asked offline") || !strings.Contains(state.Hint, "key: {file:") || len(*requests) != 0 {
		t.Errorf("%+v, requests %q", state, *requests)
	}
}

// The environment has credentials; it cannot say that another service, or just anybody, answers.
func TestKMSEnvironmentCannotRedirect(t *testing.T) {
	uri, _ := awsService(t, trustECDSA(t, elliptic.P256()).Public(), "ECDSA_SHA_256")
	asked := false
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer evil.Close()
	const gcp = "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k"
	for _, test := range []struct{ uri, name, value string }{
		{uri, "AWS_ENDPOINT_URL_KMS", evil.URL}, {uri, "AWS_ENDPOINT_URL", evil.URL}, {uri, "AWS_TLS_INSECURE_SKIP_VERIFY", "1"},
		{gcp, "GOOGLE_CLOUD_UNIVERSE_DOMAIN", "evil.example"},
		{"hashivault://release", "VAULT_SKIP_VERIFY", "t"}, {"hashivault://release", "VAULT_TLS_SERVER_NAME", "evil.example"},
		{"hashivault://release", "VAULT_ADDR", "http://vault.example"}, {"hashivault://release", "VAULT_ADDR", "unix:///tmp/x"},
		{"hashivault://release", "VAULT_ADDR", ""}, {"hashivault://release", "VAULT_TOKEN", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			vaultAt(t, "https://127.0.0.1:1")
			t.Setenv(test.name, test.value)
			_, state := prepared(t, Options{}, keyed(Key{KMS: test.uri}))
			if !strings.Contains(state.Problem, test.name) || state.Hint == "" {
				t.Errorf("%+v", state)
			}
			if test.value != "" && test.value != "1" && test.value != "t" && strings.Contains(state.Problem+state.Hint, test.value) {
				t.Errorf("the value is shown: %+v", state)
			}
		})
	}
	for name, config := range map[string]string{
		"endpoint_url":         "[default]\nendpoint_url = " + evil.URL + "\n",
		"endpoint of services": "[default]\nservices = x\n[services x]\nkms =\n  endpoint_url = " + evil.URL + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_CONFIG_FILE", file)
			_, state := prepared(t, Options{}, keyed(Key{KMS: uri}))
			if !strings.Contains(state.Problem, "AWS's configuration") || state.Hint == "" || strings.Contains(state.Problem+state.Hint, evil.URL) {
				t.Errorf("%+v", state)
			}
		})
	}
	if asked {
		t.Error("the other service was asked")
	}
}

// Without a token the library would run the program that a file in the home directory names.
func TestVaultTokenHelperIsNeverRun(t *testing.T) {
	home := t.TempDir()
	helper := filepath.Join(home, "helper")
	if err := os.WriteFile(helper, []byte("#!/bin/sh\ntouch "+home+"/ran\necho token\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".vault"), []byte(`token_helper = "`+helper+`"`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("VAULT_CONFIG_PATH", filepath.Join(home, ".vault"))
	vaultAt(t, "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "")
	if _, state := prepared(t, Options{}, keyed(Key{KMS: "hashivault://release"})); !strings.Contains(state.Problem, "VAULT_TOKEN") {
		t.Errorf("%+v", state)
	}
	if _, err := os.Stat(filepath.Join(home, "ran")); err == nil {
		t.Error("the helper was run")
	}
}

func TestWithinRecovers(t *testing.T) {
	_, err := within(t.Context(), func() (*ecdsa.PublicKey, error) { panic("hostile") })
	if err == nil || !strings.Contains(err.Error(), "hostile") {
		t.Error(err)
	}
}
