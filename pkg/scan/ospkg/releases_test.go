// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"errors"
	"path"
	"regexp"
	"strings"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// Trivy's own tables, with the files that they name.
func TestAsTrivyExpects(t *testing.T) {
	for _, c := range []struct {
		typ   analysis.Type
		path  string
		file  string // below analyzer/
		cases int
	}{
		{analysis.TypeAlpine, "etc/alpine-release", "os/alpine/alpine_test.go", 1},
		{analysis.TypeAmazon, "etc/system-release", "os/amazonlinux/amazonlinux_test.go", 6},
		{analysis.TypeDebian, "etc/debian_version", "os/debian/debian_test.go", 3},
		{analysis.TypeAlma, "etc/almalinux-release", "os/redhatbase/alma_test.go", 2},
		{analysis.TypeCentOS, "etc/centos-release", "os/redhatbase/centos_test.go", 2},
		{analysis.TypeFedora, "etc/fedora-release", "os/redhatbase/fedora_test.go", 2},
		{analysis.TypeOracle, "etc/oracle-release", "os/redhatbase/oracle_test.go", 2},
		{analysis.TypeRedHatBase, "etc/redhat-release", "os/redhatbase/redhatbase_test.go", 2},
		{analysis.TypeRocky, "etc/rocky-release", "os/redhatbase/rocky_test.go", 2},
		{analysis.TypeOSRelease, "etc/os-release", "os/release/release_test.go", 28},
		{analysis.TypeUbuntu, "etc/lsb-release", "os/ubuntu/ubuntu_test.go", 2},
		{analysis.TypeUbuntuESM, "var/lib/ubuntu-advantage/status.json", "os/ubuntu/esm_test.go", 3},
		{analysis.TypeApkRepo, "etc/apk/repositories", "repo/apk/apk_test.go", 10},
	} {
		rows := newSource(t, "analyzer/"+c.file).cases("inputFile", "testFile", "input")
		if len(rows) < c.cases {
			t.Errorf("%s: %d cases", c.file, len(rows))
		}
		for _, row := range rows {
			t.Run(string(c.typ)+"/"+row["name"].(string), func(t *testing.T) { trivyCase(t, c.typ, c.path, c.file, row) })
		}
	}
}

func trivyCase(t *testing.T, typ analysis.Type, p, file string, row map[string]any) {
	var content []byte
	if in, ok := row["input"].(map[string]any); ok {
		content = []byte(in["Content"].(string))
	}
	for _, field := range []string{"inputFile", "testFile"} {
		if name, ok := row[field].(string); ok {
			content = trivyData(t, path.Join("analyzer", path.Dir(file), name))
		}
	}
	got, err := run(t, typ, p, content)
	wantErr, _ := row["wantErr"].(string)
	switch {
	case wantErr == "", wantErr == "Error", strings.Contains(wantErr, "unable to analyze OS information"):
		// AnalyzeOSError is "another distribution", which is no error here.
		if err != nil {
			t.Fatal(err)
		}
	case err == nil:
		t.Errorf("no error, want %q", wantErr)
	}
	want := row["want"]
	if w, ok := row["wantResult"]; ok {
		want = w
	}
	equal(t, got, as[*analysis.Result](t, want))
}

func TestOtherPaths(t *testing.T) {
	for p, types := range map[string][]analysis.Type{
		"usr/lib/system-release": {analysis.TypeAmazon},
		"usr/lib/fedora-release": {analysis.TypeFedora},
		"usr/lib/os-release":     {analysis.TypeOSRelease},
		"aarch64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release": {analysis.TypeOSRelease},
		"x86_64-bottlerocket-linux-gnu/sys-root/usr/lib/os-release":  {analysis.TypeOSRelease},
		"usr/share/rapidfort/curated.json":                           {analysis.TypeRapidFortCurated},
		"usr/lib/apk/db/installed":                                   {analysis.TypeApk},
		"usr/share/rapidfort/other.json":                             nil,
		"lib/apk/db/other":                                           nil,
		"app/etc/os-release":                                         nil,
		"/etc/os-release":                                            nil,
		"etc/os-release/":                                            nil,
	} {
		var got []analysis.Type
		for _, a := range append(releases(), apk()...) {
			if a.Wants(p, nil) {
				got = append(got, a.Type)
			}
		}
		equal(t, got, types)
	}
}

