// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// capability makes the value of security.capability in revision 2.
func capability(permitted uint64) map[string]string {
	b := binary.LittleEndian.AppendUint32(nil, 0x02000001)
	b = binary.LittleEndian.AppendUint32(b, uint32(permitted))
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(permitted>>32))
	b = binary.LittleEndian.AppendUint32(b, 0)
	return map[string]string{xattrCapability: string(b)}
}

func dir(name string, mode int64) entry {
	return entry{name: name + "/", hdr: tar.Header{Typeflag: tar.TypeDir, Mode: mode}}
}

func plain(name string, mode int64, body string) entry {
	return entry{name: name, body: body, hdr: tar.Header{Mode: mode}}
}

func link(name, target string, mode int64) entry {
	return entry{name: name, hdr: tar.Header{Typeflag: tar.TypeLink, Linkname: target, Mode: mode}}
}

func symlink(name, target string) entry {
	return entry{name: name, hdr: tar.Header{Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}}
}

func deletes(path string) entry {
	i := strings.LastIndexByte(path, '/') + 1
	return entry{name: path[:i] + whiteoutPrefix + path[i:]}
}

func device(name string, flag byte, major, minor int64) entry {
	return entry{name: name, hdr: tar.Header{Typeflag: flag, Mode: 0o666, Devmajor: major, Devminor: minor}}
}

// describe is one line for a file of interest: "path mode[+n of its layer][-n of the
// layer that removes it] what".
func describe(inv *Inventory, f evidence.File) string {
	layer := func(l evidence.Layer) int {
		return slices.IndexFunc(inv.Layers, func(o evidence.LayerFacts) bool { return o.DiffID == l.DiffID })
	}
	s := fmt.Sprintf("%s %s %s +%d", f.Path, f.Kind, f.Mode, layer(f.Layer))
	if f.RemovedBy != nil {
		s += fmt.Sprintf(" -%d", layer(*f.RemovedBy))
	}
	for _, c := range f.Capabilities {
		s += " " + c
	}
	for _, c := range f.Classes {
		s += " " + string(c)
	}
	return s
}

