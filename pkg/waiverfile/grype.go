// SPDX-License-Identifier: Apache-2.0

package waiverfile

import (
	"cmp"
	"strings"

	"github.com/package-url/packageurl-go"
	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/policy"
)

// grype reads the ignore rules of a .grype.yaml.
func (in *importer) grype(root *yaml.Node) {
	for _, f := range fields(root) {
		switch {
		case f.key != "ignore":
			in.lose(line(f.line), f.key, "it is configuration of Grype, not an ignore rule")
		case f.value.Kind != yaml.SequenceNode:
			if s, ok := text(f.value); !ok || s != "" {
				in.lose(line(f.line), f.key, "it is no list")
			}
		default:
			for _, n := range f.value.Content {
				in.grypeRule(n)
			}
		}
	}
}

// grypeRule imports a rule unless something narrows it that a waiver cannot say.
func (in *importer) grypeRule(n *yaml.Node) {
	place := line(n.Line)
	w := policy.Waiver{}
	narrowed, version := "", ""
	pkg := map[string]string{}
	for _, f := range fields(n) {
		if f.key == "package" {
			for _, p := range fields(f.value) {
				s, ok := text(p.value)
				if !ok {
					narrowed = cmp.Or(narrowed, "package."+p.key)
				}
				pkg[p.key] = s
			}
			if f.value.Kind != yaml.MappingNode {
				narrowed = cmp.Or(narrowed, f.key)
			}
			continue
		}
		s, ok := text(f.value)
		switch {
		case ok && s == "", f.key == "include-aliases":
		case ok && f.key == "vulnerability":
			w.Finding = s
		case ok && f.key == "reason":
			w.Reason = s
		default:
			narrowed = cmp.Or(narrowed, f.key)
		}
	}
	for key, s := range pkg {
		switch key {
		case "name", "type", "language":
		case "location":
			w.Path = s
		case "version":
			version = s
		default:
			if s != "" {
				narrowed = cmp.Or(narrowed, "package."+key)
			}
		}
	}
	name, ok := grypePackage(pkg)
	switch {
	case n.Kind != yaml.MappingNode:
		in.lose(place, "", "the rule is no mapping")
	case w.Finding == "":
		in.lose(place, "", "it names no vulnerability; a waiver accepts what somebody has looked at")
	case narrowed != "":
		in.lose(place, w.Finding, "a waiver cannot be narrowed by %s, and without it would accept more", narrowed)
	case !ok:
		in.lose(place, w.Finding, "a waiver needs the package by its name alone, without pattern, or with one of the types npm, gem, python, rust-crate, go-module")
	case name == "":
		in.add(place, w)
	default:
		if version != "" {
			in.keep(place, w.Finding, "it holds for every version of %s until its end, not only for %s", pkg["name"], version)
		}
		w.Package = name
		in.add(place, w, pkg["name"])
	}
}

// grypePackage is the package of a rule as waivers name it; ok is false where they cannot.
func grypePackage(pkg map[string]string) (s string, ok bool) {
	name, kind, language := pkg["name"], pkg["type"], pkg["language"]
	if name == "" {
		return "", kind == "" && language == "" && pkg["version"] == ""
	}
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@+-") != "" {
		return "", false // Grype takes it for a regular expression
	}
	switch kind {
	case "":
		return name, language == ""
	case "npm", "gem":
	case "python":
		kind = packageurl.TypePyPi
	case "rust-crate":
		kind = packageurl.TypeCargo
	case "go-module":
		kind = packageurl.TypeGolang
	default:
		return "", false
	}
	namespace := ""
	if i := strings.LastIndexByte(name, '/'); i > 0 {
		namespace, name = name[:i], name[i+1:]
	}
	p := packageurl.PackageURL{Type: kind, Namespace: namespace, Name: name}
	if p.Normalize() != nil {
		return "", false
	}
	return p.ToString(), true
}
