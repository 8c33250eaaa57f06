// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/cli"
)

// TestPluginMetadata: the client leaves out a plug-in that does not answer in this form.
func TestPluginMetadata(t *testing.T) {
	var out, errs bytes.Buffer
	code := cli.Program([]string{"/x/docker-ocigate", "docker-cli-plugin-metadata"}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs},
		func(string) (string, bool) { return "", false })
	var m map[string]string
	if err := json.Unmarshal(out.Bytes(), &m); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s", code, err, &errs)
	}
	for _, key := range []string{"SchemaVersion", "Vendor", "Version", "ShortDescription", "URL"} {
		if m[key] == "" {
			t.Errorf("no %s in %v", key, m)
		}
	}
	// Under its own name that is no command.
	code = cli.Program([]string{"ocigate", "docker-cli-plugin-metadata"}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs},
		func(string) (string, bool) { return "", false })
	if code != cli.ExitUsage {
		t.Errorf("exit code %d", code)
	}
}

// TestPluginEndsWithItsClient: docker tells a plug-in by a socket that it is interrupted.
func TestPluginEndsWithItsClient(t *testing.T) {
	p := newProcess(t)
	ref, reached := stalling(t)
	socket := filepath.Join(p.dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	plugin := filepath.Join(p.dir, "docker-ocigate")
	if err := os.Symlink(p.bin, plugin); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(plugin, "ocigate", "check", "--policy", p.policy, "--db-dir", p.db, "--cache-dir", filepath.Join(p.dir, "cache"), ref)
	cmd.Env = []string{"HOME=" + p.dir, "TMPDIR=" + filepath.Join(p.dir, "tmp"), "PATH=" + os.Getenv("PATH"), "DOCKER_CLI_PLUGIN_SOCKET=" + socket}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	<-reached
	_ = client.Close() // that is the message
	_ = cmd.Wait()     // the exit code says how it ended
	if code := cmd.ProcessState.ExitCode(); code != cli.ExitInterrupted {
		t.Errorf("exit code %d\n%s%s", code, &out, &errs)
	}
	if left := p.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
