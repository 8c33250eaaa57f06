// SPDX-License-Identifier: Apache-2.0

package policy

// CustomRule is about rules of your own, in Rego v1.
type CustomRule struct{}

func customGroup() group {
	return group{
		name: GroupCustom, about: "Rules of your own, in Rego v1.",
		keys: func(_ *parser, r *Rule) []key {
			r.Custom = &CustomRule{}
			return nil
		},
		title:       func(*Rule) string { return "" },
		remediation: func(*Rule) string { return "" },
	}
}
