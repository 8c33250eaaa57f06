// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// files judges the files of interest. What a later layer hides has no privileges any
// more, but its content is still in the image.
func (s *subject) files(r policy.FileRule) judgement {
	j := judgement{noun: "file", examined: s.evidence.Coverage.Files, met: "no such file", gaps: s.open(RuleImage, RuleIntegrity, RuleLimits, RuleScan)}
	if !demandsFiles(r) {
		j.undecided = noDemand
		return j
	}
	if !s.layersRead() {
		j.undecided = "the files of the image are not known"
	}
	if glob, ok := brokenGlob(r); ok {
		j.undecided = fmt.Sprintf("%q is not a pattern", glob)
	}
	f := fileJudge{rule: r, seen: map[[2]string]bool{}, present: map[string]bool{}, links: newLinks(s.evidence.Files), open: map[string]bool{}}
	for _, file := range s.evidence.Files {
		if file.RemovedBy == nil {
			f.present[file.Path] = true
			f.open[file.Path] = file.Kind == evidence.FileDirectory && openToAll(file)
		}
	}
	// What is there at run time is reported first, and what is hidden below the same
	// path not again.
	for _, file := range s.evidence.Files {
		if file.RemovedBy == nil {
			f.privileges(file)
			f.strangers(file)
		}
	}
	for _, file := range s.evidence.Files {
		if file.RemovedBy != nil {
			f.strangers(file)
			f.hidden(file)
		}
	}
	slices.SortStableFunc(f.violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Layer.DiffID, b.Layer.DiffID))
	})
	j.violations = f.violations
	if f.unseen != "" {
		j.undecided = fmt.Sprintf("%s has more than %d names through links to its directories", f.unseen, maxNames)
	}
	return j
}

func demandsFiles(r policy.FileRule) bool {
	return r.Setuid != nil || r.Setgid != nil || r.Capabilities != nil || r.WorldWritable != nil || r.Devices != nil ||
		len(r.Paths)+len(r.Classes)+len(r.Hidden) > 0 || r.MaxHiddenSize != nil
}

// layersRead tells an image without files from one that nobody looked into.
func (s *subject) layersRead() bool {
	return s.evidence.Waste != nil && !slices.ContainsFunc(s.evidence.Layers, func(l evidence.LayerFacts) bool {
		return l.Verification != evidence.LayerVerified && l.Verification != evidence.LayerOnDaemonsWord
	})
}

// brokenGlob returns a pattern that is not one: it would match nothing.
func brokenGlob(r policy.FileRule) (string, bool) {
	for _, g := range slices.Concat(r.Paths, r.Hidden) {
		if !doublestar.ValidatePattern(g) {
			return g, true
		}
	}
	return "", false
}

// fileJudge collects the violations of one rule.
type fileJudge struct {
	rule       policy.FileRule
	violations []Violation
	// seen are the paths and demands with a violation.
	seen map[[2]string]bool
	// present are the paths that are there at run time.
	present map[string]bool
	links   links
	// open are the directories to which anyone may write.
	open map[string]bool
	// unseen is a file that has more names than can be compared.
	unseen string
}

func (f *fileJudge) add(file evidence.File, id, message, fix string) {
	k := [2]string{file.Path, id}
	if f.seen[k] {
		return
	}
	f.seen[k] = true
	path := rooted(file.Path)
	f.violations = append(f.violations, Violation{Message: path + " " + message, ID: id, Path: path, Layer: file.Layer, Fix: fix})
}

// rooted is a path as a container sees it.
func rooted(path string) string {
	if path == "." {
		return "/"
	}
	return "/" + strings.TrimPrefix(path, "/")
}

func (f *fileJudge) privileges(file evidence.File) {
	shown := rooted(file.Path)
	names, _ := f.links.names(file.Path, true)
	accepts := func(r *policy.NoneBut) bool {
		return r == nil || slices.ContainsFunc(names, func(n string) bool { return acceptedFile(r.Except, n) })
	}
	program := file.Kind == evidence.FileRegular || file.Kind == evidence.FileHardlink
	if program && file.Mode&evidence.ModeSetuid != 0 && !accepts(f.rule.Setuid) {
		f.add(file, "setuid", fmt.Sprintf("has the setuid bit (mode %s, owner %d)", file.Mode, file.UID), "RUN chmod u-s "+shown+", where the file is made; or name it under setuid in the policy")
	}
	if program && file.Mode&evidence.ModeSetgid != 0 && !accepts(f.rule.Setgid) {
		f.add(file, "setgid", fmt.Sprintf("has the setgid bit (mode %s, group %d)", file.Mode, file.GID), "RUN chmod g-s "+shown+", where the file is made; or name it under setgid in the policy")
	}
	if len(file.Capabilities) > 0 && !accepts(f.rule.Capabilities) {
		f.add(file, "capabilities", "has file capabilities ("+strings.Join(file.Capabilities, ", ")+")", "RUN setcap -r "+shown+", where the file is made; or name it under capabilities in the policy")
	}
	device := file.Kind == evidence.FileCharacter || file.Kind == evidence.FileBlock
	if device && !accepts(f.rule.Devices) {
		f.add(file, "device", fmt.Sprintf("is a device node (%s)", file.Kind), "take it out of the image: the runtime makes the devices that a container may use")
	}
	if openToAll(file) && !device && !f.belowOpen(file.Path) && !accepts(f.rule.WorldWritable) {
		what := "is world-writable"
		if file.Kind == evidence.FileDirectory {
			what = "is a world-writable directory without the sticky bit"
		}
		f.add(file, "world-writable", fmt.Sprintf("%s (mode %s)", what, file.Mode), "RUN chmod o-w "+shown+", where it is made; or give it to the user that writes to it")
	}
}

