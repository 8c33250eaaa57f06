// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/spelling"
	"github.com/ocigate/ocigate/pkg/internal/yamldoc"
)

// Parse reads a policy that is one document and names no files. source is how
// diagnostics and the verdict name it. If anything is wrong, the policy is nil and
// the error is a *ParseError with all mistakes. Use Load for policies that extend
// others, name files, or stand below enforced ones.
func Parse(source string, data []byte) (*Policy, error) {
	return Load(context.Background(), Request{Policy: source}, onlyDocument{source, data})
}

// onlyDocument is a Loader that has nothing else.
type onlyDocument struct {
	source string
	data   []byte
}

func (o onlyDocument) Load(_ context.Context, reference string, from *Document) (*Document, error) {
	if from != nil {
		return nil, errors.New("other policies cannot be read here")
	}
	return &Document{Source: reference, Data: o.data}, nil
}

// read decodes one document and checks what can be checked without others. The
// node is nil where it is no mapping.
func (p *parser) readDocument() *yaml.Node {
	data := bytes.TrimPrefix(p.document.Data, []byte("\ufeff"))
	if d := checkText(data); d != nil {
		d.File = p.document.Source
		p.diagnostics = append(p.diagnostics, *d)
		return nil
	}
	first, second, err := yamldoc.Decode(data)
	if errors.Is(err, io.EOF) {
		p.report(p.start(), "", "a policy needs version, name and rules", "the file is empty")
		return nil
	}
	if err != nil {
		d := syntaxError(data, err)
		d.File = p.document.Source
		p.diagnostics = append(p.diagnostics, d)
	}
	if first == nil || !p.isPolicy(first) {
		return nil
	}
	if second != nil {
		p.report(p.place(second), "", "one file is one policy", "a second YAML document begins here")
	}
	root := first.Content[0]
	p.hygiene(root, 0)
	if root.Kind != yaml.MappingNode {
		p.wrongType(value{node: root, at: p.place(root)}, "a mapping", "")
		return nil
	}
	return root
}

// parse reads a tree as a policy, and checks it as a whole unless it is a fragment.
func (p *parser) parse(root *yaml.Node) {
	p.documentValue(value{node: root, at: p.place(root)})
	if p.fragment {
		return
	}
	for _, check := range p.checks {
		check()
	}
}

// isPolicy tells a policy with mistakes from a file that is something else. Of the
// latter only that is reported: its content is nobody's business.
func (p *parser) isPolicy(doc *yaml.Node) bool {
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		p.report(p.start(), "", "a policy needs version, name and rules", "the file is empty")
		return false
	}
	keys := names(p.documentKeys())
	if p.waiversOnly {
		keys = names(p.waiverFileKeys())
	}
	if root.Kind == yaml.MappingNode {
		for i := 0; i < len(root.Content); i += 2 {
			if slices.Contains(keys, root.Content[i].Value) {
				return true
			}
		}
	}
	p.report(p.start(), "", "", "this is not an ocigate policy: at the top there is none of the keys %s", strings.Join(keys, ", "))
	return false
}

// documentKeys are the keys of a policy, made once: the whole table of the language
// hangs on them.
func (p *parser) documentKeys() []key {
	if p.keys == nil {
		p.keys = p.makeDocumentKeys()
	}
	return p.keys
}

func (p *parser) makeDocumentKeys() []key {
	return []key{
		{name: "version", about: "The version of the policy language: 1.", required: true, tighten: free,
			shape: shape{kind: shapeInteger, min: 1, max: 1}, read: p.version},
		p.lineKey("name", "The policy's name, as reports show it.", &p.policy.Name, free).must(),
		{name: "extends", about: "Policies that this one builds on: shipped ones (ocigate:baseline), files beneath this one's directory, or OCI artifacts by digest. Later ones and this file win.",
			shape: listOf(shape{kind: shapeString}), tighten: free, read: func(v value) { p.strings(v, p.line) }},
		p.platformsKey(),
		p.databaseKey(),
		p.coverageKey(),
		p.unknownKey(),
		p.feedsKey(),
		p.authoritiesKey(),
		p.rulesKey(),
		p.waiversKey(),
		p.waiverFilesKey(),
		p.waiverLimitsKey(),
		p.imagesKey(),
	}
}

func (p *parser) platformsKey() key {
	return key{name: "platforms", about: "The platforms of an index that must be there and pass: all (the default) or a list.",
		shape:   shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString, enum: []string{"all"}}, listOf(shape{kind: shapeString})}},
		tighten: tightenPlatforms, read: p.platforms}
}

func (p *parser) unknownKey() key {
	return key{name: "unknown-severity", about: "Write accept where failing rules say nothing about vulnerabilities of unknown severity, and that is meant.",
		shape: shape{kind: shapeString, enum: []string{"accept"}}, tighten: free, read: func(v value) {
			// Any value at all is a decision about unknown; only its spelling is wrong.
			p.unknown.said = true
			_, p.policy.UnknownSeverityAccepted = p.enum(v, "accept")
		}}
}

func (p *parser) documentValue(root value) {
	keys := p.documentKeys()
	p.mapping(root, "", keys)
	if !p.fragment && !mentions(root.node, "rules", names(keys)) {
		p.report(root.at, "", "add rules:", "the policy has no rules, so it could never fail")
	}
	p.checks = append(p.checks, p.checkUnknownSeverity)
}

// mentions says whether a mapping has a key, or one that was reported as a
// misspelling of it.
func mentions(n *yaml.Node, name string, all []string) bool {
	for i := 0; i < len(n.Content); i += 2 {
		if k := n.Content[i].Value; k == name || spelling.Nearest(k, all) == name {
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
			hint := didYouMean(spelling.Nearest(s, []string{"all"}))
			if strings.Contains(s, "/") {
				hint = listHint(s)
			}
			p.fault(v, hint, "must be %s", want)
		}
		return
	}
	if list := p.platformList(v); list != nil {
		p.policy.Platforms = Platforms{List: list}
	}
}

// platformList reads a list of platforms; nil if it is faulty.
func (p *parser) platformList(v value) []evidence.Platform {
	list, ok := p.strings(v, p.platform)
	if !ok {
		return nil
	}
	var out []evidence.Platform
	for _, s := range list {
		if platform, err := evidence.ParsePlatform(s); err == nil {
			out = append(out, platform)
		}
	}
	return out
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
