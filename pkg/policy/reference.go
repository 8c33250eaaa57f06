// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
)

// ReferenceRule is about the reference under which the image is judged.
type ReferenceRule struct {
	// ForbiddenTags are globs; a reference without tag and digest counts as "latest".
	ForbiddenTags []string
}

func referenceGroup() group {
	return group{
		name: GroupReference, about: "The reference under which the image is judged.",
		keys: func(p *parser, r *Rule) []key {
			own := &ReferenceRule{}
			r.Reference = own
			return []key{
				p.listKey("forbidden", "Globs of tags that are forbidden.", &own.ForbiddenTags, more, p.tagGlob).must(),
			}
		},
		title: referenceTitle,
		remediation: func(*Rule) string {
			return "Push under a tag that names one build, such as a version or a commit."
		},
	}
}

func referenceTitle(rule *Rule) string {
	r := rule.Reference
	const shown = 3
	switch n := len(r.ForbiddenTags); {
	case n == 1:
		return "The tag is not " + r.ForbiddenTags[0]
	case n <= shown:
		return "The tag is not " + or(r.ForbiddenTags)
	default:
		return fmt.Sprintf("The tag is not %s or one of %d more", strings.Join(r.ForbiddenTags[:shown], ", "), n-shown)
	}
}

// tagGlob reads a glob that a tag, which has no slash and no colon, can match.
func (p *parser) tagGlob(v value) (string, bool) {
	s, ok := p.glob(v)
	if ok && strings.ContainsAny(s, "/:@") {
		p.fault(v, "name the tag alone", "%s can match no tag", quote(s))
		return "", false
	}
	return s, ok
}
