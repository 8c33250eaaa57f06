// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
	"github.com/ocigate/ocigate/pkg/internal/wording"
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

// CertificateExtensions are the names of Fulcio's certificate extensions that an
// identity can demand: https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md.
func CertificateExtensions() []string {
	return []string{
		"githubWorkflowTrigger", "githubWorkflowSHA", "githubWorkflowName", "githubWorkflowRepository", "githubWorkflowRef",
		"buildSignerURI", "buildSignerDigest", "runnerEnvironment", "sourceRepositoryURI", "sourceRepositoryDigest", "sourceRepositoryRef",
		"sourceRepositoryIdentifier", "sourceRepositoryOwnerURI", "sourceRepositoryOwnerIdentifier", "buildConfigURI", "buildConfigDigest",
		"buildTrigger", "runInvocationURI", "sourceRepositoryVisibilityAtSigning",
	}
}

// KMSSchemes are the key management services whose keys can be named.
func KMSSchemes() []string { return []string{"awskms", "azurekms", "gcpkms", "hashivault"} }

func (p *parser) authoritiesKey() key {
	return key{name: "authorities", about: "Whose signatures count, by name; rules name them.", tighten: free, // authorityList compares by name
		shape: listOf(shape{kind: shapeMapping, makeKeys: func() []key { return p.authorityKeys(&Authority{}) }}),
		read:  func(v value) { p.list(v, p.authority) }}
}

func (p *parser) authority(v value) {
	a := &Authority{Source: v.at.file, Position: v.at.Position, Level: p.source(v.node).level}
	if !p.mapping(v, `begin each authority with "- name:"`, p.authorityKeys(a)) {
		return
	}
	p.exactlyOne(v, "key", "keyless")
	p.policy.Authorities = append(p.policy.Authorities, *a)
}

func (p *parser) authorityKeys(a *Authority) []key {
	k, kl := &AuthorityKey{HashAlgorithm: "sha256"}, &Keyless{}
	return []key{
		{name: "name", about: "The authority's name, for rules and reports.", required: true,
			shape: shape{kind: shapeString, pattern: namePattern}, read: func(v value) { a.Name = p.authorityName(v) }},
		into(p.checked(p.mappingKey("key", "A public key whose signatures count.", "write {file: keys/cosign.pub}", []key{
			p.textKey("data", "The public key in PEM form: ECDSA, Ed25519 or RSA.", &k.Data, nil),
			p.fileKey("file", "A file with the public key in PEM form.", &k.File),
			p.envKey("env", "The name of an environment variable that holds the public key in PEM form.", &k.Env),
			p.kmsKey("kms", "The URI of a key in a key management service: awskms://, azurekms://, gcpkms:// or hashivault://.", &k.KMS),
			enumKey(p, "hashAlgorithm", "The hash that signatures by the key are made over; default sha256.", &k.HashAlgorithm, nil, "sha256", "sha384", "sha512"),
			p.trustedRootKey(&k.TrustedRoot, "What the log's and timestamp authorities' keys are from; default the public good instance."),
		}), func(v value) { p.exactlyOne(v, "data", "file", "env", "kms") }), &a.Key, k),
		into(p.mappingKey("keyless", "Certificates that were issued to identities.", "write {identities: [{issuer: …, subject: …}]}", []key{
			p.identitiesKey(&kl.Identities).must(),
			p.trustedRootKey(&kl.TrustedRoot, "Which authority, logs and timestamp authorities are trusted; default the public good instance."),
			p.optionalKey("sct", "Whether a certificate transparency log must have seen the certificate: required (the default) or optional.", &kl.SCTOptional),
		}), &a.Keyless, kl),
		p.optionalKey("transparency-log", "Whether a signature must have an entry in the transparency log: required (the default) or optional.", &a.LogOptional),
		{name: "timestamp", about: "Whether a timestamp authority must vouch for the time of signing: required or optional (the default).",
			shape: shape{kind: shapeString, enum: []string{"required", "optional"}},
			read:  func(v value) { s, _ := p.enum(v, "required", "optional"); a.TimestampRequired = s == "required" }},
	}
}

