// SPDX-License-Identifier: Apache-2.0

// Package bench puts ocigate beside the real Trivy CLI of the same version: the
// differential test compares their findings, cmd/compare their speed. cmd/signatures
// compares how fast it verifies with cosign's own clients. It is a module of its own so
// that the CLI's dependencies stay out of the product's; the module trivy keeps them out
// of each other's.
package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Policy decides nothing: findings are what is compared.
const Policy = VulnerabilityPolicy + `  secrets:
    - {id: secrets, action: warn}
`

// VulnerabilityPolicy is Policy without secrets.
const VulnerabilityPolicy = `version: 1
name: differential
database: {max-age: 520w}
rules:
  vulnerabilities:
    - {id: all, severity: [critical, high, medium, low, unknown], action: warn}
`

// BuildReleasedTrivy builds the Trivy CLI as it is released: its own versions of all
// modules, stripped, without cgo. Nothing else is built like that, so it takes its time.
func BuildReleasedTrivy(dir string) (string, error) {
	bin := filepath.Join(dir, "trivy")
	return bin, build("trivy", bin, trivyCommand, "CGO_ENABLED=0", "GOFLAGS=-trimpath")
}

// BuildTrivy builds the Trivy CLI from what this module's tests are built from: quick, and
// good enough to compare findings with.
func BuildTrivy(dir string) (string, error) {
	bin := filepath.Join(dir, "trivy")
	return bin, build(".", bin, trivyCommand)
}

const trivyCommand = "github.com/aquasecurity/trivy/cmd/trivy"

// BuildOcigate builds ocigate from the module in the directory above.
func BuildOcigate(dir string) (string, error) {
	bin := filepath.Join(dir, "ocigate")
	return bin, build("..", bin, "./cmd/ocigate")
}

// BuildTool builds one of this module's programs.
func BuildTool(dir, name string) (string, error) {
	bin := filepath.Join(dir, name)
	return bin, build(".", bin, "./cmd/"+name)
}

// build expects the module bench in the working directory.
func build(in, bin, pkg string, env ...string) error {
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, pkg)
	cmd.Dir = in
	cmd.Env = append(append(os.Environ(), "GOEXPERIMENT=jsonv2"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}
