// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/vulndb"
)

func generate(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := run([]string{"-out", dir, "-updated", "2026-01-31T12:00:00Z"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestImagesAreTheSameEveryTime(t *testing.T) {
	a, b := generate(t), generate(t)
	for _, name := range []string{"shop-1.0.oci.tar", "shop-1.1.oci.tar"} {
		first, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("%s differs between two runs", name)
		}
	}
}

func TestDatabaseIsReadable(t *testing.T) {
	db, err := vulndb.Ensure(context.Background(), vulndb.Options{Dir: filepath.Join(generate(t), "trivy-cache")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // a test
	platforms, err := db.Platforms()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"alpine 3.20", "npm::GitHub Security Advisory npm"} {
		if !slices.Contains(platforms, want) {
			t.Errorf("no bucket %q in %q", want, platforms)
		}
	}
	if got := db.State.UpdatedAt.Format("2006-01-02"); got != "2026-01-31" {
		t.Errorf("updated at %s", got)
	}
}

func TestPolicyIsAccepted(t *testing.T) {
	if _, err := policy.Parse("ocigate.yaml", policyFile); err != nil {
		t.Fatal(err)
	}
}

func TestUpgrade(t *testing.T) {
	const installed = "P:libssl3\nV:3.3.2-r0\no:openssl\n\nP:zlib\nV:1.3.1-r1\no:zlib\n\n"
	got := upgrade(installed, map[string]string{"openssl": "3.3.7-r0"})
	if want := strings.Replace(installed, "3.3.2-r0", "3.3.7-r0", 1); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"-out", t.TempDir(), "-updated", "yesterday"}} {
		if err := run(args, io.Discard); err == nil {
			t.Errorf("run(%q) succeeded", args)
		}
	}
}
