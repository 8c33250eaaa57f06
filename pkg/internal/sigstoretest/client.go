// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sigstore/cosign/v2/pkg/cosign"
)

// Client is a real client.
type Client string

// The clients.
const (
	CosignV2 Client = "v2.6.5"
	CosignV3 Client = "v3.1.2"
)

// Cosign2 is the path of cosign v2.6.5. Where .ci/cosign-clients
// has not built them, the test is skipped; it fails where OCIGATE_CI is set.
func Cosign2(t testing.TB) string { t.Helper(); return CosignV2.Path(t) }

// Cosign3 is the path of cosign v3.1.2.
func Cosign3(t testing.TB) string { t.Helper(); return CosignV3.Path(t) }

// Path is the client's program.
func (c Client) Path(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("OCIGATE_COSIGN_DIR")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			missing(t, "cosign %s is not here: %v", c, err)
		}
		dir = filepath.Join(cache, "ocigate", "cosign")
	}
	path := filepath.Join(dir, string(c), "cosign")
	if _, err := os.Stat(path); err != nil {
		missing(t, "cosign %s is not built: run .ci/cosign-clients (%v)", c, err)
	}
	return path
}

// Run runs a client in a home of its own, without the caller's environment. It reaches
// nothing but the loopback interface. The error has what it said.
func (c Client) Run(t testing.TB, args ...string) ([]byte, error) {
	t.Helper()
	return c.run(t, nil, args)
}

func (c Client) run(t testing.TB, env, args []string) ([]byte, error) {
	t.Helper()
	cmd := exec.Command(c.Path(t), args...)
	const nowhere = "http://127.0.0.1:1"
	cmd.Env = append([]string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "COSIGN_PASSWORD=" + password,
		"HTTP_PROXY=" + nowhere, "HTTPS_PROXY=" + nowhere,
	}, env...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("cosign %s %q: %w\n%s", c, args, err, said.Bytes())
	}
	return out.Bytes(), nil
}

// password is that of the keys' files.
const password = "test"

// CosignPEM is the key in the encrypted form that the clients read, with the password
// "test". It takes a while: scrypt.
func (k *Key) CosignPEM(t testing.TB) []byte {
	t.Helper()
	if k.encrypted != nil {
		return k.encrypted
	}
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, k.PrivatePEM, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := cosign.ImportKeyPair(path, func(bool) ([]byte, error) { return []byte(password), nil })
	if err != nil {
		t.Fatal(err)
	}
	k.encrypted = keys.PrivateBytes
	return k.encrypted
}
