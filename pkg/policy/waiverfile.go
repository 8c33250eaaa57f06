// SPDX-License-Identifier: Apache-2.0

package policy

import "go.yaml.in/yaml/v3"

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
