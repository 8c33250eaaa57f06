// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aquasecurity/trivy-db/pkg/vulnsrc/bucket"
	"github.com/aquasecurity/trivy/pkg/detector/library"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/rapidfort"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/seal"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/version"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// isOSAnalyzer says whether an analyser reads the operating system or its package
// database. Their failures cannot be accepted.
func isOSAnalyzer(name string) bool {
	switch analysis.Type(name) {
	case analysis.TypeAlma, analysis.TypeAlpine, analysis.TypeAmazon, analysis.TypeCentOS, analysis.TypeDebian, analysis.TypeFedora,
		analysis.TypeOracle, analysis.TypeOSRelease, analysis.TypeRapidFortCurated, analysis.TypeRedHatBase, analysis.TypeRocky,
		analysis.TypeUbuntu, analysis.TypeUbuntuESM,
		analysis.TypeApk, analysis.TypeApkRepo, analysis.TypeBottlerocketInventory, analysis.TypeDpkg, analysis.TypeDpkgLicense,
		analysis.TypeRedHatContentManifest, analysis.TypeRedHatDockerfile, analysis.TypeRpm, analysis.TypeRpmqa:
		return true
	}
	return false
}

// coverage finds what Trivy passes over in silence.
type coverage struct {
	inv    *Inventory
	facts  merged
	detail ftypes.ArtifactDetail
	os     ftypes.OS
	// unsupported is set where Trivy has no detector for os.
	unsupported bool
	platforms   []string
	m           *Matched
}

func (c *coverage) problem(area evidence.Area, what, analyzer, message, hint string) {
	c.m.Problems = append(c.m.Problems, evidence.Problem{Area: area, What: what, Analyzer: analyzer, Message: message, Hint: hint})
}

func (c *coverage) check() {
	c.m.Coverage.OS = evidence.OSFacts{Family: string(c.os.Family), Release: c.os.Name, EndOfLife: c.os.Eosl}
	c.databases()
	switch c.os.Family {
	case "", "none": // "none" is Trivy's word for packages without a distribution
		c.m.Coverage.OS = evidence.OSFacts{}
		c.unknownOS()
	default:
		c.knownOS()
	}
	c.languages()
	c.anything()
}

// databases reports package databases that the image had and no longer has, and
// those that cannot be found.
func (c *coverage) databases() {
	for _, p := range c.facts.unusualLinks() {
		c.problem(evidence.AreaOS, "/"+p, "", "it is a link, and the files of an operating system below it are not looked for elsewhere",
			"make it a directory")
	}
	for _, manager := range slices.Sorted(maps.Keys(databaseGroups)) {
		list := databaseGroups[manager]
		deleted, present := "", false
		for _, p := range slices.Sorted(maps.Keys(c.facts.gone)) {
			if matchPath(list, p) && deleted == "" && !strings.HasSuffix(p, ".md5sums") {
				deleted = p
			}
		}
		if manager == "dpkg status.d" {
			// Each of its files is a package; those that are left vouch for no other.
			if deleted != "" {
				c.deleted(deleted, manager)
			}
			continue
		}
		for p, fact := range c.facts.paths {
			if matchPath(list, p) && (fact.Size > 0 || fact.Link) {
				present = true
			}
		}
		if deleted != "" && (!present || c.mostLost(deleted)) {
			c.deleted(deleted, manager)
		}
	}
}

// mostLost says whether most packages of a deleted database are in no database any
// more. A database that merely moved, as in an upgrade of its manager, keeps them.
func (c *coverage) mostLost(path string) bool {
	left := map[string]bool{}
	for _, p := range c.detail.Packages {
		left[p.Name] = true
	}
	for _, r := range slices.Backward(c.inv.records) {
		for _, pi := range r.Blob.PackageInfos {
			if pi.FilePath != path || len(pi.Packages) == 0 {
				continue
			}
			lost := 0
			for _, p := range pi.Packages {
				if !left[p.Name] {
					lost++
				}
			}
			return 2*lost > len(pi.Packages)
		}
	}
	return false
}

func (c *coverage) deleted(path, manager string) {
	c.problem(evidence.AreaPackages, "/"+path, manager,
		"a later layer deletes the package database, so the packages that are still in the image cannot be examined",
		"keep the package database in the final image")
}

// managers are the package managers of the distributions that do not use rpm.
var managers = map[ftypes.OSType]string{
	ftypes.Alpine: "apk", ftypes.Wolfi: "apk", ftypes.Chainguard: "apk", ftypes.MinimOS: "apk",
	ftypes.Debian: "dpkg", ftypes.Ubuntu: "dpkg", ftypes.Echo: "dpkg",
}

// otherManagers reports package databases of another distribution's manager: Trivy
// would match their packages with advisories that do not concern them.
func (c *coverage) otherManagers() {
	own, ok := managers[c.os.Family]
	if !ok {
		own = "rpm"
	}
	for p, fact := range c.facts.paths {
		for manager, list := range databaseGroups {
			if matchPath(list, p) && fact.Size > 0 && !strings.HasPrefix(manager, own) && c.os.Family != ftypes.Bottlerocket {
				c.problem(evidence.AreaPackages, "/"+p, manager,
					fmt.Sprintf("a package database of %s in an image of %s: its packages cannot be matched", manager, c.os.Family),
					"remove it, or keep the two distributions in images of their own")
			}
		}
	}
}

