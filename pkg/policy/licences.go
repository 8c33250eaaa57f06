// SPDX-License-Identifier: Apache-2.0

package policy

// LicenceRule is about licences of the packages.
type LicenceRule struct{}

func licenceGroup() group {
	return group{
		name: GroupLicences, about: "Licences of the packages.",
		keys: func(_ *parser, r *Rule) []key {
			r.Licences = &LicenceRule{}
			return nil
		},
		title:       func(*Rule) string { return "" },
		remediation: func(*Rule) string { return "" },
	}
}
