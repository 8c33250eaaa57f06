// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// RegistryKind is a registry to sign in.
type RegistryKind string

// The kinds. The zero value is WithReferrers.
const (
	WithReferrers    RegistryKind = "referrers API"
	WithoutReferrers RegistryKind = "fallback tag"
	// Debian is Debian's program docker-registry, of a version without the API.
	Debian RegistryKind = "docker-registry"
)

// StartRegistry starts a registry that ends with the test, and returns its host:port.
func StartRegistry(t testing.TB, kind RegistryKind) string {
	t.Helper()
	if kind == Debian {
		return DebianRegistry(t)
	}
	return NewRegistry(t, kind != WithoutReferrers).Host
}

const debianConfig = `version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}
http: {addr: "127.0.0.1:0"}
`

var listening = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

// DebianRegistry starts the program docker-registry and returns its host:port. Where the
// program is not installed, the test is skipped; it fails where OCIGATE_CI is set.
func DebianRegistry(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		missing(t, "docker-registry is not installed: %v", err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, debianConfig, filepath.Join(dir, "data")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", config)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "OTEL_TRACES_EXPORTER=none"}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended where that fails
		<-drained
		_ = cmd.Wait() // it was killed
	})
	var said []string
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			go func() {
				defer close(drained)
				_, _ = io.Copy(io.Discard, log) // until it ends
			}()
			return m[1]
		}
		said = append(said, lines.Text())
	}
	close(drained)
	t.Fatalf("docker-registry ended: %q", said)
	return ""
}

// missing ends a test that needs a program: it must be there in the continuous
// integration's run.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("OCIGATE_CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
