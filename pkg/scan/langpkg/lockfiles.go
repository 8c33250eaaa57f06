// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"sort"

	"github.com/aquasecurity/trivy/pkg/dependency/parser/nuget/config"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/nuget/lock"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// lockFiles are the analysers of lock files of which Trivy looks at those in images, too.
func lockFiles() []analysis.PostAnalyzer {
	return []analysis.PostAnalyzer{
		{Type: analysis.TypeCargo, Version: 1, Wants: wantsEither(ftypes.CargoLock, ftypes.CargoToml), Analyze: analyzeCargo},
		{Type: analysis.TypeJulia, Version: 1, Wants: wantsEither(ftypes.JuliaManifest, ftypes.JuliaProject), Analyze: analyzeJulia},
		{Type: analysis.TypeNuget, Version: 3, Wants: wantsEither(ftypes.NuGetPkgsLock, ftypes.NuGetPkgsConfig), Analyze: analyzeNuget},
	}
}

func wantsEither(a, b string) func(string, fs.FileInfo) bool {
	return func(p string, _ fs.FileInfo) bool { return named(p, a) || named(p, b) }
}

// eachLock collects the applications that read makes of each file. A file that read
// refuses is reported, and the others go on.
func eachLock(ctx context.Context, files analysis.Files, failed func(string, error),
	wants func(path string) bool, read func(f analysis.File) (*ftypes.Application, error)) (*analysis.Result, error) {
	var apps []ftypes.Application
	for p, stored := range files.All() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !wants(p) {
			continue
		}
		app, err := readLock(p, stored, read)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			failed(p, err)
			continue
		}
		if app != nil {
			sort.Sort(app.Packages)
			apps = append(apps, *app)
		}
	}
	if len(apps) == 0 {
		return nil, nil
	}
	return &analysis.Result{Applications: apps}, nil
}

func readLock(p string, stored analysis.Stored, read func(f analysis.File) (*ftypes.Application, error)) (*ftypes.Application, error) {
	f, done, err := stored.Open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", p, err)
	}
	defer done()
	f.Path = p
	return read(f)
}

// analyzeNuget reads packages.lock.json and packages.config. Trivy's analyser takes
// licences from the packages in the home directory of whoever runs it, which say nothing
// about the image: ours has none.
func analyzeNuget(ctx context.Context, files analysis.Files, failed func(string, error)) (*analysis.Result, error) {
	all := func(string) bool { return true }
	return eachLock(ctx, files, failed, all, func(f analysis.File) (*ftypes.Application, error) {
		var p parser = lock.NewParser()
		if path.Base(f.Path) == ftypes.NuGetPkgsConfig {
			p = config.NewParser()
		}
		pkgs, deps, err := p.Parse(ctx, f.Content)
		if err != nil {
			return nil, fmt.Errorf("parse %s: %w", f.Path, err)
		}
		for _, d := range deps {
			slices.Sort(d.DependsOn) // they come out of a map
		}
		return listedPackages(ftypes.NuGet, f.Path, "", pkgs, deps), nil
	})
}

// parseTOML has one of Trivy's parsers read a TOML file that does no harm to it.
func parseTOML(ctx context.Context, t ftypes.LangType, f analysis.File, p parser) (*ftypes.Application, error) {
	data, err := readTOML(f)
	if err != nil {
		return nil, err
	}
	pkgs, deps, err := p.Parse(ctx, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", f.Path, err)
	}
	return listedPackages(t, f.Path, "", pkgs, deps), nil
}

// maxTOML is the greatest TOML file, in bytes. Lock files of 10,000 packages have 3 MB.
const maxTOML = 16 << 20

// readTOML returns the content of a TOML file, if the decoder can be trusted with it.
func readTOML(f analysis.File) ([]byte, error) {
	if f.Info.Size() > maxTOML {
		return nil, fmt.Errorf("%s: a TOML file of %d bytes, more than %d", f.Path, f.Info.Size(), maxTOML)
	}
	data := f.Data
	if data == nil {
		var err error
		if data, err = io.ReadAll(io.LimitReader(f.Content, maxTOML)); err != nil {
			return nil, fmt.Errorf("read %s: %w", f.Path, err)
		}
	}
	if n := nesting(data); n > maxNesting {
		return nil, fmt.Errorf("%s: TOML values within each other, %d deep or more", f.Path, maxNesting)
	}
	return data, nil
}
