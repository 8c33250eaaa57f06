// SPDX-License-Identifier: Apache-2.0

package waiverfile

import (
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/policy"
)

// trivyIgnore reads a .trivyignore: an id and "exp:DATE" on each line. Comments right
// above a line are its reason.
func (in *importer) trivyIgnore(data string) {
	var comment []string
	n := 0
	for l := range strings.Lines(data) {
		n++
		l = strings.TrimSpace(l)
		switch {
		case l == "":
			comment = nil
			continue
		case l[0] == '#':
			if c := strings.TrimSpace(strings.TrimLeft(l, "#")); c != "" {
				comment = append(comment, c)
			}
			continue
		}
		in.trivyLine(line(n), strings.Fields(l), strings.Join(comment, "\n"))
		comment = nil
	}
}

func (in *importer) trivyLine(place string, words []string, reason string) {
	w := policy.Waiver{Finding: words[0], Reason: reason}
	if in.misconfiguration.MatchString(w.Finding) {
		in.lose(place, w.Finding, "it is a check of configuration files, which ocigate does not do")
		return
	}
	for _, word := range words[1:] {
		exp, ok := strings.CutPrefix(word, "exp:")
		if !ok {
			in.keep(place, w.Finding, "%q means nothing to Trivy, nor here", word)
			continue
		}
		end, err := time.Parse(time.DateOnly, exp)
		if err != nil {
			in.lose(place, w.Finding, "%q is no date; Trivy leaves such an entry out, too", exp)
			return
		}
		w.Until = lastDay(end)
	}
	in.add(place, w)
}

// trivyIgnoreYAML reads a .trivyignore.yaml.
func (in *importer) trivyIgnoreYAML(root *yaml.Node) {
	for _, section := range fields(root) {
		switch section.key {
		case "vulnerabilities", "secrets", "licenses", "misconfigurations":
		default:
			in.lose(line(section.line), section.key, "Trivy does not know this section")
			continue
		}
		if section.value.Kind != yaml.SequenceNode {
			if s, ok := text(section.value); !ok || s != "" {
				in.lose(line(section.line), section.key, "it is no list")
			}
			continue
		}
		for _, n := range section.value.Content {
			in.trivyEntry(section.key, n)
		}
	}
}

func (in *importer) trivyEntry(section string, n *yaml.Node) {
	place := line(n.Line)
	w := policy.Waiver{}
	var paths, purls []string
	if n.Kind != yaml.MappingNode {
		in.lose(place, section, "the entry is no mapping")
		return
	}
	unread := ""
	for _, f := range fields(n) {
		ok := true
		switch f.key {
		case "id":
			w.Finding, ok = text(f.value)
		case "statement":
			w.Reason, ok = text(f.value)
		case "paths":
			paths, ok = texts(f.value)
		case "purls":
			purls, ok = texts(f.value)
		case "expired_at":
			w.Until, ok = expiredAt(f.value)
		case "<<":
			ok = false // it may narrow the entry
		default:
			in.keep(place, w.Finding, "Trivy does not know %q", f.key)
		}
		if !ok {
			unread = f.key
		}
	}
	switch {
	case unread != "":
		in.lose(place, w.Finding, "%s is not understood", unread)
	case section == "misconfigurations":
		in.lose(place, w.Finding, "it is a check of configuration files, which ocigate does not do")
	case w.Finding == "":
		in.lose(place, section, "the entry has no id")
	case len(purls) > 0 && section != "vulnerabilities":
		in.lose(place, w.Finding, "package URLs mean nothing in %s", section)
	default:
		in.product(place, w, paths, purls)
	}
}

// product makes a waiver of each path and package.
func (in *importer) product(place string, w policy.Waiver, paths, purls []string) {
	if len(paths) == 0 {
		paths = []string{""}
	}
	if len(purls) == 0 {
		purls = []string{""}
	}
	for _, purl := range purls {
		pkg, ok := "", true
		if purl != "" {
			pkg, ok = in.anyVersion(place, w.Finding, purl)
		}
		if !ok {
			continue
		}
		for _, p := range paths {
			each := w
			each.Package, each.Path = pkg, p
			if pkg == "" {
				in.add(place, each)
			} else {
				in.add(place, each, name(pkg))
			}
		}
	}
}

// anyVersion is a package URL as waivers take it: without version and qualifiers.
func (in *importer) anyVersion(place, finding, purl string) (string, bool) {
	p, err := packageurl.FromString(purl)
	if err != nil {
		in.lose(place, finding, "%q is no package URL", purl)
		return "", false
	}
	if p.Version != "" || len(p.Qualifiers) > 0 || p.Subpath != "" {
		in.keep(place, finding, "it holds for every version of %s until its end, not only for %s", p.Name, purl)
	}
	return (&packageurl.PackageURL{Type: p.Type, Namespace: p.Namespace, Name: p.Name}).ToString(), true
}

// expiredAt reads the moment from which Trivy leaves an entry out.
func expiredAt(n *yaml.Node) (time.Time, bool) {
	var end time.Time
	if n.Kind != yaml.ScalarNode || n.Decode(&end) != nil || end.IsZero() {
		return time.Time{}, false
	}
	return lastDay(end), true
}