func TestRapidFort(t *testing.T) {
	got, err := run(t, analysis.TypeRapidFortCurated, "usr/share/rapidfort/curated.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, &analysis.Result{OS: ftypes.OS{Supplier: ftypes.SupplierRapidFort}})
}

// What only a hostile or damaged image has: a name, or nothing, or an error.
func TestOddReleases(t *testing.T) {
	const broken = "error"
	long := strings.Repeat("x", 70_000)
	for _, c := range []struct {
		typ              analysis.Type
		path, body, want string
	}{
		{analysis.TypeAlpine, "etc/alpine-release", "", ""},
		{analysis.TypeAlpine, "etc/alpine-release", "\n3.19\n", "alpine"}, // the release is in another file
		{analysis.TypeAlpine, "etc/alpine-release", "3.19\r\n", "alpine/3.19"},
		{analysis.TypeAlpine, "etc/alpine-release", strings.Repeat("x", maxText+1), broken},
		{analysis.TypeAmazon, "etc/system-release", "Amazon Linux", "amazon"},
		{analysis.TypeAmazon, "etc/system-release", "Amazon Linux release 2\nAmazon Linux release 2 (Karoo)\n", "amazon/2 (Karoo)"},
		{analysis.TypeUbuntu, "etc/lsb-release", "DISTRIB_RELEASE=1\nDISTRIB_ID=Ubuntu\nDISTRIB_RELEASE= 22.04 \n", "ubuntu/22.04"},
		{analysis.TypeUbuntu, "etc/lsb-release", "DISTRIB_ID=Mint\nDISTRIB_RELEASE=22\n", ""},
		{analysis.TypeUbuntuESM, "var/lib/ubuntu-advantage/status.json", "", broken},
		{analysis.TypeUbuntuESM, "var/lib/ubuntu-advantage/status.json", strings.Repeat("[", 20_000), broken},
		{analysis.TypeUbuntuESM, "var/lib/ubuntu-advantage/status.json", `{"services": [{"name": "esm-infra", "status": "enabled"}]} and more`, "ubuntu"},
		{analysis.TypeRedHatBase, "etc/redhat-release", "Rocky Linux release 9.3 (Blue Onyx)\n", "rocky/9.3"},
		{analysis.TypeRedHatBase, "etc/redhat-release", "AlmaLinux release 9.4", "alma/9.4"},
		{analysis.TypeRedHatBase, "etc/redhat-release", "CentOS Linux release 7.6.1810 (Core)", "centos/7.6.1810"},
		{analysis.TypeRedHatBase, "etc/redhat-release", "Oracle Linux Server release 8", "oracle/8"},
		{analysis.TypeRedHatBase, "etc/redhat-release", "Fedora release 42", "fedora/42"},
		{analysis.TypeRedHatBase, "etc/redhat-release", "\nFedora release 42", broken},
		{analysis.TypeRedHatBase, "etc/redhat-release", "Fedora release forty", broken},
		{analysis.TypeCentOS, "etc/centos-release", "Other release 1\nCentOS release 6.9 (Final)", "centos/6.9"},
		{analysis.TypeCentOS, "etc/centos-release", "Other release 1\n", ""},
		{analysis.TypeCentOS, "etc/centos-release", "Other release 1\nnothing\n", broken},
		{analysis.TypeOracle, "etc/oracle-release", "Whatever release 8.1", "oracle/8.1"},
		{analysis.TypeOSRelease, "etc/os-release", "ID = 'wolfi'\nx\nVERSION_ID= \"2023\" \n", "wolfi/2023"},
		{analysis.TypeOSRelease, "etc/os-release", "ID=chainguard\nVERSION_ID=1\n", "chainguard/1"},
		{analysis.TypeOSRelease, "etc/os-release", "ID=debian\nVERSION_ID=12\n", ""},
		{analysis.TypeOSRelease, "etc/os-release", "ID=alpine\nVERSION_ID=3.1\nX=" + long + "\nVERSION_ID=3.2\n", "alpine/3.2"},
	} {
		res, err := run(t, c.typ, c.path, []byte(c.body))
		got := ""
		switch {
		case err != nil:
			got = broken
		case res != nil:
			got = res.OS.String()
		}
		if got != c.want {
			t.Errorf("%s %.40q: %q (%v), want %q", c.typ, c.body, got, err, c.want)
		}
	}
}

type failing struct{ analysis.Content }

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func TestContentThatCannotBeRead(t *testing.T) {
	for _, a := range append(releases(), apk()...) {
		if a.Type == analysis.TypeRapidFortCurated {
			continue
		}
		f := fileOf("x", []byte("P:x\n"), false)
		f.Content = failing{f.Content}
		if res, err := a.Analyze(t.Context(), f); err == nil || res != nil {
			t.Errorf("%s: %+v, %v", a.Type, res, err)
		}
	}
}

// A repository list, as the expression that Trivy has for an address reads it.
func TestRepositories(t *testing.T) {
	for body, want := range map[string]string{
		"":                               "",
		"http://h/alpine/v3.18/main\n":   "3.18",
		"# http://h/alpine/v3.18/main\n": "3.18",
		"@edge https://h/alpine/edge/x\nhttp://h/alpine/v3.1/x":    "edge",
		"http://h/alpine/v3.18":                                    "",
		"http://h/alpine/v/main":                                   "v",
		"http://h/alpine/vv1/main":                                 "v1",
		"file:///x/alpine/v3.18/main":                              "",
		"http://h:80/alpine/v3.18/":                                "",
		"http://h:80/x http://h/alpine/v3.18/":                     "3.18",
		"http://h/alpine/v3.9/\nhttp://h/alpine/v3.10/":            "3.10",
		"http://h/alpine/v3.9/\nhttp://h/alpine/latest-stable/":    "3.9",
		"http://h/alpine/latest-stable/\nhttp://h/alpine/v3.9/":    "latest-stable",
		"http://h/Alpine/v3.9/":                                    "",
		"http://h/alpine/v3.9/\nhttp://h/postmarket/v3.9/":         "error",
		"http://h/alpine/v" + strings.Repeat("1.", 200_000) + "1/": "error",
		strings.Repeat("#", maxText+1):                             "error",
	} {
		res, err := run(t, analysis.TypeApkRepo, "etc/apk/repositories", []byte(body))
		got := ""
		switch {
		case err != nil:
			got = "error"
		case res != nil:
			got = res.Repository.Release
		}
		if got != want {
			t.Errorf("%.60q: %q (%v), want %q", body, got, err, want)
		}
	}
}

func FuzzRepositoryLine(f *testing.F) {
	re := regexp.MustCompile(`(https*|ftp)://[0-9A-Za-z.-]+/([A-Za-z]+)/v?([0-9A-Za-z_.-]+)/`)
	for _, s := range []string{"http://h/alpine/v3.18/main", "httpsss://h/a/v/v/", "://ftp://h/a/v1/", "xftp://h/a//", "http://http://h/a/vv/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "\n") {
			t.Skip()
		}
		want := re.FindStringSubmatch(line)
		distribution, release, ok := splitRepository(line)
		if ok != (want != nil) || ok && (distribution != want[2] || release != want[3]) {
			t.Errorf("%q: %q %q %t, want %q", line, distribution, release, ok, want)
		}
	})
}

