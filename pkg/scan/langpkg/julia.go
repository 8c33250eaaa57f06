// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"context"
	"maps"
	"path"
	"slices"

	"github.com/BurntSushi/toml"
	julia "github.com/aquasecurity/trivy/pkg/dependency/parser/julia/manifest"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// analyzeJulia reads Manifest.toml, which lists the packages, and Project.toml beside it,
// which says which of them the project itself asks for.
func analyzeJulia(ctx context.Context, files analysis.Files, failed func(string, error)) (*analysis.Result, error) {
	manifest := func(p string) bool { return named(p, ftypes.JuliaManifest) }
	return eachLock(ctx, files, failed, manifest, func(f analysis.File) (*ftypes.Application, error) {
		app, err := parseTOML(ctx, ftypes.Julia, f, julia.NewParser())
		if err != nil || app == nil {
			return app, err
		}
		project, err := readProject(files, path.Join(path.Dir(f.Path), ftypes.JuliaProject))
		if err != nil {
			return app, nil // all packages count, as if they were direct
		}
		app.Packages = append(reachable(project.Deps, app.Packages, false), reachable(project.Extras, app.Packages, true)...)
		return app, nil
	})
}

// juliaProject holds the UUIDs of the packages that a project asks for, by name.
type juliaProject struct {
	Deps   map[string]string `toml:"deps"`
	Extras map[string]string `toml:"extras"`
}

// readProject returns an empty project where there is no file.
func readProject(files analysis.Files, p string) (project juliaProject, err error) {
	stored, ok := files[p]
	if !ok {
		return project, nil
	}
	err = decodeTOML(p, stored, &project)
	return project, err
}

// decodeTOML decodes a file of a layer.
func decodeTOML(p string, stored analysis.Stored, to any) error {
	f, done, err := stored.Open()
	if err != nil {
		return err
	}
	defer done()
	f.Path = p
	data, err := readTOML(f)
	if err != nil {
		return err
	}
	_, err = toml.NewDecoder(bytes.NewReader(data)).Decode(to)
	return err
}

// reachable returns the packages that are asked for, and those that they need.
func reachable(asked map[string]string, all ftypes.Packages, dev bool) []ftypes.Package {
	if len(asked) == 0 {
		return nil
	}
	byID := make(map[string]ftypes.Package, len(all))
	for _, p := range all {
		byID[p.ID] = p
	}
	found := map[string]ftypes.Package{}
	for _, id := range asked {
		if p, ok := byID[id]; ok {
			p.Relationship, p.Indirect, p.Dev = ftypes.RelationshipDirect, false, dev
			found[id] = p
		}
	}
	addIndirect(found, byID, dev)
	return slices.Collect(maps.Values(found))
}

// addIndirect adds to found what its packages need, and what those need.
func addIndirect(found, byID map[string]ftypes.Package, dev bool) {
	next := slices.Collect(maps.Keys(found))
	for len(next) > 0 {
		id := next[len(next)-1]
		next = next[:len(next)-1]
		for _, need := range found[id].DependsOn {
			p, ok := byID[need]
			if _, seen := found[need]; seen || !ok {
				continue
			}
			p.Relationship, p.Indirect, p.Dev = ftypes.RelationshipIndirect, true, dev
			found[need] = p
			next = append(next, need)
		}
	}
}
