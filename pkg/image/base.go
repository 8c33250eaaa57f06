// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// BaseQuery says where else an image's base may be named, and which registries may
// be asked about it.
type BaseQuery struct {
	// Reference is what the caller says: an image in a registry, or any reference with
	// a transport that Open understands, or "scratch".
	Reference string
	// Dockerfile is what the image was built by; may be nil.
	Dockerfile *evidence.Dockerfile
	// Provenance has attestations read. They may lie in the image's registry.
	Provenance bool
	// Destination is where the image is about to be pushed to; may be empty.
	Destination string
	// Approved says whether a base that only the image or its Dockerfile names may be
	// looked up: both come from where the image comes from. The name is full, with a
	// digest where the claim has one. Nil: none may.
	Approved func(reference string) bool
}

// FindBase reads what it needs of the image and returns what finds its base: it
// collects all claims and follows the strongest. Nil is for an image of which
// nothing names a base. No layer is read, and no host is asked that only the image or
// its Dockerfile names unless q.Approved says so.
func FindBase(img *Image, q BaseQuery, opts Options) func(context.Context) *evidence.Base {
	opts.Limits = opts.Limits.withDefaults()
	s := &baseSearch{query: q, options: opts, subject: img.Subject, around: img.around}
	s.subject.Destination = q.Destination
	if img.Config != nil {
		s.diffIDs = slices.Clone(img.Config.RootFS.DiffIDs)
	}
	s.query.Reference = withoutTransport(q.Reference)
	if q.Reference != "" {
		s.claims = addClaim(nil, evidence.ClaimFlag, s.query.Reference, "")
	}
	s.claims = append(s.claims, dockerfileClaims(q.Dockerfile)...)
	stated := append(annotationClaims(img), labelClaims(img)...)
	return func(ctx context.Context) *evidence.Base {
		var err error
		if q.Provenance {
			var found []evidence.BaseClaim
			found, err = provenanceClaims(ctx, s.around, s.subject.Digest, opts.Limits)
			s.claims = append(s.claims, found...)
		}
		s.claims = append(s.claims, stated...)
		return s.find(ctx, err)
	}
}

// baseSearch is the search for the base of one image.
type baseSearch struct {
	query   BaseQuery
	options Options
	subject evidence.Subject
	diffIDs []v1.Hash
	around  surroundings
	claims  []evidence.BaseClaim
}

// find follows the strongest claim. Provenance is no more than a list of candidates:
// where none of them is proven, the next claim is followed.
func (s *baseSearch) find(ctx context.Context, unread error) *evidence.Base {
	var best evidence.Base
	for rest := s.claims; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Source == rest[0].Source {
			n++
		}
		if rest[0].Source == evidence.ClaimProvenance {
			best = s.candidates(ctx, rest[:n])
		} else {
			best = s.follow(ctx, rest[0])
		}
		open := rest[0].Source == evidence.ClaimDockerfile && rest[0].Reference == ""
		if !open && (rest[0].Source != evidence.ClaimProvenance || best.Lineage == evidence.LineageProven) {
			break
		}
		rest = rest[n:]
	}
	best.Claims = append([]evidence.BaseClaim{}, s.claims...)
	switch {
	case len(s.claims) == 0 && unread == nil:
		return nil
	case len(s.claims) == 0:
		best.Lineage, best.Reason = evidence.LineageUnknown, reasonOf(unread)
		best.Hint = "name the base image with --base"
	case best.Lineage == evidence.LineageProven, best.Lineage == evidence.LineageDisproven:
		best.Reason += s.contradictions(best)
	}
	return &best
}

// candidates follows the claims of provenance, which are images that the build used.
func (s *baseSearch) candidates(ctx context.Context, claims []evidence.BaseClaim) evidence.Base {
	var best evidence.Base
	for i, c := range claims {
		if b := s.follow(ctx, c); i == 0 || better(b, best) {
			best = b
		}
	}
	if best.Lineage != evidence.LineageProven && len(claims) > 1 {
		best.Reason = fmt.Sprintf("none of the %d images that the build used is shown to be the base: %s", len(claims), best.Reason)
	}
	return best
}

// better prefers a proof, then what is certain least.
func better(a, b evidence.Base) bool {
	rank := func(b evidence.Base) int {
		return slices.Index([]evidence.Lineage{evidence.LineageDisproven, evidence.LineageNotApproved, evidence.LineageUnknown, evidence.LineageProven}, b.Lineage)
	}
	return rank(a) > rank(b) || rank(a) == rank(b) && a.Layers > b.Layers
}

// contradictions names the claims that are about another image.
func (s *baseSearch) contradictions(b evidence.Base) string {
	text := ""
	for _, c := range s.claims {
		n, err := parseBaseName(c.Reference)
		// Provenance names every image that the build used.
		if c.Source == b.Source || c.Source == evidence.ClaimProvenance || c.Reference == "" {
			continue
		}
		if err != nil || n.String() != b.Reference && (n.tag != "" || n.repository != b.Reference) {
			text += fmt.Sprintf("; the %s names %s", c.Source, c.Reference)
		}
	}
	return text
}

