// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"fmt"

	"github.com/aquasecurity/trivy/pkg/purl"
	"github.com/aquasecurity/trivy/pkg/sbom/core"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/uuid"
)

// maxGraphWork is how many packages may be copied while the dependencies of an SBOM
// are collected: that of twenty thousand packages copies less than a million.
const maxGraphWork = 20_000_000

// boundGraph refuses an SBOM whose dependencies form long chains. Trivy collects them
// recursively, and copies a package once for each one above it: a chain of a hundred
// thousand takes hours.
//
// It walks as Trivy does, from each component by which that may begin. Trivy forgets
// what an earlier walk has met; as that includes all that can be reached from there,
// its walk is never longer than the one here.
func boundGraph(bom *core.BOM) error {
	g := &graph{components: bom.Components(), edges: bom.Relationships(), left: maxGraphWork}
	for id, c := range g.components {
		if c.Type != core.TypeOS && !isApplication(c) {
			continue
		}
		if !g.walk(id) {
			return fmt.Errorf("its dependencies take more than %d steps to collect", maxGraphWork)
		}
	}
	return nil
}

// isApplication is true for what Trivy wrote down as a list of packages.
func isApplication(c *core.Component) bool {
	if c.Type != core.TypeApplication {
		return false
	}
	last := ""
	for _, p := range c.Properties {
		if p.Name == core.PropertyType {
			last = p.Value
		}
	}
	return last != ""
}

// isPackage is true for the components on which Trivy's walk goes on.
func isPackage(c *core.Component) bool {
	return c != nil && c.Type != core.TypeOS && !isApplication(c) && c.PkgIdentifier.PURL != nil &&
		(*purl.PackageURL)(c.PkgIdentifier.PURL).Class() != types.ClassUnknown
}

type graph struct {
	components map[uuid.UUID]*core.Component
	edges      map[uuid.UUID][]core.Relationship
	left       int
}

// walk visits what can be reached, depth first; each costs how deep it is.
func (g *graph) walk(from uuid.UUID) bool {
	seen := map[uuid.UUID]bool{}
	stack := [][]core.Relationship{g.edges[from]}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(*top) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		next := (*top)[0].Dependency
		*top = (*top)[1:]
		if g.left--; g.left < 0 {
			return false
		}
		if seen[next] {
			continue
		}
		seen[next] = true
		if !isPackage(g.components[next]) {
			continue
		}
		g.left -= len(stack)
		stack = append(stack, g.edges[next])
	}
	return true
}
