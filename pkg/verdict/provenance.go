// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// The predicate types of SLSA provenance whose fields are known here.
const (
	slsa02 = "https://slsa.dev/provenance/v0.2"
	slsa1  = "https://slsa.dev/provenance/v1"
)

// provenance is what SLSA provenance says about a build.
type provenance struct {
	builder, buildType string
	// sources are what was built, at every place where a build type defines that. What was
	// merely fetched (materials, resolvedDependencies) is none.
	sources []string
}

func provenanceOf(predicateType string, predicate any) (provenance, bool) {
	at := func(path ...string) string {
		v := predicate
		for _, name := range path {
			m, _ := v.(map[string]any)
			v = m[name]
		}
		s, _ := v.(string)
		return s
	}
	var p provenance
	switch predicateType {
	case slsa02:
		p = provenance{builder: at("builder", "id"), buildType: at("buildType"), sources: []string{at("invocation", "configSource", "uri")}}
	case slsa1:
		external := func(path ...string) string {
			return at(append([]string{"buildDefinition", "externalParameters"}, path...)...)
		}
		p = provenance{builder: at("runDetails", "builder", "id"), buildType: at("buildDefinition", "buildType"), sources: []string{
			external("workflow", "repository"),            // GitHub's workflows
			external("source"), external("source", "uri"), // GitLab; slsa-github-generator's containers
			external("configSource", "uri"), // BuildKit
		}}
	default:
		return p, false
	}
	p.sources = slices.DeleteFunc(p.sources, func(s string) bool { return s == "" })
	return p, true
}

// lacks are what the provenance does not meet of a rule.
func (p provenance) lacks(r policy.AttestationRule) []lack {
	var out []lack
	word := func(id, what, value string, allowed []string) {
		switch {
		case len(allowed) == 0 || value != "" && slices.Contains(allowed, value):
		case value == "":
			out = append(out, lack{id, "it names no " + what})
		default:
			out = append(out, lack{id, fmt.Sprintf("the %s is %s, and must be %s", what, wording.Clip(value, maxValue), wording.Or(allowed))})
		}
	}
	word("builder", "builder", p.builder, r.Builders)
	word("build-type", "build type", p.buildType, r.BuildTypes)
	if len(r.Sources) == 0 {
		return out
	}
	if len(p.sources) == 0 {
		return append(out, lack{"source", "it names no source repository where its build type defines one"})
	}
	for _, s := range p.sources {
		if !slices.ContainsFunc(r.Sources, func(glob string) bool { return matchSource(glob, s) }) {
			out = append(out, lack{"source", fmt.Sprintf("it was built from %s, and must be from %s", wording.Clip(s, maxValue), wording.Or(r.Sources))})
			break
		}
	}
	return out
}

// matchSource compares the URI of a source with a glob of repositories. What is not a
// plain URL of a repository matches none.
func matchSource(glob, uri string) bool {
	repository, ok := repositoryOf(uri)
	if !ok {
		return false
	}
	for _, form := range []string{repository, strings.TrimSuffix(repository, ".git")} {
		if ok, err := doublestar.Match(glob, form); ok && err == nil {
			return true
		}
	}
	return false
}

// repositoryOf is the URI of a source without the prefix git+ and the reference that
// follows @ or #.
func repositoryOf(uri string) (string, bool) {
	uri, _, _ = strings.Cut(strings.TrimPrefix(uri, "git+"), "#")
	scheme, rest, ok := strings.Cut(uri, "://")
	host, path, slash := strings.Cut(rest, "/")
	path, _, _ = strings.Cut(path, "@")
	path = strings.TrimSuffix(path, "/")
	if !ok || !slash || host == "" || path == "" || strings.ContainsAny(path, `%?\`) {
		return "", false
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." {
			return "", false
		}
	}
	return scheme + "://" + host + "/" + path, true
}
