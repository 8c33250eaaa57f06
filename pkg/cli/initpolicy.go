// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/internal/escape"
)

// tailor puts into a starting policy what the repository's Dockerfiles say.
func (r *repository) tailor(text []byte) []byte {
	if len(r.built) == 0 {
		return text
	}
	lines := strings.Split(string(text), "\n")
	lines = insertRule(lines, r.baseRule())
	return []byte(strings.Join(r.tailorUser(lines), "\n"))
}

// insertRule puts a rule at the head of the group base, which is made if it is missing.
func insertRule(lines, rule []string) []string {
	if i := slices.Index(lines, "  base:"); i >= 0 {
		return slices.Insert(lines, i+1, rule...)
	}
	i := slices.Index(lines, "rules:")
	group := "  base:"
	if !slices.ContainsFunc(rule, func(s string) bool { return !strings.HasPrefix(strings.TrimSpace(s), "#") }) {
		return slices.Insert(lines, i+1, rule...) // comments make no group
	}
	return slices.Insert(lines, i+1, append([]string{group}, rule...)...)
}

// baseRule names the base images of the Dockerfiles.
func (r *repository) baseRule() []string {
	out := []string{"    # What the images are built on, by the last stage of each Dockerfile:"}
	var images []string
	scratch := false
	for _, b := range r.built {
		is := b.base
		if is == "" {
			is = b.baseIs
		}
		out = append(out, fmt.Sprintf("    #   %s:%d: %s", b.path, b.line, is))
		scratch = scratch || b.baseIs == "scratch"
		if b.base != "" && !slices.Contains(images, b.base) {
			images = append(images, b.base)
		}
	}
	if len(images) == 0 {
		return append(out, "    # No name in that which a rule could hold them to.")
	}
	slices.Sort(images)
	out = append(out,
		"    # Another base is reported, and so is an image that names none: tell by --dockerfile",
		"    # or --base. It only warns; once the list is what you want, remove action, and add",
		"    # tags (\"docker.io/library/alpine:3.*\") or pinned: true.",
		"    - id: approved-base", "      images:")
	for _, image := range images {
		out = append(out, fmt.Sprintf("        - %q", image))
	}
	if scratch {
		out = append(out, "      # One of the images is built from nothing.", "      scratch: allowed")
	}
	return append(out, "      action: warn")
}

// tailorUser says at the rule non-root what the Dockerfiles make of it. Where all of them
// name a user it fails at once: nothing has to be changed for that.
func (r *repository) tailorUser(lines []string) []string {
	i := slices.Index(lines, "    - id: non-root")
	if i < 0 {
		return lines
	}
	var about []string
	roots := 0
	for _, b := range r.built {
		switch {
		case !b.root():
			about = append(about, fmt.Sprintf("    #   %s: USER %s", b.path, escape.Text(clip(b.user))))
			continue
		case b.user == "":
			about = append(about, "    #   "+b.path+": no USER, so it is the base image's, often root")
		default:
			about = append(about, fmt.Sprintf("    #   %s: USER %s", b.path, escape.Text(clip(b.user))))
		}
		roots++
	}
	head := "    # Who the container runs as. The Dockerfiles say:"
	warns := i+2 < len(lines) && lines[i+2] == "      action: warn"
	switch {
	case warns && roots == 0:
		lines = slices.Delete(lines, i+2, i+3)
		about = append(about, "    # So this rule can fail from the start.")
	case warns:
		about = append(about, "    # It only warns: end the Dockerfile with USER 65532, then remove action.")
	case roots > 0:
		about = append(about, "    # It fails an image that runs as root: end the Dockerfile with USER 65532.")
	}
	return slices.Insert(lines, i, append([]string{head}, about...)...)
}
