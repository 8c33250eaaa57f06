// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Parse reads a policy file. source is how diagnostics and the verdict name it. If
// anything is wrong, the policy is nil and the error is a *ParseError with all
// mistakes.
func Parse(source string, data []byte) (*Policy, error) {
	p := &parser{
		policy: &Policy{
			Source:    source,
			Digest:    fmt.Sprintf("sha256:%x", sha256.Sum256(data)),
			Platforms: Platforms{All: true},
			Database:  Database{MaxAge: DefaultDatabaseMaxAge},
		},
		rules:   map[string]ruleRef{},
		waivers: map[string]Position{},
	}
	p.parse(data)
	if len(p.diagnostics) == 0 {
		return p.policy, nil
	}
	for i := range p.diagnostics {
		p.diagnostics[i].File = source
	}
	return nil, &ParseError{Diagnostics: sortDiagnostics(p.diagnostics)}
}

func (p *parser) parse(data []byte) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if d := checkText(data); d != nil {
		p.diagnostics = append(p.diagnostics, *d)
		return
	}
	first, second, err := decode(data)
	if errors.Is(err, io.EOF) {
		p.report(Position{1, 1}, "", "a policy needs version, name and rules", "the file is empty")
		return
	}
	if err != nil {
		p.diagnostics = append(p.diagnostics, syntaxError(data, err))
	}
	if first == nil || !p.isPolicy(first) {
		return
	}
	if second != nil {
		p.report(position(second), "", "one file is one policy", "a second YAML document begins here")
	}
	root := value{node: first.Content[0], at: position(first.Content[0])}
	p.hygiene(root.node, 0)
	p.document(root)
	for _, check := range p.checks {
		check()
	}
}

// isPolicy tells a policy with mistakes from a file that is something else. Of the
// latter only that is reported: its content is nobody's business.
func (p *parser) isPolicy(doc *yaml.Node) bool {
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		p.report(Position{1, 1}, "", "a policy needs version, name and rules", "the file is empty")
		return false
	}
	keys := names(p.documentKeys())
	if root.Kind == yaml.MappingNode {
		for i := 0; i < len(root.Content); i += 2 {
			if slices.Contains(keys, root.Content[i].Value) {
				return true
			}
		}
	}
	p.report(Position{1, 1}, "", "", "this is not an ocigate policy: at the top there is none of the keys %s", strings.Join(keys, ", "))
	return false
}

func (p *parser) documentKeys() []key {
	return []key{
		{name: "version", required: true, read: p.version},
		{name: "name", required: true, read: func(v value) { p.policy.Name, _ = p.line(v) }},
		{name: "platforms", read: p.platforms},
		{name: "database", read: p.database},
		{name: "coverage", read: p.coverage},
		{name: "unknown-severity", read: func(v value) {
			// Any value at all is a decision about unknown; only its spelling is wrong.
			p.unknown.said = true
			_, p.policy.UnknownSeverityAccepted = p.enum(v, "accept")
		}},
		{name: "rules", read: p.ruleGroups},
		{name: "waivers", read: func(v value) { p.list(v, p.waiver) }},
	}
}

func (p *parser) document(root value) {
	keys := p.documentKeys()
	p.mapping(root, "", keys)
	if !mentions(root.node, "rules", names(keys)) {
		p.report(root.at, "", "add rules:", "the policy has no rules, so it could never fail")
	}
	p.checks = append(p.checks, p.checkUnknownSeverity)
}

// mentions says whether a mapping has a key, or one that was reported as a
// misspelling of it.
func mentions(n *yaml.Node, name string, all []string) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i].Value; k == name || nearest(k, all) == name {
			return true
		}
	}
	return false
}

// version accepts exactly the number 1, so that no reader of YAML sees another.
func (p *parser) version(v value) {
	const want = "the number 1"
	if !p.scalar(v, want) {
		return
	}
	switch s := v.node.Value; {
	case s == "1" && isPlain(v.node):
	case slices.Contains([]string{"1", "01", "1.0", "v1", "0x1", "0o1", "+1"}, s):
		p.fault(v, "write 1", "must be %s, not %s", want, quote(s))
	case isDecimal(s):
		p.fault(v, "", "%s is not supported; this ocigate reads version 1", quote(s))
	default:
		p.fault(v, "", "must be %s, not %s", want, quote(s))
	}
}

func (p *parser) platforms(v value) {
	if v.node.Kind == yaml.ScalarNode && !v.isNull() {
		const want = "all or a list of os/architecture[/variant]"
		if s := v.node.Value; p.scalar(v, want) && s != "all" {
			hint := didYouMean(nearest(s, []string{"all"}))
			if strings.Contains(s, "/") {
				hint = listHint(s)
			}
			p.fault(v, hint, "must be %s", want)
		}
		return
	}
	list, ok := p.strings(v, p.platform)
	if !ok {
		return
	}
	p.policy.Platforms = Platforms{}
	for _, s := range list {
		platform, err := evidence.ParsePlatform(s)
		if err == nil {
			p.policy.Platforms.List = append(p.policy.Platforms.List, platform)
		}
	}
}

func (p *parser) platform(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	parsed, err := evidence.ParsePlatform(s)
	if err != nil {
		hint := ""
		if s == "all" {
			hint = "write platforms: all"
		}
		p.fault(v, hint, "%s is not os/architecture or os/architecture/variant in lower case", quote(s))
		return "", false
	}
	if better := ociArchitecture(parsed.Architecture); better != "" {
		p.fault(v, didYouMean(parsed.OS+"/"+better), "%s does not name the architecture as images do", quote(s))
		return "", false
	}
	return s, true
}

// ociArchitecture translates what uname calls an architecture to what images call it.
func ociArchitecture(s string) string {
	switch s {
	case "x86_64", "x86-64", "x64":
		return "amd64"
	case "aarch64", "armv8":
		return "arm64"
	case "i386", "i686", "x86":
		return "386"
	case "armv7", "armv7l", "armhf":
		return "arm/v7"
	default:
		return ""
	}
}

func (p *parser) database(v value) {
	p.mapping(v, "write {max-age: 3d}", []key{
		{name: "max-age", read: func(v value) {
			if d, ok := p.duration(v); ok {
				p.policy.Database.MaxAge = d
			}
		}},
	})
}

func (p *parser) coverage(v value) {
	c := &p.policy.Coverage
	optional := func(into *bool) func(value) {
		return func(v value) {
			s, _ := p.enum(v, "required", "optional")
			*into = s == "optional"
		}
	}
	p.mapping(v, "write {os: required, packages: required}", []key{
		{name: "os", read: optional(&c.OSOptional)},
		{name: "packages", read: optional(&c.PackagesOptional)},
		{name: "unreadable", read: func(v value) {
			p.mapping(v, `write {accept: ["path/**"]}`, []key{
				{name: "accept", required: true, read: func(v value) {
					c.UnreadableAccept, _ = p.strings(v, p.glob)
				}},
			})
		}},
	})
}