func FuzzReleaseLine(f *testing.F) {
	re := regexp.MustCompile(`(.*) release (\d[\d\.]*)`)
	for _, s := range []string{"Rocky Linux release 9.3 (x)", " release  release 9.release 8", "a release release 9", "x release 1.. release x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.Contains(line, "\n") {
			t.Skip()
		}
		want := re.FindStringSubmatch(strings.TrimSpace(line))
		name, version, ok := splitRelease(line)
		if ok != (want != nil) || ok && (name != want[1] || version != want[2]) {
			t.Errorf("%q: %q %q %t, want %q", line, name, version, ok, want)
		}
	})
}

func FuzzRepositories(f *testing.F) {
	f.Add([]byte("http://h/alpine/v3.18/main\nhttp://h/alpine/edge/main\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if res, err := run(t, analysis.TypeApkRepo, "etc/apk/repositories", b); err == nil && res != nil && res.Repository.Family != ftypes.Alpine {
			t.Errorf("%+v", res.Repository)
		}
	})
}

func FuzzOSRelease(f *testing.F) {
	f.Add([]byte("NAME=\"CentOS Stream\"\nID='centos'\nVERSION_ID=8\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		res, err := run(t, analysis.TypeOSRelease, "etc/os-release", b)
		if err != nil || res != nil && (res.OS.Name == "" || !strings.Contains(string(b), res.OS.Name)) {
			t.Errorf("%+v, %v", res, err)
		}
	})
}
