// SPDX-License-Identifier: Apache-2.0

package analysis

import (
	"cmp"
	"slices"
	"sort"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/licensing"
)

// Result is what one or several analysers found in a layer, in Trivy's types. It is
// not safe for concurrent use.
type Result struct {
	OS           ftypes.OS
	Repository   *ftypes.Repository
	PackageInfos []ftypes.PackageInfo
	Applications []ftypes.Application
	Secrets      []ftypes.Secret
	// Licenses are those of Debian's packages, from their copyright files.
	Licenses []ftypes.LicenseFile
	// SystemFiles are the files that packages of the operating system installed.
	SystemFiles []string
	// BuildInfo is Red Hat's.
	BuildInfo *ftypes.BuildInfo
}

// Merge adds what the analyser t found.
func (r *Result) Merge(t Type, o *Result) {
	if o == nil {
		return
	}
	for i := range o.PackageInfos {
		stamp(o.PackageInfos[i].Packages, t)
	}
	for i := range o.Applications {
		stamp(o.Applications[i].Packages, t)
		for j := range o.Applications[i].Packages {
			p := &o.Applications[i].Packages[j]
			p.Licenses = licensing.NormalizeLicenses(p.Licenses)
		}
	}
	r.OS.Merge(o.OS)
	r.Repository = cmp.Or(o.Repository, r.Repository)
	r.PackageInfos = append(r.PackageInfos, o.PackageInfos...)
	r.Applications = append(r.Applications, o.Applications...)
	r.Secrets = append(r.Secrets, o.Secrets...)
	r.Licenses = append(r.Licenses, o.Licenses...)
	r.SystemFiles = append(r.SystemFiles, o.SystemFiles...)
	r.mergeBuildInfo(o.BuildInfo)
}

func stamp(packages []ftypes.Package, t Type) {
	for i := range packages {
		packages[i].AnalyzedBy = ftypes.AnalyzerType(t)
	}
}

// mergeBuildInfo joins the two files of which Red Hat makes a layer's build information.
func (r *Result) mergeBuildInfo(b *ftypes.BuildInfo) {
	switch {
	case b == nil:
		return
	case r.BuildInfo == nil:
		r.BuildInfo = b
		return
	}
	if b.Nvr != "" || b.Arch != "" {
		r.BuildInfo.Nvr, r.BuildInfo.Arch = b.Nvr, b.Arch
	}
	if len(b.ContentSets) > 0 {
		r.BuildInfo.ContentSets = b.ContentSets
	}
}

// Sort makes the order independent of which file was analysed first.
func (r *Result) Sort() {
	slices.SortFunc(r.PackageInfos, func(a, b ftypes.PackageInfo) int { return cmp.Compare(a.FilePath, b.FilePath) })
	for _, pi := range r.PackageInfos {
		sort.Sort(pi.Packages)
	}
	slices.SortFunc(r.Applications, func(a, b ftypes.Application) int {
		return cmp.Or(cmp.Compare(a.FilePath, b.FilePath), cmp.Compare(a.Type, b.Type))
	})
	for _, app := range r.Applications {
		sort.Sort(app.Packages)
	}
	slices.SortFunc(r.Secrets, func(a, b ftypes.Secret) int { return cmp.Compare(a.FilePath, b.FilePath) })
	for _, s := range r.Secrets {
		slices.SortFunc(s.Findings, func(a, b ftypes.SecretFinding) int {
			return cmp.Or(cmp.Compare(a.RuleID, b.RuleID), cmp.Compare(a.StartLine, b.StartLine), cmp.Compare(a.EndLine, b.EndLine), cmp.Compare(a.Offset, b.Offset))
		})
	}
	slices.SortFunc(r.Licenses, func(a, b ftypes.LicenseFile) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.FilePath, b.FilePath))
	})
}
