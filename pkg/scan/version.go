// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"github.com/aquasecurity/go-gem-version"
	npm "github.com/aquasecurity/go-npm-version/pkg"
	pep440 "github.com/aquasecurity/go-pep440-version"
	generic "github.com/aquasecurity/go-version/pkg/version"
	mvn "github.com/masahiro331/go-mvn-version"

	"github.com/aquasecurity/trivy-db/pkg/ecosystem"
	"github.com/aquasecurity/trivy/pkg/detector/library"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// versionKnown says whether Trivy can compare a version of this type of package with
// advisories. Of one that it cannot parse Trivy says "not vulnerable". The parsers
// are those of its comparers.
func versionKnown(t ftypes.LangType, version string) bool {
	driver, ok := library.NewDriver(t)
	if !ok {
		return true // the whole type is not matched, and listed as such
	}
	if version == "" {
		return false
	}
	var err error
	switch ecosystem.Type(driver.Type()) {
	case ecosystem.Npm:
		_, err = npm.NewVersion(version)
	case ecosystem.Pip:
		_, err = pep440.Parse(version)
	case ecosystem.RubyGems, ecosystem.Cocoapods:
		_, err = gem.NewVersion(version)
	case ecosystem.Maven:
		_, err = mvn.NewVersion(version)
	case ecosystem.Bitnami:
		// Bitnami's own revisions extend versions in a way that its comparer strips.
	default:
		_, err = generic.Parse(version)
	}
	return err == nil
}
