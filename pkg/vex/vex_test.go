// SPDX-License-Identifier: Apache-2.0

package vex_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/vex"
)

func image() evidence.Subject {
	return evidence.Subject{
		Name: "registry.example.com/team/shop:1.4", Digest: "sha256:aa", IndexDigest: "sha256:ab",
		Platform: evidence.Platform{OS: "linux", Architecture: "amd64"},
	}
}

func finding() evidence.Finding {
	return evidence.Finding{Kind: evidence.KindVulnerability, ID: "CVE-2024-1", Aliases: []string{"GHSA-1"},
		Package: &evidence.Package{Name: "openssl", Version: "3.1.4-r0", PURL: "pkg:apk/alpine/openssl@3.1.4-r0?arch=x86_64&distro=3.19.1"}}
}

func open(products, rest string) string {
	return `{"@context": "https://openvex.dev/ns/v0.2.0", "author": "A", "timestamp": "2026-01-01T00:00:00Z", "statements": [
		{"vulnerability": {"name": "CVE-2024-1"}, "products": [` + products + `], ` + rest + `}]}`
}

const notAffected = `"status": "not_affected", "justification": "component_not_present"`

// TestPrecise pins which products a statement is about.
func TestPrecise(t *testing.T) {
	sub := `, "subcomponents": [{"@id": "pkg:apk/alpine/openssl"}]`
	for _, tt := range []struct {
		product string
		applies bool
	}{
		{`{"@id": "pkg:apk/alpine/openssl"}`, true},
		{`"pkg:apk/alpine/openssl"`, true},
		{`{"@id": "pkg:apk/alpine/openssl@3.1.4-r0"}`, true},
		{`{"@id": "x", "identifiers": {"purl": "pkg:apk/alpine/openssl@3.1.4-r0?arch=x86_64"}}`, true},
		{`{"@id": "pkg:apk/alpine/openssl@3.1.4-r1"}`, false},
		{`{"@id": "pkg:apk/alpine/openssl@3.1.4-r0?arch=aarch64"}`, false},
		{`{"@id": "pkg:apk/wolfi/openssl"}`, false},
		{`{"@id": "pkg:apk/alpine/openssl-dev"}`, false},
		{`{"@id": "pkg:npm/openssl"}`, false},
		{`{"@id": "openssl"}`, false},
		{`{"identifiers": {"cpe23": "cpe:2.3:a:openssl:openssl:3.1.4"}}`, false},
		{`{"@id": "pkg:oci/shop@sha256%3Aaa"}`, true},
		{`{"@id": "pkg:oci/shop@sha256:aa"}`, true},
		{`{"@id": "pkg:oci/shop@sha256:ab"}`, true},
		{`{"@id": "pkg:oci/shop@sha256:ac"}`, false},
		{`{"@id": "pkg:oci/shop"}`, false},
		{`{"@id": "pkg:oci/shop?repository_url=registry.example.com/team/shop"}`, true},
		{`{"@id": "pkg:oci/shop?repository_url=registry.example.com/team"}`, true},
		{`{"@id": "pkg:oci/shop?repository_url=registry.example.com/other/shop"}`, false},
		{`{"@id": "pkg:oci/app?repository_url=registry.example.com/team/shop"}`, false},
		{`{"@id": "pkg:oci/shop?repository_url=registry.example.com/team&tag=1.4"}`, true},
		{`{"@id": "pkg:oci/shop?repository_url=registry.example.com/team&tag=1.5"}`, false},
		{`{"@id": "pkg:oci/shop?repository_url=registry.example.com/team&arch=arm64"}`, false},
		{`{"@id": "pkg:oci/shop@sha256:aa"` + sub + `}`, true},
		{`{"@id": "pkg:oci/shop@sha256:ac"` + sub + `}`, false},
		{`{"@id": "pkg:oci/shop@sha256:aa", "subcomponents": [{"@id": "pkg:apk/alpine/zlib"}]}`, false},
		{`{"@id": "pkg:oci/shop@sha256:aa", "subcomponents": [{"@id": "zlib"}]}`, false},
		// openssl is a part of it, but perhaps not only of it.
		{`{"@id": "pkg:apk/alpine/curl"` + sub + `}`, false},
		{`{"@id": "pkg:apk/alpine/openssl", "subcomponents": [{"@id": "pkg:apk/alpine/zlib"}]}`, false},
	} {
		d, err := vex.Parse([]byte(open(tt.product, notAffected)), "")
		if err != nil {
			t.Fatalf("%s: %v", tt.product, err)
		}
		s, ok := d.About(finding(), image())
		if ok != tt.applies || ok && (s.Status != vex.NotAffected || s.Justification != "component_not_present") {
			t.Errorf("%s: %v %+v", tt.product, ok, s)
		}
	}
}

