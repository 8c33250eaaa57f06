// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/aquasecurity/trivy/pkg/dependency/parser/conda/meta"
	core "github.com/aquasecurity/trivy/pkg/dependency/parser/dotnet/core_deps"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/nuget/packagesprops"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/php/composer"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/ruby/gemspec"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	xio "github.com/aquasecurity/trivy/pkg/x/io"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// parser is one of Trivy's.
type parser interface {
	Parse(context.Context, xio.ReadSeekerAt) ([]ftypes.Package, []ftypes.Dependency, error)
}

// listed are the analysers of single files in which an installer wrote down one package
// or a list of them.
func listed() []analysis.Analyzer {
	return []analysis.Analyzer{
		{Type: analysis.TypeGemSpec, Version: 1, Wants: wantsGemspec,
			Analyze: onePackage(ftypes.GemSpec, func() parser { return gemspec.NewParser() })},
		{Type: analysis.TypeCondaPkg, Version: 1, Wants: wantsConda,
			Analyze: onePackage(ftypes.CondaPkg, func() parser { return meta.NewParser() })},
		{Type: analysis.TypeComposerVendor, Version: 1, Wants: wantsName(ftypes.ComposerInstalledJson),
			Analyze: packageList(ftypes.ComposerVendor, func() parser { return composer.NewParser() })},
		{Type: analysis.TypeDotNetCore, Version: 2, Wants: wantsDeps,
			Analyze: packageList(ftypes.DotNetCore, func() parser { return core.NewParser() })},
		{Type: analysis.TypePackagesProps, Version: 1, Wants: wantsProps,
			Analyze: packageList(ftypes.PackagesProps, func() parser { return packagesprops.NewParser() })},
	}
}

type analyzeFunc = func(context.Context, analysis.File) (*analysis.Result, error)

// onePackage is for a file that stands for a package, which so carries its path.
func onePackage(t ftypes.LangType, newParser func() parser) analyzeFunc {
	return func(ctx context.Context, f analysis.File) (*analysis.Result, error) {
		return parseList(ctx, t, f, f.Path, newParser())
	}
}

// packageList is for a file that lists packages.
func packageList(t ftypes.LangType, newParser func() parser) analyzeFunc {
	return func(ctx context.Context, f analysis.File) (*analysis.Result, error) {
		return parseList(ctx, t, f, "", newParser())
	}
}

func parseList(ctx context.Context, t ftypes.LangType, f analysis.File, libPath string, p parser) (*analysis.Result, error) {
	pkgs, deps, err := p.Parse(ctx, f.Content)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", f.Path, err)
	}
	return listedApplication(t, f.Path, libPath, pkgs, deps), nil
}

// wantsName wants the files of that name, in any directory.
func wantsName(name string) func(string, fs.FileInfo) bool {
	return func(p string, _ fs.FileInfo) bool { return named(p, name) }
}

func named(p, name string) bool {
	n := len(p) - len(name)
	return n >= 0 && (n == 0 || p[n-1] == '/') && p[n:] == name
}

func wantsDeps(p string, _ fs.FileInfo) bool { return strings.HasSuffix(p, ".deps.json") }

// wantsProps wants Packages.props and *packages.props in any case.
func wantsProps(p string, _ fs.FileInfo) bool {
	const suffix = "packages.props"
	n := len(p)
	if n < len(suffix) || p[n-6] != '.' || p[n-1]|0x20 != 's' {
		return false // what most paths come to, without a copy of them
	}
	return strings.HasSuffix(strings.ToLower(p), suffix)
}

// wantsGemspec wants …/specifications/….gemspec….
func wantsGemspec(p string, _ fs.FileInfo) bool {
	return anyLine(p, ".gemspec", func(line string) bool {
		_, rest, ok := strings.Cut(line, "/specifications/")
		if !ok {
			return false
		}
		_, ok = beyond(rest, ".gemspec")
		return ok
	})
}

// wantsConda wants …/envs/…/conda-meta/<name>-<version>-<build>.json….
func wantsConda(p string, _ fs.FileInfo) bool {
	return anyLine(p, "/conda-meta/", func(line string) bool {
		_, rest, ok := strings.Cut(line, "/envs/")
		for _, sep := range []string{"/conda-meta/", "-", "-", ".json"} {
			if !ok {
				return false
			}
			rest, ok = beyond(rest, sep)
		}
		return ok
	})
}

// anyLine asks about each line of a path. Trivy's patterns are not anchored and match
// within a line, and a path may have several.
func anyLine(p, must string, match func(line string) bool) bool {
	if !strings.Contains(p, must) {
		return false
	}
	for line := range strings.SplitSeq(p, "\n") {
		if match(line) {
			return true
		}
	}
	return false
}

// beyond returns what follows the first sep in s that has something in front of it.
func beyond(s, sep string) (rest string, ok bool) {
	if s == "" {
		return "", false
	}
	_, rest, ok = strings.Cut(s[1:], sep)
	return rest, ok
}

// listedApplication makes packages, and which of them needs which, an application.
func listedApplication(t ftypes.LangType, path, libPath string, pkgs []ftypes.Package, deps []ftypes.Dependency) *analysis.Result {
	app := listedPackages(t, path, libPath, pkgs, deps)
	if app == nil {
		return nil
	}
	return &analysis.Result{Applications: []ftypes.Application{*app}}
}

func listedPackages(t ftypes.LangType, path, libPath string, pkgs []ftypes.Package, deps []ftypes.Dependency) *ftypes.Application {
	if len(pkgs) == 0 {
		return nil
	}
	dependsOn := make(map[string][]string, len(deps))
	for _, d := range deps {
		dependsOn[d.ID] = d.DependsOn
	}
	for i := range pkgs {
		p := &pkgs[i]
		if p.FilePath == "" {
			p.FilePath = libPath
		}
		p.DependsOn = dependsOn[p.ID]
		p.Indirect = p.Relationship == ftypes.RelationshipIndirect
	}
	return &ftypes.Application{Type: t, FilePath: path, Packages: pkgs}
}
