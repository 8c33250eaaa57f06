// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mitchellh/hashstructure/v2"

	"github.com/aquasecurity/trivy/pkg/dependency"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// What may be spent on the Cargo.toml files of one layer, where each Cargo.lock may name
// all of them, as often as it likes.
const (
	maxManifests     = 20_000
	maxManifestBytes = 256 << 20
	maxCompares      = 20_000_000
)

var errBudget = errors.New("the workspaces of the layer have too many members")

// manifests reads the Cargo.toml files of a layer.
type manifests struct {
	ctx    context.Context
	files  analysis.Files
	failed func(string, error)
	// all are the paths of the files, once they have been asked for.
	all []string
	// What is left of the limits.
	parses, bytes, compares int64
}

// cargoTOML is the part of Cargo.toml that counts.
type cargoTOML struct {
	Package struct {
		Name string `toml:"name"`
		// Version is a string or a table that refers to the workspace.
		Version any `toml:"version"`
	} `toml:"package"`
	Dependencies map[string]any                       `toml:"dependencies"`
	Target       map[string]map[string]map[string]any `toml:"target"`
	Workspace    struct {
		Dependencies map[string]any `toml:"dependencies"`
		Members      []string       `toml:"members"`
		Package      struct {
			Version string `toml:"version"`
		} `toml:"package"`
	} `toml:"workspace"`
}

// project reads the Cargo.toml at p and those of its workspace's members.
func (m *manifests) project(p string) (*cargoProject, error) {
	root, err := m.read(p)
	if err != nil {
		return nil, err
	}
	version := root.Workspace.Package.Version
	project := &cargoProject{root: root.id(version)}
	dependencies := root.dependencies()
	for _, member := range root.Workspace.Members {
		paths, err := m.match(path.Join(path.Dir(p), member, ftypes.CargoToml))
		if err != nil {
			return nil, err
		}
		for _, mp := range paths {
			t, err := m.read(mp)
			if errors.Is(err, errBudget) || m.ctx.Err() != nil {
				return nil, err
			}
			if err != nil {
				// The packages that only this member uses are left out.
				m.failed(mp, err)
				continue
			}
			project.workspace = append(project.workspace, t.id(cmp.Or(version, t.Workspace.Package.Version)))
			for name, d := range t.dependencies() {
				if _, ok := dependencies[name]; !ok {
					dependencies[name] = d
				}
			}
		}
	}
	project.requires = requirements(dependencies)
	return project, nil
}

func (m *manifests) read(p string) (*cargoTOML, error) {
	if err := m.ctx.Err(); err != nil {
		return nil, err
	}
	stored := m.files[p]
	f, done, err := stored.Open()
	if err != nil {
		return nil, err
	}
	size := f.Info.Size()
	done()
	if m.parses, m.bytes = m.parses-1, m.bytes-size; m.parses < 0 || m.bytes < 0 {
		return nil, errBudget
	}
	t := &cargoTOML{}
	if err := decodeTOML(p, stored, t); err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	return t, nil
}

// match returns the files that a pattern of path.Match means. As in Trivy, the path of
// the workspace itself is part of the pattern.
func (m *manifests) match(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, `*?[\`) {
		if _, ok := m.files[pattern]; ok {
			return []string{pattern}, nil
		}
		return nil, nil
	}
	if m.all == nil {
		m.all = slices.Sorted(maps.Keys(m.files))
		m.all = slices.DeleteFunc(m.all, func(p string) bool { return !named(p, ftypes.CargoToml) })
	}
	if m.compares -= int64(len(m.all)); m.compares < 0 {
		return nil, errBudget
	}
	var found []string
	parts := strings.Split(pattern, "/")
	for _, p := range m.all {
		if matchParts(parts, p) {
			found = append(found, p)
		}
	}
	return found, nil
}

// matchParts matches each element of a path by itself. A pattern that is none matches nothing.
func matchParts(patterns []string, p string) bool {
	if strings.Count(p, "/") != len(patterns)-1 {
		return false
	}
	i := 0
	for element := range strings.SplitSeq(p, "/") {
		if ok, err := path.Match(patterns[i], element); err != nil || !ok {
			return false
		}
		i++
	}
	return true
}

// dependencies are all that are not for tests and builds alone.
func (t *cargoTOML) dependencies() map[string]any {
	all := map[string]any{}
	maps.Copy(all, t.Dependencies)
	for _, platform := range slices.Sorted(maps.Keys(t.Target)) {
		maps.Copy(all, t.Target[platform]["dependencies"])
	}
	maps.Copy(all, t.Workspace.Dependencies)
	return all
}

// requirements are those that name a version: "1.5" or {version = "1.5"}.
func requirements(dependencies map[string]any) map[string]string {
	all := map[string]string{}
	for name, d := range dependencies {
		if table, ok := d.(map[string]any); ok {
			d = table["version"]
		}
		if version, ok := d.(string); ok {
			all[name] = version
		}
	}
	return all
}

// id is the package's name and version, or a hash of the file where it has no package.
func (t *cargoTOML) id(workspaceVersion string) string {
	if t.Package.Name == "" {
		return t.hash()
	}
	version := ""
	switch v := t.Package.Version.(type) {
	case nil:
		version = workspaceVersion
	case string:
		version = v
	case map[string]any:
		if inherit, ok := v["workspace"].(bool); ok && inherit {
			version = workspaceVersion
		}
	}
	return dependency.ID(ftypes.Cargo, t.Package.Name, version)
}

// hash is Trivy's, into which the names of its types go.
func (t *cargoTOML) hash() string {
	type Package struct {
		Name    string
		Version any
	}
	type cargoTomlWorkspace struct {
		Dependencies map[string]any
		Members      []string
		Package      struct{ Version string }
	}
	type cargoToml struct {
		Package      Package
		Dependencies map[string]any
		Target       map[string]map[string]map[string]any
		Workspace    cargoTomlWorkspace
	}
	c := cargoToml{Package: Package(t.Package), Dependencies: t.Dependencies, Target: t.Target}
	c.Workspace.Dependencies, c.Workspace.Members = t.Workspace.Dependencies, t.Workspace.Members
	c.Workspace.Package.Version = t.Workspace.Package.Version
	n, err := hashstructure.Hash(c, hashstructure.FormatV2, &hashstructure.HashOptions{ZeroNil: true, IgnoreZeroValue: true})
	if err != nil {
		n = 0
	}
	return strconv.FormatUint(n, 16)
}
