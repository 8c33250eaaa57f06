// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// conforms validates every verdict in one format against a JSON schema.
func conforms(t *testing.T, f format, schemaFile string) {
	t.Helper()
	data, err := os.ReadFile(schemaFile)
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
	for name, v := range everyVerdict() {
		got, err := jsonschema.UnmarshalJSON(bytes.NewReader(rendered(t, f, v)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := schema.Validate(map[string]any{"x": 1}); err == nil {
		t.Error("the schema accepts anything")
	}
}

func TestSARIFSchema(t *testing.T) {
	conforms(t, formats()[0], filepath.Join("testdata", "schemas", "sarif-2.1.0-rtm.5.json"))
}

func TestGitLabSchema(t *testing.T) {
	conforms(t, formats()[2], filepath.Join("testdata", "schemas", "gitlab-container-scanning.json"))
}

func TestJUnitSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		if os.Getenv("OCIGATE_CI") != "" {
			t.Fatal("xmllint is needed in this run: apt-get install libxml2-utils")
		}
		t.Skip("xmllint is not installed (libxml2-utils)")
	}
	dir := t.TempDir()
	args := []string{"--noout", "--nonet", "--schema", filepath.Join("testdata", "schemas", "jenkins-junit.xsd")}
	for name, v := range everyVerdict() {
		path := filepath.Join(dir, name+".xml")
		if err := os.WriteFile(path, rendered(t, formats()[1], v), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command(xmllint, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestCodeQualityForm checks what GitLab's documentation asks of a report; it publishes no schema.
func TestCodeQualityForm(t *testing.T) {
	print := regexp.MustCompile(`^[0-9a-f]{32}$`)
	for name, v := range everyVerdict() {
		var list []struct {
			Description string `json:"description"`
			CheckName   string `json:"check_name"`
			Fingerprint string `json:"fingerprint"`
			Severity    string `json:"severity"`
			Location    struct {
				Path  string `json:"path"`
				Lines struct {
					Begin int `json:"begin"`
				} `json:"lines"`
			} `json:"location"`
		}
		dec := json.NewDecoder(bytes.NewReader(rendered(t, formats()[3], v)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&list); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, e := range list {
			switch e.Severity {
			case "info", "minor", "major", "critical", "blocker":
			default:
				t.Errorf("%s: severity %q", name, e.Severity)
			}
			if e.Description == "" || e.CheckName == "" || e.Location.Path == "" || e.Location.Lines.Begin < 1 || !print.MatchString(e.Fingerprint) || seen[e.Fingerprint] {
				t.Errorf("%s: %+v", name, e)
			}
			seen[e.Fingerprint] = true
		}
	}
}

// TestFixesSchema: the published schema knows every field, and no other.
func TestFixesSchema(t *testing.T) {
	path := filepath.Join("..", "..", "policies", "schema", "ocigate-fixes-v1.json")
	conforms(t, fixesFormat, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties  map[string]any
		Definitions map[string]struct{ Properties map[string]any }
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	for name, typ := range map[string]reflect.Type{
		"": reflect.TypeFor[report.FixesDocument](), "subject": reflect.TypeFor[report.FixesSubject](), "action": reflect.TypeFor[verdict.Action](),
		"layer": reflect.TypeFor[verdict.ActionLayer](), "cleared": reflect.TypeFor[verdict.Cleared](),
	} {
		known := schema.Definitions[name].Properties
		if name == "" {
			known = schema.Properties
		}
		var fields []string
		for _, f := range reflect.VisibleFields(typ) {
			if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag != "" {
				fields = append(fields, tag)
			}
		}
		slices.Sort(fields)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), fields); diff != "" {
			t.Errorf("%s: (-schema +type)\n%s", name, diff)
		}
	}
}
