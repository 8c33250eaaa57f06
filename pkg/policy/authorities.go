// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
)

// Authority is somebody whose signatures count. Exactly one of Key and Keyless is set.
// The words are those of sigstore's policy-controller.
type Authority struct {
	Name    string
	Key     *AuthorityKey `json:",omitempty"`
	Keyless *Keyless      `json:",omitempty"`
	// LogOptional (`transparency-log: optional`) accepts signatures without an entry in
	// the transparency log.
	LogOptional bool `json:",omitempty"`
	// TimestampRequired (`timestamp: required`) demands the word of a timestamp authority.
	TimestampRequired bool `json:",omitempty"`
	// Source and Position are where it stands, Level the index in Policy.Documents of its
	// document. An authority of an enforced policy cannot be defined anew below it.
	Source   string
	Position Position
	Level    int `json:",omitempty"`
}

// AuthorityKey is a public key. Exactly one of Data, File, Env and KMS is set.
type AuthorityKey struct {
	// Data is the key in PEM form.
	Data string `json:",omitempty"`
	File *File  `json:",omitempty"`
	// Env is the name of an environment variable that holds the key in PEM form.
	Env string `json:",omitempty"`
	// KMS is a URI: awskms://…, gcpkms://…, azurekms://…, hashivault://….
	KMS string `json:",omitempty"`
	// HashAlgorithm is sha256 (the default), sha384 or sha512.
	HashAlgorithm string
	// TrustedRoot has the keys of the log and of timestamp authorities.
	TrustedRoot *TrustedRoot `json:",omitempty"`
}

// Keyless are certificates that a Fulcio, or an own authority, issued to identities.
type Keyless struct {
	// Identities are those of whom any will do.
	Identities []Identity
	// TrustedRoot is nil for the public good instance.
	TrustedRoot *TrustedRoot `json:",omitempty"`
	// SCTOptional (`sct: optional`) accepts certificates that no certificate
	// transparency log has seen.
	SCTOptional bool `json:",omitempty"`
}

// Identity is whom a certificate must name. Of each pair exactly one is set; regular
// expressions are RE2's and match the whole value.
type Identity struct {
	Issuer        string `json:",omitempty"`
	IssuerRegExp  string `json:",omitempty"`
	Subject       string `json:",omitempty"`
	SubjectRegExp string `json:",omitempty"`
	// Extensions and ExtensionsRegExp are further demands on the certificate, by the
	// name of the extension.
	Extensions       map[string]string `json:",omitempty"`
	ExtensionsRegExp map[string]string `json:",omitempty"`
}

// TrustedRoot is where trust anchors are from: one of File and Data (a
// trusted_root.json), TUF, or any of the PEM files.
type TrustedRoot struct {
	File *File  `json:",omitempty"`
	Data string `json:",omitempty"`
	TUF  *TUF   `json:",omitempty"`
	// CA are certificates of an own certificate authority, TSA of timestamp authorities
	// (roots and intermediates); Rekor and CTLog are public keys of logs.
	CA    *File `json:",omitempty"`
	TSA   *File `json:",omitempty"`
	Rekor *File `json:",omitempty"`
	CTLog *File `json:",omitempty"`
}

// TUF is an own TUF repository that holds a trusted_root.json.
type TUF struct {
	// Mirror is its URL.
	Mirror string
	// Root is the root.json that trust in it begins with.
	Root *File
}

func (p *parser) authoritiesKey() key {
	return key{name: "authorities", about: "Whose signatures count, by name; rules name them.", tighten: free, // tightensAuthorities compares by name
		shape: listOf(shape{kind: shapeMapping, makeKeys: func() []key { return p.authorityKeys(&Authority{}) }}),
		read:  func(v value) { p.list(v, p.authority) }}
}

// authorityRef is an authority by name, be it faulty or not.
type authorityRef struct {
	at        place
	authority *Authority
}

func (p *parser) authority(v value) {
	a := &Authority{Source: v.at.file, Position: v.at.Position, Level: p.source(v.node).level}
	if !p.mapping(v, `begin each authority with "- name:"`, p.authorityKeys(a)) {
		return
	}
	p.exactlyOne(v, "key", "keyless")
	p.checkAnchors(v, a)
	p.policy.Authorities = append(p.policy.Authorities, *a)
}

