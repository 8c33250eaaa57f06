// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

const tagFix = "push and judge the image under a tag that names one build (a version or a commit), or by digest"

func (s *subject) referenceRule(r policy.ReferenceRule) judgement {
	j := judgement{noun: "tag"}
	tags, byDigest := s.tags()
	j.examined = len(tags)
	switch {
	case len(r.ForbiddenTags) == 0:
		j.undecided = "the rule demands nothing that this version understands"
		return j
	case len(tags) > 0:
		j.met = "no forbidden tag: " + strings.Join(tags, ", ")
	case byDigest:
		j.examined, j.met = 1, "referred to by digest, without a tag"
	case !archive(s.evidence.Subject.Source):
		j.undecided = "the reference of the image is not known"
	default:
		j.skip = "the archive carries no tag"
		j.gaps = s.open(RuleImage)
	}
	for _, tag := range tags {
		glob, err := forbidden(r.ForbiddenTags, tag)
		switch {
		case err != nil:
			j.undecided = fmt.Sprintf("%q is not a pattern", glob)
		case glob != "":
			m := fmt.Sprintf("the tag %q is forbidden", tag)
			if glob != tag {
				m += fmt.Sprintf(" by %q", glob)
			}
			j.violations = append(j.violations, Violation{Message: m, Fix: tagFix})
		}
	}
	return j
}

// forbidden returns the first pattern that matches tag, or one that is not a pattern.
func forbidden(globs []string, tag string) (string, error) {
	for _, g := range globs {
		if ok, err := doublestar.Match(g, tag); ok || err != nil {
			return g, err
		}
	}
	return "", nil
}

// tags are the tags under which the image is judged, sorted, and whether it is
// referred to by digest. An archive is judged by every tag that it carries.
func (s *subject) tags() (tags []string, byDigest bool) {
	sub := s.evidence.Subject
	add := func(ref string) {
		tag, digest := tagOf(ref)
		byDigest = byDigest || digest
		if tag != "" {
			tags = append(tags, tag)
		}
	}
	if sub.Name != "" {
		add(sub.Name)
	}
	if archive(sub.Source) {
		for _, t := range sub.Tags {
			if strings.ContainsAny(t, ":/@") {
				add(t)
			} else if t != "" {
				tags = append(tags, t)
			}
		}
	} else if len(tags) == 0 {
		ref := sub.Reference
		if ref == "" {
			ref = s.reference
		}
		ref = withoutTransport(ref)
		// The daemon also finds images by a shortened id, which is no name.
		if sub.Source == evidence.SourceDockerDaemon && sub.Name == "" && len(ref) >= 12 && isHex(ref) {
			byDigest = true
		} else if ref != "" {
			add(ref)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags), byDigest
}

func archive(s evidence.Source) bool {
	return s == evidence.SourceDockerArchive || s == evidence.SourceOCI || s == evidence.SourceOCIArchive
}

func withoutTransport(ref string) string {
	for _, t := range [...]string{"docker-daemon:", "docker:", "registry:"} {
		rest, ok := strings.CutPrefix(ref, t)
		if !ok {
			continue
		}
		// "docker:27" and "registry:2" are images, "docker://x" is a transport.
		if path, ok := strings.CutPrefix(rest, "//"); ok {
			return path
		}
		if t == "docker-daemon:" {
			return rest
		}
	}
	return ref
}

// tagOf returns the tag of an image reference. One with neither tag nor digest
// means "latest". An image id counts as a digest.
func tagOf(ref string) (tag string, byDigest bool) {
	ref, _, byDigest = strings.Cut(ref, "@")
	if hex, ok := strings.CutPrefix(ref, "sha256:"); ok && isHex(hex) {
		return "", true
	}
	if isHex(ref) && len(ref) == 64 {
		return "", true
	}
	if i := strings.LastIndexByte(ref, ':'); i > strings.LastIndexByte(ref, '/') {
		return ref[i+1:], byDigest
	}
	if byDigest || ref == "" {
		return "", byDigest
	}
	return "latest", false
}

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdef") == ""
}

// Names are the names under which an image is judged: where it is pushed to, what
// it is called where it was read, and every tag that an archive gives it. A name
// that is only a digest or an image id is none.
func Names(sub evidence.Subject, reference string) []string {
	var names []string
	add := func(n string) {
		if n != "" && !isImageID(n) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	add(sub.Destination)
	add(sub.Name)
	if archive(sub.Source) {
		for _, t := range sub.Tags {
			if strings.ContainsAny(t, ":/@") {
				add(t)
			}
		}
		return names
	}
	if sub.Name == "" {
		if sub.Reference != "" {
			reference = sub.Reference
		}
		add(withoutTransport(reference))
	}
	return names
}

func isImageID(ref string) bool {
	hex := strings.TrimPrefix(ref, "sha256:")
	return isHex(hex) && len(hex) >= 12
}