// suppliers reports images whose packages Trivy matches with a supplier's own
// advisories instead of the distribution's, where the database has none.
func (c *coverage) suppliers(name string) {
	for supplier, active := range map[string]bool{
		"rapidfort": rapidfort.Supplier(c.os, c.detail.Packages) != nil,
		"seal":      seal.Supplier(c.os, c.detail.Packages) != nil,
	} {
		has := slices.ContainsFunc(c.platforms, func(p string) bool { return strings.HasPrefix(strings.ToLower(p), supplier) })
		if active && !has {
			c.problem(evidence.AreaOS, name, "", "the packages are marked as supplied by "+supplier+", for which the database holds no advisories",
				"use a complete database, or the distribution's own packages")
		}
	}
}

// thirdParty lists OS packages that come from elsewhere than the distribution: its
// advisories do not describe them, and Trivy does not match them.
func (c *coverage) thirdParty(name string) {
	n := 0
	for _, p := range c.detail.Packages {
		if p.Repository.Class == ftypes.RepositoryClassThirdParty {
			n++
		}
	}
	if n == 0 {
		return
	}
	c.m.Coverage.NotMatched = append(c.m.Coverage.NotMatched, fmt.Sprintf("%s (%d of third parties)", c.os.Family, n))
	if n == len(c.detail.Packages) {
		c.problem(evidence.AreaPackages, name, "", "every package of the operating system comes from a third party: none was examined",
			"use packages of the distribution")
	}
}

func (c *coverage) hasDatabase() (path string, found bool) {
	for _, p := range slices.Sorted(maps.Keys(c.facts.paths)) {
		for _, list := range databaseGroups {
			if matchPath(list, p) {
				return p, true
			}
		}
	}
	return "", false
}

// knownOS checks an operating system that Trivy identified.
func (c *coverage) knownOS() {
	family := c.os.Family
	name := strings.TrimSpace(string(family) + " " + c.os.Name)
	if !family.HasOSPackages() {
		return
	}
	if len(c.detail.Packages) == 0 && c.inv.complete {
		if p, ok := c.hasDatabase(); ok {
			c.problem(evidence.AreaPackages, "/"+p, string(family), "the package database of "+name+" is empty or holds no readable package", "repair the package database or build from an intact base image")
		} else {
			c.problem(evidence.AreaPackages, name, string(family), "no package database was found, although the image is "+name,
				"keep the package database in the image; for an image without packages set FROM scratch")
		}
		return
	}
	if c.unsupported {
		c.problem(evidence.AreaOS, name, "", "there are no advisories for this distribution: its packages were listed but not examined",
			"use a supported distribution, or accept with `coverage: {os: optional}`")
		return
	}
	c.otherManagers()
	if len(c.detail.Packages) == 0 {
		return
	}
	c.suppliers(name)
	c.thirdParty(name)
	for _, b := range advisoryBuckets(c.os, c.detail.Repository) {
		if !c.inDatabase(b) {
			c.problem(evidence.AreaOS, name, "", fmt.Sprintf("the database holds no advisories for %q: the release is too old, too new or not covered", b),
				"use a release that is maintained, update the database, or accept with `coverage: {os: optional}`")
		}
	}
}

func (c *coverage) inDatabase(b string) bool {
	if prefix, ok := strings.CutSuffix(b, "*"); ok {
		return slices.ContainsFunc(c.platforms, func(p string) bool { return strings.HasPrefix(p, prefix) })
	}
	return slices.Contains(c.platforms, b)
}

