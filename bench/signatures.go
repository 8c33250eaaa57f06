// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// SlowRegistry is a registry with the referrers API on the loopback interface.
type SlowRegistry struct {
	Host string

	mu      sync.Mutex
	latency time.Duration
	began   time.Time
	log     []string
	server  *httptest.Server
}

// NewSlowRegistry starts a registry, at first without latency.
func NewSlowRegistry() *SlowRegistry {
	r := &SlowRegistry{}
	backend := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		if r.began.IsZero() {
			r.began = time.Now()
		}
		r.log = append(r.log, fmt.Sprintf("%4d ms  %s %s", time.Since(r.began).Milliseconds(), req.Method, req.URL.Path))
		wait := r.latency
		r.mu.Unlock()
		time.Sleep(wait)
		backend.ServeHTTP(w, req)
	}))
	r.Host = strings.TrimPrefix(r.server.URL, "http://")
	return r
}

// Close ends the registry.
func (r *SlowRegistry) Close() { r.server.Close() }

// Slow makes each answer wait.
func (r *SlowRegistry) Slow(latency time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency = latency
}

// Requests are those since the last call, each with the time since the first of them.
func (r *SlowRegistry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.log
	r.log, r.began = nil, time.Time{}
	return out
}

// Push stores a small image and returns its reference.
func (r *SlowRegistry) Push(repository string) (string, error) {
	img, err := random.Image(1024, 1)
	if err != nil {
		return "", err
	}
	ref, err := name.ParseReference(r.Host + "/" + repository + ":1")
	if err != nil {
		return "", err
	}
	return ref.String(), remote.Write(ref, img)
}

// CosignVersions are those of the clients that .ci/cosign-clients builds.
var CosignVersions = []string{"v2.6.5", "v3.1.2"}

// Cosign is the path of a client.
func Cosign(version string) (string, error) {
	dir := os.Getenv("OCIGATE_COSIGN_DIR")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "ocigate", "cosign")
	}
	path := filepath.Join(dir, version, "cosign")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("cosign %s is not built: run .ci/cosign-clients: %w", version, err)
	}
	return path, nil
}

// Keys are where a key pair is kept, and the files that keep clients off the network.
type Keys struct {
	Dir, Private, Public, SigningConfig, TrustedRoot string
}

// NewKeys makes a key pair in a directory.
func NewKeys(dir, cosign string) (*Keys, error) {
	k := &Keys{Dir: dir}
	at := func(name string) string { return filepath.Join(dir, name) }
	k.Private, k.Public, k.SigningConfig, k.TrustedRoot = at("cosign.key"), at("cosign.pub"), at("signing_config.json"), at("trusted_root.json")
	return k, errors.Join(
		os.WriteFile(k.SigningConfig, []byte(`{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}`), 0o600),
		os.WriteFile(k.TrustedRoot, []byte(`{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}`), 0o600),
		Run(dir, cosign, "generate-key-pair"),
	)
}

// Run runs a program without the caller's environment. The error has what it said.
func Run(home, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Dir = home
	const nowhere = "http://127.0.0.1:1"
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "COSIGN_PASSWORD=", "HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %q: %w\n%s", program, args, err, said.Bytes())
	}
	return nil
}

// SignTags makes signatures of the tag format with cosign 2, SignBundles bundles with cosign 3.
func (k *Keys) SignTags(cosign, ref string, n int) error {
	return k.sign(cosign, ref, n, "--tlog-upload=false")
}

// SignBundles is like SignTags.
func (k *Keys) SignBundles(cosign, ref string, n int) error {
	return k.sign(cosign, ref, n, "--trusted-root", k.TrustedRoot, "--signing-config", k.SigningConfig)
}

func (k *Keys) sign(cosign, ref string, n int, args ...string) error {
	for i := range n {
		// cosign 2 signs nothing twice: each says something else.
		all := append([]string{"sign", "-y", "--key", k.Private, "-a", fmt.Sprint("n=", i)}, args...)
		if err := Run(k.Dir, cosign, append(all, ref)...); err != nil {
			return err
		}
	}
	return nil
}

// SignaturePolicy demands a signature by the key of a file, without the log.
const SignaturePolicy = `version: 1
name: signatures
authorities:
  - {name: key, key: {file: cosign.pub}, transparency-log: optional}
rules:
  signatures: [{id: signed, authorities: [key]}]
`
