// SPDX-License-Identifier: Apache-2.0

package policy

// FileRule is about files with privileges, and files that do not belong in an image.
type FileRule struct{}

func fileGroup() group {
	return group{
		name: GroupFiles, about: "Files with privileges, and files that do not belong in an image.",
		keys: func(_ *parser, r *Rule) []key {
			r.Files = &FileRule{}
			return nil
		},
		title:       func(*Rule) string { return "" },
		remediation: func(*Rule) string { return "" },
	}
}
