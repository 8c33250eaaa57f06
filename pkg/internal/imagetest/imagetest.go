// SPDX-License-Identifier: Apache-2.0

// Package imagetest builds container images for tests: deterministic layers,
// images and indexes, written as docker archives and OCI layouts, served by an
// in-process registry or a stand-in for a Docker daemon, whole or damaged.
package imagetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// File is an entry of a layer. A name ".wh.x" is a whiteout, as in any layer.
type File struct {
	Name string
	Body string
	// Mode defaults to 0644, and 0755 for directories.
	Mode     int64
	UID, GID int
	// Type is a tar type flag; the zero value is a regular file, or a directory if Name ends in a slash.
	Type byte
	// Link is the target of a symbolic or hard link.
	Link string
	// Xattrs are extended attributes: security.capability and the like.
	Xattrs map[string]string
}

// Tar writes files in the given order, always as the same bytes.
func Tar(files ...File) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: f.Mode, Uid: f.UID, Gid: f.GID, Typeflag: f.Type, Linkname: f.Link, Size: int64(len(f.Body)), Format: tar.FormatPAX}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
			if f.Name[len(f.Name)-1] == '/' {
				h.Typeflag = tar.TypeDir
			}
		}
		if h.Mode == 0 {
			h.Mode = 0o644
			if h.Typeflag == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		for _, k := range slices.Sorted(maps.Keys(f.Xattrs)) {
			if h.PAXRecords == nil {
				h.PAXRecords = map[string]string{}
			}
			h.PAXRecords["SCHILY.xattr."+k] = f.Xattrs[k]
		}
		must(w.WriteHeader(h))
		_, err := w.Write([]byte(f.Body))
		must(err)
	}
	must(w.Close())
	return b.Bytes()
}

// Compression of a layer's blob.
type Compression string

// The compressions.
const (
	Plain Compression = "tar"
	Gzip  Compression = "tar+gzip"
	Zstd  Compression = "tar+zstd"
)

// Compress returns b as one gzip member or zstd frame.
func Compress(c Compression, b []byte) []byte {
	var out bytes.Buffer
	switch c {
	case Gzip:
		w := gzip.NewWriter(&out)
		_, err := w.Write(b)
		must(err)
		must(w.Close())
	case Zstd:
		w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		must(err)
		_, err = w.Write(b)
		must(err)
		must(w.Close())
	default:
		return b
	}
	return out.Bytes()
}

// Layer is a layer as it is stored. Change DiffID, Digest, Size or URLs to forge it.
type Layer struct {
	Tar, Blob []byte
	DiffID    v1.Hash
	Digest    v1.Hash
	Size      int64
	MediaType types.MediaType
	URLs      []string
}

// NewLayer makes a layer of files.
func NewLayer(c Compression, files ...File) *Layer {
	t := Tar(files...)
	return BlobLayer(c, t, Compress(c, t))
}

// BlobLayer makes a layer of any tar and stored bytes, whether they fit or not.
func BlobLayer(c Compression, content, blob []byte) *Layer {
	return &Layer{
		Tar: content, Blob: blob, DiffID: Digest(content), Digest: Digest(blob), Size: int64(len(blob)),
		MediaType: types.MediaType("application/vnd.oci.image.layer.v1." + string(c)),
	}
}

// Digest is the sha256 of b.
func Digest(b []byte) v1.Hash {
	sum := sha256.Sum256(b)
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum[:])}
}

// Blobs are stored bytes by digest. Tests damage a source by changing entries.
type Blobs map[v1.Hash][]byte

// Node is an image or an index.
type Node interface {
	// Document is the manifest's or index's JSON and its media type.
	Document() ([]byte, types.MediaType)
	collect(Blobs)
}

// Image is a single image. ConfigJSON and ManifestJSON replace what would be generated.
type Image struct {
	Config       v1.ConfigFile
	Layers       []*Layer
	ConfigType   types.MediaType
	ConfigJSON   []byte
	ManifestJSON []byte
}

