// SPDX-License-Identifier: Apache-2.0

package policy

// ConfigRule is about the image configuration.
type ConfigRule struct {
	// UserNonRoot (`user: non-root`) demands that the container's user is not uid 0
	// and its group not gid 0.
	UserNonRoot bool
}

func configGroup() group {
	return group{
		name: GroupConfig, about: "The image configuration: user, ports, labels, environment.",
		keys: func(p *parser, r *Rule) []key {
			own := &ConfigRule{}
			r.Config = own
			return []key{
				// Required while it is the only setting: a rule without any demands nothing.
				{name: "user", about: "non-root: neither uid 0 nor gid 0.", required: true, tighten: narrows,
					shape: shape{kind: shapeString, enum: []string{"non-root"}},
					read:  func(v value) { _, own.UserNonRoot = p.enum(v, "non-root") }},
			}
		},
		title: func(*Rule) string { return "The container does not run as root" },
		remediation: func(*Rule) string {
			return "Set USER in the Dockerfile to a user and group other than root, by number, such as USER 65532:65532."
		},
	}
}
