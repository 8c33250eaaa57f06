// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/spelling"
)

func (p *parser) waiversKey() key {
	return key{name: "waivers", about: "Time-boxed acceptances.", tighten: free,
		shape: listOf(mappingOf(p.waiverKeys(&Waiver{}, &waiverParts{})...)),
		read:  func(v value) { p.list(v, p.waiver) }}
}

func (p *parser) waiverFilesKey() key {
	return key{name: "waiver-files", about: "Files with more waivers, beneath the policy's directory.", tighten: free,
		shape: listOf(shape{kind: shapeString}), read: func(v value) { p.strings(v, p.path) }}
}

// waiverParts is what was written, correct or not: a faulty rule or finding is
// reported as such, not as a waiver that names neither.
type waiverParts struct {
	rule, finding, pkg, path, origin, recorded value
}

func (p *parser) waiverKeys(w *Waiver, parts *waiverParts) []key {
	line := shape{kind: shapeString}
	lines := listOf(line)
	return []key{
		{name: "id", about: "The waiver's name in reports.", required: true, shape: shape{kind: shapeString, pattern: namePattern},
			read: func(v value) { w.ID = p.waiverID(v) }},
		{name: "rule", about: "The id of the rule that is waived.", shape: line,
			read: func(v value) { parts.rule = v; w.Rule, _ = p.line(v) }},
		{name: "finding", about: "The id of the finding or fact that is waived: CVE-2024-1234, aws-access-key-id, 22/tcp.", shape: line,
			read: func(v value) { parts.finding = v; w.Finding, _ = p.findingID(v) }},
		{name: "package", about: "Only in this package: a name, or a package URL without version.", shape: line,
			read: func(v value) { parts.pkg = v; w.Package, _ = p.packageName(v) }},
		{name: "path", about: "Only at paths that match this glob.", shape: line,
			read: func(v value) { parts.path = v; w.Path, _ = p.glob(v) }},
		{name: "image", about: "Only in images each of whose names matches one of these globs.", shape: lines,
			read: func(v value) { w.Images, _ = p.strings(v, p.referenceGlob) }},
		{name: "platform", about: "Only on these platforms.", shape: lines, read: func(v value) { w.Platforms = p.platformList(v) }},
		{name: "origin", about: "Only in layers of the base image (base) or on top of it (application).",
			shape: shape{kind: shapeString, enum: []string{"base", "application"}},
			read:  func(v value) { parts.origin = v; w.Origin, _ = p.enum(v, "base", "application") }},
		p.dateKey("until", "The last day, inclusive, in UTC.", &w.Until, nil).must(),
		p.textKey("reason", "Why the risk is accepted.", &w.Reason, nil).must(),
		p.lineKey("owner", "Who answers for it.", &w.Owner, nil).must(),
		p.lineKey("reference", "A ticket or document.", &w.Reference, nil),
		p.recordedKey(&w.Recorded, &parts.recorded),
	}
}

func (p *parser) waiver(v value) {
	w := &Waiver{Position: v.at.Position, Source: v.at.file, Level: p.source(v.node).level}
	parts := &waiverParts{}
	ok := p.mapping(v, `begin each waiver with "- id:"`, p.waiverKeys(w, parts))
	if !ok {
		return
	}
	if parts.rule.node == nil && parts.finding.node == nil && len(v.node.Content) > 0 {
		p.fault(v, "", "names neither a rule nor a finding; it needs at least one")
	}
	if parts.recorded.node != nil && parts.finding.node == nil && parts.rule.node != nil {
		p.fault(parts.recorded, "add finding:", "is about one finding, and the waiver names none")
	}
	if w.Origin == "base" {
		p.checks = append(p.checks, func() { p.checkOrigin(parts.origin) })
	}
	if w.Rule != "" {
		// Rules may stand below the waivers.
		p.checks = append(p.checks, func() { p.checkWaivedRule(w.Rule, parts) })
	}
	if w.Reference == "" {
		p.checks = append(p.checks, func() {
			if p.policy.WaiverLimits.ReferenceRequired {
				p.fault(v, "add reference: with a ticket or document", "has no reference, which waiver-limits require")
			}
		})
	}
	p.policy.Waivers = append(p.policy.Waivers, *w)
}

func (p *parser) waiverID(v value) string {
	id, ok := p.identifier(v)
	if !ok {
		return ""
	}
	if first, ok := p.waivers[id]; ok {
		p.fault(v, "", "%s is taken by the waiver at %s", quote(id), first.seenFrom(v.at))
		return ""
	}
	p.waivers[id] = v.at
	return id
}

// findingID reads the id of a vulnerability, of a secret rule, or of a fact: a port,
// a label, a licence. It is not a pattern: a waiver accepts what somebody has looked at.
func (p *parser) findingID(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	if strings.IndexFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:/+@", r)
	}) >= 0 {
		p.fault(v, "one waiver names one finding, without patterns", "%s is not the id of a finding", quote(s))
		return "", false
	}
	for _, prefix := range []string{"CVE-", "GHSA-"} {
		if len(s) > len(prefix) && strings.EqualFold(s[:len(prefix)], prefix) && s[:len(prefix)] != prefix {
			p.fault(v, didYouMean(prefix+s[len(prefix):]), "%s is not spelt as scanners spell it", quote(s))
			return "", false
		}
	}
	return s, true
}

