// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/pem"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
)

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

// publicKeyKey reads key.
func (p *parser) publicKeyKey(to **AuthorityKey) key {
	k := &AuthorityKey{HashAlgorithm: "sha256"}
	return into(p.checked(p.mappingKey("key", "A public key whose signatures count.", "write {file: keys/cosign.pub}", []key{
		{name: "data", about: "The public key in PEM form: ECDSA, Ed25519 or RSA.", shape: shape{kind: shapeString}, read: func(v value) { k.Data = p.publicKey(v) }},
		p.fileKey("file", "A file with the public key in PEM form.", &k.File),
		p.envKey("env", "The name of an environment variable that holds the public key in PEM form.", &k.Env),
		p.kmsKey("kms", "The URI of a key in a key management service: awskms://, azurekms://, gcpkms:// or hashivault://.", &k.KMS),
		enumKey(p, "hashAlgorithm", "The hash that signatures by the key are made over; default sha256.", &k.HashAlgorithm, nil, "sha256", "sha384", "sha512"),
		p.trustedRootKey(&k.TrustedRoot, "What the log's and timestamp authorities' keys are from; default the public good instance.", "rekor", "tsa"),
	}), func(v value) { p.exactlyOne(v, "data", "file", "env", "kms") }), to, k)
}

// keylessKey reads keyless.
func (p *parser) keylessKey(to **Keyless) key {
	k := &Keyless{}
	return into(p.mappingKey("keyless", "Certificates that were issued to identities.", "write {identities: [{issuer: …, subject: …}]}", []key{
		p.identitiesKey(&k.Identities).must(),
		p.trustedRootKey(&k.TrustedRoot, "Which authority, logs and timestamp authorities are trusted; default the public good instance.", "ca", "tsa", "rekor", "ctlog"),
		p.optionalKey("sct", "Whether a certificate transparency log must have seen the certificate: required (the default) or optional.", &k.SCTOptional),
	}), to, k)
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

// publicKey reads a key in PEM form. Nothing of it is ever shown: it may be another.
func (p *parser) publicKey(v value) string {
	if v.node.Kind == yaml.ScalarNode && strings.Contains(v.node.Value, "PRIVATE KEY") {
		p.fault(v, "take it out and make a new one, for whoever reads the policy has it; what belongs here is the public key", "holds a private key")
		return ""
	}
	s, ok := p.text(v)
	if !ok {
		return ""
	}
	block, rest := pem.Decode([]byte(s))
	switch {
	case block == nil, !strings.HasPrefix(s, "-----BEGIN "):
		p.fault(v, "write data: | and, indented below it, the key from -----BEGIN PUBLIC KEY----- on", "is no public key in PEM form")
	case block.Type == "CERTIFICATE":
		p.fault(v, "openssl x509 -pubkey -noout shows its public key; for certificates of an own authority use keyless", "holds a certificate, not a public key")
	case block.Type != "PUBLIC KEY" || len(block.Headers) > 0:
		p.fault(v, "the block must be a PUBLIC KEY, without headers, as cosign public-key and openssl pkey -pubout write it", "is no public key in PEM form")
	case strings.TrimSpace(string(rest)) != "":
		p.fault(v, "define an authority for each key", "holds more than one public key")
	default:
		return s
	}
	return ""
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

// kmsKey reads the URI of a key. Other schemes would run a program. Nothing of it is
// shown: there may be credentials in it.
func (p *parser) kmsKey(name, about string, into *string) key {
	return key{name: name, about: about, shape: shape{kind: shapeString, pattern: "^(" + strings.Join(KMSSchemes(), "|") + ")://[^ @?#]+$"}, read: func(v value) {
		s, ok := p.line(v)
		if !ok {
			return
		}
		scheme, rest, found := strings.Cut(s, "://")
		switch {
		case !found, rest == "", !slices.Contains(KMSSchemes(), scheme):
			p.fault(v, "write awskms://…, azurekms://…, gcpkms://… or hashivault://…", "is not the URI of a key in a known key management service")
		case strings.ContainsAny(rest, " @?#"):
			p.fault(v, "credentials are the environment's business", "has more than the name of a key")
		default:
			*into = s
		}
	}}
}

func (p *parser) identitiesKey(to *[]Identity) key {
	keys := func(id *Identity) []key {
		return []key{
			p.exactKey("issuer", "The OIDC issuer, exactly; of certificates that name none, the distinguished name of their issuer: CN=Issuing CA,O=Example.", &id.Issuer),
			p.regexpKey("issuerRegExp", "The issuer, as a regular expression for the whole value.", &id.IssuerRegExp, "https://login.example.org/o", "https://i.other-host.test:8443"),
			p.exactKey("subject", "The subject alternative name, exactly: a workflow's URI, an e-mail address.", &id.Subject),
			p.regexpKey("subjectRegExp", "The subject alternative name, as a regular expression for the whole value.", &id.SubjectRegExp,
				"jane.doe@mail.example", "https://ci.other.test/x/y/.github/workflows/build.yaml@refs/heads/main"),
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
					for name := range id.Extensions {
						if _, ok := id.ExtensionsRegExp[name]; ok {
							p.fault(v, "leave one of them out", "has %s in extensions and in extensionsRegExp", name)
						}
					}
					*to = append(*to, *id)
				}
			})
		}}
}

// exactKey reads a value that is compared exactly, and helps those who mean a pattern.
func (p *parser) exactKey(name, about string, into *string) key {
	return key{name: name, about: about, shape: shape{kind: shapeString}, read: func(v value) {
		s, ok := p.line(v)
		if ok && strings.Contains(s, "*") {
			p.fault(v, "for a pattern write "+name+"RegExp, a regular expression", "%s is compared exactly, and has a *", quote(s))
			return
		}
		*into = s
	}}
}

// regexpKey reads a regular expression for whom a certificate names. One that matches
// an empty value, or the values of several strangers, names nobody. That is a courtesy:
// who writes a policy can write it too wide in many ways.
func (p *parser) regexpKey(name, about string, into *string, strangers ...string) key {
	return key{name: name, about: about, shape: shape{kind: shapeString}, read: func(v value) {
		s, re := p.compiled(v)
		switch {
		case re == nil:
		case re.MatchString(""):
			p.fault(v, "name who may sign; the whole value must match", "%s matches an empty value", quote(s))
		case !slices.ContainsFunc(strangers, func(s string) bool { return !re.MatchString(s) }):
			p.fault(v, "name who may sign; the whole value must match", "%s matches anything", quote(s))
		default:
			*into = s
		}
	}}
}

func (p *parser) extensionsKey(name, about string, into *map[string]string, read func(value) (string, bool)) key {
	return key{name: name, about: about, shape: shape{kind: shapeMapping, enum: CertificateExtensions()}, read: func(v value) {
		*into = map[string]string{}
		p.pairs(v, func(k string, v value) {
			if !slices.Contains(CertificateExtensions(), k) {
				hint := didYouMean(spelling.Nearest(k, CertificateExtensions()))
				if hint == "" {
					hint = "for example sourceRepositoryURI, sourceRepositoryRef, buildSignerURI, runnerEnvironment"
				}
				p.fault(v, hint, "is no certificate extension of Fulcio's")
				return
			}
			if s, ok := read(v); ok {
				(*into)[k] = s
			}
		})
	}}
}
