// SPDX-License-Identifier: Apache-2.0

package analysers

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWants asks both sides about a great many paths.
func TestWants(t *testing.T) {
	p := newPair(t)
	paths := p.paths(t)
	infos := []fileInfo{{size: 0, mode: 0o644}, {size: 9, mode: 0o755}, {size: 10, mode: 0o100}, {size: 1 << 31, mode: 0o644},
		{size: 1 << 31, mode: 0o777}, {size: 400, mode: 0o010}, {size: 5, mode: 0o4755 | fs.ModeSetuid}}
	failures, n := 0, 0
	for i, path := range paths {
		info := infos[i%len(infos)]
		info.name = path[strings.LastIndexByte(path, '/')+1:]
		for _, info := range []fileInfo{info, {info.name, 100, 0o755}} {
			for _, typ := range p.differ(path, info) {
				if failures++; failures < 40 {
					t.Errorf("%s: %q, %d bytes, mode %v: ours does not want what Trivy's does, or the other way round", typ, path, info.size, info.mode)
				}
			}
			n++
		}
	}
	t.Logf("%d questions about %d paths, %d failures", n, len(paths), failures)
}

// differ are the analysers that the two sides disagree on.
func (p *pair) differ(path string, info fs.FileInfo) (types []string) {
	for typ, a := range p.theirs.single {
		if o, ok := p.ours.single[typ]; ok && o.Wants(path, info) != a.Required(path, info) {
			types = append(types, string(typ))
		}
	}
	for typ, a := range p.theirs.post {
		if o, ok := p.ours.post[typ]; ok && o.Wants(path, info) != a.Required(path, info) {
			types = append(types, string(typ))
		}
	}
	return types
}

// paths are those of the testdata, of the shared images and of the places of all
// analysers, and odd neighbours of each.
func (p *pair) paths(t *testing.T) []string {
	seeds := map[string]bool{}
	for name := range p.files {
		_, rel, _ := strings.Cut(name, "/testdata/")
		seeds[name], seeds[rel] = true, true
	}
	for typ := range p.theirs.single {
		for _, place := range places(p.theirs.single[typ], typ, "base") {
			seeds[place] = true
		}
	}
	for typ := range p.theirs.post {
		for _, place := range places(p.theirs.post[typ], typ, "base") {
			seeds[place] = true
		}
	}
	for _, s := range []string{"a.dist-info/sboms/x.cdx.json", "a.dist-info/RECORD", "x.dist-info", ".dist-info", "EGG-INFO/PKG-INFO", "xEGG-INFO/PKG-INFO", ".egg-info",
		"a.egg-info/METADATA", "x.exe", "a/.exe", "x.so", "a.JaR", ".jar", "a.par", "a.ear", "a.egg", ".egg", "package.json", "xpackage.json", "node_modules/package.json",
		"opt/bitnami/x/.spdx-y.spdx", "var/lib/dpkg/status.d/a/b", "var/lib/dpkg/status.d/", "var/lib/dpkg/info/.md5sums", "var/lib/dpkg/infox/a.md5sums",
		"usr/share/doc/copyright", "usr/share/doc/a/b/copyright", "usr/share/doc//copyright", "usr/share/doc/a/copyrights", "root/buildinfo/Dockerfile", "root/buildinfo/x/Dockerfile-a",
		"root/buildinfo/content_manifests/.json", "root/buildinfo/content_manifests/a/b.json", "usr/share/buildinfo/a.json", "a/envs/b/conda-meta/a-b-c.json"} {
		seeds[s] = true
	}
	inImages := map[string]bool{}
	imagePaths(t, inImages)
	all := maps.Clone(inImages)
	for _, s := range slices.Sorted(maps.Keys(seeds)) {
		for _, n := range neighbours(s) {
			all[n] = true
		}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range slices.Sorted(maps.Keys(inImages)) {
		n := neighbours(s)
		all[n[r.IntN(len(n))]] = true
	}
	delete(all, "")
	return slices.Sorted(maps.Keys(all))
}

// neighbours are paths like s.
func neighbours(s string) []string {
	base := s[strings.LastIndexByte(s, '/')+1:]
	dir := strings.TrimSuffix(s, base)
	return []string{s, "x/" + s, "x" + s, "./" + s, "/" + s, s + "x", s + ".bak", s + "/x", s + ".json", s + ".gz", strings.ToUpper(s), strings.ToLower(s), strings.Title(s),
		base, dir + "x" + base, dir + "." + base, dir + "a/" + base, dir + "a/b/" + base, dir + base[min(1, len(base)):], s[:max(len(s)-1, 0)],
		strings.ReplaceAll(s, "/", "//"), strings.Replace(s, "/", "/\n", 1), s + "\n", strings.Replace(s, "/", "\n/", 1), strings.ReplaceAll(s, ".", ""),
		strings.ReplaceAll(s, "-", "_"), strings.ReplaceAll(s, "k", "\u212a"), s + "\xff", strings.ReplaceAll(s, "s", "\u017f"),
		"usr/" + s, "opt/envs/" + s, "usr/lib/" + base, "etc/" + base, "var/lib/rpm/" + base, "a.dist-info/" + base, dir + "META-INF/" + base}
}

// imagePaths adds the paths in the layers of the shared images that are plain archives.
func imagePaths(t *testing.T, all map[string]bool) {
	data := os.Getenv("OCIGATE_TEST_DATA")
	if data == "" {
		data = "../../../shared/data"
	}
	archives, err := filepath.Glob(filepath.Join(data, "images", "*.tar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(archives) == 0 {
		t.Logf("no images in %s: their paths are left out", data)
	}
	for _, archive := range archives {
		f, err := os.Open(archive)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for tr := tar.NewReader(f); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			addLayer(tr, h, all)
		}
	}
}

// addLayer adds the paths of a layer; what is none, or is compressed, has none.
func addLayer(r io.Reader, h *tar.Header, all map[string]bool) {
	all[h.Name] = true
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err != nil {
			return
		}
		if h.Typeflag == tar.TypeReg {
			all[strings.Trim(strings.TrimPrefix(h.Name, "./"), "/")] = true
		}
	}
}
