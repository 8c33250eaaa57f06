// SPDX-License-Identifier: Apache-2.0

package image

import (
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// TestOwnRepository: however its registry is spelt, the image's own repository is no base's.
func TestOwnRepository(t *testing.T) {
	s := &baseSearch{subject: evidence.Subject{Source: evidence.SourceRegistry, Reference: "registry:registry.example.com/team/app:1",
		Name: "registry.example.com/team/app:1", Destination: "docker.io/acme/app:1"}}
	for name, want := range map[string]bool{
		"registry.example.com/team/app:2": true, "REGISTRY.example.com/team/app:2": true, "registry.example.com:443/team/app:2": true,
		"acme/app": true, "index.docker.io/acme/app": true, "docker.io:443/acme/app": true, "registry-1.docker.io/acme/app": true,
		"registry.example.com/team/app2": false, "registry.example.com:5000/team/app": false, "acme/base": false,
	} {
		n, err := parseBaseName(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.isOwn(n.repository); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
