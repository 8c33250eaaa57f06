// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"path"

	"go.yaml.in/yaml/v3"
)

// ParseWaivers reads a file of waivers by itself: what a policy that names the file
// makes of it, such as whether the rules exist, is not checked. An error is a
// *ParseError with all mistakes.
func ParseWaivers(source string, data []byte) ([]Waiver, error) {
	p, _ := readWaiverFile(&Document{Source: source, Data: data})
	if len(p.diagnostics) > 0 {
		return nil, &ParseError{Diagnostics: sortDiagnostics(p.diagnostics)}
	}
	return p.policy.Waivers, nil
}

func readWaiverFile(file *Document) (*parser, *yaml.Node) {
	p := newParser(file)
	p.fragment, p.waiversOnly = true, true
	list := p.readDocument()
	if list != nil {
		p.mapping(value{node: list, at: p.place(list)}, "", p.waiverFileKeys())
	}
	return p, list
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
		file := &Document{Source: path.Join(path.Dir(d.Source), n.Value), Data: data, level: d.level}
		p, list := readWaiverFile(file)
		if list != nil {
			c.adopt(list, file)
		}
		c.diagnostics = append(c.diagnostics, p.diagnostics...)
		if list == nil || len(p.diagnostics) > 0 {
			continue
		}
		own := child(root, "waivers")
		if own == nil {
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
