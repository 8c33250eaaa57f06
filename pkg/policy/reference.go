// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
)

// ReferenceRule is about the names under which the image is judged.
type ReferenceRule struct {
	// Of is the name that the rule is about; empty is every name that is known.
	Of Side `json:",omitempty"`
	// ForbiddenTags are globs; a reference without tag and digest counts as "latest".
	ForbiddenTags []string
	// Tags are globs of which each tag must match one; empty allows all.
	Tags []string `json:",omitempty"`
	// TagPattern is a regular expression that each tag must match as a whole.
	TagPattern string `json:",omitempty"`
	// Registries are globs of hosts, Repositories of names; of either one must match,
	// unless the list is empty.
	Registries   []string `json:",omitempty"`
	Repositories []string `json:",omitempty"`
	// ForbiddenRepositories are globs of names.
	ForbiddenRepositories []string `json:",omitempty"`
	// Digest demands that the digest of the image's manifest is known.
	Digest bool `json:",omitempty"`
}

// Side tells the name that an image was read by from the one it goes to.
type Side string

// The sides.
const (
	SideSource      Side = "source"
	SideDestination Side = "destination"
)

func referenceGroup() group {
	return group{
		name: GroupReference, about: "The names under which the image is judged: registry, repository, tag, digest.",
		keys: (*parser).referenceKeys, check: (*parser).checkReference, title: referenceTitle, remediation: referenceRemediation,
	}
}

func (p *parser) referenceKeys(r *Rule) []key {
	own := &ReferenceRule{}
	r.Reference = own
	return []key{
		enumKey(p, "of", "Only the name that the image was read by (source), or the one it is pushed to, as --destination gives it; default every name that is known.",
			&own.Of, narrows, SideSource, SideDestination),
		p.listKey("forbidden", "Globs of tags that are forbidden. A name without tag and digest has the tag latest.", &own.ForbiddenTags, more, p.tagGlob),
		p.listKey("tags", "Globs of tags of which each tag must match one.", &own.Tags, fewerOrNew, p.tagGlob),
		{name: "tag-pattern", about: "A regular expression (RE2) that each tag must match as a whole.", tighten: demands,
			shape: shape{kind: shapeString}, read: func(v value) { own.TagPattern, _ = p.regexp(v) }},
		p.listKey("registries", "Globs of registries (host or host:port) of which the name's must match one.", &own.Registries, fewerOrNew, p.registryGlob),
		p.listKey("repositories", "Globs of image names of which the name must match one.", &own.Repositories, fewerOrNew, p.referenceGlob),
		p.listKey("forbidden-repositories", "Globs of image names that are forbidden.", &own.ForbiddenRepositories, more, p.referenceGlob),
		{name: "digest", about: "required: the image must be known by the digest of its manifest, not only by its image id.", tighten: demands,
			shape: shape{kind: shapeString, enum: []string{"required"}}, read: func(v value) { _, own.Digest = p.enum(v, "required") }},
	}
}

func (p *parser) checkReference(v value, rule *Rule) {
	r := rule.Reference
	p.mustDemand(v, "forbidden", "tags", "tag-pattern", "registries", "repositories", "forbidden-repositories", "digest")
	if r.Digest && r.Of == SideDestination {
		p.fault(v, "leave out of, or digest", "demands a digest of the destination, which has none before the image is pushed")
	}
	for _, t := range r.Tags {
		for _, f := range r.ForbiddenTags {
			if t == f {
				p.fault(v, "", "allows and forbids the tag %s", quote(t))
			}
		}
	}
}

func referenceTitle(rule *Rule) string {
	r := rule.Reference
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if len(r.ForbiddenTags) > 0 {
		add("the tag is not %s", few(r.ForbiddenTags))
	}
	if len(r.Tags) > 0 {
		add("the tag is %s", few(r.Tags))
	}
	if r.TagPattern != "" {
		add("the tag matches %s", r.TagPattern)
	}
	if len(r.Registries) > 0 {
		add("the registry is %s", few(r.Registries))
	}
	if len(r.Repositories) > 0 {
		add("the repository is %s", few(r.Repositories))
	}
	if len(r.ForbiddenRepositories) > 0 {
		add("the repository is not %s", few(r.ForbiddenRepositories))
	}
	if r.Digest {
		add("the digest of the manifest is known")
	}
	s := strings.Join(parts, ", ")
	if s == "" {
		return s
	}
	if r.Of != "" {
		s = string(r.Of) + ": " + s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func referenceRemediation(rule *Rule) string {
	r := rule.Reference
	var s []string
	if len(r.ForbiddenTags) > 0 || len(r.Tags) > 0 || r.TagPattern != "" {
		s = append(s, "Push under a tag that names one build, such as a version or a commit.")
	}
	if len(r.Registries) > 0 || len(r.Repositories) > 0 || len(r.ForbiddenRepositories) > 0 {
		s = append(s, "Use a registry and a repository that the policy allows.")
	}
	if r.Digest {
		s = append(s, "Judge the image where it has a manifest: in a registry or an OCI layout.")
	}
	return strings.Join(s, " ")
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
