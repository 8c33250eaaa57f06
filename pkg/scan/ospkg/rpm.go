// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy/pkg/digest"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// rpm are the analysers of Red Hat's world: the databases of rpm in its three formats,
// the list that distroless images have instead, and what Red Hat's build system wrote.
func rpm() []analysis.Analyzer {
	return []analysis.Analyzer{
		{Type: analysis.TypeRpm, Version: 3, Wants: wantsRpm, Analyze: analyzeRpm},
		{Type: analysis.TypeRpmqa, Version: 1, Wants: wantsRpmqa, Analyze: analyzeRpmqa},
		{Type: analysis.TypeRedHatContentManifest, Version: 1, Wants: wantsContentManifest, Analyze: analyzeContentManifest},
		{Type: analysis.TypeRedHatDockerfile, Version: 1, Wants: wantsRedHatDockerfile, Analyze: analyzeRedHatDockerfile},
	}
}

func wantsRpm(name string, _ fs.FileInfo) bool {
	if !strings.HasPrefix(name, "usr/") && !strings.HasPrefix(name, "var/lib/rpm/") {
		return false
	}
	switch name {
	case "usr/lib/sysimage/rpm/Packages", "var/lib/rpm/Packages", // Berkeley DB
		"usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/Packages.db", // NDB
		"usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite", "usr/share/rpm/rpmdb.sqlite":
		return true
	}
	return false
}

func analyzeRpm(ctx context.Context, f analysis.File) (*analysis.Result, error) {
	db := rpmPackages{provides: map[string]string{}, left: maxNames}
	source := rpmSource{ctx: ctx, file: f, size: f.Info.Size()}
	if f.Data != nil {
		source.size = int64(len(f.Data))
	}
	for header, err := range rpmHeaders(source) {
		if err == nil {
			err = db.add(header)
		}
		if err != nil {
			return nil, fmt.Errorf("the package database: %w", err)
		}
	}
	db.resolve()
	return &analysis.Result{
		PackageInfos: []ftypes.PackageInfo{{FilePath: f.Path, Packages: db.packages}},
		SystemFiles:  db.files,
	}, nil
}

// rpmPackages are the packages of a database.
type rpmPackages struct {
	packages ftypes.Packages
	requires [][]byte          // of each package
	provides map[string]string // what a package provides, to its ID
	files    []string
	left     allowance
}

func (db *rpmPackages) add(header []byte) error {
	h, err := parseRpmHeader(header)
	if err != nil {
		return err
	}
	if err := db.left.take(h.names()); err != nil {
		return err
	}
	if len(db.packages) == maxPackages {
		return fmt.Errorf("it lists more than %d packages", maxPackages)
	}
	p := ftypes.Package{
		ID:   h.name + "@" + h.version + "-" + h.release + "." + h.arch,
		Name: h.name, Epoch: h.epoch, Version: h.version, Release: h.release, Arch: h.arch,
		SrcEpoch:        h.epoch, // a source's own is not written down
		Modularitylabel: h.modularity,
		Maintainer:      h.vendor,
	}
	if p.Arch == "" {
		p.Arch = "None"
	}
	// A source that has no regular name is left out, as in Trivy.
	p.SrcName, p.SrcVersion, p.SrcRelease, _ = splitSourceRpm(h.source)
	if h.licence != "" {
		p.Licenses = []string{h.licence}
	}
	if h.md5 != "" {
		p.Digest = digest.NewDigestFromString(digest.MD5, h.md5)
	}
	p.Repository.Class = ftypes.RepositoryClassThirdParty
	if isVendors(h) {
		// What a third party installed may hold packages of a language, which count for
		// themselves.
		p.Repository.Class = ftypes.RepositoryClassOfficial
		if p.InstalledFiles, err = h.files(&db.left); err != nil {
			return err
		}
		db.files = append(db.files, p.InstalledFiles...)
	}
	for name := range strings.SplitSeq(string(h.provides), "\x00") {
		if h.provides != nil {
			db.provides[name] = p.ID
		}
	}
	db.packages, db.requires = append(db.packages, p), append(db.requires, slices.Clone(h.requires))
	return nil
}

// resolve turns what packages require into the IDs of those that provide it.
func (db *rpmPackages) resolve() {
	for i := range db.packages {
		var ids []string
		for rest, more := db.requires[i], db.requires[i] != nil; more; {
			var name []byte
			name, rest, more = cutZero(rest)
			if id, ok := db.provides[string(name)]; ok && id != db.packages[i].ID {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		db.packages[i].DependsOn = slices.Compact(ids)
	}
}

// splitSourceRpm takes the name of a source package ("bash-5.1.8-6.el9.src.rpm") apart.
func splitSourceRpm(file string) (name, version, release string, ok bool) {
	file = strings.TrimSuffix(file, ".rpm")
	dot := strings.LastIndexByte(file, '.')
	if dot < 0 {
		return "", "", "", false
	}
	file = file[:dot]
	r := strings.LastIndexByte(file, '-')
	if r < 0 {
		return "", "", "", false
	}
	v := strings.LastIndexByte(file[:r], '-')
	if v < 0 {
		return "", "", "", false
	}
	return file[:v], file[v+1 : r], file[r+1:], true
}

// osVendors are how distributions sign their packages, as Trivy knows them.
var osVendors = [...]string{
	"AlmaLinux", "Amazon Linux", "Amazon.com", "CentOS", "CloudLinux", "Fedora Project", "Microsoft Corporation",
	"Oracle America", "Red Hat", "Rocky", "SUSE", "VMware", "openSUSE",
}

// isVendors says whether the distribution made a package. Amazon names no vendor.
func isVendors(h *rpmHeader) bool {
	if h.vendor == "" {
		return strings.Contains(h.release, "amzn")
	}
	return slices.ContainsFunc(osVendors[:], func(v string) bool { return strings.HasPrefix(h.vendor, v) })
}
