// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ocigate/ocigate/pkg/report"
)

// TestPublishedSchemas validates every verdict against the schemas that others publish and
// that are not in this repository. OCIGATE_TEST_SCHEMAS names a directory with any of
//
//	gitlab-container-scanning-15.0.7.json  security-report-schemas v15.0.7, dist/container-scanning-report-format.json
//	spdx-2.3.json                          spdx-spec, branch support/2.3, schemas/spdx-schema.json
//	openvex-0.2.0.json                     github.com/openvex/spec, openvex_json_schema.json
//
// Without it the tests have ocigate's own, which are stricter (testdata/schemas).
func TestPublishedSchemas(t *testing.T) {
	dir := os.Getenv("OCIGATE_TEST_SCHEMAS")
	if dir == "" {
		t.Skip("OCIGATE_TEST_SCHEMAS names no directory with published schemas")
	}
	for _, p := range []struct {
		file string
		format
		// silent are verdicts that the format can say nothing about.
		silent func(doc any) bool
	}{
		{"gitlab-container-scanning-15.0.7.json", format{"gitlab", "gitlab.json", report.GitLab}, nil},
		{"spdx-2.3.json", format{"spdx", "spdx.json", report.SPDX}, nil},
		{"openvex-0.2.0.json", format{"vex", "vex.json", report.VEX}, noStatements},
	} {
		t.Run(p.file, func(t *testing.T) {
			schema := publishedSchema(t, filepath.Join(dir, p.file))
			validated := 0
			for name, v := range everyBill() {
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(rendered(t, p.format, v)))
				if err != nil {
					t.Fatal(err)
				}
				if p.silent != nil && p.silent(doc) {
					continue
				}
				validated++
				if err := schema.Validate(doc); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			t.Logf("%d documents", validated)
			if validated == 0 {
				t.Error("nothing was validated")
			}
		})
	}
}

// noStatements: OpenVEX asks for one statement at least, and a policy that has neither
// waivers nor VEX documents makes none.
func noStatements(doc any) bool {
	m, _ := doc.(map[string]any)
	list, _ := m["statements"].([]any)
	return len(list) == 0
}

func publishedSchema(t *testing.T, path string) *jsonschema.Schema {
	t.Helper()
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		t.Skip("not in the directory")
	}
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(map[string]any{"x": 1}); err == nil {
		t.Error("the schema accepts anything")
	}
	return schema
}
