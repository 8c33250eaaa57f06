// SPDX-License-Identifier: Apache-2.0

package ospkg

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

func TestContentManifest(t *testing.T) {
	for file, want := range map[string][]string{
		"ubi8-minimal-container-8.5-218.json": {"rhel-8-for-x86_64-baseos-rpms", "rhel-8-for-x86_64-appstream-rpms"},
		"sbom-purl.json":                      nil,
		"broken.json":                         nil,
	} {
		res, err := analyzeContentManifest(t.Context(), inMemory(manifestsDir+file, trivyTestdata(t, "buildinfo/testdata/content_manifests", file)))
		if (err != nil) != (file == "broken.json") || (res != nil) != (want != nil) {
			t.Fatalf("%s: %+v, %v", file, res, err)
		}
		if want != nil && !slices.Equal(res.BuildInfo.ContentSets, want) {
			t.Errorf("%s: %q", file, res.BuildInfo.ContentSets)
		}
	}
}

func TestRedHatDockerfile(t *testing.T) {
	for file, want := range map[string]ftypes.BuildInfo{
		"Dockerfile-ubi8-8.3-227":            {Nvr: "ubi8-container-8.3-227", Arch: "x86_64"},
		"Dockerfile-jboss-base-7-base-1.1-3": {Nvr: "jboss-base-7-docker-1.1-3", Arch: "x86_64"},
		"Dockerfile.sad":                     {},
	} {
		res, err := analyzeRedHatDockerfile(t.Context(), inMemory(buildInfoDir+file, trivyTestdata(t, "buildinfo/testdata/dockerfile", file)))
		if (err != nil) != (want.Nvr == "") {
			t.Fatalf("%s: %+v, %v", file, res, err)
		}
		if res != nil && (res.BuildInfo.Nvr != want.Nvr || res.BuildInfo.Arch != want.Arch) {
			t.Errorf("%s: %+v", file, res.BuildInfo)
		}
	}
}

func TestLabels(t *testing.T) {
	for name, c := range map[string]struct{ text, component, arch string }{
		"variables":       {"ARG A=x\nFROM scratch\nENV N=name\nLABEL BZComponent=${N}-$A Architecture=\"$ARCH\" architecture=${ARCH:-s390x}\n", "name-x", "s390x"},
		"key":             {"FROM a\nENV K=architecture\nLABEL $K=x com.redhat.component=c\n", "c", "x"},
		"last stage":      {"FROM a\nLABEL architecture=a BZComponent=b\nFROM b\nLABEL architecture=c\n", "b", "c"},
		"none":            {"FROM a\nLABEL architecture=a\n", "", ""},
		"no instructions": {"FROM a\nNONSENSE x\n", "", ""},
		"empty":           {"", "", ""},
		"replacement":     {"FROM a\nENV A=xxxx\nLABEL architecture=${A//x/yyyy} BZComponent=b\n", "", ""},
		"odd replacement": {"FROM a\nENV É=xxxx\nLABEL architecture=${É//x/yyyy} BZComponent=b\n", "", ""},
		"bomb":            {"FROM a\nENV A=" + strings.Repeat("x", 100_000) + "\nLABEL BZComponent=b architecture=" + strings.Repeat("$A", 10_000) + "\n", "", ""},
		"too large":       {"FROM a\nLABEL architecture=a BZComponent=b\n" + strings.Repeat("#", maxRedHatDockerfile), "", ""},
	} {
		component, arch, err := readLabels([]byte(c.text))
		if component != c.component || arch != c.arch || (err == nil) != (c.arch != "") {
			t.Errorf("%s: %q, %q, %v", name, component, arch, err)
		}
	}
}

