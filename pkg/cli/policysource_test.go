// SPDX-License-Identifier: Apache-2.0

//go:build unix

package cli

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestPipes: a pipe in place of a file that a policy names, or of a bundle, is a mistake,
// and never waited for.
func TestPipes(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for name, read := range map[string]func() error{
		"named by a policy": func() error {
			_, err := beneath(dir)(t.Context(), "pipe")
			return err
		},
		"--bundle": func() error {
			_, err := readBundles([]string{pipe})
			return err
		},
	} {
		done := make(chan error, 1)
		go func() { done <- read() }()
		select {
		case err := <-done:
			if err == nil {
				t.Errorf("%s: a pipe was read", name)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s: it waits for a writer", name)
		}
	}
}