func TestArchivesNameThemselves(t *testing.T) {
	d, err := vex.Parse([]byte(open(`"pkg:oci/shop?repository_url=registry.example.com/team/shop"`, notAffected)), "")
	if err != nil {
		t.Fatal(err)
	}
	sub := image()
	sub.Source = evidence.SourceOCIArchive
	if _, ok := d.About(finding(), sub); ok {
		t.Error("an archive is believed")
	}
	sub.Destination = "registry.example.com/team/shop:2"
	if _, ok := d.About(finding(), sub); !ok {
		t.Error("a destination is not believed")
	}
	sub.Destination = "registry.example.com/team/other:2"
	if _, ok := d.About(finding(), sub); ok {
		t.Error("one name of two matches")
	}
}

func TestFixedNamesAVersion(t *testing.T) {
	for product, applies := range map[string]bool{
		`"pkg:apk/alpine/openssl"`: false, `"pkg:apk/alpine/openssl@3.1.4-r0"`: true,
		`"pkg:oci/shop?repository_url=registry.example.com/team"`: false, `"pkg:oci/shop@sha256:aa"`: true,
		`{"@id": "pkg:oci/shop?repository_url=registry.example.com/team", "subcomponents": ["pkg:apk/alpine/openssl@3.1.4-r0"]}`: true,
	} {
		d, err := vex.Parse([]byte(open(product, `"status": "fixed"`)), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := d.About(finding(), image()); ok != applies {
			t.Errorf("%s: %v", product, ok)
		}
	}
}

// The latest statement counts; of equally late ones, one that removes nothing.
func TestLatestStatement(t *testing.T) {
	stmt := func(status, when string) string {
		return `{"vulnerability": {"name": "X", "aliases": ["GHSA-1"]}, "products": ["pkg:apk/alpine/openssl"], "justification": "j", "status": "` + status + `"` + when + `}`
	}
	for _, tt := range []struct{ first, second, want string }{
		{stmt("not_affected", ""), stmt("affected", `, "timestamp": "2026-02-01T00:00:00Z"`), vex.Affected},
		{stmt("affected", `, "timestamp": "2026-02-01T00:00:00Z"`), stmt("not_affected", `, "timestamp": "2026-03-01T00:00:00+01:00"`), vex.NotAffected},
		{stmt("not_affected", `, "timestamp": "2026-02-01T00:00:00Z"`), stmt("affected", ""), vex.NotAffected},
		{stmt("not_affected", ""), stmt("under_investigation", ""), vex.UnderInvestigation},
		{stmt("under_investigation", ""), stmt("not_affected", ""), vex.UnderInvestigation},
	} {
		doc := `{"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2026-01-01T00:00:00Z", "statements": [` + tt.first + "," + tt.second + `]}`
		d, err := vex.Parse([]byte(doc), vex.OpenVEX)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := d.About(finding(), image()); !ok || s.Status != tt.want {
			t.Errorf("%s then %s: %v %s", tt.first, tt.second, ok, s.Status)
		}
	}
}

func cyclone(metadata, rest, analysis, affects string) string {
	return `{"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": "urn:uuid:11", "metadata": {"timestamp": "2026-01-01T00:00:00Z"` + metadata + `},` + rest + `
		"vulnerabilities": [{"id": "CVE-2024-1", "analysis": ` + analysis + `, "affects": [` + affects + `]}]}`
}

func TestCycloneDX(t *testing.T) {
	const na = `{"state": "not_affected", "justification": "code_not_reachable", "detail": "TLS is off"}`
	const parts = `"components": [{"bom-ref": "1", "purl": "pkg:apk/alpine/openssl@3.1.4-r0", "components": [{"bom-ref": "2", "purl": "pkg:apk/alpine/zlib@1"}]}],`
	const whole = `, "component": {"bom-ref": "img", "purl": "pkg:oci/shop@sha256:aa"}, "authors": [{"name": "B"}]`
	const other = `, "component": {"bom-ref": "img", "purl": "pkg:oci/shop@sha256:ac"}`
	for _, tt := range []struct {
		name, metadata, rest, analysis, affects string
		want                                    string
	}{
		{"package URL", "", "", na, `{"ref": "pkg:apk/alpine/openssl@3.1.4-r0"}`, vex.NotAffected},
		{"component", "", parts, na, `{"ref": "1"}`, vex.NotAffected},
		{"another component", "", parts, na, `{"ref": "2"}`, ""},
		{"component of the image", whole, parts, na, `{"ref": "1"}`, vex.NotAffected},
		{"component of another image", other, parts, na, `{"ref": "1"}`, ""},
		{"component of something", `, "component": {"bom-ref": "x"}`, parts, na, `{"ref": "1"}`, ""},
		{"the image", whole, parts, na, `{"ref": "img"}`, vex.NotAffected},
		{"another image", other, parts, na, `{"ref": "img"}`, ""},
		{"link to itself", "", parts, na, `{"ref": "urn:cdx:11/1#1"}`, vex.NotAffected},
		{"escaped link to itself", "", "", na, `{"ref": "urn:cdx:11/1#pkg%3Aapk/alpine/openssl%403.1.4-r0"}`, vex.NotAffected},
		{"link elsewhere", "", parts, na, `{"ref": "urn:cdx:12/1#1"}`, ""},
		{"version", "", parts, na, `{"ref": "1", "versions": [{"version": "3.1.4-r0"}]}`, vex.NotAffected},
		{"another version", "", parts, na, `{"ref": "1", "versions": [{"version": "3.1.4-r1"}]}`, ""},
		{"range", "", parts, na, `{"ref": "1", "versions": [{"range": "vers:apk/<3.2"}]}`, ""},
		{"version that is affected", "", parts, `{"state": "resolved"}`,
			`{"ref": "1", "versions": [{"version": "3.1.4-r0", "status": "affected"}, {"version": "3.1.4-r1", "status": "unaffected"}]}`, ""},
		{"version that is not affected", "", parts, `{"state": "resolved"}`, `{"ref": "1", "versions": [{"version": "3.1.4-r0", "status": "unaffected"}]}`, vex.Fixed},
		{"version that nobody knows about", "", parts, na, `{"ref": "1", "versions": [{"version": "3.1.4-r0", "status": "unknown"}]}`, ""},
		{"version that is exploitable", "", parts, `{"state": "exploitable"}`, `{"ref": "1", "versions": [{"version": "3.1.4-r0", "status": "affected"}]}`, vex.Affected},
		{"fixed", "", parts, `{"state": "resolved"}`, `{"ref": "1"}`, vex.Fixed},
		{"triage", "", parts, `{"state": "in_triage"}`, `{"ref": "1"}`, vex.UnderInvestigation},
		{"exploitable", "", parts, `{"state": "exploitable"}`, `{"ref": "1"}`, vex.Affected},
		{"no analysis", "", parts, `{}`, `{"ref": "1"}`, ""},
	} {
		d, err := vex.Parse([]byte(cyclone(tt.metadata, tt.rest, tt.analysis, tt.affects)), "")
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		s, ok := d.About(finding(), image())
		if ok != (tt.want != "") || s.Status != tt.want {
			t.Errorf("%s: %v %+v", tt.name, ok, s)
		}
		if tt.want == vex.NotAffected && s.Justification != "code_not_reachable: TLS is off" {
			t.Errorf("%s: %q", tt.name, s.Justification)
		}
	}
	d, _ := vex.Parse([]byte(cyclone(whole, parts, na, `{"ref": "1"}`)), vex.CycloneDX)
	if len(d.Authors) != 1 || d.Authors[0] != "B" || d.Updated.Year() != 2026 {
		t.Errorf("%+v", d)
	}
}

const csafDoc = `{"document": {"category": "csaf_vex", "csaf_version": "2.0", "publisher": {"name": "Vendor"}, "tracking": {"current_release_date": "2026-01-01T00:00:00Z"}},
 "product_tree": {
  "branches": [{"category": "vendor", "branches": [
    {"product": {"product_id": "openssl", "product_identification_helper": {"purl": "pkg:apk/alpine/openssl@3.1.4-r0"}}},
    {"product": {"product_id": "zlib", "product_identification_helper": {"purl": "pkg:apk/alpine/zlib@1"}}},
    {"product": {"product_id": "cpe", "product_identification_helper": {"cpe": "cpe:/a:openssl"}}}]}],
  "full_product_names": [{"product_id": "shop", "product_identification_helper": {"purl": "pkg:oci/shop@sha256:aa"}}],
  "product_groups": [{"group_id": "g", "product_ids": ["openssl"]}],
  "relationships": [{"category": "default_component_of", "product_reference": "openssl", "relates_to_product_reference": "shop", "full_product_name": {"product_id": "shop-openssl"}},
    {"category": "default_component_of", "product_reference": "openssl", "relates_to_product_reference": "cpe", "full_product_name": {"product_id": "cpe-openssl"}}]},
 "vulnerabilities": [{"cve": "CVE-2024-1", "product_status": STATUS, "flags": FLAGS, "threats": THREATS}]}`

func TestCSAF(t *testing.T) {
	const none = "[]"
	for _, tt := range []struct{ name, status, flags, threats, want, why string }{
		{"package", `{"known_not_affected": ["openssl"]}`, `[{"label": "component_not_present"}]`, none, vex.NotAffected, "component_not_present"},
		{"by product and group", `{"known_not_affected": ["openssl"]}`, `[{"label": "x", "product_ids": ["zlib"]}, {"label": "y", "group_ids": ["g"]}]`,
			`[{"category": "impact", "details": "why", "product_ids": ["openssl"]}, {"category": "exploit_status", "details": "no"}]`, vex.NotAffected, "y: why"},
		{"no justification for this one", `{"known_not_affected": ["openssl"]}`, `[{"label": "x", "product_ids": ["zlib"]}]`, none, vex.NotAffected, ""},
		{"another package", `{"known_not_affected": ["zlib"]}`, none, none, "", ""},
		{"no package URL", `{"known_not_affected": ["cpe"]}`, none, none, "", ""},
		{"image", `{"known_not_affected": ["shop"]}`, `[{"label": "x"}]`, none, vex.NotAffected, "x"},
		{"part of the image", `{"fixed": ["shop-openssl"]}`, none, none, vex.Fixed, ""},
		{"part of what is not known", `{"fixed": ["cpe-openssl"]}`, none, none, "", ""},
		{"contradiction", `{"known_not_affected": ["openssl"], "known_affected": ["openssl"]}`, `[{"label": "x"}]`, none, vex.Affected, "x"},
		{"unknown product", `{"known_not_affected": ["nothing"]}`, none, none, "", ""},
	} {
		doc := strings.NewReplacer("STATUS", tt.status, "FLAGS", tt.flags, "THREATS", tt.threats).Replace(csafDoc)
		d, err := vex.Parse([]byte(doc), "")
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		s, ok := d.About(finding(), image())
		if ok != (tt.want != "") || s.Status != tt.want || s.Justification != tt.why {
			t.Errorf("%s: %v %+v", tt.name, ok, s)
		}
		if len(d.Authors) != 1 || d.Authors[0] != "Vendor" {
			t.Errorf("authors %v", d.Authors)
		}
	}
}

func TestRefused(t *testing.T) {
	for doc, want := range map[string]string{
		"":                 "not a JSON document",
		"[]":               "not a JSON document",
		"{}":               "none of OpenVEX",
		`{"document": {}}`: "neither products",
		`{"bomFormat": "CycloneDX", "vulnerabilities": 1}`:                               "cyclonedx",
		`{"@context": "https://openvex.dev/ns", "statements": [{"status": "harmless"}]}`: `"harmless"`,
	} {
		if d, err := vex.Parse([]byte(doc), ""); err == nil || d != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", doc, err)
		}
	}
	if _, err := vex.Parse([]byte(open(`"pkg:a/b"`, notAffected)), vex.CSAF); err == nil || !strings.Contains(err.Error(), "openvex, not csaf") {
		t.Errorf("another format: %v", err)
	}
}

