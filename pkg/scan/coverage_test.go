// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/vulndb"
)

const advisories = `
- bucket: alpine 3.20
  pairs:
    - {bucket: musl, pairs: [{key: CVE-2099-0001, value: {FixedVersion: 1.2.5-r9}}]}
- bucket: npm::GitHub Security Advisory npm
  pairs:
    - {bucket: x, pairs: [{key: CVE-2099-0002, value: {VulnerableVersions: ["< 2"], PatchedVersions: ["2"]}}]}
- bucket: vulnerability
  pairs:
    - {key: CVE-2099-0001, value: {Severity: HIGH, VendorSeverity: {nvd: 3}}}
`

// openDatabase opens a small database and returns the names of its buckets.
func openDatabase(t *testing.T) []string {
	t.Helper()
	dir := dbtest.New(t, dbtest.Spec{Documents: [][]byte{[]byte(advisories)}})
	db, err := vulndb.Ensure(t.Context(), vulndb.Options{Dir: dir, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	platforms, err := db.Platforms()
	if err != nil {
		t.Fatal(err)
	}
	done, err := db.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	})
	return platforms
}

// What Trivy passes over in silence is a problem; what is fully covered is none.
func TestCoverage(t *testing.T) {
	platforms := openDatabase(t)
	release := entry{name: "etc/os-release", body: "ID=alpine\nVERSION_ID=3.20.3\n"}
	alpine := entry{name: "etc/alpine-release", body: "3.20.3\n"}
	apk := entry{name: "lib/apk/db/installed", body: apkMusl}
	npm := entry{name: "app/node_modules/x/package.json", body: `{"name": "x", "version": "1.0.0"}`}
	link := func(typ byte) entry {
		return entry{name: "lib/apk/db/installed", hdr: tar.Header{Typeflag: typ, Linkname: "opt/installed"}}
	}
	symlink := func(name, target string) entry {
		return entry{name: name, hdr: tar.Header{Typeflag: tar.TypeSymlink, Linkname: target}}
	}
	usrApk := entry{name: "usr/lib/apk/db/installed", body: apkMusl}
	decoy := decoyAt("usr/lib/apk/db/installed")
	const none = evidence.Area("")
	cases := map[string]struct {
		layers [][]entry
		want   evidence.Area
	}{
		"alpine":                        {[][]entry{{release, alpine, apk}}, none},
		"static binary's like":          {[][]entry{{npm}}, none},
		"database emptied later":        {[][]entry{{release, alpine, apk}, {{name: apk.name}}}, evidence.AreaPackages},
		"database deleted later":        {[][]entry{{release, alpine, apk}, {{name: "lib/apk/db/.wh.installed"}}}, evidence.AreaPackages},
		"its directory made opaque":     {[][]entry{{release, alpine, apk}, {{name: "lib/apk/db/.wh..wh..opq"}}}, evidence.AreaPackages},
		"its directory deleted":         {[][]entry{{release, alpine, apk}, {{name: "lib/.wh.apk"}}}, evidence.AreaPackages},
		"deleted, but npm is there":     {[][]entry{{release, alpine, apk, npm}, {{name: "lib/apk/db/.wh.installed"}}}, evidence.AreaPackages},
		"deleted and brought back":      {[][]entry{{release, alpine, apk}, {{name: "lib/apk/db/.wh.installed"}}, {apk}}, none},
		"database a symbolic link":      {[][]entry{{release, alpine, link(tar.TypeSymlink)}}, evidence.AreaPackages},
		"database a hard link":          {[][]entry{{release, alpine, link(tar.TypeLink)}}, evidence.AreaPackages},
		"no database":                   {[][]entry{{release, alpine, npm}}, evidence.AreaPackages},
		"release without advisories":    {[][]entry{{{name: "etc/os-release", body: "ID=alpine\nVERSION_ID=3.99.1\n"}, {name: "etc/alpine-release", body: "3.99.1\n"}, apk}}, evidence.AreaOS},
		"repository without advisories": {[][]entry{{release, alpine, apk, {name: "etc/apk/repositories", body: "https://dl-cdn.alpinelinux.org/alpine/v3.98/main\n"}}}, evidence.AreaOS},
		"unsupported distribution":      {[][]entry{{{name: "etc/os-release", body: "ID=arch\n"}, npm}}, evidence.AreaOS},
		"foreign package manager":       {[][]entry{{{name: "var/lib/pacman/local/glibc-2/desc", body: "x"}, npm}}, evidence.AreaOS},
		"database without a release":    {[][]entry{{apk, npm}}, evidence.AreaOS},
		"loader without a release":      {[][]entry{{{name: "lib/ld-musl-x86_64.so.1", body: "x"}, npm}}, evidence.AreaOS},
		"release deleted":               {[][]entry{{{name: "etc/os-release", body: "ID=arch\n"}, npm}, {{name: "etc/.wh.os-release"}}}, evidence.AreaOS},
		"ecosystem without advisories":  {[][]entry{{{name: "usr/lib/python3/site-packages/a.dist-info/METADATA", body: "Metadata-Version: 2.1\nName: a\nVersion: 1\n"}, npm}}, evidence.AreaPackages},
		"database moved":                {[][]entry{{release, alpine, apk}, {{name: "lib/apk/db/.wh.installed"}, usrApk}}, none},
		"deleted, with a decoy":         {[][]entry{{release, alpine, apk}, {{name: "lib/apk/db/.wh.installed"}, decoy}}, evidence.AreaPackages},
		"emptied, with another path":    {[][]entry{{release, alpine, apk}, {{name: apk.name}, decoy}}, evidence.AreaPackages},
		"emptied, with a decoy":         {[][]entry{{release, alpine, apk}, {{name: apk.name}, {name: "var/lib/dpkg/status", body: "Package: a\nStatus: install ok installed\nVersion: 1\n\n"}}}, evidence.AreaPackages},
		"another manager's database":    {[][]entry{{release, alpine, apk, {name: "var/lib/dpkg/status", body: "Package: a\nStatus: install ok installed\nVersion: 1\n\n"}}}, evidence.AreaPackages},
		"merged /usr":                   {[][]entry{{release, alpine, symlink("lib", "usr/lib"), usrApk}}, none},
		"/etc is a link":                {[][]entry{{symlink("etc", "opt/etc"), npm}}, evidence.AreaOS},
		"/lib becomes a link":           {[][]entry{{release, alpine, apk, npm}, {symlink("lib", "opt/lib")}}, evidence.AreaOS},
		"a path that leaves the image":  {[][]entry{{{name: "../lib/apk/db/installed", body: apkMusl}, npm}}, evidence.AreaIntegrity},
		"two entries of one name":       {[][]entry{{release, alpine, apk, decoyAt(apk.name)}}, evidence.AreaIntegrity},
		"package file a hard link":      {[][]entry{{npm, {name: "app/node_modules/y/package.json", hdr: tar.Header{Typeflag: tar.TypeLink, Linkname: npm.name}}}}, evidence.AreaFile},
		"third-party packages only": {[][]entry{{{name: "etc/os-release", body: "ID=debian\nVERSION_ID=\"12\"\n"}, {name: "etc/debian_version", body: "12.5\n"},
			{name: "var/lib/dpkg/status", body: "Package: docker-ce\nStatus: install ok installed\nMaintainer: Docker <support@docker.com>\nArchitecture: amd64\nVersion: 5:27\n\n"}}}, evidence.AreaPackages},
		"nothing": {[][]entry{{{name: "hello", body: "x"}}}, evidence.AreaPackages},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var layers [][]byte
			for _, l := range c.layers {
				layers = append(layers, tarOf(t, l...))
			}
			s := newScanner(t, Options{})
			inv := analyze(t, s, imageOf(layers...))
			m, err := s.Detect(t.Context(), inv, platforms, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			problems := append(inv.Problems, m.Problems...)
			if c.want == none {
				if len(problems) > 0 {
					t.Errorf("%+v", problems)
				}
				return
			}
			found := false
			for _, p := range problems {
				found = found || p.Area == c.want
				if p.Message == "" || p.Hint == "" {
					t.Errorf("%+v does not say what to do", p)
				}
			}
			if !found {
				t.Errorf("no problem of area %s: %+v", c.want, problems)
			}
		})
	}
}

