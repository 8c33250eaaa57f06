// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// cacheOrder looks, in each stage and what it builds on, for a copy of the whole context before dependencies
// are installed: any change of the sources then installs them anew.
func (l *layerJudge) cacheOrder() {
	d := l.evidence.Dockerfile
	if d == nil || len(d.Stages) == 0 {
		l.unknown("the order of the build is not known without the Dockerfile", "give --dockerfile FILE")
		return
	}
	l.met = append(l.met, "dependencies are installed before the whole context is copied")
	copiedBy := map[string]evidence.Instruction{} // by the name of the stage
	for _, stage := range d.Stages {
		copied := copiedBy[strings.ToLower(stage.Base)]
		for _, in := range stage.Instructions {
			if copiesContext(in) && copied.Line == 0 {
				copied = in
			}
			tool := installs(in)
			if tool == "" || copied.Line == 0 {
				continue
			}
			l.j.violations = append(l.j.violations, Violation{
				Message: fmt.Sprintf("line %d copies the whole context (%s %s) before line %d installs dependencies (%s): each change of any file installs them anew",
					copied.Line, strings.ToUpper(copied.Keyword), copied.Arguments, in.Line, tool),
				ID: "build-cache-order", Path: d.Path, Line: copied.Line,
				Fix: "copy the files that list the dependencies, install them, and only then copy the rest",
			})
			break
		}
		if stage.Name != "" {
			copiedBy[strings.ToLower(stage.Name)] = copied
		}
	}
}

// copiesContext says whether an instruction copies the whole build context.
func copiesContext(in evidence.Instruction) bool {
	keyword := strings.ToUpper(in.Keyword)
	if keyword != "COPY" && keyword != "ADD" {
		return false
	}
	fromStage := func(f string) bool { return strings.HasPrefix(strings.TrimPrefix(f, "--"), "from") }
	if slices.ContainsFunc(in.Flags, fromStage) {
		return false
	}
	args := strings.FieldsFunc(in.Arguments, func(r rune) bool { return strings.ContainsRune(" \t\n[],\"'", r) })
	if len(args) < 2 {
		return false
	}
	return slices.ContainsFunc(args[:len(args)-1], func(source string) bool {
		return slices.Contains([]string{".", "./", "/", "./.", "*", "./*"}, source)
	})
}

// installers are the commands that install what a file of dependencies lists.
var installers = [][]string{
	{"npm", "ci"}, {"npm", "install"}, {"npm", "i"}, {"yarn"}, {"yarn", "install"}, {"pnpm", "install"}, {"pnpm", "i"}, {"pnpm", "fetch"}, {"bun", "install"},
	{"pip", "install"}, {"pip3", "install"}, {"pipenv", "install"}, {"pipenv", "sync"}, {"poetry", "install"}, {"uv", "sync"}, {"uv", "pip"}, {"conda", "env"},
	{"go", "mod", "download"}, {"go", "mod", "vendor"}, {"cargo", "fetch"}, {"mvn", "dependency"}, {"gradle", "dependencies"},
	{"bundle", "install"}, {"composer", "install"}, {"dotnet", "restore"}, {"mix", "deps.get"},
}

// installs returns the command of a RUN instruction that installs dependencies, or "".
func installs(in evidence.Instruction) string {
	if strings.ToUpper(in.Keyword) != "RUN" {
		return ""
	}
	text := strings.NewReplacer("&&", "\n", "||", "\n", ";", "\n", "|", "\n", `"`, " ", "'", " ", "[", " ", "]", " ", ",", " ", "(", " ", ")", " ").Replace(in.Arguments)
	for line := range strings.SplitSeq(text, "\n") {
		words := strings.Fields(line)
		for _, want := range installers {
			if runs(words, want) {
				return strings.Join(want, " ")
			}
		}
	}
	return ""
}

// runs says whether one command is the wanted one: its words in order, options and
// what stands before the program left out. An installer of a single word is the whole command.
func runs(words, want []string) bool {
	i := slices.IndexFunc(words, func(w string) bool { return w[strings.LastIndexByte(w, '/')+1:] == want[0] || w == "./"+want[0]+"w" })
	if i < 0 {
		return false
	}
	var rest []string
	for _, w := range words[i+1:] {
		if !strings.HasPrefix(w, "-") {
			rest = append(rest, w)
		}
	}
	if len(want) == 1 {
		return len(rest) == 0
	}
	if len(rest) < len(want)-1 {
		return false
	}
	for k, w := range want[1:] {
		// mvn dependency:go-offline
		if word, _, _ := strings.Cut(rest[k], ":"); word != w && rest[k] != w {
			return false
		}
	}
	return true
}
