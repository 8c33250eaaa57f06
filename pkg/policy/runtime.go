// SPDX-License-Identifier: Apache-2.0

package policy

// RuntimeRule is about how the image can run: read-only, without capabilities.
type RuntimeRule struct{}

func runtimeGroup() group {
	return group{
		name: GroupRuntime, about: "How the image can run: read-only, without capabilities.",
		keys: func(_ *parser, r *Rule) []key {
			r.Runtime = &RuntimeRule{}
			return nil
		},
		title:       func(*Rule) string { return "" },
		remediation: func(*Rule) string { return "" },
	}
}