func (p *parser) authorityKeys(a *Authority) []key {
	return []key{
		{name: "name", about: "The authority's name, for rules and reports.", required: true,
			shape: shape{kind: shapeString, pattern: namePattern}, read: func(v value) { a.Name = p.authorityName(v, a) }},
		p.publicKeyKey(&a.Key),
		p.keylessKey(&a.Keyless),
		p.optionalKey("transparency-log", "Whether a signature must have an entry in the transparency log: required (the default) or optional.", &a.LogOptional),
		{name: "timestamp", about: "Whether a timestamp authority must vouch for the time of signing: required or optional (the default).",
			shape: shape{kind: shapeString, enum: []string{"required", "optional"}},
			read:  func(v value) { s, _ := p.enum(v, "required", "optional"); a.TimestampRequired = s == "required" }},
	}
}

// exactlyOne reports a mapping that has none, or more than one, of the keys.
func (p *parser) exactlyOne(v value, keys ...string) {
	var have []string
	for _, k := range keys {
		if child(v.node, k) != nil {
			have = append(have, k)
		}
	}
	switch {
	case len(have) == 1:
	case len(have) > 1:
		p.fault(v, "leave one of them out", "has %s, which exclude each other", strings.Join(have, " and "))
	case len(v.node.Content) > 0 && !mentionsAny(v.node, keys):
		p.fault(v, "", "needs one of %s", strings.Join(keys, ", "))
	}
}

// optionalKey reads required (the default) or optional.
func (p *parser) optionalKey(name, about string, into *bool) key {
	return key{name: name, about: about, shape: shape{kind: shapeString, enum: []string{"required", "optional"}},
		read: func(v value) { s, _ := p.enum(v, "required", "optional"); *into = s == "optional" }}
}

func (p *parser) authorityName(v value, a *Authority) string {
	name, ok := p.identifier(v)
	if !ok {
		return ""
	}
	if first, ok := p.authorities[name]; ok {
		p.fault(v, "", "%s is taken by the authority at %s", quote(name), first.at.seenFrom(v.at))
		return ""
	}
	p.authorities[name] = authorityRef{v.at, a}
	return name
}

// authoritiesKeyOf reads the names of authorities in a rule.
func (p *parser) authoritiesKeyOf(into *[]string, about string) key {
	return p.listKey("authorities", about, into, fewer, p.authorityReference)
}

// authorityReference reads the name of an authority, which may stand anywhere.
func (p *parser) authorityReference(v value) (string, bool) {
	s, ok := p.identifier(v)
	if !ok {
		return "", false
	}
	p.checks = append(p.checks, func() {
		if _, ok := p.authorities[s]; !ok {
			p.fault(v, p.authorityHint(s), "%s is no authority of this policy", quote(s))
		}
	})
	return s, true
}

// authorityHint names the authority that was meant. A search is made for the first
// mistakes only: with many names it takes a while.
func (p *parser) authorityHint(s string) string {
	const searches, shown = 20, 10
	var all []string
	for _, a := range p.policy.Authorities {
		if a.Name != "" {
			all = append(all, a.Name)
		}
	}
	if len(all) == 0 {
		return "define it under authorities:"
	}
	if p.guesses++; p.guesses <= searches {
		if meant := spelling.Nearest(s, all); meant != "" {
			return didYouMean(meant)
		}
	}
	if len(all) > shown {
		return "define it under authorities:"
	}
	return "authorities are " + strings.Join(all, ", ")
}

// tightensAuthorities compares by name: who is named in an enforced policy stays who
// they are. New names are free.
func (p *parser) tightensAuthorities(enforced, mine *yaml.Node) {
	const hint = "leave it out, or choose another name: who stands for a name in an enforced policy cannot be changed"
	theirs := indexOf(enforced)
	for _, n := range items(mine) {
		name := child(n, "name")
		if name == nil {
			continue // reported by the parser
		}
		for _, other := range theirs[name.Value] {
			if !sameNode(other, n) || namesFile(n) && p.source(other).Source != p.source(n).Source {
				p.report(p.place(name), "authorities", hint, "authorities: %s is defined anew; it is enforced at %s", quote(name.Value), p.place(other))
			}
		}
	}
}

// namesFile says whether an authority names a file: in another document that is another one.
func namesFile(authority *yaml.Node) bool {
	key := child(authority, "key")
	if child(key, "file") != nil {
		return true
	}
	for _, n := range []*yaml.Node{key, child(authority, "keyless")} {
		root := child(n, "trusted-root")
		if root != nil && (child(root, "data") == nil || len(root.Content) > 2) {
			return true
		}
	}
	return false
}

// Authority is the authority of the name, or nil.
func (p *Policy) Authority(name string) *Authority {
	for i := range p.Authorities {
		if p.Authorities[i].Name == name {
			return &p.Authorities[i]
		}
	}
	return nil
}
