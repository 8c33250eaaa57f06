// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	openvex "github.com/openvex/go-vex/pkg/vex"
	"github.com/santhosh-tekuri/jsonschema/v6"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
	"github.com/ocigate/ocigate/pkg/vex"
)

// bills are the formats that say what is in an image.
func bills() []format {
	return []format{{"cyclonedx", "cdx.json", report.CycloneDX}, {"spdx", "spdx.json", report.SPDX}, {"vex", "vex.json", report.VEX}}
}

// listed is an image as registries have them: packages with all that is known of them.
func listed() verdict.Verdict { return run("shop:1.4", waive, listedEvidence()) }

func listedEvidence() evidence.Evidence {
	ev := waivable()
	ev.Subject.Source, ev.Subject.Name, ev.Subject.Digest, ev.Subject.IndexDigest = evidence.SourceRegistry, "registry.example.com/team/shop:1.4", sha("a"), sha("b")
	layer := evidence.Layer{Digest: sha("1"), DiffID: sha("2")}
	for i := range ev.Findings {
		f := &ev.Findings[i]
		if f.Package == nil {
			continue
		}
		f.Package.Layer = layer
		f.Package.PURL = "pkg:apk/alpine/" + f.Package.Name + "@" + f.Package.Version + "?arch=x86_64&distro=3.10.9"
		if f.Package.Class == evidence.ClassLanguage {
			f.Package.PURL = "pkg:npm/" + f.Package.Name + "@" + f.Package.Version
		}
		f.Aliases, f.CVSS, f.SeveritySource, f.DataSource, f.URL = []string{"GHSA-" + f.ID}, 9.8, "nvd", "alpine", "https://avd.aquasec.com/nvd/"+strings.ToLower(f.ID)
	}
	ev.Packages = append(ev.Packages,
		evidence.Package{Name: "musl", Version: "1.2.4-r2", Type: "alpine", Class: evidence.ClassOS, PURL: "pkg:apk/alpine/musl@1.2.4-r2", Licenses: []string{"MIT"}, SourceName: "musl", Layer: layer},
		evidence.Package{Name: "bash", Version: "5.2", Type: "alpine", Class: evidence.ClassOS, Licenses: []string{"GPLv3+", "MIT OR Apache-2.0"}},
		evidence.Package{Name: "odd", Version: "1", Type: "node-pkg", Class: evidence.ClassLanguage, Path: "app/odd/package.json", PURL: "not a purl", Licenses: []string{"See LICENSE in the file", "MIT"}},
	)
	return ev
}

func everyBill() map[string]verdict.Verdict {
	vs := everyVerdict()
	vs["listed"] = listed()
	vs["listed-platforms"] = run("shop:1.4", waive, listedEvidence(), arm(listedEvidence()))
	return vs
}

func TestBillsGolden(t *testing.T) {
	vs := everyBill()
	for _, name := range []string{"listed", "several", "error", "signatures", "empty", "hostile"} {
		for _, f := range bills() {
			got := rendered(t, f, vs[name])
			golden(t, name+"."+f.ext, got)
			if !bytes.Equal(got, rendered(t, f, vs[name])) {
				t.Errorf("two documents of %s differ", name)
			}
		}
	}
}

func TestBillsAreSafe(t *testing.T) {
	for name, v := range everyBill() {
		for _, f := range bills() {
			t.Run(name+"/"+f.name, func(t *testing.T) {
				got := rendered(t, f, v)
				safe(t, string(got))
				for _, s := range decoded(t, f, got) {
					safe(t, s)
				}
			})
		}
	}
	v := hostile(strings.Repeat("<A|", 1<<18), strings.Repeat("\x00", 1<<20))
	for _, f := range bills() {
		if got := rendered(t, f, v); len(got) > 1<<20 {
			t.Errorf("%s: %d bytes", f.name, len(got))
		}
	}
}

// TestBillsSayWhatMatters: no reader takes a part for the whole.
func TestBillsSayWhatMatters(t *testing.T) {
	want := map[string][]string{
		"passed":      {"PASSED", "production", sha("e"), "2026-03-10T12:00:00Z"},
		"error":       {"ERROR", "no advisories", "srv/package-lock.json"},
		"unopened":    {"ERROR", "401 Unauthorized"},
		"several":     {"FAILED", "report only", "a time that was given"},
		"signatures":  {"PASSED (signatures only)", "no layer was read"},
		"failed-fast": {"ended early", "not examined"},
		"waived":      {"accepted until the next release", "2026-03-13", "vulnerable", "vex/old.json"},
		"empty":       {"ERROR", "nothing was examined"},
	}
	vs := everyBill()
	for name, texts := range want {
		for _, f := range bills() {
			got := string(rendered(t, f, vs[name]))
			for _, s := range texts {
				if !strings.Contains(got, s) {
					t.Errorf("%s of %s does not say %q", f.name, name, s)
				}
			}
		}
	}
}

