// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// rpmManifest lists the packages of distroless images of Azure Linux (CBL-Mariner),
// one on each line, as `rpm -qa` prints them with a format of ten fields.
const rpmManifest = "var/lib/rpmmanifest/container-manifest-2"

func wantsRpmqa(name string, _ fs.FileInfo) bool { return name == rpmManifest }

func analyzeRpmqa(_ context.Context, f analysis.File) (*analysis.Result, error) {
	data, err := wholeFile(f)
	if err != nil {
		return nil, err
	}
	packages, err := parseManifest(data)
	if err != nil {
		return nil, err
	}
	return &analysis.Result{PackageInfos: []ftypes.PackageInfo{{FilePath: f.Path, Packages: packages}}}, nil
}

// parseManifest fails at the first line that it does not understand.
func parseManifest(data []byte) ([]ftypes.Package, error) {
	var packages []ftypes.Package
	for len(data) > 0 {
		line, rest := data, []byte(nil)
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, rest = data[:i], data[i+1:]
		}
		// Trivy stops at such a line, and calls what it has complete.
		if len(line) >= bufio.MaxScanTokenSize {
			return nil, fmt.Errorf("the package database lists %d packages, of which %d could be read", len(packages)+countLines(data), len(packages))
		}
		if len(packages) == maxPackages {
			return nil, errManyPackages
		}
		p, err := parseManifestLine(string(bytes.TrimSuffix(line, []byte("\r"))))
		if err != nil {
			return nil, fmt.Errorf("line %d of the package database: %w: %s", len(packages)+1, err, excerpt(line))
		}
		packages = append(packages, p)
		data = rest
	}
	return packages, nil
}

// countLines counts lines that are not empty.
func countLines(data []byte) (n int) {
	for line := range bytes.Lines(data) {
		if len(bytes.TrimRight(line, "\r\n")) > 0 {
			n++
		}
	}
	return n
}

// parseManifestLine reads name, version and release, two times, vendor, "(none)", size,
// architecture, epoch and source.
func parseManifestLine(line string) (p ftypes.Package, err error) {
	if strings.Count(line, "\t") != 9 {
		return p, errors.New("it has not ten fields")
	}
	fields := strings.Split(line, "\t")
	var ok bool
	p.Name, p.Arch = fields[0], fields[7]
	if p.Version, p.Release, ok = strings.Cut(fields[1], "-"); !ok || strings.Contains(p.Release, "-") {
		return p, errors.New("the second field is no version and release")
	}
	if p.SrcName, p.SrcVersion, p.SrcRelease, ok = splitSourceRpm(fields[9]); !ok {
		return p, errors.New("the last field is no source package")
	}
	if p.Epoch, err = strconv.Atoi(fields[8]); err != nil {
		return p, errors.New("the epoch is no number")
	}
	p.SrcEpoch = p.Epoch
	return p, nil
}
