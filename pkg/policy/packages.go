// SPDX-License-Identifier: Apache-2.0

package policy

// PackageRule is about packages that are forbidden or required.
type PackageRule struct{}

func packageGroup() group {
	return group{
		name: GroupPackages, about: "Packages that are forbidden or required.",
		keys: func(_ *parser, r *Rule) []key {
			r.Packages = &PackageRule{}
			return nil
		},
		title:       func(*Rule) string { return "" },
		remediation: func(*Rule) string { return "" },
	}
}
