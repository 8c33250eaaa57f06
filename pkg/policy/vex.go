// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// VEX is a document with a vendor's or team's statements on vulnerabilities. Its
// statements count for the rules of the policy level that names it, and for those
// below.
type VEX struct {
	File *File
	// Format is openvex, cyclonedx or csaf; empty is whatever the document says it is.
	Format string `json:",omitempty"`
	// Authors are the names of whom alone the document may be, exactly; empty is anyone.
	Authors []string `json:",omitempty"`
	// MaxAge is the greatest age of the document at the effective time; 0 is any.
	MaxAge time.Duration `json:",omitempty"`
	// Signature is a detached signature of the file's bytes, and Key the public key that
	// it must be by; nil for none. Both are set or neither.
	Signature *File `json:",omitempty"`
	Key       *File `json:",omitempty"`
}

// vexKey reads feeds.vex: a document, or a list of them. Documents of several levels
// are kept side by side (see mergeAt), so that adding one changes nothing about an
// enforced one, and loosens nothing: its statements do not count there.
func (p *parser) vexKey() key {
	keys := func(x *VEX) []key {
		return []key{
			p.fileKey("file", "The file, beneath the policy's directory.", &x.File).must(),
			enumKey(p, "format", "Its format; default as the document says.", &x.Format, nil, "openvex", "cyclonedx", "csaf"),
			p.listKey("author", "Who must have written it: one of these names, exactly as the document gives them; default anyone.", &x.Authors, nil, p.line),
			p.durationKey("max-age", "The greatest age of the document; default any.", &x.MaxAge, nil),
			p.fileKey("signature", "A detached signature of the file, as cosign sign-blob writes it: it is verified with key.", &x.Signature),
			p.mappingKey("key", "The public key that must have signed the file.", "write {file: keys/vendor.pub}", []key{
				p.fileKey("file", "The public key in PEM form: ECDSA, Ed25519 or RSA.", &x.Key).must(),
			}),
		}
	}
	return key{name: "vex", about: "VEX documents (OpenVEX, CycloneDX, CSAF) whose statements not_affected and fixed are believed.", tighten: free,
		shape: shape{kind: shapeOneOf, oneOf: []shape{mappingOf(keys(&VEX{})...), listOf(mappingOf(keys(&VEX{})...))}},
		read: func(v value) {
			document := func(v value) {
				x := &VEX{}
				if p.mapping(v, `begin each document with "- file:"`, keys(x)) {
					signed, keyed := child(v.node, "signature") != nil, child(v.node, "key") != nil
					if signed != keyed {
						p.fault(v, "give both: signature: FILE and key: {file: FILE}", "a signature and the key that it must be by belong together")
					}
					p.policy.Feeds.VEX = append(p.policy.Feeds.VEX, *x)
				}
			}
			if v.node.Kind == yaml.MappingNode {
				document(v)
				return
			}
			p.list(v, document)
		}}
}
