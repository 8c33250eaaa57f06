// SPDX-License-Identifier: Apache-2.0

package image

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/credential"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

const (
	baseNameKey   = "org.opencontainers.image.base.name"
	baseDigestKey = "org.opencontainers.image.base.digest"
	buildpacksKey = "io.buildpacks.lifecycle.metadata"
	// scratch is what stands in place of a base image where there is none.
	scratch = "scratch"
	// maxClaim bounds what is kept of a claim, in bytes; no reference is as long.
	maxClaim = 512
)

// surroundings are what stands around an image in its source.
type surroundings struct {
	// annotations are those of the entries and indexes that lead to the image, nearest first.
	annotations []map[string]string
	// attestations are the index's entries that are no images, of this image or another.
	attestations []v1.Descriptor
	store        blobStore
	// attachments are those of a layout, archive is the file that holds the image; nil
	// for other sources.
	attachments *Attachments
	archive     *archive
}

// of adds what the index.json of a layout says.
func (a *surroundings) of(index *v1.IndexManifest, chosen []v1.Descriptor) {
	if len(chosen) == 1 {
		a.annotations = append(a.annotations, chosen[0].Annotations)
	}
	for _, d := range index.Manifests {
		if descriptorPlatform(d) == attestationPlatform() {
			a.attestations = append(a.attestations, d)
		}
	}
}

// annotationClaims are what the manifest, its entries and indexes say.
func annotationClaims(img *Image) []evidence.BaseClaim {
	var claims []evidence.BaseClaim
	for _, a := range append([]map[string]string{img.Annotations}, img.around.annotations...) {
		claims = addClaim(claims, evidence.ClaimAnnotation, a[baseNameKey], a[baseDigestKey])
	}
	return claims
}

// labelClaims are what the image configuration says. A label is inherited: one
// that the base image has itself names the base's base.
func labelClaims(img *Image) []evidence.BaseClaim {
	if img.Config == nil {
		return nil
	}
	labels := img.Config.Config.Labels
	claims := addClaim(nil, evidence.ClaimLabel, labels[baseNameKey], labels[baseDigestKey])
	var pack struct {
		RunImage struct{ Image, Reference string }
		Stack    struct{ RunImage struct{ Image string } }
	}
	if json.Unmarshal([]byte(labels[buildpacksKey]), &pack) == nil {
		named := pack.RunImage.Image
		if named == "" {
			named = pack.Stack.RunImage.Image
		}
		// The reference is an image id where the pack was built on a daemon.
		_, digest, pinned := strings.Cut(pack.RunImage.Reference, "@")
		if named == "" && pinned {
			named = pack.RunImage.Reference
		}
		claims = addClaim(claims, evidence.ClaimLabel, named, digest)
	}
	return claims
}

// addClaim adds a claim that says something, and is not there already.
func addClaim(claims []evidence.BaseClaim, source evidence.ClaimSource, reference, digest string) []evidence.BaseClaim {
	c := evidence.BaseClaim{Source: source, Reference: claimText(reference), Digest: claimText(digest)}
	if _, d, ok := strings.Cut(c.Reference, "@"); ok && c.Digest == "" {
		c.Digest = d
	}
	if c.Reference == "" && c.Digest == "" || slices.Contains(claims, c) {
		return claims
	}
	return append(claims, c)
}

// claimText is what is kept of a text that anybody wrote: bounded, and without
// what stands before an @ that begins no digest, which may be a password.
func claimText(s string) string {
	s = strings.ToValidUTF8(strings.TrimSpace(s), "�")
	s, _, _ = strings.Cut(s, "?")
	return wording.Clip(credential.Reference(s), maxClaim)
}

func isDigest(s string) bool {
	_, err := v1.NewHash(s)
	return err == nil
}

// dockerfileClaims is the FROM that the final stage rests on. Reference is empty
// where a build argument without a default leaves it open.
func dockerfileClaims(d *evidence.Dockerfile) []evidence.BaseClaim {
	if d == nil || len(d.Stages) == 0 {
		return nil
	}
	i := len(d.Stages) - 1
	for {
		before := slices.IndexFunc(d.Stages[:i], func(s evidence.Stage) bool {
			return s.Name != "" && strings.EqualFold(s.Name, d.Stages[i].Base)
		})
		if before < 0 {
			break
		}
		i = before
	}
	c := addClaim(nil, evidence.ClaimDockerfile, d.Stages[i].Base, "")
	if len(c) == 0 {
		c = []evidence.BaseClaim{{Source: evidence.ClaimDockerfile}}
	}
	c[0].Line = d.Stages[i].Line
	return c
}

// baseName is the name of a base image, taken apart. Tag is "latest" where the
// name has neither tag nor digest.
type baseName struct{ repository, tag, digest string }

// parseBaseName understands short names as Docker does.
func parseBaseName(s string) (baseName, error) {
	named, digest, pinned := strings.Cut(s, "@")
	n := baseName{digest: digest}
	if pinned && !isDigest(digest) || strings.Contains(named, "//") {
		return n, faultf(KindUsage, "not an image reference")
	}
	t, err := name.NewTag(named)
	if err != nil {
		return n, faultf(KindUsage, "not an image reference")
	}
	n.repository = strings.TrimSuffix(fullName(t), ":"+t.TagStr())
	if explicit := strings.HasSuffix(named, ":"+t.TagStr()); explicit || !pinned {
		n.tag = t.TagStr()
	}
	return n, nil
}

// String is the full name without digest.
func (n baseName) String() string {
	if n.tag == "" {
		return n.repository
	}
	return n.repository + ":" + n.tag
}
