// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/internal/spdx"
	"github.com/ocigate/ocigate/pkg/internal/spelling"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// LicenceRule is about licences of the packages. What is forbidden is so whatever else
// is allowed; if anything is allowed, all else is not.
type LicenceRule struct {
	// Forbidden and Allowed are globs of SPDX ids, in any letter case.
	Forbidden []string `json:",omitempty"`
	Allowed   []string `json:",omitempty"`
	// ForbiddenFamilies and AllowedFamilies are families of licences as Google's
	// licenseclassifier and Trivy know them.
	ForbiddenFamilies []string `json:",omitempty"`
	AllowedFamilies   []string `json:",omitempty"`
	// UnknownAccepted accepts packages without a licence that is understood.
	UnknownAccepted bool `json:",omitempty"`
	// Origin, PackageTypes and ExceptPackages select packages, as in VulnerabilityRule.
	Origin         string   `json:",omitempty"`
	PackageTypes   []string `json:",omitempty"`
	ExceptPackages []string `json:",omitempty"`
}

func licenceGroup() group {
	return group{
		name: GroupLicences, about: "Licences of the packages.",
		keys: (*parser).licenceKeys, check: (*parser).checkLicences,
		title: licenceTitle,
		remediation: func(*Rule) string {
			return "Replace the packages by others, or record a waiver once the terms of the licence are met."
		},
	}
}

func (p *parser) licenceKeys(r *Rule) []key {
	own := &LicenceRule{}
	r.Licences = own
	var families []string
	for _, f := range spdx.Families() {
		families = append(families, string(f))
	}
	// Below an enforced rule neither list of what is allowed may be added: the two widen each other.
	return []key{
		p.licencesKey("forbidden", "Globs of SPDX ids of licences that no package may be under: GPL-3.0*.", &own.Forbidden, more, true),
		p.licencesKey("allowed", "Globs of SPDX ids of licences that packages may be under; all others, allowed-families aside, are violations.", &own.Allowed, fewer, false),
		enumsKey(p, "forbidden-families", "Families of licences that no package may be under, as Google's licenseclassifier defines them.", &own.ForbiddenFamilies, more, families...),
		enumsKey(p, "allowed-families", "Families of licences that packages may be under; all others, allowed aside, are violations.", &own.AllowedFamilies, fewer, families...),
		{name: "unknown", about: "What becomes of packages without a licence, or with one that is not understood: fail (the default) or accept.",
			shape: shape{kind: shapeString, enum: []string{"fail", "accept"}}, tighten: towards("accept", "fail"), read: func(v value) {
				word, _ := p.enum(v, "fail", "accept")
				own.UnknownAccepted = word == "accept"
			}},
		p.originKey(&own.Origin),
		p.listKey("package-type", "Only packages of these types: os, language, or a type such as alpine or node-pkg.", &own.PackageTypes, moreOrAll, p.packageType),
		p.listKey("except-packages", "Not these packages: globs of names, or of package URLs without version.", &own.ExceptPackages, fewer, p.packageGlob),
	}
}

func (p *parser) checkLicences(v value, r *Rule) {
	own := r.Licences
	if !slices.ContainsFunc([]string{"forbidden", "allowed", "forbidden-families", "allowed-families"}, func(name string) bool { return child(v.node, name) != nil }) {
		p.fault(v, "add forbidden, allowed, forbidden-families or allowed-families", "demands nothing")
	}
	p.inBoth(v, "forbidden", own.Forbidden, "allowed", own.Allowed)
	p.inBoth(v, "forbidden-families", own.ForbiddenFamilies, "allowed-families", own.AllowedFamilies)
}

// maxLicences bounds a list, each item of which is compared with all of SPDX's.
const maxLicences = 500

// licencesKey reads a list of globs of SPDX ids.
func (p *parser) licencesKey(name, about string, to *[]string, t tighten, forbidden bool) key {
	return key{name: name, about: about, shape: listOf(shape{kind: shapeString}), tighten: t, read: func(v value) {
		if len(v.node.Content) > maxLicences {
			p.fault(v, "", "has more than %d items", maxLicences)
			return
		}
		table := spdx.NewTable()
		known := table.Licences()
		*to, _ = p.strings(v, func(v value) (string, bool) { return p.licenceGlob(v, table, known, forbidden) })
	}}
}

// licenceGlob reads a glob of SPDX ids. One that is forbidden and matches no id would
// forbid nothing, in silence.
func (p *parser) licenceGlob(v value, table *spdx.Table, known []spdx.Licence, forbidden bool) (string, bool) {
	s, ok := p.glob(v)
	if !ok {
		return "", false
	}
	matched, best := false, ""
	var ids []string
	for _, l := range known {
		matched = matched || MatchLicence(s, l)
		ids = append(ids, l.Name())
	}
	if e := table.Parse(s); !matched && len(e.Operands) == 0 && e.Licence.Known {
		best = e.Licence.Name()
		matched = MatchLicence(s, e.Licence)
	}
	switch {
	case matched:
		return s, true
	case best == "" && !forbidden:
		return s, true // a distribution's own name
	case best == "":
		best = spelling.Nearest(s, ids)
	}
	hint := "write it as SPDX does, such as GPL-3.0-only or GPL-3.0*"
	if best != "" {
		hint = didYouMean(best)
	}
	p.fault(v, hint, "%s matches no licence of the SPDX list", quote(s))
	return "", false
}

// MatchLicence says whether a glob means a licence, by any of its names.
func MatchLicence(glob string, l spdx.Licence) bool {
	return slices.ContainsFunc(l.Names(), func(name string) bool {
		return MatchGlob(strings.ToLower(glob), name)
	})
}

func licenceTitle(rule *Rule) string {
	r := rule.Licences
	families := func(list []string) []string {
		if len(list) == 0 {
			return nil
		}
		return []string{"the family " + wording.Or(list)}
	}
	var parts []string
	if list := append(slices.Clone(r.Forbidden), families(r.ForbiddenFamilies)...); len(list) > 0 {
		parts = append(parts, "no licences of "+few(list))
	}
	if list := append(slices.Clone(r.Allowed), families(r.AllowedFamilies)...); len(list) > 0 {
		parts = append(parts, "only licences of "+few(list))
	}
	title := strings.Join(parts, ", ")
	if title == "" {
		return title
	}
	if len(r.PackageTypes) > 0 {
		title += " " + typeWords(r.PackageTypes)
	}
	switch r.Origin {
	case "base":
		title += " in the base image"
	case "application":
		title += " in the application's layers"
	}
	return strings.ToUpper(title[:1]) + title[1:]
}
