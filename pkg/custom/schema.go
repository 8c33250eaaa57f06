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

// inputSchema makes Rego's compiler know every field of the input: one that is
// misspelt would be undefined, and the rule would pass in silence.
func inputSchema() (*ast.SchemaSet, map[string]field, error) {
	var document schema
	if err := json.Unmarshal(policies.EvidenceSchema(), &document); err != nil {
		return nil, nil, fmt.Errorf("read the evidence schema: %w", err)
	}
	fields := map[string]field{}
	input := schema{Ref: "#/definitions/Evidence", Definitions: map[string]schema{}}
	for name, d := range document.Definitions {
		for key, p := range d.Properties {
			fields[key] = merge(fields, key, p, slices.Contains(d.Required, key))
			if len(p.AllOf) == 1 {
				d.Properties[key] = p.AllOf[0]
			}
		}
		input.Definitions[name] = d
	}
	data, err := json.Marshal(input)
	if err != nil {
		return nil, nil, fmt.Errorf("write the evidence schema: %w", err)
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return nil, nil, fmt.Errorf("read the evidence schema: %w", err)
	}
	set := ast.NewSchemaSet()
	set.Put(ast.SchemaRootRef, plain)
	return set, fields, nil
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