func TestFilesOfInterest(t *testing.T) {
	big := strings.Repeat("x", evidence.LargeFile)
	cases := map[string]struct {
		layers [][]entry
		paths  []string // those that begin with "hidden:" are asked for where they are hidden
		want   []string
	}{
		"privileges": {[][]entry{{
			plain("bin/su", 0o4755, ""), plain("bin/wall", 0o2755, ""), plain("bin/ls", 0o755, ""), dir("srv/mail", 0o2775),
			{name: "bin/ping", hdr: tar.Header{Mode: 0o755, PAXRecords: capability(1 << 13)}},
			{name: "bin/new", hdr: tar.Header{Mode: 0o755, PAXRecords: capability(1<<40 | 1<<50)}},
			{name: "bin/odd", hdr: tar.Header{Mode: 0o755, PAXRecords: map[string]string{xattrCapability: "\x01"}}},
			{name: "bin/none", hdr: tar.Header{Mode: 0o755, PAXRecords: capability(0)}},
		}}, nil, []string{
			"bin/new file 0755 +0 cap_50 cap_checkpoint_restore", "bin/odd file 0755 +0 unknown", "bin/ping file 0755 +0 cap_net_raw",
			"bin/su file 4755 +0", "bin/wall file 2755 +0",
		}},
		"a hard link shares privileges": {[][]entry{
			{plain("bin/su", 0o4755, "x"), link("opt/a", "bin/su", 0o755), link("opt/b", "./opt/a", 0o755), link("opt/c", "/bin/ls", 0o4755)},
			{link("opt/d", "bin/su", 0o755), link("opt/e", "bin/ls", 0o755)},
		}, nil, []string{
			"bin/su file 4755 +0", "opt/a hardlink 4755 +0", "opt/b hardlink 4755 +0", "opt/c hardlink 4755 +0", "opt/d hardlink 4755 +1",
		}},
		"a hard link to what is replaced later in the layer": {[][]entry{
			{plain("bin/a", 0o4644, "x"), link("bin/b", "bin/a", 0o644), plain("bin/a", 0o644, "y")},
		}, nil, []string{"bin/b hardlink 4644 +0"}},
		"world-writable": {[][]entry{{
			dir("tmp", 0o1777), plain("tmp/f", 0o666, ""), dir("app", 0o777), plain("app/f", 0o666, ""), dir("app/sub", 0o777),
			symlink("etc/l", "x"), plain("etc/sticky", 0o1666, ""),
			{name: "run/p", hdr: tar.Header{Typeflag: tar.TypeFifo, Mode: 0o666}},
		}}, nil, []string{"app directory 0777 +0", "etc/sticky file 1666 +0", "run/p fifo 0666 +0", "tmp/f file 0666 +0"}},
		"the last layer says the mode of a directory": {[][]entry{
			{dir("a", 0o777), dir("b", 0o755), dir("c", 0o777)},
			{dir("a", 0o755), dir("b", 0o777), plain("c/x", 0o644, "")},
			{dir("b", 0o777)},
		}, nil, []string{"b directory 0777 +1", "c directory 0777 +0"}},
		"the root directory": {[][]entry{{{name: "./", hdr: tar.Header{Typeflag: tar.TypeDir, Mode: 0o777}}}}, nil, []string{". directory 0777 +0"}},
		"devices": {[][]entry{
			{device("dev/null", tar.TypeChar, 1, 3), device("dev/sda", tar.TypeBlock, 8, 0), plain("bin/x", 0o4755, "")},
			{device("bin/x", tar.TypeChar, 0, 0)},
		}, nil, []string{"bin/x file 4755 +0 -1", "dev/null character-device 0666 +0", "dev/sda block-device 0666 +0"}},
		"deleted and replaced": {[][]entry{
			{plain("a/su", 0o4755, ""), plain("b/su", 0o4755, ""), plain("c/su", 0o4755, ""), plain("d/su", 0o4755, ""), plain("e/su", 0o4755, "")},
			{deletes("a/su"), plain("b/su", 0o755, ""), deletes("c"), entry{name: "d/" + whiteoutOpaque}, symlink("e", "usr/e")},
			{plain("c/su", 0o4755, ""), plain("d/su", 0o4755, "")},
		}, nil, []string{
			"a/su file 4755 +0 -1", "b/su file 4755 +0 -1", "c/su file 4755 +0 -1", "c/su file 4755 +2", "d/su file 4755 +0 -1", "d/su file 4755 +2",
			"e symlink 0777 +1", "e/su file 4755 +0 -1",
		}},
		"a whiteout leaves what its own layer brings": {[][]entry{
			{plain("a/su", 0o4755, "")}, {plain("a/su", 0o4711, ""), deletes("a/su"), entry{name: "a/" + whiteoutOpaque}},
		}, nil, []string{"a/su file 4755 +0 -1", "a/su file 4711 +1"}},
		"everything is hidden by an opaque root":                   {[][]entry{{plain("a/su", 0o4755, "")}, {entry{name: whiteoutOpaque}}}, nil, []string{"a/su file 4755 +0 -1"}},
		"a directory that only its content shows replaces nothing": {[][]entry{{plain("a", 0o4755, "")}, {plain("a/b", 0o644, "")}}, nil, []string{"a file 4755 +0"}},
		"names that sort between a directory and its content": {[][]entry{
			{dir("a", 0o755), plain("a-b", 0o4755, ""), plain("a/b", 0o4755, "")}, {deletes("a"), plain("a.c", 0o4755, "")},
		}, nil, []string{"a-b file 4755 +0", "a.c file 4755 +1", "a/b file 4755 +0 -1"}},
		"large and deleted": {[][]entry{{plain("a", 0o644, big), plain("b", 0o644, big)}, {deletes("a")}}, nil, []string{"a file 0644 +0 -1"}},
		"patterns": {[][]entry{{plain("etc/a.pem", 0o644, ""), plain("a.pem", 0o644, ""), plain("opt/x/y", 0o644, ""), plain("srv/z", 0o644, "")}, {deletes("a.pem")}},
			[]string{"/**/*.pem", "opt/x", "/srv/{y,z}", "["},
			[]string{"a.pem file 0644 +0 -1", "etc/a.pem file 0644 +0", "opt/x directory 0000 +0", "srv/z file 0644 +0"}},
		"hidden patterns": {[][]entry{{plain("a/b", 0o644, ""), plain("a/c", 0o644, ""), plain("d", 0o644, ""), dir("e", 0o755)}, {deletes("a/b"), plain("d", 0o644, ""), deletes("e")}},
			[]string{"hidden:/**", "hidden:e"}, []string{"a/b file 0644 +0 -1", "d file 0644 +0 -1", "e directory 0755 +0 -1"}},
		"what is in a directory": {[][]entry{{plain("a/b/c", 0o644, ""), dir("a/d", 0o755)}}, []string{"/a/**"}, []string{"a/b/c file 0644 +0"}},
		"links to directories": {[][]entry{
			{symlink("bin", "usr/bin"), symlink("sbin", "/opt/tools"), plain("usr/bin/curl", 0o755, ""), plain("opt/tools/bash", 0o755, "")},
			{symlink("opt/a", "../srv"), plain("opt/a/key", 0o600, ""), symlink("opt/b", "nowhere")},
		}, []string{"/bin/curl", "/srv/key"}, []string{
			"bin symlink 0777 +0", "opt/a symlink 0777 +1", "opt/a/key file 0600 +1", "opt/tools/bash file 0755 +0 shell", "sbin symlink 0777 +0",
			"usr/bin/curl file 0755 +0",
		}},
		"links to links": {[][]entry{
			{symlink("bin", "a"), symlink("a", "opt/b"), plain("opt/b/curl", 0o755, ""), plain("opt/b/bash", 0o755, "")},
		}, []string{"/bin/curl"}, []string{
			"a symlink 0777 +0", "bin symlink 0777 +0", "opt/b/bash file 0755 +0 shell", "opt/b/curl file 0755 +0",
		}},
		"links that are called bin": {[][]entry{
			{symlink("usr/local/bin", "/opt/b"), plain("opt/b/curl", 0o755, ""), plain("opt/b/bash", 0o755, "")},
		}, []string{"/usr/local/bin/curl"}, []string{
			"opt/b/bash file 0755 +0 shell", "opt/b/curl file 0755 +0", "usr/local/bin symlink 0777 +0",
		}},
		"classes": {[][]entry{{
			plain("bin/busybox", 0o755, ""), symlink("bin/sh", "busybox"), plain("bin/bash", 0o644, ""), plain("sbin/apk", 0o755, ""),
			plain("usr/bin/x86_64-linux-gnu-gcc-12", 0o755, ""), plain("usr/bin/pip3.11", 0o755, ""), plain("usr/share/bash", 0o755, ""),
			plain("app/.env", 0o644, ""), plain("app/.env.example", 0o644, ""), plain("app/.env.production", 0o644, ""),
			plain("app/.git/HEAD", 0o644, "x"), plain("app/.git/objects/1", 0o644, ""), plain("app/.git/x/.git/y", 0o644, ""), plain("root/.ssh/id_rsa", 0o600, ""),
			plain("etc/tls/server.key", 0o600, ""), plain("app/node_modules/x/test.key", 0o600, ""), plain("root/.npmrc", 0o600, ""),
			plain("root/.docker/config.json", 0o600, ""), plain("app/config.json", 0o600, ""),
			plain("var/lib/apt/lists/index", 0o644, "12345"), plain("var/lib/apt/lists/lock", 0o644, ""), dir("var/cache/apk", 0o755),
		}, {deletes("app/.git"), plain("var/lib/apt/lists/two", 0o644, "x")}}, nil, []string{
			"app/.env file 0644 +0 dotenv", "app/.env.production file 0644 +0 dotenv", "app/.git directory 0000 +0 -1 version-control",
			"bin/busybox file 0755 +0 shell", "bin/sh symlink 0777 +0 shell", "etc/tls/server.key file 0600 +0 private-key",
			"root/.docker/config.json file 0600 +0 credentials", "root/.npmrc file 0600 +0 credentials", "root/.ssh/id_rsa file 0600 +0 private-key",
			"sbin/apk file 0755 +0 package-manager", "usr/bin/pip3.11 file 0755 +0 package-manager",
			"usr/bin/x86_64-linux-gnu-gcc-12 file 0755 +0 compiler",
			"var/lib/apt/lists directory 0000 +0 cache", "var/lib/apt/lists directory 0000 +1 cache",
		}},
	}
	s := newScanner(t, Options{})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var layers [][]byte
			for i, l := range c.layers {
				layers = append(layers, tarOf(t, append(l, entry{name: fmt.Sprintf("layer-%d", i)})...))
			}
			img := imageOf(layers...)
			for _, p := range c.paths {
				if h, ok := strings.CutPrefix(p, "hidden:"); ok {
					img.HiddenPaths = append(img.HiddenPaths, h)
				} else {
					img.Paths = append(img.Paths, p)
				}
			}
			inv := analyze(t, s, img)
			var got []string
			for _, f := range inv.Files {
				got = append(got, describe(inv, f))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWaste compares with sums made by hand.
func TestWaste(t *testing.T) {
	n := func(name string, size int) entry { return plain(name, 0o644, strings.Repeat("x", size)) }
	inv := analyze(t, newScanner(t, Options{}), imageOf(
		tarOf(t, n("app/a", 1000), n("app/b", 500), n("cache/1", 100), n("cache/2", 200), n("cache/sub/3", 300), n("kept", 50), n("opq/1", 40), n("opq/2", 10)),
		tarOf(t, n("app/a", 1100), deletes("app/b"), deletes("cache"), n("empty", 0)),
		tarOf(t, n("app/a", 1), n("cache/2", 7), entry{name: "opq/" + whiteoutOpaque}, n("opq/2", 11), deletes("empty"), deletes("nothing")),
	))
	want := &evidence.Waste{
		// All copies of app/a, cache/2 and opq/2; app/b; what else was in cache (100+300) and opq (40).
		Bytes:      2101 + 500 + 207 + 400 + 21 + 40,
		TotalBytes: 1000 + 500 + 100 + 200 + 300 + 50 + 40 + 10 + 1100 + 1 + 7 + 11,
		Files: []evidence.WastedFile{
			{Path: "app/a", Count: 3, Bytes: 2101}, {Path: "app/b", Count: 2, Bytes: 500}, {Path: "cache", Count: 2, Bytes: 400},
			{Path: "cache/2", Count: 2, Bytes: 207}, {Path: "opq", Count: 2, Bytes: 40}, {Path: "opq/2", Count: 2, Bytes: 21},
		},
	}
	if diff := cmp.Diff(want, inv.Waste); diff != "" {
		t.Error(diff)
	}
}

func TestTooManyFiles(t *testing.T) {
	var es []entry
	for i := range maxFiles + 5 {
		es = append(es, plain(fmt.Sprintf("a/%05d", i), 0o4755, ""))
	}
	inv := analyze(t, newScanner(t, Options{}), imageOf(tarOf(t, es...)))
	wantProblem(t, inv.Problems, evidence.AreaLimit)
	if len(inv.Files) != maxFiles {
		t.Errorf("%d files", len(inv.Files))
	}
}

func TestWhiteoutOfNothing(t *testing.T) {
	for _, name := range []string{"usr/.wh.", "usr/.wh..", "usr/bin/.wh..."} {
		inv := analyze(t, newScanner(t, Options{}), imageOf(tarOf(t, plain("usr/bin/su", 0o4755, "")), tarOf(t, entry{name: name})))
		wantProblem(t, inv.Problems, evidence.AreaIntegrity)
		if inv.Waste != nil {
			t.Error("waste of layers that were not read")
		}
	}
}

// TestFilesFromCache: the cache makes no difference, and a record whose listing is
// damaged is none.
func TestFilesFromCache(t *testing.T) {
	s := newScanner(t, Options{Cache: newMemory()})
	img := imageOf(
		tarOf(t, plain("bin/su", 0o4755, "x"), link("bin/su2", "bin/su", 0o755), plain("a/b", 0o644, "12")),
		tarOf(t, deletes("a"), link("bin/su3", "bin/su", 0o755), dir("w", 0o777)),
	)
	first := analyze(t, s, img)
	for i := range img.Layers {
		img.Layers[i].Open = nil // must come from the cache
	}
	second := analyze(t, s, img)
	if diff := cmp.Diff(first.Files, second.Files); diff != "" || len(first.Files) != 4 {
		t.Error(diff, len(first.Files))
	}
	if diff := cmp.Diff(first.Waste, second.Waste); diff != "" || first.Waste.Bytes != 2 {
		t.Error(diff, first.Waste)
	}
	key := s.key(img.Layers[0].DiffID, true)
	rec := s.records.get(t.Context(), key)
	rec.Listing[len(rec.Listing)/2] ^= 0xff
	if err := s.records.put(t.Context(), key, rec); err != nil {
		t.Fatal(err)
	}
	if checkListing(rec.Listing) != nil && s.records.get(t.Context(), key) != nil {
		t.Error("a damaged listing is taken from the cache")
	}
}

func TestDecodeCapability(t *testing.T) {
	cases := map[string]struct {
		value string
		want  []string
	}{
		"revision 1":           {"\x01\x00\x00\x01\x00\x20\x00\x00\x00\x00\x00\x00", []string{"cap_net_raw"}},
		"revision 3":           {"\x01\x00\x00\x03\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xe8\x03\x00\x00", []string{"cap_chown", "cap_dac_override"}},
		"empty":                {"", []string{"unknown"}},
		"short":                {"\x01\x00\x00\x02\x00", []string{"unknown"}},
		"long":                 {"\x01\x00\x00\x01\x00\x20\x00\x00\x00\x00\x00\x00\x00", []string{"unknown"}},
		"revision of tomorrow": {"\x01\x00\x00\x04\x00\x20\x00\x00\x00\x00\x00\x00", []string{"unknown"}},
	}
	for name, c := range cases {
		if diff := cmp.Diff(c.want, decodeCapability(c.value).names()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func FuzzListing(f *testing.F) {
	var c collector
	c.add("a/b", &tar.Header{Typeflag: tar.TypeReg, Size: 5, Mode: 0o4755, Uid: 1})
	c.add("a/c", &tar.Header{Typeflag: tar.TypeLink, Linkname: "x", Mode: 0o644})
	c.mark("a/d", kindWhiteout)
	c.mark("a", kindOpaque)
	c.add("a", &tar.Header{Typeflag: tar.TypeDir, Mode: 0o777})
	f.Add(c.encode(), []byte{})
	f.Add([]byte{0, 1, 'a', 4, 0}, c.encode())
	f.Fuzz(func(t *testing.T, a, b []byte) {
		records := []*record{{Listing: a}, {Listing: b}}
		_, waste, problems := filesOf(records, []string{"**/a"}, []string{"/**"})
		if bad := checkListing(a) != nil || checkListing(b) != nil; bad != (len(problems) > 0 && problems[0].Area == evidence.AreaScan) {
			t.Fatalf("damaged: %t, problems: %v", bad, problems)
		}
		if waste != nil && (waste.Bytes > waste.TotalBytes || waste.Bytes < 0) {
			t.Fatalf("%+v", waste)
		}
	})
}

// FuzzRoundTrip: what is written is what is read.
func FuzzRoundTrip(f *testing.F) {
	f.Add("a/b\na\na-b\nb", uint16(0o4755), int64(-1), int64(1<<40))
	f.Fuzz(func(t *testing.T, names string, mode uint16, uid, size int64) {
		if size < 0 || size > maxSize || len(names) > maxPath {
			return
		}
		var c collector
		want := map[string]bool{}
		for _, n := range strings.Split(names, "\n") {
			c.add(n, &tar.Header{Typeflag: tar.TypeReg, Mode: int64(mode), Uid: int(uid), Size: size})
			want[rootless(n)] = true
		}
		d := decoder{data: c.encode()}
		for d.next() {
			if !want[string(d.path)] || d.mode != evidence.Mode(mode)&0o7777 || d.uid != int64(int(uid)) || d.size != size {
				t.Fatalf("%q %+v", d.path, d.layerEntry)
			}
			delete(want, string(d.path))
		}
		if d.err != nil || len(want) > 0 {
			t.Fatal(d.err, want)
		}
	})
}

func BenchmarkListing(b *testing.B) {
	var c collector
	for i := range 60_000 {
		c.add(fmt.Sprintf("usr/share/app/dir-%03d/file-%05d.js", i%300, i), &tar.Header{Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(i)})
	}
	entries := slices.Clone(c.entries)
	b.Run("encode", func(b *testing.B) {
		for range b.N {
			c.entries = append(c.entries[:0], entries...)
			c.encode()
		}
	})
	listing := c.encode()
	b.Run("derive", func(b *testing.B) {
		b.ReportMetric(float64(len(listing)), "bytes")
		for range b.N {
			filesOf([]*record{{Listing: listing}, {}}, []string{"/etc/**/*.key", "**/*.pem", "/app/.env"}, nil)
		}
	})
}
