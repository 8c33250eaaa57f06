// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// FileRule is about files with privileges, and files that do not belong in an image.
// Globs match the path with or without its leading slash.
type FileRule struct {
	// Setuid, Setgid and Capabilities are about files with a privilege; nil is not
	// looked at. Where only Setuid was given it stands for all three.
	Setuid       *NoneBut `json:",omitempty"`
	Setgid       *NoneBut `json:",omitempty"`
	Capabilities *NoneBut `json:",omitempty"`
	// WorldWritable is about files and directories that anyone may write to, the
	// latter without the sticky bit; Devices about device nodes.
	WorldWritable *NoneBut `json:",omitempty"`
	Devices       *NoneBut `json:",omitempty"`
	// Paths are globs of what may not be there.
	Paths   []string             `json:",omitempty"`
	Classes []evidence.FileClass `json:",omitempty"`
	// Except are globs that Paths and Classes do not concern.
	Except []string `json:",omitempty"`
	// Hidden are globs of what no layer may hold even if a later one deletes or replaces
	// it; MaxHiddenSize is how large any such file may be.
	Hidden        []string `json:",omitempty"`
	MaxHiddenSize *int64   `json:",omitempty"`
}

// NoneBut is a demand that nothing of a kind is there but what globs name.
type NoneBut struct {
	Except []string `json:",omitempty"`
}

const (
	wordForbidden = "forbidden"
	wordAllowed   = "allowed"
)

func fileGroup() group {
	return group{
		name: GroupFiles, about: "Files with privileges, and files that do not belong in an image.",
		keys: func(p *parser, r *Rule) []key {
			own := &FileRule{}
			r.Files = own
			return []key{
				p.forbiddenKey("setuid", "Files with the setuid bit: forbidden, or globs of those that are accepted. Stands for setgid and capabilities as well, unless they are given.",
					&own.Setuid, forbids, false),
				p.forbiddenKey("setgid", "Files with the setgid bit: forbidden, allowed, or globs of those that are accepted; default as setuid.",
					&own.Setgid, forbidsToo, true),
				p.forbiddenKey("capabilities", "Files with file capabilities: forbidden, allowed, or globs of those that are accepted; default as setuid.",
					&own.Capabilities, forbidsToo, true),
				p.forbiddenKey("world-writable", "Files, and directories without the sticky bit, that anyone may write to: forbidden, or globs of those that are accepted. Such a directory counts for all that lies below it.",
					&own.WorldWritable, forbids, false),
				p.forbiddenKey("devices", "Device nodes: forbidden, or globs of those that are accepted.", &own.Devices, forbids, false),
				p.fileGlobsKey("forbidden", "Globs of paths that the image may not hold, not even in a layer that a later one hides.", &own.Paths, more),
				enumsKey(p, "forbidden-classes", "Well-known classes of files that the image may not hold.", &own.Classes, more, evidence.FileClasses()...),
				p.fileGlobsKey("except", "Globs of paths that forbidden and forbidden-classes do not concern.", &own.Except, fewer),
				p.fileGlobsKey("hidden", "Globs of paths that no layer may hold and a later one delete or replace.", &own.Hidden, more),
				p.sizeKey("max-hidden-size", "How large a file may be that one layer brings and a later one deletes or replaces; at least 1MiB.", &own.MaxHiddenSize, lower),
			}
		},
		check:       (*parser).checkFiles,
		title:       fileTitle,
		remediation: fileRemediation,
	}
}

// forbiddenKey reads "forbidden", a list of globs of exceptions, or, where that means
// something, "allowed".
func (p *parser) forbiddenKey(name, about string, into **NoneBut, t tighten, allowed bool) key {
	words := []string{wordForbidden}
	if allowed {
		words = append(words, wordAllowed)
	}
	return key{name: name, about: about, tighten: t,
		shape: shape{kind: shapeOneOf, oneOf: []shape{{kind: shapeString, enum: words}, listOf(shape{kind: shapeString})}},
		read: func(v value) {
			if v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
				p.fault(v, "write "+name+": "+wordForbidden, "is an empty list")
				return
			}
			if v.node.Kind == yaml.SequenceNode {
				list, _ := p.strings(v, p.fileGlob)
				*into = &NoneBut{Except: list}
				return
			}
			switch s, _ := p.enum(v, words...); s {
			case wordForbidden:
				*into = &NoneBut{}
			case wordAllowed:
				*into = nil
			}
		}}
}

// forbids is for keys of forbiddenKey: nothing may be accepted that is not.
func forbids(enforced, mine *yaml.Node) bool {
	is := func(n *yaml.Node, word string) bool { return n.Kind == yaml.ScalarNode && n.Value == word }
	switch {
	case enforced == nil, is(mine, wordForbidden), is(enforced, wordAllowed):
		return true
	case is(enforced, wordForbidden), is(mine, wordAllowed):
		return false
	default:
		return contains(enforced, mine)
	}
}

// forbidsToo is for those that setuid stands for: what is added may accept what
// setuid does not.
func forbidsToo(enforced, mine *yaml.Node) bool {
	if enforced == nil {
		return mine.Kind == yaml.ScalarNode && mine.Value == wordForbidden
	}
	return forbids(enforced, mine)
}

func (p *parser) fileGlobsKey(name, about string, into *[]string, t tighten) key {
	return p.listKey(name, about, into, t, p.fileGlob)
}