// checked adds a check of the whole value to a key.
func (p *parser) checked(k key, check func(value)) key {
	read := k.read
	k.read = func(v value) {
		read(v)
		if v.node.Kind == yaml.MappingNode && len(v.node.Content) > 0 {
			check(v)
		}
	}
	return k
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

func (p *parser) authorityName(v value) string {
	name, ok := p.identifier(v)
	if !ok {
		return ""
	}
	if first, ok := p.authorities[name]; ok {
		p.fault(v, "", "%s is taken by the authority at %s", quote(name), first.seenFrom(v.at))
		return ""
	}
	p.authorities[name] = v.at
	return name
}

// envKey reads the name of an environment variable.
func (p *parser) envKey(name, about string, into *string) key {
	return key{name: name, about: about, shape: shape{kind: shapeString, pattern: `^[A-Za-z_][A-Za-z0-9_]*$`}, read: func(v value) {
		s, ok := p.line(v)
		if !ok {
			return
		}
		const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
		if strings.Trim(s, letters+"0123456789") != "" || strings.IndexByte(letters, s[0]) < 0 {
			// It may be the key itself: it is not shown.
			p.fault(v, "name the variable, without $", "is not the name of an environment variable")
			return
		}
		*into = s
	}}
}

// kmsKey reads the URI of a key. Other schemes would run a program.
func (p *parser) kmsKey(name, about string, into *string) key {
	return key{name: name, about: about, shape: shape{kind: shapeString, pattern: "^(" + strings.Join(KMSSchemes(), "|") + ")://.+$"}, read: func(v value) {
		s, ok := p.line(v)
		if !ok {
			return
		}
		scheme, rest, found := strings.Cut(s, "://")
		if !found || rest == "" || !slices.Contains(KMSSchemes(), scheme) {
			p.fault(v, "write awskms://…, azurekms://…, gcpkms://… or hashivault://…", "is not the URI of a key in a known key management service")
			return
		}
		*into = s
	}}
}

func (p *parser) identitiesKey(to *[]Identity) key {
	keys := func(id *Identity) []key {
		return []key{
			p.lineKey("issuer", "The OIDC issuer, exactly.", &id.Issuer, nil),
			p.regexpKey("issuerRegExp", "The OIDC issuer, as a regular expression for the whole value.", &id.IssuerRegExp),
			p.lineKey("subject", "The subject alternative name, exactly: a workflow's URI, an e-mail address.", &id.Subject, nil),
			p.regexpKey("subjectRegExp", "The subject alternative name, as a regular expression for the whole value.", &id.SubjectRegExp),
			p.extensionsKey("extensions", "Further values that the certificate must have, exactly, by the name of Fulcio's extension.", &id.Extensions, p.line),
			p.extensionsKey("extensionsRegExp", "The same with regular expressions for the whole value.", &id.ExtensionsRegExp, p.regexp),
		}
	}
	return key{name: "identities", about: "Who may have signed: any of them.", shape: listOf(mappingOf(keys(&Identity{})...)),
		read: func(v value) {
			p.list(v, func(v value) {
				id := &Identity{}
				if p.mapping(v, `begin each identity with "- issuer:"`, keys(id)) && len(v.node.Content) > 0 {
					p.exactlyOne(v, "issuer", "issuerRegExp")
					p.exactlyOne(v, "subject", "subjectRegExp")
					*to = append(*to, *id)
				}
			})
		}}
}

func (p *parser) regexpKey(name, about string, into *string) key {
	return key{name: name, about: about, shape: shape{kind: shapeString}, read: func(v value) {
		s, ok := p.regexp(v)
		if ok && matchesEverything(s) {
			p.fault(v, "name who may sign", "%s matches anything", quote(s))
			return
		}
		*into = s
	}}
}

// matchesEverything recognises the usual ways to write "anybody".
func matchesEverything(re string) bool {
	return slices.Contains([]string{"*", "+"}, strings.TrimPrefix(strings.Trim(re, "^$()"), "."))
}

func (p *parser) extensionsKey(name, about string, into *map[string]string, read func(value) (string, bool)) key {
	return key{name: name, about: about, shape: shape{kind: shapeMapping}, read: func(v value) {
		*into = map[string]string{}
		p.pairs(v, func(k string, v value) {
			if !slices.Contains(CertificateExtensions(), k) {
				p.fault(v, didYouMean(spelling.Nearest(k, CertificateExtensions())), "is no certificate extension of Fulcio's; they are %s", strings.Join(CertificateExtensions(), ", "))
				return
			}
			if s, ok := read(v); ok {
				(*into)[k] = s
			}
		})
	}}
}

func (p *parser) trustedRootKey(to **TrustedRoot, about string) key {
	r, t := &TrustedRoot{}, &TUF{}
	pem := []string{"ca", "tsa", "rekor", "ctlog"}
	k := p.mappingKey("trusted-root", about, "write {file: trusted_root.json}", []key{
		p.fileKey("file", "A trusted_root.json.", &r.File),
		p.textKey("data", "The content of a trusted_root.json.", &r.Data, nil),
		into(p.mappingKey("tuf", "A TUF repository that holds a trusted_root.json.", "write {mirror: https://…, root: root.json}", []key{
			p.mirrorKey(&t.Mirror).must(),
			p.fileKey("root", "The root.json that trust in it begins with.", &t.Root).must(),
		}), &r.TUF, t),
		p.fileKey("ca", "Certificates of an own certificate authority in PEM form: roots and intermediates.", &r.CA),
		p.fileKey("tsa", "Certificates of timestamp authorities in PEM form: roots, intermediates and leaf.", &r.TSA),
		p.fileKey("rekor", "Public keys of Rekor transparency logs in PEM form.", &r.Rekor),
		p.fileKey("ctlog", "Public keys of certificate transparency logs in PEM form.", &r.CTLog),
	})
	return into(p.checked(k, func(v value) {
		if !mentionsAny(v.node, pem) {
			p.exactlyOne(v, "file", "data", "tuf")
			return
		}
		for _, whole := range []string{"file", "data", "tuf"} {
			if child(v.node, whole) != nil {
				p.fault(v, "leave one out", "%s holds everything that %s would", whole, wording.Or(pem))
			}
		}
	}), to, r)
}

func (p *parser) mirrorKey(into *string) key {
	return key{name: "mirror", about: "Its URL: https, or http on loopback.", shape: shape{kind: shapeString, pattern: `^https?://.+$`}, read: func(v value) {
		s, ok := p.line(v)
		if !ok {
			return
		}
		if !isMirror(s) {
			p.fault(v, "write https://HOST/PATH", "%s is no URL of a mirror", quote(s))
			return
		}
		*into = s
	}}
}

// isMirror says whether s is an https URL, or an http one on loopback, without user and query.
func isMirror(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && isLocal(u.Host)
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
		if _, ok := p.authorities[s]; ok {
			return
		}
		var all []string
		for _, a := range p.policy.Authorities {
			all = append(all, a.Name)
		}
		hint := didYouMean(spelling.Nearest(s, all))
		if hint == "" && len(all) > 0 {
			hint = "authorities are " + strings.Join(all, ", ")
		} else if hint == "" {
			hint = "define it under authorities:"
		}
		p.fault(v, hint, "%s is no authority of this policy", quote(s))
	})
	return s, true
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
