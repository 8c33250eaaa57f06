// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

const sbomTestdata = "pkg/fanal/analyzer/sbom/testdata/"

// summary is one line for each package: where it is listed, what, and its own path,
// source package, licences and dependencies.
func summary(res *analysis.Result) []string {
	var out []string
	line := func(in string, p ftypes.Package) {
		s := in + ": " + p.ID
		if p.FilePath != "" {
			s += " at " + p.FilePath
		}
		if p.SrcName != "" {
			s += " of " + p.SrcName + " " + p.SrcVersion
		}
		if p.Arch != "" {
			s += " for " + p.Arch
		}
		if p.Identifier.BOMRef != "" {
			s += " ref " + p.Identifier.BOMRef
		}
		if p.Identifier.PURL != nil {
			s += " " + p.Identifier.PURL.String()
		}
		if len(p.Licenses) > 0 {
			s += fmt.Sprintf(" %q", p.Licenses)
		}
		if len(p.DependsOn) > 0 {
			s += " needs " + strings.Join(p.DependsOn, ",")
		}
		out = append(out, s)
	}
	if res == nil {
		return nil
	}
	res.Sort()
	for _, pi := range res.PackageInfos {
		for _, p := range pi.Packages {
			line("os "+pi.FilePath, p)
		}
	}
	for _, a := range res.Applications {
		for _, p := range a.Packages {
			line(string(a.Type)+" "+a.FilePath, p)
		}
	}
	return out
}

func TestSBOM(t *testing.T) {
	const elastic = "opt/bitnami/elasticsearch"
	spdx, cdx := elastic+"/.spdx-elasticsearch.spdx", elastic+"/.spdx-elasticsearch.cdx"
	apm := func(in, name, at, ref string) string {
		return fmt.Sprintf("jar %s: co.elastic.apm:%s:1.36.0%s%s pkg:maven/co.elastic.apm/%[2]s@1.36.0", in, name, at, ref)
	}
	const postgres, launcher = "bitnami opt/bitnami/postgresql: ", "layers/launcher/sbom.spdx.json"
	const cacerts = "opt/bitnami/ca-certificates/.spdx-ca-certificates.spdx"
	for _, tt := range []struct {
		file, path string
		want       []string
	}{
		{"elasticsearch.spdx.json", spdx, []string{
			"bitnami " + elastic + `: elasticsearch@8.9.1 for arm64 pkg:bitnami/elasticsearch@8.9.1?arch=arm64 ["Elastic-2.0"]`,
			apm(spdx, "apm-agent", " at "+elastic, ""), apm(spdx, "apm-agent-cached-lookup-key", " at "+elastic, ""),
			apm(spdx, "apm-agent-common", " at "+elastic, ""), apm(spdx, "apm-agent-core", " at "+elastic, "")}},
		{"cdx.json", cdx, []string{
			apm(cdx, "apm-agent", " at "+elastic+"/modules/apm/elastic-apm-agent-1.36.0.jar", " ref pkg:maven/co.elastic.apm/apm-agent@1.36.0"),
			apm(cdx, "apm-agent-cached-lookup-key", " at "+elastic+"/modules/apm/elastic-apm-agent-1.36.0.jar", " ref pkg:maven/co.elastic.apm/apm-agent-cached-lookup-key@1.36.0")}},
		{"sbom-without-app-component.spdx.json", launcher, []string{
			"gobinary " + launcher + `: github.com/buildpacks/lifecycle@v0.20.2 pkg:golang/github.com/buildpacks/lifecycle@v0.20.2 ["NOASSERTION"]`,
			apm(launcher, "apm-agent", "", "")}},
		{"postgresql.spdx.json", "opt/bitnami/postgresql/.spdx-postgresql.spdx", []string{
			postgres + `gdal@3.7.1 pkg:bitnami/gdal@3.7.1 ["MIT"]`,
			postgres + `geos@3.8.3 pkg:bitnami/geos@3.8.3 ["LGPL-2.1-only"]`,
			postgres + `postgresql@15.3.0 pkg:bitnami/postgresql@15.3.0 ["PostgreSQL"] needs geos@3.8.3,proj@6.3.2,gdal@3.7.1`,
			postgres + `proj@6.3.2 pkg:bitnami/proj@6.3.2 ["MIT"]`}},
		{"ca-certificates.spdx.json", cacerts, []string{
			"os " + cacerts + `: ca-certificates@20230311 of ca-certificates 20230311 for all pkg:deb/debian/ca-certificates@20230311?arch=all&distro=debian-12.9 ["GPL-2.0-or-later AND GPL-2.0-only AND MPL-2.0"]`}},
	} {
		got, err := analyzeOnce(tt.path, trivyData(t, sbomTestdata+tt.file))
		if diff := cmp.Diff(tt.want, summary(got)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tt.file, err, diff)
		}
	}
}

// analyzeOnce looks at an SBOM in memory; the order within a result is not fixed.
func analyzeOnce(p string, b []byte) (*analysis.Result, error) {
	return readSBOM(context.Background(), inMemory(p, b))
}

const smallCDX = `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a","version":"1","purl":"pkg:npm/a@1","bom-ref":"r"}]}`

