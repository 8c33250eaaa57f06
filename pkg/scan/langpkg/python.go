// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/aquasecurity/trivy/pkg/dependency/parser/python/packaging"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/licensing"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

func python() []analysis.PostAnalyzer {
	return []analysis.PostAnalyzer{{Type: analysis.TypePythonPkg, Version: 2, Wants: wantsPython, Analyze: pythonPackages}}
}

// wantsPython takes the metadata of installed packages and, in dist-info directories,
// whatever lies next to it: the licence may have any name.
func wantsPython(path string, _ fs.FileInfo) bool {
	return strings.Contains(path, ".dist-info") || isEggInfo(path)
}

// isEggInfo knows the metadata of eggs: a file, or one in a directory of that name.
func isEggInfo(path string) bool {
	return strings.HasSuffix(path, ".egg-info") ||
		strings.HasSuffix(path, "EGG-INFO/PKG-INFO") ||
		strings.HasSuffix(path, ".egg-info/PKG-INFO") ||
		strings.HasSuffix(path, ".egg-info/METADATA")
}

// pythonPackages reads the metadata of installed packages (PyPA, "Recording installed
// projects" and "Core metadata").
func pythonPackages(ctx context.Context, files analysis.Files, failed func(string, error)) (*analysis.Result, error) {
	var res analysis.Result
	for p, stored := range files.All() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		base := path.Base(p)
		isPackage := base == "METADATA" || isEggInfo(p)
		if !isPackage && base != "PKG-INFO" {
			continue
		}
		app, err := pythonPackage(ctx, p, stored, files)
		switch {
		case err != nil:
			failed(p, err)
		case app != nil && isPackage:
			// A PKG-INFO in dist-info is no package to Trivy, but has to be readable.
			res.Applications = append(res.Applications, app.Applications...)
		}
	}
	return &res, nil
}

func pythonPackage(ctx context.Context, p string, stored analysis.Stored, files analysis.Files) (*analysis.Result, error) {
	f, release, err := stored.Open()
	if err != nil {
		return nil, err
	}
	defer release()
	pkgs, _, err := parse(ctx, packaging.NewParser(), content(f))
	if err != nil {
		return nil, err
	}
	licence := func(name string) ([]byte, error) { return readStored(files[path.Join(path.Dir(p), name)], name) }
	if err := readLicences(pkgs, licence); err != nil {
		return nil, err
	}
	return application(ftypes.PythonPkg, p, p, pkgs, nil), nil
}

// maxLicence is how large the text of a licence may be, in bytes. The classifier takes
// two seconds for a MiB.
const maxLicence = 4 << 20

// readStored copies a stored file; nil if there is none.
func readStored(stored analysis.Stored, name string) ([]byte, error) {
	if stored == nil {
		return nil, nil
	}
	f, release, err := stored.Open()
	if err != nil {
		return nil, err
	}
	defer release()
	return readAll(content(f), maxLicence, name)
}

// readLicences replaces names of licence files by the names of the licences in them.
// read returns nil for a file that is not there.
func readLicences(pkgs []ftypes.Package, read func(name string) ([]byte, error)) error {
	for i := range pkgs {
		var licences []string
		for _, l := range pkgs[i].Licenses {
			file, ok := strings.CutPrefix(l, licensing.LicenseFilePrefix)
			if !ok {
				licences = append(licences, l)
				continue
			}
			text, err := read(path.Base(file))
			if err != nil {
				return err
			}
			if text == nil {
				continue
			}
			found, err := classify(bytes.NewReader(text))
			if err != nil {
				return err
			}
			licences = append(licences, found...)
		}
		pkgs[i].Licenses = licences
	}
	return nil
}

// classify says which licences a text is.
func classify(text io.Reader) (names []string, err error) {
	defer recovered(&err)
	found, err := licensing.Classify("", text, licenceConfidence)
	if err != nil || found == nil {
		return nil, err
	}
	for _, l := range found.Findings {
		names = append(names, l.Name)
	}
	return names, nil
}
