// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

const (
	tagFix  = "push and judge the image under a tag that names one build (a version or a commit), or by digest"
	nameFix = "push and judge the image under a name that the policy allows"
)

// referenceRule judges every name that is known; what is demanded of a name that is
// not known is not decided.
func (s *subject) referenceRule(r policy.ReferenceRule) judgement {
	j := judgement{noun: "violation"}
	demandsTag := len(r.ForbiddenTags)+len(r.Tags) > 0 || r.TagPattern != ""
	demandsName := len(r.Registries)+len(r.Repositories)+len(r.ForbiddenRepositories) > 0
	if !demandsTag && !demandsName && !r.Digest {
		j.undecided = noDemand
		return j
	}
	if r.Of == policy.SideDestination && s.evidence.Subject.Destination == "" {
		j.undecided = "the destination is not known: give --destination REF, the name that the image is pushed to"
		return j
	}
	known := s.known(r.Of)
	j.examined = len(known.names) + len(known.tags)
	if demandsTag {
		s.judgeTags(r, known, &j)
	}
	if demandsName {
		s.judgeNames(r, known, &j)
	}
	if r.Digest {
		s.judgeDigest(&j)
	}
	return j
}

// judgeTags leaves out what is referred to by digest alone, and an archive without a tag.
func (s *subject) judgeTags(r policy.ReferenceRule, known known, j *judgement) {
	tags, byDigest := known.allTags()
	switch {
	case len(tags) > 0 && len(r.Tags) == 0 && r.TagPattern == "":
		j.meet("no forbidden tag: " + strings.Join(tags, ", "))
	case len(tags) > 0:
		j.meet("tag " + strings.Join(tags, ", "))
	case byDigest:
		j.examined = max(j.examined, 1)
		j.meet("referred to by digest, without a tag")
	case !archive(s.evidence.Subject.Source):
		j.undecided = "the reference of the image is not known"
	default:
		j.skip = "the archive carries no tag"
		j.gaps = s.open(RuleImage)
	}
	pattern, err := regexp.Compile(`^(?:` + r.TagPattern + `)$`)
	if err != nil {
		j.undecided = fmt.Sprintf("%q is not a regular expression", r.TagPattern)
		return
	}
	for _, tag := range tags {
		glob, err := forbidden(r.ForbiddenTags, tag)
		allowed, err2 := forbidden(r.Tags, tag)
		m := ""
		switch {
		case err != nil || err2 != nil:
			j.undecided = fmt.Sprintf("%q is not a pattern", cmp.Or(glob, allowed))
		case glob != "" && glob == tag:
			m = fmt.Sprintf("the tag %q is forbidden", tag)
		case glob != "":
			m = fmt.Sprintf("the tag %q is forbidden by %q", tag, glob)
		case len(r.Tags) > 0 && allowed == "":
			m = fmt.Sprintf("the tag %q is none of those that are allowed: %s", tag, strings.Join(r.Tags, ", "))
		case r.TagPattern != "" && !pattern.MatchString(tag):
			m = fmt.Sprintf("the tag %q does not match %q", tag, r.TagPattern)
		}
		if m != "" {
			j.violations = append(j.violations, Violation{Message: m, ID: tag, Fix: tagFix})
		}
	}
}

