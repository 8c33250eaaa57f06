// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// trustedRootKey reads trusted-root. pems are the PEM files that mean something for the
// kind of authority.
func (p *parser) trustedRootKey(to **TrustedRoot, about string, pems ...string) key {
	r, t := &TrustedRoot{}, &TUF{}
	keys := []key{
		p.fileKey("file", "A trusted_root.json.", &r.File),
		{name: "data", about: "The content of a trusted_root.json.", shape: shape{kind: shapeString}, read: func(v value) { r.Data = p.trustedRootData(v) }},
		into(p.mappingKey("tuf", "A TUF repository that holds a trusted_root.json.", "write {mirror: https://…, root: root.json}", []key{
			p.mirrorKey(&t.Mirror).must(),
			p.fileKey("root", "The root.json that trust in it begins with.", &t.Root).must(),
		}), &r.TUF, t),
	}
	for _, k := range []key{
		p.fileKey("ca", "Certificates of an own certificate authority in PEM form: roots and intermediates.", &r.CA),
		p.fileKey("tsa", "Certificates of timestamp authorities in PEM form: roots, intermediates and leaf.", &r.TSA),
		p.fileKey("rekor", "Public keys of Rekor transparency logs in PEM form.", &r.Rekor),
		p.fileKey("ctlog", "Public keys of certificate transparency logs in PEM form.", &r.CTLog),
	} {
		if slices.Contains(pems, k.name) {
			keys = append(keys, k)
		}
	}
	k := p.mappingKey("trusted-root", about, "write {file: trusted_root.json}", keys)
	return into(p.checked(k, func(v value) {
		if !mentionsAny(v.node, pems) {
			p.exactlyOne(v, "file", "data", "tuf")
			return
		}
		for _, whole := range []string{"file", "data", "tuf"} {
			if child(v.node, whole) != nil {
				p.fault(v, "leave one out", "has %s, which holds everything that %s would", whole, wording.Or(pems))
			}
		}
	}), to, r)
}

// checkAnchors reports an authority whose own trust anchors lack what it needs: it
// could verify nothing.
func (p *parser) checkAnchors(v value, a *Authority) {
	kind, pems := "key", []string{"tsa", "rekor"}
	if a.Keyless != nil {
		kind, pems = "keyless", []string{"ca", "tsa", "rekor", "ctlog"}
	}
	n := child(child(v.node, kind), "trusted-root")
	if n == nil || n.Kind != yaml.MappingNode || !mentionsAny(n, pems) {
		return // it stands elsewhere, or is whole
	}
	at := value{node: n, path: v.path + "." + kind + ".trusted-root", at: p.place(n)}
	need := func(needed bool, name, hint string) {
		if needed && !mentionsAny(n, []string{name}) {
			p.fault(at, hint, "lacks %s, so that nothing could be verified", name)
		}
	}
	need(a.Keyless != nil, "ca", "name the certificates of the authority")
	need(a.Keyless != nil && !a.Keyless.SCTOptional, "ctlog", "name the log's keys, or write sct: optional")
	need(!a.LogOptional, "rekor", "name the log's keys, or write transparency-log: optional")
	need(a.TimestampRequired, "tsa", "name the timestamp authority's certificates")
}

// trustedRootData reads the content of a trusted_root.json.
func (p *parser) trustedRootData(v value) string {
	const most = 256 << 10
	if v.node.Kind == yaml.MappingNode {
		p.fault(v, "write data: | and the JSON, indented, below it", "must be a string, not a mapping")
		return ""
	}
	s, ok := p.textUpTo(v, most)
	if ok && (s[0] != '{' || !json.Valid([]byte(s))) {
		p.fault(v, "write data: | and the JSON, indented, below it", "is no JSON object")
		return ""
	}
	return s
}

func (p *parser) mirrorKey(into *string) key {
	return key{name: "mirror", about: "Its URL: https, or http on loopback.", shape: shape{kind: shapeString, pattern: `^https?://.+$`}, read: func(v value) {
		s, ok := p.line(v)
		switch {
		case !ok:
		case isMirror(s):
			*into = s
		case strings.Contains(s, "@"): // there may be a password in it
			p.fault(v, "write https://HOST/PATH", "is no URL of a mirror")
		default:
			p.fault(v, "write https://HOST/PATH; http is for this machine alone", "%s is no URL of a mirror", quote(s))
		}
	}}
}

// isMirror says whether s is an https URL, or an http one on loopback, of host, port
// and path alone.
func isMirror(s string) bool {
	scheme, rest, ok := strings.Cut(s, "://")
	host, path, _ := strings.Cut(rest, "/")
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/%+"
	if _, err := canonicalHost(host); !ok || err != nil || strings.Trim(path, letters) != "" {
		return false
	}
	return scheme == "https" || scheme == "http" && isLoopback(host)
}

// isLoopback is true for this machine: localhost, 127.0.0.0/8 and [::1], with or without
// a port. Other names may lead anywhere, whatever they begin with.
func isLoopback(host string) bool {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	parts := strings.Split(host, ".")
	if len(parts) != 4 || parts[0] != "127" {
		return host == "localhost" || host == "[::1]"
	}
	return !slices.ContainsFunc(parts, func(s string) bool {
		n, err := strconv.ParseUint(s, 10, 8)
		return err != nil || strconv.FormatUint(n, 10) != s
	})
}
