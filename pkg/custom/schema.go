// SPDX-License-Identifier: Apache-2.0

package custom

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/ocigate/ocigate/policies"
)

// schema is the part of a JSON Schema that the evidence's has.
type schema struct {
	Ref        string            `json:"$ref,omitempty"`
	Type       string            `json:"type,omitempty"`
	Properties map[string]schema `json:"properties,omitempty"`
	Items      *schema           `json:"items,omitempty"`
	// AllOf has one element, a reference that a description stands beside.
	AllOf       []schema          `json:"allOf,omitempty"`
	Required    []string          `json:"required,omitempty"`
	Definitions map[string]schema `json:"definitions,omitempty"`
}

// field is what is known of all fields of one name.
type field struct {
	// always is set if every object that has such a field has it always, and it is no
	// truth value. empty is what it is where it says nothing;
	// "" where that is not one value.
	always bool
	empty  string
}

// input is what is known of the input of a rule.
type input struct {
	schemas *ast.SchemaSet
	// fields are the fields of all its objects, by name.
	fields map[string]field
	// open is the name of the part in which anything may stand; empty for none.
	open string
}

// evidenceInput makes Rego's compiler know every field of the evidence: one that is
// misspelt would be undefined, and the rule would pass in silence.
func evidenceInput() (*input, error) {
	definitions, fields, err := definitions()
	if err != nil {
		return nil, err
	}
	return newInput(schema{Ref: "#/definitions/Evidence", Definitions: definitions}, fields)
}

// attestationInput is the same for an evidence.AttestationInput.
func attestationInput() (*input, error) {
	definitions, _, err := definitions()
	if err != nil {
		return nil, err
	}
	text := schema{Type: "string"}
	signer := schema{Type: "object", Properties: map[string]schema{"issuer": text, "subject": text, "extensions": {Type: "object"}, "key": text}}
	root := schema{Type: "object", Definitions: definitions, Properties: map[string]schema{
		"subject": {Ref: "#/definitions/Subject"}, "signer": signer, "predicate": {},
		"predicateType": text, "authority": text, "time": text, "digest": text,
	}}
	fields := map[string]field{}
	for name, p := range root.Properties {
		fields[name] = merge(fields, name, p, name != "time")
	}
	for name, p := range signer.Properties {
		fields[name] = merge(fields, name, p, true)
	}
	subject := definitions["Subject"]
	for name, p := range subject.Properties {
		fields[name] = merge(fields, name, p, slices.Contains(subject.Required, name))
	}
	in, err := newInput(root, fields)
	if err == nil {
		in.open = "predicate"
	}
	return in, err
}

// definitions are those of the evidence schema, and their fields.
func definitions() (map[string]schema, map[string]field, error) {
	var document schema
	if err := json.Unmarshal(policies.EvidenceSchema(), &document); err != nil {
		return nil, nil, fmt.Errorf("read the evidence schema: %w", err)
	}
	fields := map[string]field{}
	for name, d := range document.Definitions {
		for key, p := range d.Properties {
			fields[key] = merge(fields, key, p, slices.Contains(d.Required, key))
			if len(p.AllOf) == 1 {
				d.Properties[key] = p.AllOf[0]
			}
		}
		document.Definitions[name] = d
	}
	return document.Definitions, fields, nil
}

func newInput(root schema, fields map[string]field) (*input, error) {
	data, err := json.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("write the schema of the input: %w", err)
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return nil, fmt.Errorf("read the schema of the input: %w", err)
	}
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, plain)
	return &input{schemas: set, fields: fields}, nil
}

func merge(fields map[string]field, name string, s schema, required bool) field {
	empty := map[string]string{"string": `""`, "integer": "0", "number": "0", "array": "[]", "object": "{}"}[s.Type]
	f, seen := fields[name]
	if !seen {
		f = field{always: true, empty: empty}
	}
	if f.empty != empty {
		f.empty = ""
	}
	f.always = f.always && required && s.Type != "boolean"
	return f
}
