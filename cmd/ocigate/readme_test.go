// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blocks returns the fenced blocks of the README in one language.
func blocks(t *testing.T, lang string) []string {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+lang+"\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("the README has no %s block", lang)
	}
	return out
}

// TestReadmeCommands runs every command of the README. `make test` is what runs
// this test, and `make build` what `make demo` begins with.
func TestReadmeCommands(t *testing.T) {
	bin := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "ocigate")); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, block := range blocks(t, "sh") {
		for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
			ran++
			switch line {
			case "make test", "make build":
			case "make demo":
				cmd := exec.Command("make", "-C", "../..", "demo")
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("make demo: %v\n%s", err, out)
				}
				for _, want := range []string{"FAILED", "PASSED", "To clear the gate"} {
					if !strings.Contains(string(out), want) {
						t.Errorf("make demo does not show %q:\n%s", want, out)
					}
				}
			case "bin/ocigate check IMAGE --policy ocigate.yaml":
				// TestScripts runs it on images of all kinds; here only the spelling of flags.
				cmd := exec.Command(filepath.Join(bin, "ocigate"), "check", "IMAGE.tar", "--policy", "../../examples/demo/ocigate.yaml", "--offline", "--cache-dir", t.TempDir())
				out, err := cmd.CombinedOutput()
				if cmd.ProcessState.ExitCode() != 3 {
					t.Errorf("%s: %v\n%s", line, err, out)
				}
			default:
				t.Errorf("no test runs %q", line)
			}
		}
	}
	if ran < 4 {
		t.Errorf("only %d commands found", ran)
	}
}

// TestReadmePolicy lints the policies that the README shows.
func TestReadmePolicy(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "ocigate")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, bin); err != nil {
		t.Fatal(err)
	}
	// Blocks that are no policy belong to the first.
	var policies []string
	for _, block := range blocks(t, "yaml") {
		if strings.HasPrefix(block, "version:") {
			policies = append(policies, block)
		} else {
			policies[0] += block
		}
	}
	for _, p := range policies {
		file := filepath.Join(t.TempDir(), "ocigate.yaml")
		if err := os.WriteFile(file, []byte(p), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(bin, "policy", "lint", file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}
