// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"embed"
	"path"
	"regexp"
	"runtime/debug"
	"strings"
	"text/template"
)

//go:embed starter
var starterFiles embed.FS

const (
	githubPath = ".github/workflows/ocigate.yml"
	gitlabPath = ".gitlab/ocigate.yml"
	// checkoutAction is the one action of somebody else; a test compares it with our own CI.
	checkoutAction = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1"
	unknownCommit  = "0000000000000000000000000000000000000000"
)

// pipeline is what the templates are filled with. What comes from the repository is
// plain: see plainPath.
type pipeline struct {
	Policy, Path, Branch, Checkout string
	// Ref is the revision that is referred to, zeros if it is not known.
	Ref, Version string
	Revision     bool
	Found, Many  bool
	Images       []buildStep
}

type buildStep struct{ Dockerfile, Context string }

// First is the image of a pipeline that knows but one.
func (p pipeline) First() buildStep { return p.Images[0] }

// Others are the images besides.
func (p pipeline) Others() []buildStep { return p.Images[1:] }

// DockerfileValue is the Dockerfile of the job, which is one of many in a matrix.
func (p pipeline) DockerfileValue() string {
	if p.Many {
		return "${{ matrix.dockerfile }}"
	}
	return `"` + p.First().Dockerfile + `"`
}

// ContextValue is the directory that is built in.
func (p pipeline) ContextValue() string {
	if p.Many {
		return "${{ matrix.context }}"
	}
	return `"` + p.First().Context + `"`
}

// pipelines are the files for the forges that the repository is at home in.
func (r *repository) pipelines() ([]planned, error) {
	p := pipeline{Policy: defaultPolicy, Branch: r.branch, Checkout: checkoutAction, Ref: unknownCommit, Version: Version(), Found: len(r.built) > 0, Many: len(r.built) > 1}
	next := "replace the zeros by the commit of an ocigate release: this build does not know its own"
	if commit := revision(); commit != "" {
		p.Ref, p.Revision, next = commit, true, ""
	}
	for _, b := range r.built {
		p.Images = append(p.Images, buildStep{b.path, path.Dir(b.path)})
	}
	if !p.Found {
		p.Images = []buildStep{{"Dockerfile", "."}}
	}
	var files []planned
	add := func(there bool, at, name, why, next string) error {
		if !there {
			return nil
		}
		p.Path = at
		t, err := template.New(name).Delims("<<", ">>").ParseFS(starterFiles, "starter/"+name)
		var b bytes.Buffer
		if err == nil {
			err = t.Execute(&b, p)
		}
		files = append(files, planned{path: at, text: b.Bytes(), why: why, next: next})
		return err
	}
	if err := add(r.github, githubPath, "github.yml.tmpl", "the GitHub workflow", next); err != nil {
		return nil, &failure{err}
	}
	include := strings.TrimPrefix(next+"; fill in the release and its checksums, and include the file in .gitlab-ci.yml", "; ")
	if err := add(r.gitlab, gitlabPath, "gitlab.yml.tmpl", "the GitLab job", include); err != nil {
		return nil, &failure{err}
	}
	return files, nil
}

var commitPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)

// revision is the commit that this program was built of; empty where that is not known,
// or is not all.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	commit := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && commitPattern.MatchString(s.Value):
			commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			return ""
		}
	}
	return commit
}
