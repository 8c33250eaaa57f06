// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy/pkg/digest"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

const (
	dpkgDir       = "var/lib/dpkg/"
	availableFile = dpkgDir + "available"
	md5sums       = ".md5sums"
)

// dpkg reads the package database of Debian and its relatives: status, or in
// distroless images one file for each package in status.d. The files of a package
// come from its .md5sums.
func dpkg() []analysis.PostAnalyzer {
	return []analysis.PostAnalyzer{{Type: analysis.TypeDpkg, Version: 6, Wants: wantsDpkg, Analyze: analyzeDpkg}}
}

func wantsDpkg(name string, _ fs.FileInfo) bool {
	rest, ok := strings.CutPrefix(name, dpkgDir)
	if !ok {
		return false
	}
	if dir, base, ok := strings.Cut(rest, "/"); ok {
		return !strings.Contains(base, "/") && (dir == "status.d" || dir == "info" && strings.HasSuffix(base, md5sums))
	}
	return rest == "status" || rest == "available"
}

func analyzeDpkg(ctx context.Context, files analysis.Files, failed func(string, error)) (*analysis.Result, error) {
	var digests map[string]digest.Digest
	if s, ok := files[availableFile]; ok {
		err := withStored(s, func(b []byte) error { digests = parseAvailable(b); return nil })
		if err != nil {
			failed(availableFile, err)
		}
	}
	lists := fileLists{failed: failed, stored: map[string][]storedList{}, left: maxNames}
	most := maxPackages
	res := &analysis.Result{}
	for name, s := range files.All() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		switch {
		case name == availableFile:
		case strings.HasSuffix(name, md5sums):
			lists.add(name, s)
		default:
			var info ftypes.PackageInfo
			var ok bool
			err := withStored(s, func(b []byte) (err error) {
				info.Packages, ok, err = parseStatus(b, digests, most)
				return err
			})
			if err != nil {
				failed(name, err)
			}
			if ok {
				most -= len(info.Packages)
				info.FilePath = name
				res.PackageInfos = append(res.PackageInfos, info)
			}
		}
	}
	for _, info := range res.PackageInfos {
		for i := range info.Packages {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			res.SystemFiles = append(res.SystemFiles, lists.assign(&info.Packages[i])...)
		}
	}
	return res, nil
}

// fileLists are the lists of the files of packages. They are read when a package asks.
type fileLists struct {
	failed func(string, error)
	stored map[string][]storedList
	left   allowance
}

type storedList struct {
	path string
	analysis.Stored
}

func (l *fileLists) add(name string, s analysis.Stored) {
	key := strings.TrimSuffix(path.Base(name), md5sums)
	l.stored[key] = append(l.stored[key], storedList{name, s})
}

// assign gives a package its files and returns them. One from a third party gets
// none: what it installed may hold packages of a language, which count for themselves.
func (l *fileLists) assign(p *ftypes.Package) []string {
	if isThirdParty(p.Maintainer) {
		p.Repository.Class = ftypes.RepositoryClassThirdParty
		return nil
	}
	p.Repository.Class = ftypes.RepositoryClassOfficial
	files, ok := l.read(p.Name)
	if !ok {
		files, _ = l.read(p.Name + ":" + p.Arch)
	}
	p.InstalledFiles = files
	return files
}

// read returns the list of that name. Of two lists the last one that is well-formed
// counts. A malformed one is none, as in Trivy: its files count for themselves.
func (l *fileLists) read(key string) (files []string, ok bool) {
	for _, s := range slices.Backward(l.stored[key]) {
		err := withStored(s, func(b []byte) (err error) { files, ok, err = parseMD5Sums(b, &l.left); return err })
		if err != nil {
			l.failed(s.path, err)
		}
		if ok {
			return files, true
		}
	}
	return nil, false
}

// thirdParties are in the maintainer's name of packages that come from the repositories
// of vendors, as Trivy knows them. The first ones are the whole name.
var thirdParties = [...]string{
	"GitHub", "HashiCorp",

	"@cloudflare.com", "@datadoghq.com", "@hashicorp.com", "@konghq.com", "@microsoft.com", "@mongodb.com",
	"@nodesource.com", "@nvidia.com", "@openrobotics.org", "@osrfoundation.org", "Google Cloud CLI Authors",
	"contact@grafana.com", "dev@couchdb.apache.org", "developers@lists.mariadb.org", "info@elastic.co",
	"info@tailscale.com", "nginx-packaging@f5.com", "sapmachine@sap.com", "support@docker.com",
	"support@gitlab.com", "support@influxdb.com",
}

func isThirdParty(maintainer string) bool {
	if maintainer == thirdParties[0] || maintainer == thirdParties[1] {
		return true
	}
	for _, s := range thirdParties[2:] {
		if strings.Contains(maintainer, s) {
			return true
		}
	}
	return false
}
