// SPDX-License-Identifier: Apache-2.0

package policy

// BaseRule is about the base image: approved, pinned, proven, not stale.
type BaseRule struct{}

func baseGroup() group {
	return group{
		name: GroupBase, about: "The base image: approved, pinned, proven, not stale.",
		keys: func(_ *parser, r *Rule) []key {
			r.Base = &BaseRule{}
			return nil
		},
		title:       func(*Rule) string { return "" },
		remediation: func(*Rule) string { return "" },
	}
}

// checkOrigin checks a selector by origin.
func (p *parser) checkOrigin(value) {}