// Of a version that it cannot parse Trivy says that it is not vulnerable.
func TestVersionsThatCannotBeCompared(t *testing.T) {
	platforms := openDatabase(t)
	pkg := func(dir, version string) entry {
		return entry{name: "app/node_modules/" + dir + "/package.json", body: `{"name": "x", "version": "` + version + `"}`}
	}
	s := newScanner(t, Options{})
	m, err := s.Detect(t.Context(), analyze(t, s, imageOf(tarOf(t, pkg("x", "1.0.0"), pkg("y", "1.0.0.x!y")))), platforms, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Coverage.NotMatched) != 1 || len(m.Findings) != 1 {
		t.Errorf("not matched %q, %d findings", m.Coverage.NotMatched, len(m.Findings))
	}
}

func decoyAt(name string) entry {
	return entry{name: name, body: "P:decoy\nV:1.0-r0\nA:x86_64\no:decoy\n\n"}
}

// A layer that one image has as its base layer is still searched for secrets when
// another image brings it.
func TestBaseLayerOfAnotherImage(t *testing.T) {
	platforms := openDatabase(t)
	s := newScanner(t, Options{Cache: newMemory()})
	secret := tarOf(t, entry{name: "app/.env", body: "key = \"AKIA" + "0123456789ABCDEF\"\n"})
	top := tarOf(t, entry{name: "lib/apk/db/installed", body: apkMusl})
	count := func(img Image) int {
		m, err := s.Detect(t.Context(), analyze(t, s, img), platforms, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range m.Findings {
			if f.Kind == evidence.KindSecret {
				n++
			}
		}
		return n
	}
	derived := imageOf(secret, top)
	derived.Config.History = baseHistory()
	if n := count(derived); n != 0 {
		t.Errorf("as a base layer: %d secrets, Trivy has none", n)
	}
	if n := count(imageOf(secret)); n != 1 {
		t.Errorf("on its own: %d secrets, want 1", n)
	}
}
