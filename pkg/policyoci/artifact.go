// SPDX-License-Identifier: Apache-2.0

// Package policyoci stores policies in OCI registries: the policy file and every file
// that it names are one artifact, which is referred to by its digest.
//
// What comes out of a registry is hostile until proven otherwise: every byte is
// checked against its digest, every path against leading out of the artifact, and
// everything is bounded.
package policyoci

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	// ArtifactType is the artifact type of the manifest, and the media type of the
	// layer that is the policy file.
	ArtifactType = "application/vnd.ocigate.policy.v1+yaml"
	// FileType is the media type of the layers that are files which the policy names.
	FileType = "application/vnd.ocigate.policy.file.v1"

	titleAnnotation = "org.opencontainers.image.title"
	emptyType       = "application/vnd.oci.empty.v1+json"
)

const (
	maxManifest = 1 << 20
	maxFiles    = 500
	maxFile     = 64 << 20
	maxTotal    = 256 << 20
	maxPath     = 255
)

// File is one file of an artifact.
type File struct {
	// Path is relative, with slashes, and does not lead out of the artifact.
	Path string
	Data []byte
}

// Artifact is a policy and the files that it names.
type Artifact struct {
	// Policy is the policy file, Files are the others, sorted by path.
	Policy File
	Files  []File
}

// Open returns the content of a file.
func (a *Artifact) Open(name string) ([]byte, error) {
	name = path.Clean(name)
	for _, f := range append([]File{a.Policy}, a.Files...) {
		if f.Path == name {
			return f.Data, nil
		}
	}
	return nil, errors.New("the artifact does not hold it")
}

// manifest is an OCI image manifest, as far as it is ours.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	ArtifactType  string       `json:"artifactType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	URLs        []string          `json:"urls,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func digestOf(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

// encode makes the manifest: of the same files always the same bytes.
func (a *Artifact) encode() ([]byte, error) {
	files := slices.Clone(a.Files)
	slices.SortFunc(files, func(x, y File) int { return strings.Compare(x.Path, y.Path) })
	m := manifest{
		SchemaVersion: 2, MediaType: string(types.OCIManifestSchema1), ArtifactType: ArtifactType,
		Config: descriptor{MediaType: emptyType, Digest: digestOf([]byte("{}")), Size: 2},
	}
	for i, f := range append([]File{a.Policy}, files...) {
		media := FileType
		if i == 0 {
			media = ArtifactType
		}
		m.Layers = append(m.Layers, descriptor{
			MediaType: media, Digest: digestOf(f.Data), Size: int64(len(f.Data)), Annotations: map[string]string{titleAnnotation: f.Path},
		})
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	b, err := json.Marshal(m)
	if err == nil && len(b) > maxManifest {
		return nil, fmt.Errorf("the manifest has more than %d bytes", maxManifest)
	}
	return b, err
}

func decode(raw []byte) (*manifest, error) {
	var m manifest
	if err := jsonv2.Unmarshal(raw, &m, json.DefaultOptionsV1(), jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)); err != nil {
		return nil, errors.New("its manifest is not the JSON of a manifest")
	}
	if m.ArtifactType != ArtifactType || m.SchemaVersion != 2 || m.MediaType != "" && m.MediaType != string(types.OCIManifestSchema1) {
		return nil, fmt.Errorf("it is no policy: its artifact type is %q, not %s", m.ArtifactType, ArtifactType)
	}
	return &m, m.check()
}

// check refuses what Push does not make.
func (m *manifest) check() error {
	switch n := len(m.Layers); {
	case n == 0 || m.Layers[0].MediaType != ArtifactType:
		return errors.New("its first layer is no policy file")
	case n > maxFiles:
		return fmt.Errorf("it has %d files; a policy has at most %d", n, maxFiles)
	}
	var total int64
	seen := map[string]bool{}
	for i, l := range m.Layers {
		title := l.Annotations[titleAnnotation]
		if err := checkPath(title); err != nil {
			return err
		}
		if seen[title] {
			return fmt.Errorf("two files claim the path %q", title)
		}
		seen[title] = true
		switch {
		case i > 0 && l.MediaType != FileType:
			return fmt.Errorf("%q is of the media type %q, not %s", title, l.MediaType, FileType)
		case len(l.URLs) > 0:
			return fmt.Errorf("%q is to be fetched from foreign URLs, which is refused", title)
		case !isDigest(l.Digest):
			return fmt.Errorf("%q is named by no sha256 digest", title)
		case l.Size < 0 || l.Size > maxFile:
			return fmt.Errorf("%q has %d bytes; a file has at most %d", title, l.Size, maxFile)
		}
		if total += l.Size; total > maxTotal {
			return fmt.Errorf("its files have more than %d bytes", maxTotal)
		}
	}
	for title := range seen {
		for p := path.Dir(title); p != "."; p = path.Dir(p) {
			if seen[p] {
				return fmt.Errorf("%q is a file and a directory", p)
			}
		}
	}
	return nil
}

func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// checkPath refuses paths that lead out of a directory, or mean something else on
// another system.
func checkPath(p string) error {
	bad := p == "" || len(p) > maxPath || p == "." || path.IsAbs(p) || path.Clean(p) != p ||
		p == ".." || strings.HasPrefix(p, "../") || strings.ContainsAny(p, `\:`) ||
		strings.IndexFunc(p, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) >= 0
	if bad {
		return fmt.Errorf("%q is no path beneath the artifact", p)
	}
	return nil
}