// fileGlob reads a glob of paths of the image.
func (p *parser) fileGlob(v value) (string, bool) {
	s, ok := p.glob(v)
	if !ok {
		return "", false
	}
	switch elements := strings.Split(strings.TrimPrefix(s, "/"), "/"); {
	case !strings.Contains(s, "/") && s != "**":
		p.fault(v, "write /"+s+" for the root directory, or **/"+s+" for any", "%s does not say in which directory", quote(s))
	case strings.HasSuffix(s, "/"):
		p.fault(v, "write "+strings.TrimRight(s, "/")+" for the directory, or "+strings.TrimRight(s, "/")+"/** for what is in it", "%s can match no path", quote(s))
	case slices.Contains(elements, "") || slices.Contains(elements, ".") || slices.Contains(elements, ".."):
		p.fault(v, "paths of an image have no empty elements, . or ..", "%s can match no path", quote(s))
	default:
		return s, true
	}
	return "", false
}

func (p *parser) checkFiles(v value, r *Rule) {
	f := r.Files
	has := func(name string) bool { return child(v.node, name) != nil }
	for _, name := range []string{"setgid", "capabilities"} {
		if n := child(v.node, name); n != nil && n.Value == wordAllowed && !has("setuid") {
			p.report(p.place(n), v.path+"."+name, "leave it out", "%s: %s says nothing without setuid", name, wordAllowed)
		}
	}
	if f.Setuid != nil {
		if !has("setgid") {
			f.Setgid = f.Setuid
		}
		if !has("capabilities") {
			f.Capabilities = f.Setuid
		}
	}
	demands := p.mustDemand(v, "setuid", "setgid", "capabilities", "world-writable", "devices", "forbidden", "forbidden-classes", "hidden", "max-hidden-size")
	if demands && has("except") && !has("forbidden") && !has("forbidden-classes") {
		p.fault(v, "setuid and its like take their exceptions themselves, as in setuid: [/bin/su]", "has except without forbidden or forbidden-classes")
	}
	if f.MaxHiddenSize != nil && *f.MaxHiddenSize < evidence.LargeFile {
		n := child(v.node, "max-hidden-size")
		p.report(p.place(n), v.path+".max-hidden-size", "smaller ones are found by name, with hidden", "max-hidden-size must be at least 1MiB")
	}
}

// FileGlobs are the globs of files that rules of the policy, in any of its per-image
// sections, ask for besides the files that are always of interest. They have no
// leading slash and are sorted.
func (p *Policy) FileGlobs() []string {
	return p.globs(func(r *FileRule) []string { return r.Paths })
}

// HiddenFileGlobs are those of files that rules ask for only if a later layer deletes
// or replaces them.
func (p *Policy) HiddenFileGlobs() []string {
	return p.globs(func(r *FileRule) []string { return r.Hidden })
}

func (p *Policy) globs(of func(*FileRule) []string) []string {
	if p == nil {
		return nil
	}
	var globs []string
	add := func(rules []Rule) {
		for _, r := range rules {
			if r.Files == nil {
				continue
			}
			for _, g := range of(r.Files) {
				globs = append(globs, strings.TrimPrefix(g, "/"))
			}
		}
	}
	add(p.Rules)
	for _, v := range p.variants {
		add(v.Rules)
	}
	slices.Sort(globs)
	return slices.Compact(globs)
}

func fileTitle(rule *Rule) string {
	r := rule.Files
	var kinds []string
	for _, k := range []struct {
		name string
		on   bool
	}{
		{"setuid files", r.Setuid != nil}, {"setgid files", r.Setgid != nil}, {"files with capabilities", r.Capabilities != nil},
		{"world-writable files", r.WorldWritable != nil}, {"device nodes", r.Devices != nil},
	} {
		if k.on {
			kinds = append(kinds, k.name)
		}
	}
	for _, c := range r.Classes {
		kinds = append(kinds, classWords(c))
	}
	if len(r.Paths) > 0 {
		kinds = append(kinds, "files at forbidden paths")
	}
	if len(r.Hidden) > 0 || r.MaxHiddenSize != nil {
		kinds = append(kinds, "files that a later layer only hides")
	}
	const shown = 4
	if len(kinds) > shown {
		kinds = append(kinds[:shown-1], "other files that do not belong in an image")
	}
	return "No " + wording.Or(kinds)
}

func classWords(c evidence.FileClass) string {
	switch c {
	case evidence.ClassPackageManager, evidence.ClassShell, evidence.ClassCompiler, evidence.ClassPrivateKey:
		return strings.ReplaceAll(string(c), "-", " ") + "s"
	case evidence.ClassVersionControl:
		return "version control directories"
	case evidence.ClassDotenv:
		return ".env files"
	case evidence.ClassCredentials:
		return "credential files"
	case evidence.ClassCache:
		return "package manager caches"
	default:
		return string(c)
	}
}

func fileRemediation(rule *Rule) string {
	r := rule.Files
	var parts []string
	if r.Setuid != nil || r.Setgid != nil || r.Capabilities != nil {
		parts = append(parts, "Remove the privilege in the layer that brings the file (chmod a-s, setcap -r), or the package that needs it.")
	}
	if r.WorldWritable != nil {
		parts = append(parts, "Take the write permission of others away (chmod o-w), and give the file to the user that runs.")
	}
	if len(r.Paths)+len(r.Classes)+len(r.Hidden) > 0 || r.MaxHiddenSize != nil || r.Devices != nil {
		parts = append(parts, "Keep the files out of the build (.dockerignore, a multi-stage build), or delete them in the instruction that brings them: a later layer only hides them.")
	}
	return strings.Join(parts, " ")
}
