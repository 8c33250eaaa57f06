// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strings"
)

// Source is where a subject was read. The spelling is that of
// containers-transports(5), as in skopeo and podman.
type Source string

// The sources.
const (
	SourceRegistry      Source = "registry"
	SourceDockerDaemon  Source = "docker-daemon"
	SourceDockerArchive Source = "docker-archive"
	SourceOCI           Source = "oci"
	SourceOCIArchive    Source = "oci-archive"
)

// Subject is the image under judgement: one platform of what was asked for.
type Subject struct {
	// Reference is what the user wrote, byte for byte.
	Reference string `json:"reference"`
	Source    Source `json:"source"`
	// Name is the image's full name where it has one: "docker.io/library/alpine:3.20".
	// Empty for an archive that carries no tag.
	Name string `json:"name,omitempty"`
	// Digest is the digest of the image manifest. Empty where the source has no
	// manifest (a docker archive, a daemon); ImageID is set then.
	Digest string `json:"digest,omitempty"`
	// IndexDigest is the digest of the outermost index that the manifest was found in.
	IndexDigest string `json:"indexDigest,omitempty"`
	// ImageID is the digest of the image configuration.
	ImageID  string   `json:"imageID,omitempty"`
	Platform Platform `json:"platform"`
	// Destination is the reference that the image is about to be pushed to, as the
	// caller gave it; empty where nobody said.
	Destination string `json:"destination,omitempty"`
	// Tags are the tags that the source itself gives the image, sorted.
	Tags []string `json:"tags,omitempty"`
}

// Platform names an operating system and an architecture as the OCI image
// specification does.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`
	// OSVersion is only used by Windows images.
	OSVersion string `json:"osVersion,omitempty"`
}

// ParsePlatform reads "os/architecture" or "os/architecture/variant".
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(s, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return Platform{}, fmt.Errorf("platform %q is not os/architecture or os/architecture/variant", s)
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			return Platform{}, fmt.Errorf("platform %q is not os/architecture or os/architecture/variant", s)
		}
	}
	p := Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// String is the form that ParsePlatform reads.
func (p Platform) String() string {
	if p == (Platform{}) {
		return ""
	}
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Matches says whether p is what was asked for: equal in operating system and
// architecture, and in variant where want names one. arm64 without a variant is
// arm64/v8, as in containerd's platform rules.
func (p Platform) Matches(want Platform) bool {
	return p.OS == want.OS && p.Architecture == want.Architecture &&
		(want.Variant == "" || variant(p) == variant(want))
}

func variant(p Platform) string {
	if p.Architecture == "arm64" && p.Variant == "" {
		return "v8"
	}
	return p.Variant
}
