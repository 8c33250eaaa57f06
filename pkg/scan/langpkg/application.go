// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"cmp"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// application is the result of one file that lists packages; nil where it lists none.
// The packages are the file libPath, unless they are in an archive and say where;
// libPath is empty for lock files, whose packages are files elsewhere.
func application(t ftypes.LangType, path, libPath string, pkgs []ftypes.Package, deps []ftypes.Dependency) *analysis.Result {
	if len(pkgs) == 0 {
		return nil
	}
	dependsOn := make(map[string][]string, len(deps))
	for _, d := range deps {
		dependsOn[d.ID] = d.DependsOn
	}
	for i := range pkgs {
		p := &pkgs[i]
		p.FilePath = cmp.Or(p.FilePath, libPath)
		p.DependsOn = dependsOn[p.ID]
		p.Indirect = p.Relationship == ftypes.RelationshipIndirect
	}
	return &analysis.Result{Applications: []ftypes.Application{{Type: t, FilePath: path, Packages: pkgs}}}
}
