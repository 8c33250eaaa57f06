// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Document is the published form of what one run knows: `--output evidence` writes
// it, `policy test` reads it, and each element of Evidence is the input of Rego
// rules. Its JSON form has a schema, and its fields are all there, "", 0, false, [] or
// {} where there is nothing, so that a rule which asks for nothing finds it. Only what
// is a pointer here is left out where it is not known.
// What Rego rules said is not in it: it is no fact about the image. Neither is a
// predicate that is too large: see ShownPredicate.
type Document struct {
	SchemaVersion int `json:"schemaVersion"`
	// EffectiveTime is the "now" of the run.
	EffectiveTime time.Time `json:"effectiveTime"`
	// Reference is what the user asked to judge.
	Reference string `json:"reference"`
	// Evidence is what is known of each platform that was examined.
	Evidence []Evidence `json:"evidence"`
	// NotExamined are platforms of the image that nobody asked for.
	NotExamined []Platform `json:"notExamined"`
	// Problems are those that belong to no platform.
	Problems []Problem `json:"problems"`
}

// DocumentVersion is the SchemaVersion of a Document. It grows when a field changes
// its meaning or goes away, not when one is added.
const DocumentVersion = 1

// MarshalJSON implements json.Marshaler.
func (d Document) MarshalJSON() ([]byte, error) { return complete(reflect.ValueOf(d)) }

// Input is the evidence as it stands in a Document.
func (e Evidence) Input() ([]byte, error) { return complete(reflect.ValueOf(e)) }

// ReadDocument reads a Document. What it does not know is an error: a misspelt
// field would be a fact that nobody sees.
func ReadDocument(data []byte) (*Document, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var d Document
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("not an evidence document: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not an evidence document: something follows it")
	}
	if d.SchemaVersion != DocumentVersion {
		return nil, fmt.Errorf("not an evidence document of version %d: schemaVersion is %d", DocumentVersion, d.SchemaVersion)
	}
	if slices.ContainsFunc(d.Evidence, func(e Evidence) bool { return e.Custom != nil }) {
		return nil, errors.New("an evidence document holds no results of custom rules")
	}
	for _, e := range d.Evidence {
		for _, s := range e.signatures() {
			if slices.ContainsFunc(s.Items, func(i Signature) bool { return i.Rego != nil }) {
				return nil, errors.New("an evidence document holds no results of Rego rules about attestations")
			}
		}
	}
	return &d, nil
}

// signatures are those of the image and of its base.
func (e Evidence) signatures() []*Signatures {
	var list []*Signatures
	if e.Signatures != nil {
		list = append(list, e.Signatures)
	}
	if e.Base != nil && e.Base.Signatures != nil {
		list = append(list, e.Base.Signatures)
	}
	return list
}

func complete(v reflect.Value) ([]byte, error) {
	var b bytes.Buffer
	if err := write(&b, v); err != nil {
		return nil, fmt.Errorf("evidence as JSON: %w", err)
	}
	return b.Bytes(), nil
}

// write is json.Marshal without omitempty, but for pointers and predicates, and
// without null outside of these.
func write(b *bytes.Buffer, v reflect.Value) error {
	switch x := v.Interface().(type) {
	case time.Time:
		return leaf(b, x.UTC())
	case Signature:
		x.Predicate = ShownPredicate(x.Predicate)
		return writeStruct(b, reflect.ValueOf(x))
	case encoding.TextMarshaler:
		if v.Kind() != reflect.Pointer {
			return leaf(b, x)
		}
	}
	switch v.Kind() {
	case reflect.Struct:
		return writeStruct(b, v)
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := write(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case reflect.Map:
		if v.Len() == 0 {
			b.WriteString("{}")
			return nil
		}
		return leaf(b, v.Interface()) // of scalars, by key in order
	case reflect.Pointer:
		return write(b, v.Elem())
	default:
		return leaf(b, v.Interface())
	}
}

func writeStruct(b *bytes.Buffer, v reflect.Value) error {
	b.WriteByte('{')
	first := true
	for i := range v.NumField() {
		name, ok := FieldName(v.Type(), v.Type().Field(i))
		if !ok || CanBeAbsent(v.Field(i).Kind()) && v.Field(i).IsNil() {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(`"` + name + `":`)
		if err := write(b, v.Field(i)); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// FieldName is the name of a field in a Document; false for one that is not in it.
func FieldName(owner reflect.Type, f reflect.StructField) (string, bool) {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		name = f.Name
	}
	if owner == reflect.TypeFor[Evidence]() && f.Name == "Custom" || owner == reflect.TypeFor[Signature]() && f.Name == "Rego" {
		return "", false
	}
	return name, f.IsExported() && name != "-"
}

// CanBeAbsent says whether a field of the kind is left out of a Document where it is nil.
func CanBeAbsent(k reflect.Kind) bool { return k == reflect.Pointer || k == reflect.Interface }

func leaf(b *bytes.Buffer, x any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(x); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the line feed
	return nil
}
