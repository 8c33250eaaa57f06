// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocigate/ocigate/pkg/dockerfile"
	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/escape"
)

const (
	maxDockerfiles = 16
	// maxSeen and maxDepth bound the search for them.
	maxSeen  = 20000
	maxDepth = 4
	// maxGitFile bounds what is read of .git.
	maxGitFile = 1 << 20
)

// repository is what `ocigate init` learned of a repository. Every byte of it is the
// repository's: what is not plainly spelled is left out, and said in notes.
type repository struct {
	root           *os.Root
	github, gitlab bool
	branch         string
	built          []built
	notes          []string
	seen           int
}

// built is one Dockerfile and what its last stage says.
type built struct {
	path string
	line int
	// base is the full name of the base image, without tag and digest; empty: see baseIs.
	base string
	// baseIs says what the base is where it has no name: scratch, or something unknown.
	baseIs string
	user   string
}

// look never follows a link out of the repository, and starts no program of its own.
func look(root *os.Root) *repository {
	r := &repository{root: root, branch: "main"}
	hosts := r.remotes()
	named := func(host, forge string) bool { return host == forge+".com" || strings.HasPrefix(host, forge+".") }
	r.github = r.is(".github", fs.ModeDir) || slices.ContainsFunc(hosts, func(h string) bool { return named(h, "github") })
	r.gitlab = r.is(".gitlab-ci.yml", 0) || slices.ContainsFunc(hosts, func(h string) bool { return named(h, "gitlab") })
	if data, err := r.read(".git/refs/remotes/origin/HEAD", maxGitFile); err == nil {
		branch, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "ref: refs/remotes/origin/")
		if ok && plainPath(branch) {
			r.branch = branch
		}
	}
	r.search(".", 0)
	slices.SortFunc(r.built, func(a, b built) int {
		// The one at the top is what the repository is about.
		if d := strings.Count(a.path, "/") - strings.Count(b.path, "/"); d != 0 {
			return d
		}
		return strings.Compare(a.path, b.path)
	})
	if len(r.built) > maxDockerfiles {
		r.note("more than %d Dockerfiles: the others are left out", maxDockerfiles)
		r.built = r.built[:maxDockerfiles]
	}
	return r
}

func (r *repository) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// is says whether there is a file of that type, which is no link.
func (r *repository) is(path string, want fs.FileMode) bool {
	info, err := r.root.Lstat(path)
	return err == nil && info.Mode().Type() == want
}

func (r *repository) read(path string, limit int64) ([]byte, error) {
	// Opening a pipe would wait for a writer, for ever.
	if !r.is(path, 0) {
		return nil, errors.New("it is not a regular file")
	}
	return readOpened(func() (*os.File, error) { return r.root.Open(path) }, limit)
}

var remoteURL = regexp.MustCompile(`^\s*url\s*=\s*(?:[a-z+]+://)?(?:[^@/\s]*@)?([A-Za-z0-9.-]+)[:/]`)

// remotes are the hosts of the repository's remotes. They are compared, not shown.
func (r *repository) remotes() []string {
	data, err := r.read(".git/config", maxGitFile)
	if err != nil {
		return nil
	}
	var hosts []string
	remote := false
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		line := strings.TrimSpace(sc.Text())
		if strings.HasPrefix(line, "[") {
			remote = strings.HasPrefix(line, `[remote "`)
		}
		if m := remoteURL.FindStringSubmatch(line); remote && m != nil {
			hosts = append(hosts, strings.ToLower(m[1]))
		}
	}
	return hosts
}

var plain = regexp.MustCompile(`^[A-Za-z0-9._][A-Za-z0-9._/-]*$`)

// plainPath says whether a name can stand in YAML and in a command line as it is.
func plainPath(s string) bool { return len(s) <= 200 && plain.MatchString(s) }

func isDockerfile(name string) bool {
	name = strings.ToLower(name)
	stem, end, dotted := strings.Cut(name, ".")
	switch {
	case end == "dockerignore" || strings.HasSuffix(end, ".dockerignore"):
		return false
	case stem == "dockerfile" || stem == "containerfile":
		return true
	}
	return dotted && (strings.HasSuffix(end, "dockerfile") || strings.HasSuffix(end, "containerfile"))
}

// search looks for Dockerfiles, no deeper and no longer than is reasonable.
func (r *repository) search(dir string, depth int) {
	d, err := r.root.Open(dir)
	if err != nil {
		r.note("%s cannot be read: %v", dir, err)
		return
	}
	entries, err := d.ReadDir(maxSeen - r.seen + 1)
	_ = d.Close()
	if err != nil && len(entries) == 0 {
		return
	}
	if r.seen += len(entries); r.seen > maxSeen {
		if r.seen -= len(entries); len(r.notes) == 0 || r.notes[len(r.notes)-1] != tooMany {
			r.note(tooMany)
		}
		return
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		at := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			skip := strings.HasPrefix(e.Name(), ".") || slices.Contains([]string{"node_modules", "vendor", "testdata"}, e.Name())
			if !skip && depth < maxDepth && r.seen < maxSeen {
				r.search(at, depth+1)
			}
		case isDockerfile(e.Name()):
			r.dockerfile(at)
		}
	}
}

const tooMany = "the repository has too many files: not all were searched for Dockerfiles"

func (r *repository) dockerfile(at string) {
	if len(r.built) > maxDockerfiles {
		return
	}
	if !plainPath(at) {
		r.note("%s is left out: its name has characters that a pipeline could take for its own", at)
		return
	}
	data, err := r.read(at, dockerfile.MaxSize)
	if err != nil {
		r.note("%s is left out: %v", at, err)
		return
	}
	d, err := dockerfile.Parse(at, data)
	if err != nil {
		r.note("%v", err)
		return
	}
	r.built = append(r.built, describe(at, d))
}

// describe follows the last stage down to the image that it is built on.
func describe(at string, d *evidence.Dockerfile) built {
	b := built{path: at}
	i := len(d.Stages) - 1
	for {
		stage := d.Stages[i]
		for _, in := range slices.Backward(stage.Instructions) {
			if b.user == "" && in.Keyword == "USER" {
				b.user = in.Arguments
			}
		}
		before := slices.IndexFunc(d.Stages[:i], func(s evidence.Stage) bool { return s.Name != "" && strings.EqualFold(s.Name, stage.Base) })
		if before < 0 {
			b.line = stage.Line
			b.base, b.baseIs = baseName(stage.Base)
			return b
		}
		i = before
	}
}

var plainImage = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._:/-]*$`)

// baseName is the full name of an image, or what there is instead.
func baseName(s string) (repository, instead string) {
	switch {
	case s == "":
		return "", "what a build argument names"
	case s == "scratch":
		return "", "scratch"
	}
	ref, err := name.ParseReference(s)
	if err != nil {
		return "", "no image name: " + escape.Text(clip(s))
	}
	repository = ref.Context().Name()
	if rest, ok := strings.CutPrefix(repository, name.DefaultRegistry+"/"); ok {
		repository = "docker.io/" + rest
	}
	if !plainImage.MatchString(repository) || len(repository) > 255 {
		return "", "no image name: " + escape.Text(clip(s))
	}
	return repository, ""
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// root says whether a USER instruction, or none, leaves the container to root.
func (b built) root() bool {
	user, _, _ := strings.Cut(b.user, ":")
	return user == "" || user == "root" || strings.Trim(user, "0") == "" || strings.ContainsAny(user, "$ ")
}
