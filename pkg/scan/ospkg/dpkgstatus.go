// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	debversion "github.com/knqyf263/go-deb-version"

	"github.com/aquasecurity/trivy/pkg/digest"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

var errManyPackages = fmt.Errorf("the package database lists more than %d packages", maxPackages)

// status is what a database of installed packages says.
type status struct {
	packages []ftypes.Package
	depends  []string       // the field Depends of each package
	byID     map[string]int // index in packages
	byName   map[string]string
	unread   map[string]bool // names of installed packages that could not be read
	err      error           // the first paragraph that could not be read
}

// parseStatus reads var/lib/dpkg/status or a file of status.d. With an error come the
// packages that could be read all the same; ok is false where Trivy gives up on the
// whole file, or where it lists more than most.
func parseStatus(data []byte, digests map[string]digest.Digest, most int) (packages []ftypes.Package, ok bool, err error) {
	s := status{packages: []ftypes.Package{}, byID: map[string]int{}, byName: map[string]string{}, unread: map[string]bool{}}
	var p paragraph
	n := 0
	for text, err := range paragraphs(data) {
		n++
		if err != nil {
			return nil, false, fmt.Errorf("paragraph %d of the package database: %w", n, err)
		}
		if err = p.parse(text); err != nil && s.err == nil {
			s.err = fmt.Errorf("paragraph %d of the package database: %w", n, err)
		}
		if err == nil || hides(err) {
			s.add(&p, digests)
		}
		if len(s.packages) > most {
			return nil, false, errManyPackages
		}
	}
	s.resolve()
	if s.err != nil {
		return s.packages, true, s.err
	}
	return s.packages, true, s.missing()
}

// add reads the package of a paragraph. Of two with the same name and version, which
// differ in their architecture, the last counts: so it is in Trivy.
func (s *status) add(p *paragraph, digests map[string]digest.Digest) {
	if !installed(p.get(fieldStatus)) || len(p.values[fieldPackage]) == 0 {
		return
	}
	pkg, ok := readPackage(p)
	if !ok {
		s.unread[pkg.Name] = true
		return
	}
	pkg.Digest = digests[pkg.ID]
	depends := p.get(fieldDepends)
	s.byName[pkg.Name] = pkg.ID
	if i, ok := s.byID[pkg.ID]; ok {
		s.packages[i], s.depends[i] = pkg, depends
		return
	}
	s.byID[pkg.ID] = len(s.packages)
	s.packages, s.depends = append(s.packages, pkg), append(s.depends, depends)
}

// installed reads the field Status ("install ok installed") as Trivy does: a file of
// status.d has none, and what is not to be removed counts.
func installed(status string) bool {
	if status == "install ok installed" {
		return true
	}
	for word := range strings.FieldsSeq(status) {
		if word == "deinstall" || word == "purge" {
			return false
		}
	}
	return true
}

// readPackage is false for a package whose version, or source's version, is none.
// The name is there in any case.
func readPackage(p *paragraph) (pkg ftypes.Package, ok bool) {
	pkg.Name = p.get(fieldPackage)
	version := p.get(fieldVersion)
	if version == "" {
		return pkg, false
	}
	v, err := debversion.NewVersion(version)
	if err != nil {
		return pkg, false
	}
	pkg.ID = packageID(pkg.Name, version)
	pkg.Epoch, pkg.Version, pkg.Release = v.Epoch(), v.Version(), v.Revision()
	pkg.Maintainer, pkg.Arch = p.get(fieldMaintainer), p.get(fieldArchitecture)

	name, srcVersion := splitSource(p.get(fieldSource))
	pkg.SrcName = cmp.Or(name, pkg.Name)
	if srcVersion != "" && srcVersion != version {
		if v, err = debversion.NewVersion(srcVersion); err != nil {
			return pkg, false
		}
	}
	pkg.SrcEpoch, pkg.SrcVersion, pkg.SrcRelease = v.Epoch(), v.Version(), v.Revision()
	return pkg, true
}

func packageID(name, version string) string { return name + "@" + version }

// splitSource reads the field Source, "name" or "name (version)". What is left out is
// the same as the package's.
func splitSource(source string) (name, version string) {
	i := strings.IndexAny(source, " \t\n\f\r")
	if i < 0 {
		return strings.TrimSpace(source), ""
	}
	name = strings.TrimSpace(source[:i])
	if rest, ok := strings.CutPrefix(source[i:], " ("); ok {
		if end := strings.LastIndexByte(rest, ')'); end >= 0 {
			version = strings.TrimSpace(rest[:end])
		}
	}
	return name, version
}

// resolve turns the names that packages depend on into IDs, where those are installed.
func (s *status) resolve() {
	for i := range s.packages {
		var ids []string
		for all := range strings.SplitSeq(s.depends[i], ",") {
			for name := range strings.SplitSeq(all, "|") {
				name, _, _ = strings.Cut(name, "(")
				if id, ok := s.byName[strings.TrimSpace(name)]; ok {
					ids = append(ids, id)
				}
			}
		}
		slices.Sort(ids)
		s.packages[i].DependsOn = slices.Compact(ids)
	}
}

// missing reports the installed packages of which no version could be read.
func (s *status) missing() error {
	for name := range s.byName {
		delete(s.unread, name)
	}
	if len(s.unread) == 0 {
		return nil
	}
	list := slices.Sorted(maps.Keys(s.unread))
	more := ""
	if len(list) > 5 {
		list, more = list[:5], fmt.Sprintf(" and %d more", len(list)-5)
	}
	return fmt.Errorf("the package database lists packages that could not be read: %s%s", strings.Join(list, ", "), more)
}

// parseAvailable reads the checksums of packages (var/lib/dpkg/available), by ID.
// They are no more than an ornament of an SBOM: what cannot be read is left out, as
// in Trivy.
func parseAvailable(data []byte) map[string]digest.Digest {
	digests := map[string]digest.Digest{}
	var p paragraph
	for text, err := range paragraphs(data) {
		if err != nil {
			return nil
		}
		if err = p.parse(text); err != nil && !hides(err) {
			continue
		}
		if sum := p.get(fieldSHA256); sum != "" {
			digests[packageID(p.get(fieldPackage), p.get(fieldVersion))] = digest.NewDigestFromString(digest.SHA256, sum)
		}
	}
	return digests
}
