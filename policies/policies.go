// SPDX-License-Identifier: Apache-2.0

// Package policies holds the policies that are shipped in the binary, for use as
// `--policy ocigate:NAME` and as a start of one's own.
package policies

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Names returns the names of the shipped policies, sorted.
func Names() []string { return []string{"baseline", "cis-docker", "runtime-hardened", "strict"} }

// Read returns the document of a shipped policy.
func Read(name string) ([]byte, error) {
	b, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no policy %q is shipped, only %s", name, strings.Join(Names(), ", "))
	}
	return b, nil
}
