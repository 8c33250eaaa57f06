// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

// keyless is how the release workflow signs.
var keyless = sigstoretest.Kind{Bundle: true, Keyless: true, Log: sigstoretest.LogV1}

// publication is a release that was pushed, signed and attested with a local sigstore.
type publication struct {
	signing *sigstoretest.Signing
	dir, db string
}

func (r released) publish(t *testing.T, workflow string) publication {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "published")
	if err := os.CopyFS(dir, os.DirFS(r.dir)); err != nil {
		t.Fatal(err)
	}
	host := sigstoretest.StartRegistry(t, sigstoretest.WithReferrers)
	image, err := os.ReadFile(filepath.Join(dir, "image.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, digest, _ := strings.Cut(strings.TrimSpace(string(image)), "@")
	repository := host + "/ocigate/ocigate"
	if err := run(context.Background(), []string{"push", "-layout", filepath.Join(dir, "image"), "-digest", digest, repository}, io.Discard); err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewDigest(repository + "@" + digest)
	if err != nil {
		t.Fatal(err)
	}
	g := &sigstoretest.Signing{
		Stack: sigstoretest.New(t), Host: host, Image: ref,
		Claims: sigstoretest.GitHub("ocigate/ocigate", workflow, "refs/tags/"+version),
	}
	provenance := keyless
	provenance.Attest = "slsaprovenance1"
	if err := errors.Join(g.Sign(t, sigstoretest.CosignV3, keyless), g.Sign(t, sigstoretest.CosignV3, provenance)); err != nil {
		t.Fatal(err)
	}
	checksums, err := os.ReadFile(filepath.Join(dir, "checksums.txt"))
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := g.SignBlob(t, sigstoretest.CosignV3, keyless, checksums)
	if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "checksums.txt.sigstore.json"), bundle, 0o600)); err != nil {
		t.Fatal(err)
	}
	return publication{signing: g, dir: dir, db: database(t)}
}

// verify runs verify.sh as the workflow does after the publication.
func (p publication) verify(t *testing.T) (string, error) {
	t.Helper()
	home := t.TempDir()
	trusted := filepath.Join(home, "trusted.json")
	if err := os.WriteFile(trusted, p.signing.Stack.TrustedRoot(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(root, ".github", "release", "verify.sh"), p.dir, version, "--db-dir", p.db)
	cmd.Env = []string{
		"HOME=" + home, "PATH=" + filepath.Dir(sigstoretest.Cosign3(t)) + ":" + os.Getenv("PATH"),
		"TRUSTED_ROOT=" + trusted, "IMAGE=" + p.signing.Image.String(),
		"HTTP_PROXY=http://127.0.0.1:1", "HTTPS_PROXY=http://127.0.0.1:1",
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r released) published(t *testing.T) {
	p := r.publish(t, "release.yml")
	out, err := p.verify(t)
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	for _, want := range []string{"Verified OK", "PASSED", "signed-by-release", "provenance"} {
		if !strings.Contains(out, want) {
			t.Errorf("verify.sh does not say %q:\n%s", want, out)
		}
	}
	t.Run("by another workflow", func(t *testing.T) {
		if out, err := r.publish(t, "ci.yml").verify(t); err == nil || strings.Contains(out, "PASSED") {
			t.Errorf("%v:\n%s", err, out)
		}
	})
	for _, name := range []string{"checksums.txt", "checksums.txt.sigstore.json", filepath.Base(r.program), "image.txt", "ocigate.openvex.json"} {
		t.Run("altered "+name, func(t *testing.T) {
			path := filepath.Join(p.dir, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			altered := bytes.Clone(data)
			altered[len(altered)/2] ^= 1
			if err := os.WriteFile(path, altered, 0o700); err != nil {
				t.Fatal(err)
			}
			if out, err := p.verify(t); err == nil || strings.Contains(out, "PASSED") {
				t.Errorf("%v:\n%s", err, out)
			}
			if err := os.WriteFile(path, data, 0o700); err != nil {
				t.Fatal(err)
			}
		})
	}
}