// packageName reads a package name or a package URL without version, so that a
// waiver does not come and go with every rebuild.
func (p *parser) packageName(v value) (string, bool) {
	s, ok := p.line(v)
	if !ok {
		return "", false
	}
	rest, isURL := strings.CutPrefix(s, "pkg:")
	switch {
	case strings.ContainsAny(s, " *"):
		p.fault(v, "", "%s is neither a package name nor a package URL", quote(s))
	case !isURL:
		return s, true
	case strings.ContainsAny(rest, "?#"):
		p.fault(v, "leave out ? and # and what follows", "%s has qualifiers", quote(s))
	case strings.Contains(rest, "/@"):
		p.fault(v, "write %40 for the @ of a scope", "%s is not a valid package URL", quote(s))
	case strings.Contains(rest, "@"):
		p.fault(v, didYouMean(s[:strings.IndexByte(s, '@')]), "%s names a version", quote(s))
	case strings.Trim(rest, "/") != rest || !strings.Contains(rest, "/"):
		p.fault(v, "write pkg:type/name or pkg:type/namespace/name", "%s is not a valid package URL", quote(s))
	default:
		return s, true
	}
	return "", false
}

// checkWaivedRule checks that the rule exists, can be waived, and has what the
// waiver's other selectors look at: a waiver that can match nothing is a mistake.
func (p *parser) checkWaivedRule(id string, parts *waiverParts) {
	rule := parts.rule
	ref, ok := p.rules[id]
	switch {
	case slices.Contains(BuiltinRules(), id):
		p.fault(rule, "", "%s is built in and cannot be waived", quote(id))
		return
	case !ok:
		p.fault(rule, didYouMean(spelling.Nearest(id, slices.Sorted(maps.Keys(p.rules)))), "%s is not a rule of this policy", quote(id))
		return
	}
	has := waivable(ref.group)
	if parts.pkg.node != nil && !has.packages {
		p.fault(parts.pkg, "", "selects nothing: rule %s is about %s, not packages", quote(id), about(ref.group))
	}
	if parts.path.node != nil && !has.paths {
		p.fault(parts.path, "", "selects nothing: rule %s is about %s, not files", quote(id), about(ref.group))
	}
	if parts.origin.node != nil && !has.layers {
		p.fault(parts.origin, "", "selects nothing: rule %s is about %s, not layers", quote(id), about(ref.group))
	}
}

// selectors say what the violations of a group have that a waiver can select by.
type selectors struct{ packages, paths, layers bool }

func waivable(g Group) selectors {
	switch g {
	case GroupVulnerabilities, GroupPackages, GroupLicences:
		return selectors{packages: true, paths: true, layers: true}
	case GroupSecrets, GroupFiles, GroupLayers:
		return selectors{paths: true, layers: true}
	case GroupRuntime:
		return selectors{paths: true}
	case GroupCustom:
		return selectors{packages: true, paths: true}
	default:
		return selectors{}
	}
}

// about is what the rules of a group are about, in words.
func about(g Group) string {
	switch g {
	case GroupConfig, GroupReference, GroupLayers:
		return "the image's " + string(g)
	case GroupBase:
		return "the base image"
	case GroupRuntime:
		return "how the image can run"
	default:
		return string(g)
	}
}

// waiverFiles adds the waivers of the files that a document names to the document's own.
func (c *composer) waiverFiles(d *Document, root *yaml.Node) error {
	for _, n := range items(child(root, "waiver-files")) {
		data, err := c.readFile(d, n.Value)
		if err != nil {
			if c.ctx.Err() != nil {
				return c.ctx.Err()
			}
			c.diagnostics = append(c.diagnostics, Diagnostic{
				File: d.Source, Position: Position{n.Line, n.Column}, Path: "waiver-files",
				Message: fmt.Sprintf("the file %s cannot be read: %s", quote(n.Value), escape(err.Error())),
			})
			continue
		}
		file := &Document{Source: Beside(d.Source, n.Value), Data: data, level: d.level}
		p, list := readWaiverFile(file)
		if list != nil {
			c.adopt(list, file)
		}
		c.diagnostics = append(c.diagnostics, p.diagnostics...)
		if list == nil || len(p.diagnostics) > 0 {
			continue
		}
		own := child(root, "waivers")
		if own == nil || own.Kind != yaml.SequenceNode {
			key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "waivers", Line: n.Line, Column: n.Column}
			own = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Line: n.Line, Column: n.Column}
			c.sources[key], c.sources[own] = d, d
			root.Content = append(root.Content, key, own)
		}
		own.Content = append(own.Content, items(child(list, "waivers"))...)
	}
	return nil
}

// waiverFileKeys are those of a file of waivers.
func (p *parser) waiverFileKeys() []key {
	return []key{
		{name: "version", required: true, shape: shape{kind: shapeInteger, min: 1, max: 1}, read: p.version},
		p.waiversKey().must(),
	}
}
