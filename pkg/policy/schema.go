// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/json"
	"slices"
)

// SchemaID is where the JSON Schema of the policy language is published.
const SchemaID = "https://raw.githubusercontent.com/ocigate/ocigate/main/policies/schema/ocigate-policy-v1.json"

// Schema returns the JSON Schema (draft-07) of the policy language, for editors. It
// is made of the tables that the parser reads by, and says less than the parser
// checks: a policy that parses is valid, but not each one that is valid parses. A
// policy that only stands below an enforced one, and completes its rules, is the
// exception: nothing in the file says so, and an editor asks for the rest.
func Schema() []byte {
	p := newParser(&Document{})
	keys, inSections := p.documentKeys(), names(p.sectionKeys())
	definitions := object{}
	for _, k := range keys {
		if slices.Contains(inSections, k.name) {
			definitions = append(definitions, member{k.name, k.schema()})
		}
	}
	properties := object{}
	for _, k := range keys {
		switch {
		case slices.Contains(inSections, k.name):
			properties = append(properties, member{k.name, reference(k.name)})
		case k.name == "images":
			properties = append(properties, member{k.name, sections(k, inSections)})
		default:
			properties = append(properties, member{k.name, k.schema()})
		}
	}
	// A document that builds on others may patch their rules, which takes an id only.
	patches := object{{"anyOf", []object{{{"required", []string{"extends"}}}, {{"required", []string{"images"}}}}}}
	whole := object{{"required", []string{"rules"}}, {"properties", object{{"rules", p.rulesKey().shape.mustHave()}}}}
	root := object{
		{"$schema", "http://json-schema.org/draft-07/schema#"},
		{"$id", SchemaID},
		{"title", "ocigate policy, version 1"},
		{"description", "What an image must fulfil before it is pushed. Made by `ocigate policy schema`; `ocigate policy lint` checks more."},
		{"type", "object"},
		{"properties", properties},
		{"required", required(keys)},
		{"additionalProperties", false},
		{"if", patches},
		{"else", whole},
		{"definitions", definitions},
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		return nil // strings, numbers, lists and objects: it cannot fail, and a test would see it
	}
	return b.Bytes()
}

// object is a JSON object that keeps the order of its members.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{m.name, m.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(v); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

func reference(name string) object {
	return object{{"$ref", "#/definitions/" + name}}
}

// sections is the schema of the per-image sections: what a document may say, once
// more for some images.
func sections(k key, inSections []string) object {
	item := k.shape.item.schema("")
	for i, m := range item {
		if m.name != "properties" {
			continue
		}
		properties := m.value.(object)
		for _, name := range inSections {
			properties = append(properties, member{name, reference(name)})
		}
		item[i].value = properties
	}
	return append(object{{"description", k.about}}, object{{"type", "array"}, {"items", item}, {"minItems", 1}}...)
}

// mustHave demands the keys without which a mapping is a mistake, at any depth. An
// id is demanded everywhere.
func (s shape) mustHave() object {
	var o object
	switch {
	case s.kind == shapeList:
		if items := s.item.mustHave(); items != nil {
			o = object{{"items", items}}
		}
	case s.kind == shapeMapping:
		keys := s.keys()
		if must := slices.DeleteFunc(required(keys), func(k string) bool { return k == "id" }); len(must) > 0 {
			o = append(o, member{"required", must})
		}
		var properties object
		for _, k := range keys {
			if inner := k.shape.mustHave(); inner != nil {
				properties = append(properties, member{k.name, inner})
			}
		}
		if properties != nil {
			o = append(o, member{"properties", properties})
		}
	}
	return o
}

// patch is the shape of a rule that may complete another: it must have its id only.
func (s shape) patch() shape {
	if s.makeKeys != nil {
		keys := slices.Clone(s.keys())
		for i, k := range keys {
			keys[i].required = k.required && k.name == "id"
			keys[i].shape = k.shape.patch()
		}
		s = mappingOf(keys...)
	}
	if s.item != nil {
		item := s.item.patch()
		s.item = &item
	}
	s.oneOf = slices.Clone(s.oneOf)
	for i, f := range s.oneOf {
		s.oneOf[i] = f.patch()
	}
	return s
}

func required(keys []key) []string {
	var must []string
	for _, k := range keys {
		if k.required {
			must = append(must, k.name)
		}
	}
	return must
}

func (k key) schema() object {
	s := k.shape
	if k.name == "rules" {
		s = s.patch()
	}
	return s.schema(k.about)
}

func (s shape) schema(about string) object {
	var o object
	if about != "" {
		o = append(o, member{"description", about})
	}
	switch s.kind {
	case shapeOneOf:
		var forms []object
		for _, f := range s.oneOf {
			forms = append(forms, f.schema(""))
		}
		return append(o, member{"oneOf", forms})
	case shapeList:
		o = append(o, member{"type", s.kind}, member{"items", s.item.schema("")}, member{"minItems", 1})
		if s.item.kind == shapeString {
			o = append(o, member{"uniqueItems", true})
		}
		return o
	case shapeMapping:
		return append(o, s.mapping()...)
	case shapeString:
		return append(o, s.text()...)
	case shapeInteger, shapeNumber:
		o = append(o, member{"type", s.kind})
		if !s.signed {
			o = append(o, member{"minimum", s.min})
		}
		if s.max > 0 {
			o = append(o, member{"maximum", s.max})
		}
		return o
	default:
		return append(o, member{"type", s.kind})
	}
}

func (s shape) mapping() object {
	o := object{{"type", s.kind}}
	keys := s.keys()
	if len(keys) == 0 {
		// Names that are not the language's: labels, annotations.
		value := shape{kind: shapeString}
		if s.item != nil {
			value = *s.item
		}
		if s.enum != nil {
			o = append(o, member{"propertyNames", object{{"enum", s.enum}}})
		}
		return append(o, member{"additionalProperties", value.schema("")}, member{"minProperties", 1})
	}
	properties := object{}
	for _, k := range keys {
		properties = append(properties, member{k.name, k.schema()})
	}
	o = append(o, member{"properties", properties})
	if must := required(keys); must != nil {
		o = append(o, member{"required", must})
	}
	return append(o, member{"additionalProperties", false}, member{"minProperties", 1})
}

func (s shape) text() object {
	o := object{{"type", s.kind}}
	switch {
	case s.enum != nil:
		return append(o, member{"enum", s.enum})
	case s.pattern != "":
		return append(o, member{"pattern", s.pattern})
	default:
		return append(o, member{"minLength", 1})
	}
}
