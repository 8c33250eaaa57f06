// SPDX-License-Identifier: Apache-2.0

package large

import (
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// services is a Go module of four programs; .txt keeps it out of this module's packages.
//
//go:embed services
var services embed.FS

var serviceNames = []string{"gateway", "operator", "cloud", "policy"}

// binaries are the programs of the module services, for linux/amd64 and without paths
// of this machine: the same for the same Go.
func binaries(work string) (*layer, error) {
	dir := filepath.Join(work, "services")
	for _, name := range append([]string{"go.mod", "go.sum"}, serviceNames...) {
		from, to := name+".txt", name
		if !strings.Contains(name, ".") {
			from, to = name+".go.txt", filepath.Join(name, "main.go")
		}
		b, err := services.ReadFile("services/" + from)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, to)), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o644); err != nil {
			return nil, err
		}
	}
	l := &layer{step: "COPY bin/ /usr/local/bin/"}
	for i, name := range serviceNames {
		bin := filepath.Join(dir, "bin", name)
		args := []string{"build", "-trimpath", "-buildvcs=false", "-o", bin}
		if i%2 == 1 {
			args = append(args, "-ldflags=-s -w")
		}
		cmd := exec.Command("go", append(args, "./"+name)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=", "GOEXPERIMENT=jsonv2", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "CGO_ENABLED=0", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s for the image: %w\n%s", name, err, out)
		}
		if err := l.addFile("usr/local/bin/"+name, 0o755, bin); err != nil {
			return nil, err
		}
	}
	return l, nil
}
