// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// FactLineage is the Violation.ID of a claim about the base image that its layers do
// not bear out. It cannot be waived.
const FactLineage = "lineage"

// accepts says whether each selector of w that is set matches the violation of rule.
// A waiver that names neither rule nor finding matches nothing.
func (s *subject) accepts(w policy.Waiver, rule string, v Violation) bool {
	if w.Rule == "" && w.Finding == "" || w.Rule != "" && w.Rule != rule {
		return false
	}
	pkg, path := v.Package, v.Path
	if v.Finding != nil {
		pkg, path = v.Finding.Package, v.Finding.Location()
	}
	switch {
	case w.Finding != "" && !slices.Contains(namesOf(v), w.Finding):
		return false
	case w.Package != "" && !packageMatches(w.Package, pkg):
		return false
	case w.Path != "" && (path == "" || !matchPath(w.Path, path)):
		return false
	case w.Origin != "" && w.Origin != string(v.Origin):
		return false
	case len(w.Platforms) > 0 && !slices.ContainsFunc(w.Platforms, s.evidence.Subject.Platform.Matches):
		return false
	default:
		return len(w.Images) == 0 || s.isOneOf(w.Images)
	}
}

// namesOf are the ids that a waiver can name a violation by.
func namesOf(v Violation) []string {
	if v.Finding == nil {
		return []string{v.ID}
	}
	return append([]string{v.ID, v.Finding.ID}, v.Finding.Aliases...)
}

// isOneOf says whether each name of the image matches one of the globs; an image
// without a name matches none.
func (s *subject) isOneOf(globs []string) bool {
	names := Names(s.evidence.Subject, s.reference)
	return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool {
		return !slices.ContainsFunc(globs, func(g string) bool { return policy.MatchReference(g, name) })
	})
}

// Accepts says whether each selector of a waiver matches a violation of the rule on
// the subject. Whether the waiver holds is another question.
func Accepts(w policy.Waiver, sub evidence.Subject, reference, rule string, v Violation) bool {
	return (&subject{evidence: evidence.Evidence{Subject: sub}, reference: reference}).accepts(w, rule, v)
}

// packageMatches compares a name, or a package URL up to its version.
func packageMatches(want string, p *evidence.Package) bool {
	switch {
	case p == nil:
		return false
	case strings.HasPrefix(want, "pkg:"):
		return p.PURL != "" && unversioned(p.PURL) == unversioned(want)
	default:
		return p.Name == want
	}
}

// unversioned cuts a package URL before its version, qualifiers and subpath. The
// version follows the last "@" of the path: a scope such as @angular may be
// written with one too.
func unversioned(purl string) string {
	if i := strings.IndexAny(purl, "?#"); i >= 0 {
		purl = purl[:i]
	}
	if i := strings.LastIndexByte(purl, '@'); i > strings.LastIndexByte(purl, '/') && i > 0 {
		purl = purl[:i]
	}
	return purl
}