// NewImage is a linux/amd64 image with these layers.
func NewImage(layers ...*Layer) *Image {
	i := &Image{Layers: layers, ConfigType: types.OCIConfigJSON}
	i.Config.OS, i.Config.Architecture = "linux", "amd64"
	for n := range layers {
		i.Config.History = append(i.Config.History, v1.History{CreatedBy: fmt.Sprintf("layer %d", n)})
	}
	return i
}

// For sets the platform and returns the image.
func (i *Image) For(os, architecture, variant string) *Image {
	i.Config.OS, i.Config.Architecture, i.Config.Variant = os, architecture, variant
	return i
}

// RawConfig is the configuration's JSON, with the layers' diff IDs.
func (i *Image) RawConfig() []byte {
	if i.ConfigJSON != nil {
		return i.ConfigJSON
	}
	c := i.Config
	c.RootFS = v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}}
	for _, l := range i.Layers {
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, l.DiffID)
	}
	return marshal(c)
}

// ID is the image ID.
func (i *Image) ID() v1.Hash { return Digest(i.RawConfig()) }

// Document implements Node.
func (i *Image) Document() ([]byte, types.MediaType) {
	if i.ManifestJSON != nil {
		return i.ManifestJSON, types.OCIManifestSchema1
	}
	config := i.RawConfig()
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Layers: []v1.Descriptor{},
		Config: v1.Descriptor{MediaType: i.ConfigType, Digest: Digest(config), Size: int64(len(config))},
	}
	for _, l := range i.Layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: l.MediaType, Digest: l.Digest, Size: l.Size, URLs: l.URLs})
	}
	return marshal(m), types.OCIManifestSchema1
}

func (i *Image) collect(b Blobs) {
	doc, _ := i.Document()
	b[Digest(doc)], b[i.ID()] = doc, i.RawConfig()
	for _, l := range i.Layers {
		b[l.Digest] = l.Blob
	}
}

// Attestation is the manifest that BuildKit stores beside an image.
func Attestation() *Image {
	l := BlobLayer(Plain, nil, []byte(`{"_type":"https://in-toto.io/Statement/v0.1"}`))
	l.MediaType = "application/vnd.in-toto+json"
	return NewImage(l).For("unknown", "unknown", "")
}

// Entry is an entry of an index.
type Entry struct {
	Node        Node
	Platform    *v1.Platform
	Annotations map[string]string
}

// Named is an entry of index.json with a reference name.
func Named(n Node, name string) Entry {
	return Entry{Node: n, Annotations: map[string]string{"org.opencontainers.image.ref.name": name}}
}

// PlatformOf is an entry with the platform of the image's own configuration.
func PlatformOf(i *Image) Entry {
	return Entry{Node: i, Platform: &v1.Platform{OS: i.Config.OS, Architecture: i.Config.Architecture, Variant: i.Config.Variant}}
}

// Index is an image index; indexes nest.
type Index struct{ Entries []Entry }

// NewIndex is an index of entries.
func NewIndex(entries ...Entry) *Index { return &Index{entries} }

// Document implements Node.
func (x *Index) Document() ([]byte, types.MediaType) {
	m := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	for _, e := range x.Entries {
		doc, media := e.Node.Document()
		m.Manifests = append(m.Manifests, v1.Descriptor{MediaType: media, Digest: Digest(doc), Size: int64(len(doc)), Platform: e.Platform, Annotations: e.Annotations})
	}
	return marshal(m), types.OCIImageIndex
}

func (x *Index) collect(b Blobs) {
	doc, _ := x.Document()
	b[Digest(doc)] = doc
	for _, e := range x.Entries {
		e.Node.collect(b)
	}
}

// Collect returns everything that a node refers to, itself included.
func Collect(n Node) Blobs {
	b := Blobs{}
	n.collect(b)
	return b
}

// DigestOf is the digest of a node's document.
func DigestOf(n Node) v1.Hash {
	doc, _ := n.Document()
	return Digest(doc)
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	must(err)
	return b
}

// must is for writing to memory, which fails only if a test is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