// judgeNames demands a name: of an archive without one, of an image id and of what is
// no name it is not known where the image comes from or goes to.
func (s *subject) judgeNames(r policy.ReferenceRule, known known, j *judgement) {
	j.skip = ""
	if len(known.names) == 0 {
		j.undecided = "a name with registry and repository is not known: give --destination REF, or tag the image"
	}
	seen := map[policy.Name]bool{}
	for _, text := range known.names {
		name, err := policy.ParseName(text)
		if err != nil {
			j.undecided = err.Error()
			continue
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		j.meet("named " + name.String())
		inGlob := func(g string) bool { return policy.MatchReference(g, text) }
		violate := func(format string, args ...any) {
			j.violations = append(j.violations, Violation{Message: fmt.Sprintf(format, args...), ID: name.String(), Fix: nameFix})
		}
		if len(r.Registries) > 0 && !slices.ContainsFunc(r.Registries, name.MatchRegistry) {
			violate("the registry %q of %s is none of those that are allowed: %s", name.Registry, name, strings.Join(r.Registries, ", "))
		}
		if len(r.Repositories) > 0 && !slices.ContainsFunc(r.Repositories, inGlob) {
			violate("%s is none of the repositories that are allowed: %s", name, strings.Join(r.Repositories, ", "))
		}
		if i := slices.IndexFunc(r.ForbiddenRepositories, inGlob); i >= 0 {
			violate("%s is forbidden by %q", name, r.ForbiddenRepositories[i])
		}
	}
}

func (s *subject) judgeDigest(j *judgement) {
	sub := s.evidence.Subject
	switch {
	case sub.Digest != "":
		j.examined, j.skip = max(j.examined, 1), ""
		j.meet("manifest " + sub.Digest)
	case sub.ImageID == "":
		j.undecided = "the image is not known by any digest"
	default:
		j.skip = ""
		j.violations = append(j.violations, Violation{
			Message: "the digest of the image's manifest is not known, only its image id " + sub.ImageID, ID: sub.ImageID,
			Fix: "judge the image where it has a manifest: in a registry or an OCI layout",
		})
	}
}

func (j *judgement) meet(what string) {
	if j.met != "" {
		j.met += "; "
	}
	j.met += what
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

// known is what is known of the names of an image.
type known struct {
	// names are references as they were written; tags those of an archive that come
	// without a repository; ids are image ids.
	names, tags, ids []string
}

// known collects the names of one side or both. An archive is judged by every name
// that it carries.
func (s *subject) known(of policy.Side) known {
	var k known
	sub := s.evidence.Subject
	if of != policy.SideSource && sub.Destination != "" {
		k.add(sub.Destination)
	}
	if of == policy.SideDestination {
		return k
	}
	if sub.Name != "" {
		k.add(sub.Name)
	}
	if archive(sub.Source) {
		for _, t := range sub.Tags {
			if t != "" && !strings.ContainsAny(t, ":/@") {
				k.tags = append(k.tags, t)
			} else {
				k.add(t)
			}
		}
	} else if tag, _ := tagOf(sub.Name); tag == "" {
		// A name that is by digest may have lost its tag.
		ref := withoutTransport(cmp.Or(sub.Reference, s.reference))
		// The daemon also finds images by a shortened id, which is no name.
		if sub.Source == evidence.SourceDockerDaemon && sub.Name == "" && len(ref) >= 12 && isHex(ref) {
			k.ids = append(k.ids, ref)
		} else {
			k.add(ref)
		}
	}
	for _, list := range []*[]string{&k.names, &k.tags, &k.ids} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return k
}

func (k *known) add(ref string) {
	switch {
	case ref == "":
	case isFullImageID(ref):
		k.ids = append(k.ids, ref)
	default:
		k.names = append(k.names, ref)
	}
}

// allTags are the tags of all names, sorted, and whether something is referred to by
// a digest.
func (k known) allTags() (tags []string, byDigest bool) {
	tags = append(tags, k.tags...)
	for _, n := range k.names {
		tag, digest := tagOf(n)
		byDigest = byDigest || digest
		if tag != "" {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags), byDigest || len(k.ids) > 0
}

func archive(s evidence.Source) bool {
	return s == evidence.SourceDockerArchive || s == evidence.SourceOCI || s == evidence.SourceOCIArchive
}

// withoutTransport cuts off what image.Open takes for a transport: a reference that
// begins with "registry:" is never the image of that name.
func withoutTransport(ref string) string {
	for _, t := range [...]string{"docker-daemon:", "docker:", "registry:"} {
		rest, ok := strings.CutPrefix(ref, t)
		if !ok {
			continue
		}
		// "docker:27" is an image, "docker://x" is a transport.
		if path, ok := strings.CutPrefix(rest, "//"); ok {
			return path
		}
		if t != "docker:" {
			return rest
		}
	}
	return ref
}

// tagOf returns the tag of an image reference. One with neither tag nor digest
// means "latest". An image id counts as a digest.
func tagOf(ref string) (tag string, byDigest bool) {
	ref, _, byDigest = strings.Cut(ref, "@")
	if isFullImageID(ref) {
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

// isFullImageID says whether ref is an image id as docker writes it in full, or one
// with its algorithm.
func isFullImageID(ref string) bool {
	hex, ok := strings.CutPrefix(ref, "sha256:")
	return isHex(hex) && (ok || len(hex) == 64)
}

// Names are the names by which per-image sections are chosen: the one that the image
// is pushed to, where that is known; else what it is called where it was read, and
// every tag that an archive gives it. A name that is only a digest or an image id is
// none.
func Names(sub evidence.Subject, reference string) []string {
	if sub.Destination != "" {
		return []string{sub.Destination}
	}
	var names []string
	add := func(n string) {
		if n != "" && !isImageID(n) && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
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
		add(withoutTransport(cmp.Or(sub.Reference, reference)))
	}
	return names
}

func isImageID(ref string) bool {
	hex := strings.TrimPrefix(ref, "sha256:")
	return isHex(hex) && len(hex) >= 12
}
