// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/aquasecurity/trivy/pkg/dependency/parser/nodejs/packagejson"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/python/packaging"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

func installed() []analysis.Analyzer {
	return []analysis.Analyzer{
		{Type: analysis.TypeNodePkg, Version: 1, Wants: wantsPackageJSON, Analyze: packageJSON},
		{Type: analysis.TypePythonEgg, Version: 1, Wants: wantsEgg, Analyze: egg},
	}
}

func wantsPackageJSON(path string, _ fs.FileInfo) bool {
	const name = "package.json"
	i := len(path) - len(name)
	return i >= 0 && path[i:] == name && (i == 0 || path[i-1] == '/')
}

// packageJSON reads what npm knows of an installed package. One without a name or a
// version is none.
func packageJSON(_ context.Context, f analysis.File) (_ *analysis.Result, err error) {
	defer recovered(&err)
	p, err := packagejson.NewParser().Parse(content(f))
	if err != nil || p.Package.ID == "" {
		return nil, err
	}
	return application(ftypes.NodePkg, f.Path, f.Path, []ftypes.Package{p.Package}, nil), nil
}

func wantsEgg(path string, _ fs.FileInfo) bool { return strings.HasSuffix(path, ".egg") }

// maxEggInfo is how large the metadata in an egg may be, in bytes. A few KiB of an
// archive can inflate to anything.
const maxEggInfo = 16 << 20

// egg reads a Python package that is installed as a zip archive (setuptools, "The
// Internal Structure of Python Eggs").
func egg(ctx context.Context, f analysis.File) (*analysis.Result, error) {
	zr, err := zip.NewReader(content(f), f.Info.Size())
	if err != nil {
		return nil, err
	}
	metadata, err := unzip(zr, maxEggInfo, isEggInfo)
	if err != nil || metadata == nil {
		return nil, err
	}
	pkgs, _, err := parse(ctx, packaging.NewParser(), bytes.NewReader(metadata))
	if err != nil {
		return nil, err
	}
	licence := func(name string) ([]byte, error) {
		return unzip(zr, maxLicence, func(entry string) bool { return path.Base(entry) == name })
	}
	if err := readLicences(pkgs, licence); err != nil {
		return nil, err
	}
	return application(ftypes.PythonPkg, f.Path, f.Path, pkgs, nil), nil
}

// unzip inflates the first entry that is wanted, of at most limit bytes; nil if there is none.
func unzip(zr *zip.Reader, limit int64, wanted func(name string) bool) ([]byte, error) {
	for _, entry := range zr.File {
		if !wanted(entry.Name) {
			continue
		}
		rc, err := entry.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name, err)
		}
		defer rc.Close()
		b, err := readAll(rc, limit, entry.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name, err)
		}
		return b, nil
	}
	return nil, nil
}
