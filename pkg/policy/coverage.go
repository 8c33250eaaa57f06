// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Database limits which vulnerability database may be used.
type Database struct {
	// MaxAge is the greatest age of the database at the effective time. The default
	// is DefaultDatabaseMaxAge.
	MaxAge time.Duration
	// JavaMaxAge is that of the database that names jar files, where one was used; 0
	// is any.
	JavaMaxAge time.Duration `json:",omitempty"`
}

// DefaultDatabaseMaxAge is the database.max-age of a policy that sets none.
const DefaultDatabaseMaxAge = 7 * 24 * time.Hour

// Coverage says what must have been looked at.
type Coverage struct {
	// OSOptional (`os: optional`) accepts an image whose operating system is unknown or unsupported.
	OSOptional bool
	// PackagesOptional (`packages: optional`) accepts an image in which no package was found.
	PackagesOptional bool
	// SecretsRequired (`secrets: required`) demands that files were searched for
	// secrets, whether or not a rule asks for them; BaseSecretsRequired that the layers
	// of a base image were, too.
	SecretsRequired     bool `json:",omitempty"`
	BaseSecretsRequired bool `json:",omitempty"`
	// MinPackages must have been found at least; 0 demands nothing.
	MinPackages int `json:",omitempty"`
	// PackageTypes must each have been found: evidence.Package.Type or Class.
	PackageTypes []string `json:",omitempty"`
	// NotMatchedError (`not-matched: error`) refuses packages for whose ecosystem there
	// are no advisories.
	NotMatchedError bool `json:",omitempty"`
	// UnreadableAccept holds globs (doublestar) of language files that may be
	// unreadable; they stay listed.
	UnreadableAccept []string
	// Platforms are what some platforms have in place of the rest, in the order of the file.
	Platforms []PlatformCoverage `json:",omitempty"`
}

// PlatformCoverage is laid over the rest for the platforms that it matches.
type PlatformCoverage struct {
	Platform evidence.Platform
	// Said are the keys that it has: "os", "packages", …; only those count.
	Said []string
	Coverage
}

// On is what holds for a platform, and where it differs from the rest the platforms of
// the policy that say so.
func (c Coverage) On(p evidence.Platform) (Coverage, []string) {
	d := c
	var by []string
	for _, o := range c.Platforms {
		if !p.Matches(o.Platform) {
			continue
		}
		by = append(by, o.Platform.String())
		for _, key := range o.Said {
			switch key {
			case "os":
				d.OSOptional = o.OSOptional
			case "packages":
				d.PackagesOptional = o.PackagesOptional
			case "secrets":
				d.SecretsRequired = o.SecretsRequired
			case "base-secrets":
				d.BaseSecretsRequired = o.BaseSecretsRequired
			case "min-packages":
				d.MinPackages = o.MinPackages
			case "package-types":
				d.PackageTypes = o.PackageTypes
			case "not-matched":
				d.NotMatchedError = o.NotMatchedError
			}
		}
	}
	return d, by
}

func (p *parser) databaseKey() key {
	return p.mappingKey("database", "Which vulnerability database may be used.", "write {max-age: 3d}", []key{
		p.durationKey("max-age", "The greatest age of the database; default 7d.", &p.policy.Database.MaxAge, atMost("7d")),
		p.durationKey("java-max-age", "The greatest age of the database that names jar files, where one is used; default any.", &p.policy.Database.JavaMaxAge, lower),
	})
}

func (p *parser) coverageKey() key {
	c := &p.policy.Coverage
	keys := append(p.demandKeys(c),
		p.mappingKey("unreadable", "Files that no analyser could read.", `write {accept: ["path/**"]}`, []key{
			p.globsKey("accept", "Globs of language files that may be unreadable; they stay listed.", &c.UnreadableAccept, fewer).must(),
		}),
		p.platformCoverageKey(c),
	)
	k := p.mappingKey("coverage", "What must have been looked at. Whatever is made optional is shown in the verdict.", "write {os: required, packages: required}", keys)
	read := k.read
	k.read = func(v value) {
		read(v)
		p.checkDemands(v, *c)
	}
	return k
}