// advisoryBuckets are the buckets of the database that Trivy's detectors look
// into; each must exist. Trivy takes a missing one for "no advisories".
func advisoryBuckets(os ftypes.OS, repo *ftypes.Repository) []string {
	rel := os.Name
	major, minor := version.Major(rel), version.Minor(rel)
	switch os.Family {
	case ftypes.Alpine:
		if repo != nil && repo.Release != "" {
			return []string{bucket.NewAlpine(repo.Release).Name()}
		}
		return []string{bucket.NewAlpine(minor).Name()}
	case ftypes.Debian:
		return []string{bucket.NewDebian(major).Name()}
	case ftypes.Ubuntu:
		return []string{bucket.NewUbuntu(rel).Name()}
	case ftypes.Alma:
		return []string{bucket.NewAlma(major).Name()}
	case ftypes.Rocky:
		return []string{bucket.NewRocky(major).Name()}
	case ftypes.Oracle:
		return []string{bucket.NewOracle(major).Name()}
	case ftypes.Amazon:
		r := major
		if f := strings.Fields(rel); len(f) > 0 {
			r = version.Major(f[0])
		}
		switch r {
		case "1", "2", "2022", "2023":
		default:
			r = "1" // as Trivy: 2018.03 and its like are Amazon Linux 1
		}
		return []string{bucket.NewAmazon(r).Name()}
	case ftypes.Azure:
		return []string{bucket.NewAzureLinux(minor).Name()}
	case ftypes.CBLMariner:
		return []string{bucket.NewMariner(minor).Name()}
	case ftypes.Photon:
		return []string{bucket.NewPhoton(rel).Name()}
	case ftypes.RedHat, ftypes.CentOS, ftypes.CoreOS:
		return []string{"Red Hat*"}
	case ftypes.OpenSUSETumbleweed:
		return []string{bucket.NewOpenSUSETumbleweed().Name()}
	case ftypes.OpenSUSELeap, ftypes.OpenSUSE:
		return []string{bucket.NewOpenSUSE(rel).Name()}
	case ftypes.SLES:
		return []string{bucket.NewSUSELinuxEnterprise(rel).Name()}
	case ftypes.SLEMicro:
		return []string{bucket.NewSUSELinuxEnterpriseMicro(rel).Name()}
	case ftypes.Wolfi:
		return []string{bucket.NewWolfi("").Name()}
	case ftypes.Chainguard:
		return []string{bucket.NewChainguard("").Name()}
	case ftypes.MinimOS:
		return []string{bucket.NewMinimOS("").Name()}
	case ftypes.Echo:
		return []string{bucket.NewEcho("").Name()}
	case ftypes.Bottlerocket:
		return []string{bucket.NewBottlerocket().Name()}
	}
	return nil // Trivy has no detector for it: unsupported says so
}

// unknownOS decides whether an image without an identified operating system is a
// static binary on scratch, which is fine, or a distribution that nobody examined.
func (c *coverage) unknownOS() {
	paths := slices.Sorted(maps.Keys(c.facts.paths))
	hint := "build on a distribution that is supported, or accept with `coverage: {os: optional}`"
	for _, p := range paths {
		if manager := foreign(p); manager != "" {
			c.problem(evidence.AreaOS, "/"+p, "", "packages of "+manager+", for which there are no advisories", hint)
			return
		}
	}
	if c.facts.osID != "" {
		c.problem(evidence.AreaOS, c.facts.osID, "", fmt.Sprintf("the image says that its operating system is %q, which is not supported", c.facts.osID), hint)
		return
	}
	if p, ok := c.hasDatabase(); ok {
		c.problem(evidence.AreaOS, "/"+p, "", "there is a package database, but nothing says of which operating system", "keep /etc/os-release in the image")
		return
	}
	for _, p := range paths {
		if isLoader(p) || slices.Contains(osFiles, p) {
			c.problem(evidence.AreaOS, "/"+p, "", "the image holds files of an operating system, but neither a known release file nor a package database", hint)
			return
		}
	}
	for p := range c.facts.gone {
		if slices.Contains(osFiles, p) {
			c.problem(evidence.AreaOS, "/"+p, "", "a later layer deletes the file that names the operating system", "keep /etc/os-release in the image")
			return
		}
	}
}

// languages lists ecosystems whose packages were found but not matched.
func (c *coverage) languages() {
	seen := map[ftypes.LangType]bool{}
	unversioned := map[ftypes.LangType]int{}
	for _, app := range c.detail.Applications {
		for _, p := range app.Packages {
			seen[app.Type] = true
			if !versionKnown(app.Type, p.Version) {
				unversioned[app.Type]++ // Trivy lists it and matches nothing
			}
		}
	}
	for t, n := range unversioned {
		c.m.Coverage.NotMatched = append(c.m.Coverage.NotMatched, fmt.Sprintf("%s (%d without a version that can be compared)", t, n))
	}
	for t := range seen {
		driver, ok := library.NewDriver(t)
		if !ok {
			c.m.Coverage.NotMatched = append(c.m.Coverage.NotMatched, string(t))
			continue
		}
		if !c.inDatabase(driver.Type() + "::*") {
			c.m.Coverage.NotMatched = append(c.m.Coverage.NotMatched, string(t))
			c.problem(evidence.AreaPackages, string(t), "", fmt.Sprintf("the database holds no advisories for %s packages: they were listed but not examined", driver.Type()),
				"use a complete database")
		}
	}
	slices.Sort(c.m.Coverage.NotMatched)
}

// anything demands that at least one package was found and could be matched.
func (c *coverage) anything() {
	if !c.inv.complete {
		return // the layers that are missing are problems of their own
	}
	if len(c.m.Packages) == 0 {
		c.problem(evidence.AreaPackages, "", "", "no package was found in the image: nothing was examined for vulnerabilities",
			"if that is meant (a static binary of C, for example), accept it with `coverage: {packages: optional}`")
		return
	}
	matched := len(c.detail.Packages) > 0
	for t := range c.m.Coverage.Packages {
		if !slices.Contains(c.m.Coverage.NotMatched, t) {
			matched = true
		}
	}
	if !matched {
		c.problem(evidence.AreaPackages, strings.Join(c.m.Coverage.NotMatched, ", "), "", "packages were found, but there are advisories for none of them",
			"build on a distribution or ecosystem that the database covers")
	}
}
