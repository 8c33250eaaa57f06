// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// releases are the analysers of the files that say which distribution and which
// release of it an image has.
func releases() []analysis.Analyzer {
	return []analysis.Analyzer{
		release(analysis.TypeAlpine, at("etc/alpine-release"), firstLine(ftypes.Alpine)),
		release(analysis.TypeDebian, at("etc/debian_version"), firstLine(ftypes.Debian)),
		release(analysis.TypeUbuntu, at("etc/lsb-release"), ubuntu),
		release(analysis.TypeUbuntuESM, at("var/lib/ubuntu-advantage/status.json"), ubuntuESM),
		release(analysis.TypeAmazon, either("etc/system-release", "usr/lib/system-release"), amazon),
		release(analysis.TypeRedHatBase, at("etc/redhat-release"), redHat),
		release(analysis.TypeCentOS, at("etc/centos-release"), relative(ftypes.CentOS)),
		release(analysis.TypeRocky, at("etc/rocky-release"), relative(ftypes.Rocky)),
		release(analysis.TypeAlma, at("etc/almalinux-release"), relative(ftypes.Alma)),
		release(analysis.TypeFedora, either("etc/fedora-release", "usr/lib/fedora-release"), relative(ftypes.Fedora)),
		release(analysis.TypeOracle, at("etc/oracle-release"), oracle),
		release(analysis.TypeOSRelease, isOSRelease, osRelease),
		rapidFort(),
	}
}

// release is an analyser of one of those files. A parser returns the zero value for
// a file of another distribution: that is an answer, not a failure.
func release(t analysis.Type, wants func(string, fs.FileInfo) bool, parse func(text string) (ftypes.OS, error)) analysis.Analyzer {
	return analysis.Analyzer{
		Type:    t,
		Version: 1,
		Wants:   wants,
		Analyze: func(_ context.Context, f analysis.File) (*analysis.Result, error) {
			text, err := smallText(f)
			if err != nil {
				return nil, err
			}
			found, err := parse(text)
			if err != nil || found == (ftypes.OS{}) {
				return nil, err
			}
			return &analysis.Result{OS: found}, nil
		},
	}
}

func at(path string) func(string, fs.FileInfo) bool {
	return func(p string, _ fs.FileInfo) bool { return p == path }
}

func either(a, b string) func(string, fs.FileInfo) bool {
	return func(p string, _ fs.FileInfo) bool { return p == a || p == b }
}

// maxText is the greatest size, in bytes, of a file that names a release, a
// repository or the like. Those of distributions have a few hundred bytes.
const maxText = 1 << 20

// smallText is the whole content of a file of at most maxText bytes.
func smallText(f analysis.File) (string, error) {
	b := f.Data
	if b == nil {
		var err error
		if b, err = io.ReadAll(io.LimitReader(f.Content, maxText+1)); err != nil {
			return "", err
		}
	}
	if len(b) > maxText {
		return "", fmt.Errorf("it has more than %d bytes", maxText)
	}
	return string(b), nil
}

// textLines are the lines of a text, without what ends them.
func textLines(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.Lines(text) {
			if !yield(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")) {
				return
			}
		}
	}
}

// firstLine reads a file whose first line is the release.
func firstLine(family ftypes.OSType) func(string) (ftypes.OS, error) {
	return func(text string) (ftypes.OS, error) {
		for line := range textLines(text) {
			return ftypes.OS{Family: family, Name: line}, nil
		}
		return ftypes.OS{}, nil
	}
}

// amazon reads "Amazon Linux release 2 (Karoo)", or "Amazon Linux AMI release 2018.03"
// of version 1, whose release is called "AMI release 2018.03".
func amazon(text string) (ftypes.OS, error) {
	for line := range textLines(text) {
		if !strings.HasPrefix(line, "Amazon Linux") {
			continue
		}
		fields, name := strings.Fields(line), 2
		if strings.HasPrefix(line, "Amazon Linux release 2") {
			if len(fields) < 5 {
				continue
			}
			name = 3
		}
		return ftypes.OS{Family: ftypes.Amazon, Name: strings.Join(fields[name:], " ")}, nil
	}
	return ftypes.OS{}, nil
}

// rapidFort knows the images that RapidFort rebuilt by a file that is there, whatever
// it holds.
func rapidFort() analysis.Analyzer {
	return analysis.Analyzer{
		Type:    analysis.TypeRapidFortCurated,
		Version: 1,
		Wants:   at("usr/share/rapidfort/curated.json"),
		Analyze: func(context.Context, analysis.File) (*analysis.Result, error) {
			return &analysis.Result{OS: ftypes.OS{Supplier: ftypes.SupplierRapidFort}}, nil
		},
	}
}