// demandKeys fill d.
func (p *parser) demandKeys(d *Coverage) []key {
	words := func(name, about, off, on string, t tighten, read func(string)) key {
		return key{name: name, about: about, shape: shape{kind: shapeString, enum: []string{on, off}}, tighten: t,
			read: func(v value) {
				if s, ok := p.enum(v, on, off); ok {
					read(s)
				}
			}}
	}
	const required, optional = "required", "optional"
	return []key{
		words("os", "Whether the operating system must be known and have advisories; default required.", optional, required,
			towards(optional, required), func(s string) { d.OSOptional = s == optional }),
		words("packages", "Whether a package must have been found; default required.", optional, required,
			towards(optional, required), func(s string) { d.PackagesOptional = s == optional }),
		words("secrets", "Whether files must have been searched for secrets even where no rule asks for them; default optional.", optional, required,
			towardsFrom(optional, optional, required), func(s string) { d.SecretsRequired = s == required }),
		words("base-secrets", "Whether the layers of a base image, which Trivy leaves to the base's own scan, are searched for secrets, too; default optional.", optional, required,
			towardsFrom(optional, optional, required), func(s string) { d.BaseSecretsRequired = s == required }),
		p.countKey("min-packages", "How many packages must have been found at least.", &d.MinPackages, higher),
		p.listKey("package-types", "Types of packages of which each must have been found: os, language, or a type such as alpine or node-pkg.", &d.PackageTypes, more, p.packageType),
		words("not-matched", "What becomes of packages for which there are no advisories: shown as not examined (show, the default), or error.", "show", "error",
			towardsFrom("show", "show", "error"), func(s string) { d.NotMatchedError = s == "error" }),
	}
}

func (p *parser) checkDemands(v value, d Coverage) {
	if d.PackagesOptional && (d.MinPackages > 0 || len(d.PackageTypes) > 0) {
		p.fault(v, "leave out packages: optional, or the demand", "makes packages optional and demands some")
	}
}

// platformCoverageKey reads a mapping from platforms to demands.
func (p *parser) platformCoverageKey(c *Coverage) key {
	item := mappingOf(p.demandKeys(&Coverage{})...)
	return key{name: "platforms", about: "What holds for some platforms in place of the rest, by os/architecture[/variant].",
		shape: shape{kind: shapeMapping, item: &item}, tighten: onlyDemands,
		read: func(v value) {
			c.Platforms = nil
			p.pairs(v, func(name string, v value) {
				platform, err := evidence.ParsePlatform(name)
				if err != nil || ociArchitecture(platform.Architecture) != "" {
					p.fault(v, "for example linux/arm64", "is not os/architecture or os/architecture/variant as images name it")
					return
				}
				o := PlatformCoverage{Platform: platform}
				if p.mapping(v, "write {packages: optional}", p.demandKeys(&o.Coverage)) {
					p.checkDemands(v, o.Coverage)
					for i := 0; i+1 < len(v.node.Content); i += 2 {
						o.Said = append(o.Said, v.node.Content[i].Value)
					}
					c.Platforms = append(c.Platforms, o)
				}
			})
		}}
}

// onlyDemands is for the demands of single platforms: what is enforced may stand there
// once more, and what cannot be looser than anything that may be enforced. Numbers and
// lists could be; they belong beside platforms.
func onlyDemands(enforced, mine *yaml.Node) bool {
	strictest := map[string]string{"os": "required", "packages": "required", "secrets": "required", "base-secrets": "required", "not-matched": "error"}
	for i := 0; i+1 < len(mine.Content); i += 2 {
		theirs := child(enforced, mine.Content[i].Value)
		own := mine.Content[i+1].Content
		for j := 0; j+1 < len(own); j += 2 {
			word, ok := strictest[own[j].Value]
			same := child(theirs, own[j].Value)
			if (!ok || own[j+1].Value != word) && (same == nil || !sameNode(same, own[j+1])) {
				return false
			}
		}
	}
	return true
}

// CoversSecrets says whether the coverage of secrets is an outcome of its own.
func (c Coverage) CoversSecrets() bool {
	return c.SecretsRequired || c.BaseSecretsRequired ||
		slices.ContainsFunc(c.Platforms, func(o PlatformCoverage) bool { return o.CoversSecrets() })
}