// schemaOf compiles a schema that may refer to others beside it.
func schemaOf(t *testing.T, main string, others map[string]string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	others[main] = main
	for name, file := range others {
		data, err := os.ReadFile(filepath.Join("testdata", "schemas", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(name, doc); err != nil {
			t.Fatal(err)
		}
	}
	s, err := c.Compile(main)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(map[string]any{"x": 1}); err == nil {
		t.Error("the schema accepts anything")
	}
	return s
}

func TestBillSchemas(t *testing.T) {
	schemas := []*jsonschema.Schema{
		schemaOf(t, "cyclonedx-bom-1.6.schema.json", map[string]string{
			"http://cyclonedx.org/schema/spdx.schema.json": "cyclonedx-spdx.schema.json", "http://cyclonedx.org/schema/jsf-0.82.schema.json": "cyclonedx-jsf-0.82.schema.json"}),
		schemaOf(t, "spdx-2.3.json", map[string]string{}), schemaOf(t, "openvex-0.2.0.json", map[string]string{}),
	}
	for name, v := range everyBill() {
		for i, f := range bills() {
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(rendered(t, f, v)))
			if err != nil {
				t.Fatal(err)
			}
			if err := schemas[i].Validate(doc); err != nil {
				t.Errorf("%s of %s: %v", f.name, name, err)
			}
		}
	}
}

// TestBillsDecode reads the documents with the libraries that Trivy reads them with.
func TestBillsDecode(t *testing.T) {
	for name, v := range everyBill() {
		var bom cyclonedx.BOM
		dec := cyclonedx.NewBOMDecoder(bytes.NewReader(rendered(t, bills()[0], v)), cyclonedx.BOMFileFormatJSON)
		if err := dec.Decode(&bom); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		refs := map[string]bool{}
		var walk func(cs *[]cyclonedx.Component)
		walk = func(cs *[]cyclonedx.Component) {
			if cs == nil {
				return
			}
			for _, c := range *cs {
				if refs[c.BOMRef] || c.BOMRef == "" {
					t.Errorf("%s: the reference %q stands for two components", name, c.BOMRef)
				}
				refs[c.BOMRef] = true
				walk(c.Components)
			}
		}
		walk(&[]cyclonedx.Component{*bom.Metadata.Component})
		walk(bom.Components)
		for _, d := range *bom.Dependencies {
			if !refs[d.Ref] {
				t.Errorf("%s: nothing is called %s", name, d.Ref)
			}
		}
		for _, x := range *bom.Vulnerabilities {
			if !refs[(*x.Affects)[0].Ref] || refs[x.BOMRef] {
				t.Errorf("%s: %s affects %v", name, x.ID, *x.Affects)
			}
			refs[x.BOMRef] = true
		}
		doc, err := spdxjson.Read(bytes.NewReader(rendered(t, bills()[1], v)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := spdxlib.ValidateDocument(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		x, err := openvex.Parse(rendered(t, bills()[2], v))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, s := range x.Statements {
			if err := s.Validate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestLicencesOfPackages: what is an expression is one, and what is in no list is named.
func TestLicencesOfPackages(t *testing.T) {
	doc, err := spdxjson.Read(bytes.NewReader(rendered(t, bills()[1], listed())))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range doc.Packages {
		got[p.PackageName] = p.PackageLicenseDeclared
	}
	if got["musl"] != "MIT" || got["bash"] != "GPL-3.0-or-later AND (MIT OR Apache-2.0)" || !strings.HasPrefix(got["odd"], "LicenseRef-") || !strings.HasSuffix(got["odd"], " AND MIT") || got["busybox"] != "NOASSERTION" {
		t.Errorf("%v", got)
	}
	if len(doc.OtherLicenses) != 1 || doc.OtherLicenses[0].ExtractedText != "See LICENSE in the file" {
		t.Errorf("%+v", doc.OtherLicenses)
	}
}

// TestAWaiverIsNotNotAffected: whoever reads our documents as VEX, ourselves included, finds
// the risk of a waiver still there, and a VEX statement only where every rule honours it.
func TestAWaiverIsNotNotAffected(t *testing.T) {
	v := listed()
	v.Waivers = slices.Clone(v.Waivers)
	for _, f := range []format{bills()[0], bills()[2]} {
		data := rendered(t, f, v)
		doc, err := vex.Parse(data, "")
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		status := map[string]string{}
		for _, s := range v.Subjects {
			for _, fd := range s.Evidence.Findings {
				fd.VEX = nil
				if fd.Package == nil || fd.Kind != evidence.KindVulnerability {
					continue
				}
				if st, ok := doc.About(fd, s.Evidence.Subject); ok {
					status[fd.ID+" "+fd.PackageName()] = st.Status
				}
			}
		}
		if got := status["CVE-2021-36159 apk-tools"]; got != vex.Affected {
			t.Errorf("%s: what a waiver accepts is %q", f.name, got)
		}
		if got := status["CVE-2021-3450 libssl1.1"]; got != vex.NotAffected {
			t.Errorf("%s: what a VEX document removes is %q", f.name, got)
		}
		for id, st := range status {
			if st == vex.NotAffected && id != "CVE-2021-3450 libssl1.1" || st == vex.Fixed {
				t.Errorf("%s: %s is %s", f.name, id, st)
			}
		}
		if !bytes.Contains(data, []byte("risk accepted until 2026-03-13, under review until then")) {
			t.Errorf("%s does not say until when", f.name)
		}
	}
}

// TestStancesThatAreNotPassedOn: a statement that some rule does not go by removes nothing.
func TestStancesThatAreNotPassedOn(t *testing.T) {
	for name, tt := range map[string]struct {
		status, justification string
		enforced              bool
		want                  string
	}{
		"honoured":            {"not_affected", "component_not_present", false, "not_affected"},
		"without a reason":    {"not_affected", "", false, "under_investigation"},
		"of the wrong level":  {"not_affected", "component_not_present", true, "under_investigation"},
		"fixed":               {"fixed", "", false, "fixed"},
		"affected":            {"affected", "", false, "affected"},
		"under investigation": {"under_investigation", "", false, "under_investigation"},
	} {
		ev := listedEvidence()
		ev.Findings = ev.Findings[:1]
		ev.Findings[0].VEX = []evidence.VEXStatement{{Status: tt.status, Justification: tt.justification, Source: "v.json"}}
		v := run("shop:1.4", func(in *verdict.Input) {
			in.Policy.Waivers = nil
			if tt.enforced {
				in.Policy.Rules[0].Level = 1
				in.Policy.Documents = []policy.DocumentRef{{Name: "own", Source: "own.yaml"}, {Name: "company", Source: "company.yaml", Enforced: true}}
			}
		}, ev)
		var doc struct{ Statements []struct{ Status string } }
		if err := json.Unmarshal(rendered(t, bills()[2], v), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Statements) != 1 || doc.Statements[0].Status != tt.want {
			t.Errorf("%s: %+v, want %s", name, doc.Statements, tt.want)
		}
	}
}

// TestImagesOfATag: nothing is said of a tag, which other images come to bear.
func TestImagesOfATag(t *testing.T) {
	ev := listedEvidence()
	ev.Subject.Digest, ev.Subject.Source = "", evidence.SourceDockerDaemon
	got := rendered(t, bills()[2], run("shop:1.4", waive, ev))
	if bytes.Contains(got, []byte("pkg:oci/")) || !bytes.Contains(got, []byte("urn:ocigate:image:"+sha("c"))) {
		t.Errorf("%s", got)
	}
}

// TestIdentifiersAreOfTheContent: equal documents have equal identifiers, others have not.
func TestIdentifiersAreOfTheContent(t *testing.T) {
	for _, f := range bills() {
		id := func(v verdict.Verdict) string {
			var doc struct {
				SerialNumber, DocumentNamespace string
				ID                              string `json:"@id"`
			}
			if err := json.Unmarshal(rendered(t, f, v), &doc); err != nil {
				t.Fatal(err)
			}
			return doc.SerialNumber + doc.DocumentNamespace + doc.ID
		}
		other := listed()
		other.Subjects[0].Evidence.Subject.Digest = sha("7")
		if a := id(listed()); len(a) < 40 || a != id(listed()) || a == id(other) {
			t.Errorf("%s: %s and %s", f.name, a, id(other))
		}
	}
}
