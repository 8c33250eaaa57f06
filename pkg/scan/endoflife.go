// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"context"
	"strings"
	"time"

	"github.com/aquasecurity/trivy/pkg/clock"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/alma"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/alpine"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/amazon"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/debian"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/driver"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/oracle"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/photon"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/redhat"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/rocky"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/suse"
	"github.com/aquasecurity/trivy/pkg/detector/ospkg/ubuntu"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// endOfLifeSource says who knows the date.
const endOfLifeSource = "trivy"

// endOfLife adds the date by which Trivy judges whether the release is maintained. Its
// tables cannot be read, only asked about a time, and they call a release that they do
// not know maintained; so they are asked until the moment of the change is found.
func endOfLife(ctx context.Context, os ftypes.OS, at time.Time, facts *evidence.OSFacts) {
	d := endOfLifeDriver(os.Family)
	if d == nil || strings.TrimSpace(os.Name) == "" {
		return
	}
	maintained := func(t time.Time) bool { return d.IsSupportedVersion(clock.With(ctx, t), os.Family, os.Name) }
	// Trivy writes the year 3000 where no end is known yet.
	before, after := time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2900, 1, 1, 0, 0, 0, 0, time.UTC)
	switch {
	case maintained(after):
		facts.Maintained = !maintained(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
		if facts.Maintained {
			facts.EndOfLifeSource = endOfLifeSource
		}
		return
	case !maintained(before):
		return
	}
	for before.Unix()+1 < after.Unix() {
		if middle := time.Unix((before.Unix()+after.Unix())/2, 0).UTC(); maintained(middle) {
			before = middle
		} else {
			after = middle
		}
	}
	date := after
	if os.Eosl == at.Before(date) {
		// Somebody else than the distribution maintains it: the date is not theirs.
		return
	}
	facts.EndOfLifeDate, facts.EndOfLifeSource = &date, endOfLifeSource
}

// endOfLifeDriver is the detector that Trivy uses for a distribution that has a table.
func endOfLifeDriver(family ftypes.OSType) driver.Driver {
	switch family {
	case ftypes.Alpine:
		return alpine.NewScanner()
	case ftypes.Alma:
		return alma.NewScanner()
	case ftypes.Amazon:
		return amazon.NewScanner()
	case ftypes.Debian:
		return debian.NewScanner()
	case ftypes.Ubuntu:
		return ubuntu.NewScanner()
	case ftypes.RedHat, ftypes.CentOS:
		return redhat.NewScanner()
	case ftypes.Rocky:
		return rocky.NewScanner()
	case ftypes.Oracle:
		return oracle.NewScanner()
	case ftypes.OpenSUSELeap:
		return suse.NewScanner(suse.OpenSUSE)
	case ftypes.SLES:
		return suse.NewScanner(suse.SUSEEnterpriseLinux)
	case ftypes.SLEMicro:
		return suse.NewScanner(suse.SUSEEnterpriseLinuxMicro)
	case ftypes.Photon:
		return photon.NewScanner()
	default:
		return nil
	}
}
