// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
)

// PackageRule is about packages that are forbidden or required.
type PackageRule struct {
	// Forbidden are globs of names or package URLs, each with a glob of versions behind
	// an @ or without.
	Forbidden []string `json:",omitempty"`
	// Required are the same; of each there must be a package.
	Required []string `json:",omitempty"`
	// PackageTypes are the types that the rule looks at; empty is all.
	PackageTypes []string `json:",omitempty"`
}

func packageGroup() group {
	return group{
		name: GroupPackages, about: "Packages that are forbidden or required.",
		keys: func(p *parser, r *Rule) []key {
			own := &PackageRule{}
			r.Packages = own
			return []key{
				p.listKey("forbidden", "Packages that must not be there: globs of names or package URLs, and of versions behind an @.", &own.Forbidden, more, p.packagePattern),
				p.listKey("required", "Packages that must be there: globs of names or package URLs, and of versions behind an @.", &own.Required, more, p.packagePattern),
				p.listKey("package-type", "Looks only at packages of these types: os, language, or a type such as alpine or node-pkg.", &own.PackageTypes, narrows, p.packageType),
			}
		},
		check: func(p *parser, v value, r *Rule) {
			own := r.Packages
			p.mustDemand(v, "forbidden", "required")
			p.inBoth(v, "forbidden", own.Forbidden, "required", own.Required)
		},
		title: packageTitle, remediation: packageRemediation,
	}
}

func packageTitle(r *Rule) string {
	own := r.Packages
	var parts []string
	if len(own.Forbidden) > 0 {
		parts = append(parts, "No "+few(own.Forbidden))
	}
	if len(own.Required) > 0 {
		text := strings.Replace(few(own.Required), " or ", " and ", 1)
		if len(parts) == 0 {
			parts = append(parts, "There is "+text)
		} else {
			parts = append(parts, "there is "+text)
		}
	}
	title := strings.Join(parts, ", and ")
	if len(own.PackageTypes) > 0 {
		title += " " + typeWords(own.PackageTypes)
	}
	return title
}

func packageRemediation(r *Rule) string {
	switch own := r.Packages; {
	case len(own.Required) == 0:
		return "Do not install the packages, or leave them behind in a build stage; if they come with the base image, use a smaller one."
	case len(own.Forbidden) == 0:
		return "Install the packages in the image."
	default:
		return "Do not install what is forbidden, or leave it behind in a build stage, and install what is required."
	}
}

// SplitPackagePattern cuts a pattern of a PackageRule before the glob of versions, which is
// empty where there is none. The @ of a scope is part of the name.
func SplitPackagePattern(pattern string) (name, version string) {
	i := strings.LastIndexByte(pattern, '@')
	if i <= 0 || i < strings.LastIndexByte(pattern, '/') || pattern[i-1] == '/' {
		return pattern, ""
	}
	return pattern[:i], pattern[i+1:]
}

func (p *parser) packagePattern(v value) (string, bool) {
	s, ok := p.glob(v)
	if !ok {
		return "", false
	}
	name, version := SplitPackagePattern(s)
	rest, isURL := strings.CutPrefix(name, "pkg:")
	switch {
	case strings.HasSuffix(s, "@"), name == "":
		p.fault(v, "", "%s names no package or no version", quote(s))
	case strings.Contains(s, " ") || strings.ContainsAny(version, "<>=~^"):
		p.fault(v, "write a glob of versions behind an @, as in openssl@1.*", "%s is neither a package name nor a package URL", quote(s))
	case isURL && strings.Contains(rest, "/@"):
		p.fault(v, "write %40 for the @ of a scope", "%s is not a valid package URL", quote(s))
	case isURL && (!strings.Contains(rest, "/") || strings.ContainsAny(s, "#") || slices.Contains([]byte(s), '?')):
		p.fault(v, "write pkg:type/name or pkg:type/namespace/name, without qualifiers", "%s matches no package URL", quote(s))
	default:
		return s, true
	}
	return "", false
}