// TestAbout_NoVersion: a range is not about a package whose version is not known.
func TestAbout_NoVersion(t *testing.T) {
	f := finding()
	f.Package.Version, f.Package.PURL = "", "pkg:apk/alpine/openssl"
	d, err := vex.Parse([]byte(cyclone("", `"components": [{"bom-ref": "1", "purl": "pkg:apk/alpine/openssl"}],`,
		`{"state": "not_affected", "justification": "code_not_present"}`, `{"ref": "1", "versions": [{"range": "vers:apk/<3.2"}]}`)), "")
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := d.About(f, image()); ok {
		t.Errorf("%+v", s)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(open(`{"@id": "pkg:oci/shop@sha256:aa", "subcomponents": ["pkg:apk/alpine/openssl"]}`, notAffected)), "pkg:apk/alpine/openssl@3")
	f.Add([]byte(cyclone("", "", `{"state": "resolved"}`, `{"ref": "urn:cdx:11/1#pkg%3Aapk"}`)), "pkg:apk/a@1")
	f.Add([]byte(strings.NewReplacer("STATUS", `{"fixed": ["shop-openssl"]}`, "FLAGS", "[]", "THREATS", "[]").Replace(csafDoc)), "x")
	f.Fuzz(func(t *testing.T, data []byte, purl string) {
		d, err := vex.Parse(data, "")
		if err != nil {
			return
		}
		fi := finding()
		fi.Package.PURL = purl
		for _, s := range d.Statements {
			if len(s.IDs) == 0 {
				continue
			}
			fi.ID = s.IDs[0]
			if got, ok := d.About(fi, image()); ok && len(got.Targets) == 0 {
				t.Fatal("a statement about nothing applies")
			}
		}
	})
}
