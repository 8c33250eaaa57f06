// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"bytes"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// SmallImage is an image whose digest depends on the content alone.
func SmallImage(content string) *imagetest.Image {
	return imagetest.NewImage(imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "content", Body: content}))
}

// SmallIndex is an index of two platforms, linux/amd64 and linux/arm64.
func SmallIndex(content string) *imagetest.Index {
	entry := func(arch string) imagetest.Entry {
		image := SmallImage(content + " for " + arch)
		image.Config.OS, image.Config.Architecture = "linux", arch
		return imagetest.Entry{Node: image, Platform: &v1.Platform{OS: "linux", Architecture: arch}}
	}
	return imagetest.NewIndex(entry("amd64"), entry("arm64"))
}

// Repo is a repository of a registry at host:port.
func Repo(t testing.TB, host, path string) name.Repository {
	t.Helper()
	r, err := name.NewRepository(host + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// PushNode stores an image or index with everything that it refers to in any registry,
// at the tag latest, and returns it by digest.
func PushNode(t testing.TB, repo name.Repository, n imagetest.Node) name.Digest {
	t.Helper()
	d := pushNode(t, repo, n)
	doc, mediaType := n.Document()
	PutManifest(t, repo.Tag("latest"), mediaType, doc)
	return d
}

func pushNode(t testing.TB, repo name.Repository, n imagetest.Node) name.Digest {
	t.Helper()
	switch n := n.(type) {
	case *imagetest.Index:
		for _, e := range n.Entries {
			pushNode(t, repo, e.Node)
		}
	case *imagetest.Image:
		PutBlob(t, repo, n.RawConfig())
		for _, l := range n.Layers {
			PutBlob(t, repo, l.Blob)
		}
	}
	doc, mediaType := n.Document()
	digest, _, err := v1.SHA256(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	ref := repo.Digest(digest.String())
	PutManifest(t, ref, mediaType, doc)
	return ref
}
