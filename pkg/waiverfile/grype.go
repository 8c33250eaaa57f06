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
	place, r := line(n.Line), readGrypeRule(n)
	name, ok := grypePackage(r.pkg)
	switch w := r.waiver; {
	case n.Kind != yaml.MappingNode:
		in.lose(place, "", "the rule is no mapping")
	case w.Finding == "":
		in.lose(place, "", "it names no vulnerability; a waiver accepts what somebody has looked at")
	case r.narrowed != "":
		in.lose(place, w.Finding, "a waiver cannot be narrowed by %s, and without it would accept more", r.narrowed)
	case !ok:
		in.lose(place, w.Finding, "a waiver needs the package by its name alone, without pattern, or with one of the types npm, gem, python, rust-crate, go-module")
	case name == "":
		in.add(place, w)
	default:
		if version := r.pkg["version"]; version != "" {
			in.keep(place, w.Finding, "it holds for every version of %s until its end, not only for %s", r.pkg["name"], version)
		}
		w.Package = name
		in.add(place, w, r.pkg["name"])
	}
}

// grypeRule is a rule as far as a waiver can say it.
type grypeRule struct {
	waiver policy.Waiver
	pkg    map[string]string
	// narrowed is the first key that makes the rule narrower than any waiver.
	narrowed string
}

func readGrypeRule(n *yaml.Node) grypeRule {
	r := grypeRule{pkg: map[string]string{}}
	for _, f := range fields(n) {
		s, ok := text(f.value)
		switch {
		case f.key == "package":
			r.readPackage(f.value)
		case ok && s == "", f.key == "include-aliases":
		case ok && f.key == "vulnerability":
			r.waiver.Finding = s
		case ok && f.key == "reason":
			r.waiver.Reason = s
		default:
			r.narrowed = cmp.Or(r.narrowed, f.key)
		}
	}
	return r
}

func (r *grypeRule) readPackage(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		r.narrowed = cmp.Or(r.narrowed, "package")
	}
	for _, f := range fields(n) {
		s, ok := text(f.value)
		r.pkg[f.key] = s
		switch f.key {
		case "location":
			r.waiver.Path = s
		case "name", "type", "language", "version":
		default:
			ok = s == "" && ok
		}
		if !ok {
			r.narrowed = cmp.Or(r.narrowed, "package."+f.key)
		}
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
