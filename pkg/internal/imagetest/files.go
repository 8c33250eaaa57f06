// SPDX-License-Identifier: Apache-2.0

package imagetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Saved is one image of a docker archive.
type Saved struct {
	Image *Image
	Tags  []string
}

type savedEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// DockerFiles are the files of a docker archive as `docker save` wrote it before
// version 25: HEX.json and DIR/layer.tar.
func DockerFiles(images ...Saved) []File {
	var files []File
	var manifest []savedEntry
	written := map[string]bool{}
	add := func(name string, body []byte) string {
		if !written[name] {
			written[name] = true
			files = append(files, File{Name: name, Body: string(body)})
		}
		return name
	}
	for _, s := range images {
		e := savedEntry{RepoTags: s.Tags, Config: add(s.Image.ID().Hex+".json", s.Image.RawConfig())}
		for _, l := range s.Image.Layers {
			e.Layers = append(e.Layers, add(l.Digest.Hex+"/layer.tar", l.Blob))
		}
		manifest = append(manifest, e)
	}
	return append(files, File{Name: "manifest.json", Body: string(marshal(manifest))})
}

// BlobFiles are the files of a docker archive as `docker save` writes it since
// version 25: an OCI layout with a manifest.json. The index.json names target.
func BlobFiles(target Node, images ...Saved) []File {
	blobs := Collect(target)
	var manifest []savedEntry
	for _, s := range images {
		e := savedEntry{RepoTags: s.Tags, Config: "blobs/sha256/" + s.Image.ID().Hex}
		for _, l := range s.Image.Layers {
			e.Layers = append(e.Layers, "blobs/sha256/"+l.Digest.Hex)
		}
		manifest = append(manifest, e)
	}
	index, _ := NewIndex(Entry{Node: target}).Document()
	return append(LayoutFiles(index, blobs), File{Name: "manifest.json", Body: string(marshal(manifest))})
}

// LayoutFiles are the files of an OCI layout.
func LayoutFiles(index []byte, blobs Blobs) []File {
	files := []File{{Name: "oci-layout", Body: `{"imageLayoutVersion":"1.0.0"}`}, {Name: "index.json", Body: string(index)}}
	var hashes []v1.Hash
	for h := range blobs {
		hashes = append(hashes, h)
	}
	slices.SortFunc(hashes, func(a, b v1.Hash) int { return strings.Compare(a.String(), b.String()) })
	for _, h := range hashes {
		files = append(files, File{Name: "blobs/" + h.Algorithm + "/" + h.Hex, Body: string(blobs[h])})
	}
	return files
}

// Layout is the index.json with these entries and all blobs that they need.
func Layout(entries ...Entry) ([]byte, Blobs) {
	x := NewIndex(entries...)
	index, _ := x.Document()
	blobs := Collect(x)
	delete(blobs, Digest(index))
	return index, blobs
}

// WriteFile writes b below a new directory of the test and returns the path.
func WriteFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// WriteTar writes a tar of files, gzipped if the name ends in gz, and returns its path.
func WriteTar(t testing.TB, name string, files ...File) string {
	t.Helper()
	b := Tar(files...)
	if strings.HasSuffix(name, "gz") {
		b = Compress(Gzip, b)
	}
	return WriteFile(t, name, b)
}

// WriteDir writes files to a new directory of the test and returns its path.
func WriteDir(t testing.TB, files ...File) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.Body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
