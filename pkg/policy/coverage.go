// SPDX-License-Identifier: Apache-2.0

package policy

func (p *parser) databaseKey() key {
	return p.mappingKey("database", "Which vulnerability database may be used.", "write {max-age: 3d}", []key{
		p.durationKey("max-age", "The greatest age of the database; default 7d.", &p.policy.Database.MaxAge, atMost("7d")),
	})
}

func (p *parser) coverageKey() key {
	c := &p.policy.Coverage
	optional := func(name, about string, into *bool) key {
		return key{name: name, about: about, shape: shape{kind: shapeString, enum: []string{"required", "optional"}},
			tighten: towards("optional", "required"), read: func(v value) {
				s, _ := p.enum(v, "required", "optional")
				*into = s == "optional"
			}}
	}
	return p.mappingKey("coverage", "What must have been looked at. Whatever is made optional is shown in the verdict.", "write {os: required, packages: required}", []key{
		optional("os", "Whether the operating system must be known and have advisories; default required.", &c.OSOptional),
		optional("packages", "Whether a package must have been found; default required.", &c.PackagesOptional),
		p.mappingKey("unreadable", "Files that no analyser could read.", `write {accept: ["path/**"]}`, []key{
			p.globsKey("accept", "Globs of language files that may be unreadable; they stay listed.", &c.UnreadableAccept, fewer).must(),
		}),
	})
}