// openToAll says whether anyone may write to a file.
func openToAll(file evidence.File) bool {
	return file.Kind != evidence.FileSymlink && file.Mode&evidence.ModeWorldWritable != 0 &&
		(file.Kind != evidence.FileDirectory || file.Mode&evidence.ModeSticky == 0)
}

// belowOpen says whether a path lies below a directory to which anyone may write:
// whoever may replace the file need not write to it, so the directory counts for all
// that is in it. Such a file is only listed if something else asks for it.
func (f *fileJudge) belowOpen(name string) bool {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if f.open[dir] {
			return true
		}
		if dir == "." || dir == "/" {
			return false
		}
	}
}

// strangers are files that the image may not hold.
func (f *fileJudge) strangers(file evidence.File) {
	accepted, _ := f.links.names(file.Path, true)
	if slices.ContainsFunc(accepted, func(n string) bool { return acceptedFile(f.rule.Except, n) }) {
		return
	}
	where, fix := f.where(file)
	if glob, ok := f.match(f.rule.Paths, file); ok {
		message := "is forbidden"
		if strings.TrimPrefix(glob, "/") != file.Path {
			message += fmt.Sprintf(" by %q", glob)
		}
		f.add(file, "forbidden", message+where, fix)
	}
	for _, c := range file.Classes {
		if slices.Contains(f.rule.Classes, c) && (file.RemovedBy == nil || isSensitive(c)) {
			f.add(file, string(c), className(c)+where, fix)
		}
	}
}

// hidden are files that a later layer deletes or replaces.
func (f *fileJudge) hidden(file evidence.File) {
	where, fix := f.where(file)
	if glob, ok := f.match(f.rule.Hidden, file); ok {
		f.add(file, "hidden", fmt.Sprintf("matches %q", glob)+where, fix)
	}
	large := f.rule.MaxHiddenSize != nil && file.Size > *f.rule.MaxHiddenSize
	if large && file.Kind == evidence.FileRegular {
		f.add(file, "hidden-size", fmt.Sprintf("takes %s, more than %s", wording.Bytes(file.Size), wording.Bytes(*f.rule.MaxHiddenSize))+where, fix)
	}
}

// where says what became of the file, and what to do.
func (f *fileJudge) where(file evidence.File) (where, fix string) {
	switch {
	case file.RemovedBy == nil:
		return "", "leave it out of the build, with .dockerignore or by copying less from another stage"
	case f.present[file.Path]:
		where = ": replaced in a later layer, but the image still carries it"
	default:
		where = ": deleted in a later layer, but the image still carries it"
	}
	return where, "do not let it into that layer: delete it in the instruction that makes it, use another stage, or a secret mount"
}

// isSensitive says whether the content of a class of files matters although no
// container sees it. That a shell was deleted is all that one can ask for.
func isSensitive(c evidence.FileClass) bool {
	switch c {
	case evidence.ClassPackageManager, evidence.ClassShell, evidence.ClassCompiler, evidence.ClassCache:
		return false
	default:
		return true
	}
}

func className(c evidence.FileClass) string {
	switch c {
	case evidence.ClassPackageManager:
		return "is a package manager"
	case evidence.ClassShell:
		return "is a shell"
	case evidence.ClassVersionControl:
		return "holds the history of the sources"
	case evidence.ClassDotenv:
		return "is an environment file"
	case evidence.ClassPrivateKey:
		return "is, by its name, a private key"
	case evidence.ClassCredentials:
		return "is, by its name, a file of credentials"
	case evidence.ClassCompiler:
		return "is a compiler or build tool"
	case evidence.ClassCache:
		return "is the cache of a package manager"
	default:
		return "is of the class " + string(c)
	}
}

// match returns the first glob that matches a name of the file. "x/**" is what is in
// x, without the directories, which may well be empty.
func (f *fileJudge) match(globs []string, file evidence.File) (string, bool) {
	if len(globs) == 0 {
		return "", false
	}
	names, all := f.links.names(file.Path, false)
	if !all {
		f.unseen = cmp.Or(f.unseen, rooted(file.Path))
	}
	for _, g := range globs {
		if content := g == "**" || strings.HasSuffix(g, "/**"); content && file.Kind == evidence.FileDirectory {
			continue
		}
		if slices.ContainsFunc(names, func(n string) bool { return matchPath(g, n) }) {
			return g, true
		}
	}
	return "", false
}