func smallSPDX(id string) string {
	return `{"SPDXID":"` + id + `","spdxVersion":"SPDX-2.3","name":"n","packages":[{"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1","licenseDeclared":"NONE",
	"externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/a@1"}]}]}`
}

func statement(predicateType, predicate string) string {
	s := `{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"` + predicateType + `","subject":[],"predicate":` + predicate + `}`
	return `{"payloadType":"application/vnd.in-toto+json","payload":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `","signatures":[]}`
}

func TestSBOMFormats(t *testing.T) {
	bundle := func(s string) string {
		return `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":` + s + `}`
	}
	tagValue := "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: n\nDocumentNamespace: http://e/n\n" +
		"Creator: Tool: t\nCreated: 2024-01-01T00:00:00Z\n\nPackageName: a\nSPDXID: SPDXRef-a\nPackageVersion: 1\nPackageDownloadLocation: NONE\n" +
		"FilesAnalyzed: false\nPackageLicenseDeclared: NONE\nExternalRef: PACKAGE-MANAGER purl pkg:npm/a@1\n"
	const cdxType, oldType, spdxType = "https://cyclonedx.org/bom", "https://cyclonedx.org/schema", "https://spdx.dev/Document"
	doc := smallSPDX("SPDXRef-DOCUMENT")
	for name, text := range map[string]string{
		"cdx": smallCDX, "spdx": doc, "tag-value": tagValue,
		"attested cdx": statement(cdxType, smallCDX), "attested cdx, old type": statement(oldType, smallCDX),
		"attested cdx, cosign 1": statement(cdxType, `{"Data":`+smallCDX+`}`), "attested spdx": statement(spdxType, doc),
		"bundle cdx": bundle(statement(cdxType, smallCDX)), "bundle spdx": bundle(statement(spdxType, doc)),
	} {
		got, err := analyzeOnce("x/a.cdx", []byte(text))
		ref := " ref r"
		if !strings.Contains(name, "cdx") {
			ref = ""
		}
		if diff := cmp.Diff([]string{"node-pkg x/a.cdx: a@1" + ref + " pkg:npm/a@1"}, summary(got)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestHostileSBOMs(t *testing.T) {
	deep := strings.Repeat(`{"type":"library","name":"x","components":[`, 50_000)
	for name, text := range map[string]string{
		"empty": "", "text": "SP", "array": "[]", "XML": `<bom xmlns="http://cyclonedx.org/schema/bom/1.4"></bom>`,
		"invalid":     string(trivyData(t, sbomTestdata+"invalid_spdx.json")),
		"other SPDX":  smallSPDX("SPDXRef-x"),
		"deep":        `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[` + deep,
		"cut":         smallCDX[:len(smallCDX)-2],
		"two systems": strings.Replace(smallCDX, `"components":[`, `"components":[{"type":"library","name":"b","version":"1","purl":"pkg:deb/debian/b@1"},{"type":"library","name":"c","version":"1","purl":"pkg:rpm/fedora/c@1"},`, 1),
		"chain":       chain(10_000, true),
		"no payload":  `{"payloadType":"application/vnd.in-toto+json","payload":"!"}`,
		"null":        `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[null],"dependencies":[null]}`[:60],
	} {
		if res, err := analyzeOnce("a.cdx", []byte(text)); err == nil {
			t.Errorf("%s: %v", name, summary(res))
		}
	}
}

// chain is an application whose packages need each other one by one; the last the first.
func chain(n int, application bool) string {
	var components, dependencies []string
	if application {
		components = append(components, `{"type":"application","name":"app","bom-ref":"app","properties":[{"name":"aquasecurity:trivy:Type","value":"npm"}]}`)
		dependencies = append(dependencies, `{"ref":"app","dependsOn":["p0"]}`)
	}
	for i := range n {
		components = append(components, fmt.Sprintf(`{"type":"library","name":"p%d","version":"1","purl":"pkg:npm/p%[1]d@1","bom-ref":"p%[1]d"}`, i))
		dependencies = append(dependencies, fmt.Sprintf(`{"ref":"p%d","dependsOn":["p%d"]}`, i, (i+1)%n))
	}
	return `{"bomFormat":"CycloneDX","specVersion":"1.5","components":[` + strings.Join(components, ",") + `],"dependencies":[` + strings.Join(dependencies, ",") + `]}`
}

func TestSBOMCycles(t *testing.T) {
	for _, text := range []string{chain(1000, true), chain(20_000, false)} {
		res, err := analyzeOnce("a.cdx", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Applications) != 1 || !slices.Contains([]int{1000, 20_000}, len(res.Applications[0].Packages)) {
			t.Errorf("got %d applications", len(res.Applications))
		}
	}
}

func FuzzSBOM(f *testing.F) {
	for _, s := range []string{smallCDX, smallSPDX("SPDXRef-DOCUMENT"), statement("https://cyclonedx.org/bom", smallCDX), chain(3, true)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		// No panic, and a result or an error, never both.
		if res, err := analyzeOnce("a.cdx", b); (err == nil) == (res == nil) {
			t.Errorf("%v, %v", res, err)
		}
	})
}