func TestVersionOfFile(t *testing.T) {
	for name, want := range map[string]string{"root/buildinfo/Dockerfile-a-b-1-2": "1-2", "Dockerfile": "", "root/Dockerfile-1": "root/Dockerfile-1"} {
		if got := versionOf(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWantedBuildInfo(t *testing.T) {
	for _, name := range []string{manifestsDir + "nodejs-12-container-1-66.json", coreOSManifests + "a.json", "foo/bar/a.json", manifestsDir + "a.xml",
		manifestsDir + "a/b.json", "root/buildinfo/Dockerfile-ubi8-8.3-227", "root/buildinfo/x/Dockerfile", "app/Dockerfile-ubi8", "root/buildinfo/dockerfile", ""} {
		dir, file := path.Split(name)
		if got, want := wantsContentManifest(name, nil), (dir == manifestsDir || dir == coreOSManifests) && path.Ext(file) == ".json"; got != want {
			t.Errorf("content manifest %s: %t", name, got)
		}
		if got, want := wantsRedHatDockerfile(name, nil), dir == buildInfoDir && strings.HasPrefix(file, "Dockerfile"); got != want {
			t.Errorf("Dockerfile %s: %t", name, got)
		}
	}
}

const manifestLine = "glibc\t2.35-2.cm2\t1653816591\t1653628955\tMicrosoft Corporation\t(none)\t10855265\tx86_64\t%s\tglibc-2.35-2.cm2.src.rpm\n"

func TestRpmManifest(t *testing.T) {
	res, err := analyzeRpmqa(t.Context(), inMemory(rpmManifest, fmt.Appendf(nil, manifestLine+manifestLine, "0", "1")))
	if err != nil {
		t.Fatal(err)
	}
	p := res.PackageInfos[0].Packages
	want := ftypes.Package{Name: "glibc", Version: "2.35", Release: "2.cm2", Epoch: 1, Arch: "x86_64", SrcName: "glibc", SrcVersion: "2.35", SrcRelease: "2.cm2", SrcEpoch: 1}
	if len(p) != 2 || fmt.Sprint(p[1]) != fmt.Sprint(want) || p[0].Epoch != 0 {
		t.Errorf("got %+v", p)
	}
	for text, message := range map[string]string{
		"filesystem\t1.1-7.cm1\t1653164283\t1599428094":                        `line 1 of the package database: it has not ten fields: "filesystem\t1.1-7.cm1\t1653164283\t1599428094"`,
		fmt.Sprintf(manifestLine, "x"):                                         "the epoch is no number",
		strings.Replace(manifestLine, "2.35-2.cm2", "2.35", 1):                 "the second field is no version and release",
		strings.Replace(manifestLine, ".src.rpm", "", 1):                       "the epoch is no number", // a shorter name, but one
		strings.Replace(manifestLine, "glibc-2.35-2.cm2.src.rpm", "glibc", 1):  "the last field is no source package",
		fmt.Sprintf(manifestLine, "0") + "\n":                                  "line 2 of the package database: it has not ten fields",
		fmt.Sprintf(manifestLine, "0") + strings.Repeat("x", 70_000) + "\na\n": "the package database lists 3 packages, of which 1 could be read",
	} {
		if p, err := parseManifest([]byte(text)); err == nil || !strings.Contains(err.Error(), message) {
			t.Errorf("%.40q: %+v, %v", text, p, err)
		}
	}
}

func FuzzRpmManifest(f *testing.F) {
	f.Add(fmt.Appendf(nil, manifestLine, "0"))
	f.Add(fmt.Appendf(nil, strings.TrimSpace(manifestLine)+"\r\n\n", "-1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parseManifest(b); err == nil && len(p) < countLines(b) {
			t.Errorf("%d packages of %d lines", len(p), countLines(b))
		}
	})
}

func FuzzBuildInfo(f *testing.F) {
	f.Add([]byte("ARG A=x\nFROM scratch\nENV N=name\nLABEL BZComponent=${N}-$A architecture=${ARCH:-s390x}\n"))
	f.Add([]byte(`{"content_sets": ["a"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if res, err := analyzeRedHatDockerfile(t.Context(), inMemory(buildInfoDir+"Dockerfile-a-1-2", b)); err == nil && (res.BuildInfo.Arch == "" || !strings.HasSuffix(res.BuildInfo.Nvr, "-1-2")) {
			t.Errorf("%+v", res.BuildInfo)
		}
		_, _ = analyzeContentManifest(t.Context(), inMemory(manifestsDir+"a.json", b))
	})
}