// follow tries to prove one claim.
func (s *baseSearch) follow(ctx context.Context, c evidence.BaseClaim) evidence.Base {
	b := evidence.Base{Source: c.Source, Lineage: evidence.LineageUnknown}
	byImage := c.Source != evidence.ClaimFlag && c.Source != evidence.ClaimDockerfile
	switch {
	case c.Source == evidence.ClaimFlag && isLocalBase(s.query.Reference):
		b.Reference, b.Pinned = c.Reference, isDigest(c.Digest)
		return s.local(ctx, b)
	case strings.EqualFold(c.Reference, scratch) && !byImage:
		b.Lineage, b.Reason = evidence.LineageScratch, fmt.Sprintf("%s says that the image is built from scratch", c.Source)
		return b
	case c.Reference == "" && c.Source == evidence.ClaimDockerfile:
		b.Reason = fmt.Sprintf("the FROM in line %d of the Dockerfile depends on a build argument without a default", c.Line)
		b.Hint = "name the base image with --base"
		return b
	}
	n, err := parseBaseName(c.Reference)
	if err != nil {
		b.Reason = fmt.Sprintf("the %s names %s, which is no image reference", c.Source, orDigest(c))
		b.Hint = "name the base image with --base or --dockerfile"
		if byImage {
			b.Lineage = evidence.LineageNotApproved
		}
		return b
	}
	b.Reference = n.String()
	b.Pinned = c.Digest != ""
	if c.Source == evidence.ClaimProvenance {
		b.Pinned = n.digest != ""
	}
	if n.digest == "" {
		n.digest = c.Digest
	}
	switch {
	case n.digest != "" && !isDigest(n.digest):
		b.Reason, b.Hint = fmt.Sprintf("the %s gives %s a digest that is none", c.Source, b.Reference), "a digest is sha256: and 64 hexadecimal digits"
		if byImage {
			b.Lineage = evidence.LineageNotApproved
		}
	case c.Source != evidence.ClaimFlag && s.isOwn(n.repository):
		b.Lineage = evidence.LineageDisproven
		b.Reason = fmt.Sprintf("the %s names %s, which is where the image itself is kept", c.Source, b.Reference)
		b.Hint = "an image cannot vouch for itself: name the image that the Dockerfile begins with"
	case c.Source != evidence.ClaimFlag && !s.approved(n):
		who := "the image itself"
		if !byImage {
			who = "the Dockerfile"
		}
		b.Lineage = evidence.LineageNotApproved
		b.Reason = fmt.Sprintf("only %s names %s, so its registry was not asked", who, b.Reference)
		b.Hint = "approve it in `images` of a base rule, by a pattern that begins with the registry's name, or confirm it with --base"
	default:
		return s.remote(ctx, b, n)
	}
	return b
}

// CheckBase says whether a reference can name a base image.
func CheckBase(reference string) error {
	base := strings.TrimPrefix(reference, "registry:")
	if isLocalBase(base) || base == scratch {
		return nil
	}
	if _, err := parseBaseName(base); err != nil || claimText(base) != base {
		return &Error{Op: "read", Subject: claimText(reference), Err: errors.New("not an image reference"), Kind: KindUsage,
			Hint: "name an image in a registry, such as docker.io/library/alpine:3.20, or a local one, such as oci-archive:base.tar"}
	}
	return nil
}

func orDigest(c evidence.BaseClaim) string {
	if c.Reference == "" {
		return c.Digest
	}
	return c.Reference
}

// withoutTransport makes a name of registry:REF. But registry:2 is an image.
func withoutTransport(reference string) string {
	if rest, ok := strings.CutPrefix(reference, "registry:"); ok && strings.ContainsAny(rest, "/:@") {
		return rest
	}
	return reference
}

// IsLocalBase says whether a base named by the caller is opened by transport or path,
// rather than looked up in a registry.
func IsLocalBase(reference string) bool {
	return isLocalBase(withoutTransport(reference))
}

// isLocalBase tells references with a transport from names.
func isLocalBase(ref string) bool {
	transport, _, _ := strings.Cut(ref, ":")
	switch evidence.Source(transport) {
	case evidence.SourceDockerDaemon, evidence.SourceDockerArchive, evidence.SourceOCI, evidence.SourceOCIArchive:
		return ref != transport
	}
	path, _ := splitPath(ref)
	return looksLikePath(ref) || looksLikePath(path)
}

func (s *baseSearch) approved(n baseName) bool {
	if s.query.Approved == nil {
		return false
	}
	full := n.String()
	if n.digest != "" {
		full += "@" + n.digest
	}
	return s.query.Approved(full)
}

// isOwn says whether a repository is one that the subject is kept in: whoever
// pushes the subject can push anything there.
func (s *baseSearch) isOwn(repository string) bool {
	names := append([]string{s.subject.Name, s.subject.Destination}, s.subject.Tags...)
	if s.subject.Source == evidence.SourceRegistry {
		names = append(names, strings.TrimPrefix(s.subject.Reference, "registry:"))
	}
	return slices.ContainsFunc(names, func(own string) bool {
		n, err := parseBaseName(own)
		return err == nil && own != "" && canonical(n.repository) == canonical(repository)
	})
}

// canonical is the one name of a repository for comparisons: a host in capitals, or with
// the port that https has anyway, is no other place.
func canonical(repository string) string {
	host, path, _ := strings.Cut(repository, "/")
	host = strings.TrimSuffix(strings.ToLower(host), ":443")
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		host = "docker.io"
	}
	return host + "/" + path
}

// reasonOf is an error as one line of bounded length.
func reasonOf(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took too long to look up the base image"
	}
	text := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "�")), " ")
	if len(text) > maxClaim {
		text = strings.ToValidUTF8(text[:maxClaim], "") + "…"
	}
	return text
}
