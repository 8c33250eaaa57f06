// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ocigate/ocigate/pkg/evidence"
)

var utc = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// fill sets every field of v, lists and maps with one element, so that nothing of a
// document is left untried.
func fill(v reflect.Value, depth int) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = utc
		return
	case *evidence.Severity:
		*x = evidence.SeverityHigh
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth)
		}
	case reflect.Pointer:
		if depth < 6 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, depth+1)
		v.SetMapIndex(reflect.ValueOf("key"), e)
	case reflect.String:
		v.SetString(first(v.Type()))
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{"text": "<&>", "none": nil, "list": []any{1.5, true}}))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint32:
		v.SetUint(0o644)
	}
}

// first is one of the words that a type has.
func first(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[evidence.Kind]():
		return string(evidence.KindVulnerability)
	case reflect.TypeFor[evidence.Class]():
		return string(evidence.ClassOS)
	case reflect.TypeFor[evidence.Source]():
		return string(evidence.SourceOCI)
	case reflect.TypeFor[evidence.Area]():
		return string(evidence.AreaScan)
	case reflect.TypeFor[evidence.Verification]():
		return string(evidence.LayerVerified)
	case reflect.TypeFor[evidence.FileKind]():
		return string(evidence.FileRegular)
	case reflect.TypeFor[evidence.FileClass]():
		return string(evidence.ClassShell)
	case reflect.TypeFor[evidence.Lineage]():
		return string(evidence.LineageProven)
	case reflect.TypeFor[evidence.ClaimSource]():
		return string(evidence.ClaimLabel)
	case reflect.TypeFor[evidence.SignedKind]():
		return string(evidence.SignedIndex)
	case reflect.TypeFor[evidence.SignatureKind]():
		return string(evidence.KindAttestation)
	case reflect.TypeFor[evidence.SignatureFormat]():
		return string(evidence.FormatBundle)
	case reflect.TypeFor[evidence.CheckResult]():
		return string(evidence.CheckVerified)
	default:
		return "text <&> \u2028"
	}
}

func full() evidence.Document {
	var d evidence.Document
	fill(reflect.ValueOf(&d).Elem(), 0)
	d.SchemaVersion = evidence.DocumentVersion
	d.Evidence[0].Custom = nil
	d.Evidence[0].Signatures.Items[0].Rego = nil
	d.Evidence[0].Base.Signatures.Items[0].Rego = nil
	return d
}

func marshal(t *testing.T, d evidence.Document) []byte {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDocumentIsReadAsItWasWritten(t *testing.T) {
	want := full()
	got, err := evidence.ReadDocument(marshal(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, *got); diff != "" {
		t.Error(diff)
	}
}

// TestDocumentsAreValid holds a full and an empty document against the published schema.
func TestDocumentsAreValid(t *testing.T) {
	data, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("evidence.json", schema); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("evidence.json")
	if err != nil {
		t.Fatal(err)
	}
	empty := evidence.Document{SchemaVersion: 1, Evidence: []evidence.Evidence{{Subject: evidence.Subject{Source: evidence.SourceOCI}}}}
	for name, d := range map[string]evidence.Document{"full": full(), "empty": empty} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(marshal(t, d)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEveryFieldIsThere pins what rules rely on: only what is a pointer may be absent.
func TestEveryFieldIsThere(t *testing.T) {
	b, err := evidence.Evidence{Findings: []evidence.Finding{{ID: "x"}}, Custom: []evidence.CustomResult{{Rule: "x"}}}.Input()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"layers":[]`, `"created"`, `"fixedVersion":""`, `"cvss":0`, `"licenses"`, `"severity":"unknown"`, `"packages":{}`, `"configured":""`, `"secretScan":false`,
	} {
		has := strings.Contains(string(b), want)
		if absent := want == `"created"` || want == `"licenses"`; has == absent {
			t.Errorf("%s: %v in %s", want, has, b)
		}
	}
	if strings.Contains(string(b), "custom") || strings.Contains(string(b), "null") {
		t.Errorf("got %s", b)
	}
}

func TestDocumentsAreReadStrictly(t *testing.T) {
	good := string(marshal(t, evidence.Document{SchemaVersion: 1, Evidence: []evidence.Evidence{{}}}))
	if _, err := evidence.ReadDocument([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty":       "",
		"null":        "null",
		"no version":  `{"evidence": []}`,
		"version 2":   strings.Replace(good, `"schemaVersion":1`, `"schemaVersion":2`, 1),
		"a field":     strings.Replace(good, `"findings"`, `"findngs"`, 1),
		"a severity":  `{"schemaVersion":1,"evidence":[{"findings":[{"severity":"grave"}]}]}`,
		"two":         good + good,
		"custom":      `{"schemaVersion":1,"evidence":[{"custom":[{"rule":"x"}]}]}`,
		"Rego":        `{"schemaVersion":1,"evidence":[{"base":{"signatures":{"items":[{"rego":[]}]}}}]}`,
		"the verdict": `{"schemaVersion":1,"status":"PASSED"}`,
	} {
		if d, err := evidence.ReadDocument([]byte(bad)); err == nil {
			t.Errorf("%s is read as %+v", name, d)
		}
	}
}

// TestLargePredicates: what is left out is absent, so that a document which is read
// again is never met by it.
func TestLargePredicates(t *testing.T) {
	of := func(p any) evidence.Document {
		return evidence.Document{SchemaVersion: 1, Evidence: []evidence.Evidence{{Signatures: &evidence.Signatures{Items: []evidence.Signature{{Predicate: p}}}}}}
	}
	const limit = evidence.MaxShownPredicate
	var deep any = "x"
	for range 20_000 {
		deep = []any{deep}
	}
	for name, c := range map[string]struct {
		predicate any
		kept      bool
	}{
		"none":                  {nil, false},
		"empty":                 {map[string]any{}, true},
		"at the limit":          {strings.Repeat("x", limit-2), true},
		"above":                 {strings.Repeat("x", limit-1), false},
		"above by escapes":      {strings.Repeat("\x01", limit/4), false},
		"many small":            {slices.Repeat([]any{map[string]any{"a": 1.0}}, limit/8), false},
		"deep":                  {deep, false},
		"what has no JSON form": {map[string]any{"a": math.NaN()}, false},
		"no JSON value":         {func() {}, false},
	} {
		got, err := evidence.ReadDocument(marshal(t, of(c.predicate)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if kept := got.Evidence[0].Signatures.Items[0].Predicate != nil; kept != c.kept {
			t.Errorf("%s: kept: %v", name, kept)
		}
	}
}
