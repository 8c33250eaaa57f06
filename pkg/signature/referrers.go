// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// referring reads the manifests that refer to a digest and may be signatures.
func (c *collector) referring(ctx context.Context, h v1.Hash) []candidate {
	what := c.placeName(h, 2)
	all, err := c.referrers(ctx, h)
	if err != nil {
		c.problem(unseen(what, err)) // what was found nevertheless is examined
	}
	if len(all) > maxReferrers {
		c.problem(tooMuch(what, "there are %d referrers; only %d were looked at", len(all), maxReferrers))
	}
	seen := map[v1.Hash]bool{}
	var mine []v1.Descriptor
	for _, d := range all[:min(len(all), maxReferrers)] {
		if !seen[d.Digest] && !somethingElse(d.ArtifactType) {
			seen[d.Digest] = true
			mine = append(mine, d)
		}
	}
	slices.SortFunc(mine, func(a, b v1.Descriptor) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	if len(mine) > c.limits.MaxItems {
		c.problem(tooMuch(what, "there are %d referrers that may be signatures; only %d were looked at", len(mine), c.limits.MaxItems))
		mine = mine[:c.limits.MaxItems]
	}
	found := make([][]candidate, len(mine))
	c.each(len(mine), func(i int) string { return mine[i].Digest.String() }, func(i int) {
		found[i] = c.referrer(ctx, h, mine[i])
	})
	return slices.Concat(found...)
}

// somethingElse says whether an artifact type is known to be none of ours. All others
// are looked into: registries without the referrers API list bundles as
// application/vnd.oci.empty.v1+json.
func somethingElse(artifactType string) bool {
	for _, prefix := range []string{
		"application/vnd.cncf.notary.", "application/spdx", "text/spdx", "application/vnd.cyclonedx", "application/vnd.syft",
		"application/sarif", "application/vnd.aquasec.trivy.", "application/vnd.ratify.", "application/vnd.cncf.helm.",
		"application/vnd.docker.", "application/vnd.in-toto", "application/vnd.oci.image.config.",
	} {
		if strings.HasPrefix(artifactType, prefix) {
			return true
		}
	}
	return false
}

func (c *collector) referrer(ctx context.Context, h v1.Hash, d v1.Descriptor) []candidate {
	id := d.Digest.String()
	base := candidate{format: evidence.FormatBundle, digest: h.String(), place: id}
	switch {
	case d.Digest.Algorithm != "sha256":
		base.unreadable = "it has no SHA-256 digest"
		return []candidate{base}
	case d.Size > maxManifest:
		c.problem(tooMuch(id, "the manifest has %d bytes, more than %d", d.Size, maxManifest))
		return nil
	}
	raw, err := c.manifest(ctx, id)
	if err == nil && raw == nil {
		err = errors.New("it is listed as a referrer, but not there")
	}
	if err != nil {
		c.problem(unseen(id, err))
		return nil
	}
	return c.referrerLayers(base, d, raw)
}

func (c *collector) referrerLayers(base candidate, d v1.Descriptor, raw []byte) []candidate {
	isBundle := strings.HasPrefix(d.ArtifactType, bundleType)
	m, err := readManifest(raw)
	types := []string{d.ArtifactType, m.ArtifactType, string(m.Config.MediaType)}
	isTagFormat := slices.Contains(types, cosignSigType) || slices.Contains(types, cosignAttType)
	switch {
	case errors.Is(err, errTooLarge):
		c.problem(tooMuch(base.place, "the manifest has %d bytes, more than %d", len(raw), maxManifest))
		return nil
	case errors.Is(err, errIndex) && !isBundle && !isTagFormat:
		return nil
	case err != nil:
		base.unreadable = err.Error()
		return []candidate{base}
	case isTagFormat:
		base.format, base.attestation = evidence.FormatReferrer, slices.Contains(types, cosignAttType)
		return c.layers(base, raw)
	}
	isBundle = isBundle || strings.HasPrefix(m.ArtifactType, bundleType)
	for _, l := range m.Layers {
		isBundle = isBundle || strings.HasPrefix(string(l.MediaType), bundleType)
	}
	switch {
	case !isBundle:
		return nil
	case len(m.Layers) != 1:
		base.unreadable = fmt.Sprintf("a manifest with a bundle has one layer, this has %d", len(m.Layers))
	case !strings.HasPrefix(string(m.Layers[0].MediaType), bundleType):
		base.unreadable = "its layer is of the type " + quoted(string(m.Layers[0].MediaType)) + ", not a bundle"
	default:
		base.layer = m.Layers[0]
	}
	return []candidate{base}
}
