// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/aquasecurity/go-version/pkg/semver"
	goversion "github.com/aquasecurity/go-version/pkg/version"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/rust/cargo"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// analyzeCargo reads Cargo.lock, which lists the packages, and the Cargo.toml beside it
// and those of its workspace, which say which of them are used. Those that only tests
// and tools need are left out then.
func analyzeCargo(ctx context.Context, files analysis.Files, failed func(string, error)) (*analysis.Result, error) {
	m := &manifests{ctx: ctx, files: files, failed: failed, parses: maxManifests, bytes: maxManifestBytes, compares: maxCompares}
	lock := func(p string) bool { return named(p, ftypes.CargoLock) }
	return eachLock(ctx, files, failed, lock, func(f analysis.File) (*ftypes.Application, error) {
		app, err := parseTOML(ctx, ftypes.Cargo, f, cargo.NewParser())
		if err != nil || app == nil {
			return app, err
		}
		p := path.Join(path.Dir(f.Path), ftypes.CargoToml)
		if _, ok := files[p]; !ok {
			return app, nil
		}
		project, err := m.project(p)
		if errors.Is(err, errBudget) {
			failed(p, err)
		}
		if err != nil {
			return app, nil // all packages count: none is missed
		}
		for _, err := range project.keepUsed(app) {
			failed(p, err)
		}
		return app, nil
	})
}

// cargoProject is what Cargo.toml and those of its workspace say.
type cargoProject struct {
	// root is the ID of the project's own package, workspace those of its members.
	root      string
	workspace []string
	// requires has the version requirement of each package that is asked for by name.
	requires map[string]string
}

// keepUsed leaves the packages in app that the project and its members use. It returns
// what it could not find because of a version that means nothing to it.
func (c *cargoProject) keepUsed(app *ftypes.Application) []error {
	byID := make(map[string]ftypes.Package, len(app.Packages))
	byName := make(map[string][]ftypes.Package, len(app.Packages))
	for _, p := range app.Packages {
		byID[p.ID] = p
		byName[p.Name] = append(byName[p.Name], p)
	}
	used := map[string]ftypes.Package{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.requires)) {
		p, err := pick(byName[name], c.requires[name])
		if err != nil {
			errs = append(errs, err)
		}
		if p != nil {
			p.Relationship, p.Indirect = ftypes.RelationshipDirect, false
			used[p.ID] = *p
		}
	}
	addIndirect(used, byID, false)
	c.addOwn(used, byID)
	app.Packages = slices.Collect(maps.Values(used))
	return errs
}

// pick returns a copy of the first of several versions of a package that meets a
// requirement. The error is for a version or a requirement that cannot be compared,
// where no other version meets it.
func pick(versions []ftypes.Package, requirement string) (*ftypes.Package, error) {
	var failure error
	for _, p := range versions {
		ok, err := meets(p.Version, requirement)
		if err != nil {
			failure = fmt.Errorf("requirement %q of package %s: %w", requirement, p.ID, err)
		}
		if ok {
			return &p, nil
		}
	}
	return nil, failure
}

// meets says whether a version meets a requirement of Cargo's, where a bare version
// stands for it and the compatible ones after it.
func meets(version, requirement string) (bool, error) {
	if _, err := goversion.Parse(requirement); err == nil {
		requirement = "^" + requirement
	}
	v, err := semver.Parse(version)
	if err != nil {
		return false, err
	}
	c, err := semver.NewConstraints(requirement)
	if err != nil {
		return false, err
	}
	return c.Check(v), nil
}

// addOwn adds the project's own packages.
func (c *cargoProject) addOwn(used, byID map[string]ftypes.Package) {
	own := map[string]ftypes.Relationship{}
	for _, id := range c.workspace {
		own[id] = ftypes.RelationshipWorkspace
	}
	own[c.root] = ftypes.RelationshipRoot
	for _, id := range slices.Sorted(maps.Keys(own)) {
		p, ok := byID[id]
		if !ok {
			continue
		}
		p.Relationship = own[id]
		var needs []string
		for _, n := range p.DependsOn {
			if _, ok := used[n]; ok {
				needs = append(needs, n)
			}
		}
		p.DependsOn = needs
		used[id] = p
	}
	// A workspace may have no package at its root.
	if _, ok := used[c.root]; !ok {
		used[c.root] = ftypes.Package{ID: c.root, Relationship: ftypes.RelationshipRoot, DependsOn: c.workspace}
	}
}
