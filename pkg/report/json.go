// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// SchemaVersion is the version of the JSON form. It grows when a field changes
// its meaning or goes away, not when one is added.
const SchemaVersion = 1

type document struct {
	SchemaVersion int  `json:"schemaVersion"`
	Tool          tool `json:"tool"`
	verdict.Verdict
}

type tool struct {
	Name         string `json:"name"`
	Version      string `json:"version"`
	TrivyVersion string `json:"trivyVersion"`
}

// JSON writes the complete verdict as one JSON document. Lists are never null,
// times are RFC 3339 in UTC, and the same verdict gives the same bytes. Characters
// that could steer a terminal or hide from a reader are written as \uNNNN, which
// means the same to every JSON parser.
func JSON(w io.Writer, v verdict.Verdict, o Options) error {
	doc := document{
		SchemaVersion: SchemaVersion,
		Tool:          tool{Name: "ocigate", Version: o.Versions.Ocigate, TrivyVersion: o.Versions.Trivy},
		Verdict:       v,
	}
	if doc.Status == "" {
		doc.Status = verdict.Errored
	}
	if err := WriteJSON(w, doc); err != nil {
		return fmt.Errorf("write verdict as JSON: %w", err)
	}
	return nil
}

// WriteJSON writes a value, which has no unexported fields, under the rules of JSON.
func WriteJSON(w io.Writer, value any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(normal(reflect.ValueOf(value)).Interface()); err != nil {
		return err
	}
	_, err := w.Write(visible(b.Bytes()))
	return err
}

// normal copies v with empty lists and maps in place of nil ones and every time in UTC.
// What is too large to be shown is left out.
func normal(v reflect.Value) reflect.Value {
	if t, ok := v.Interface().(time.Time); ok {
		return reflect.ValueOf(t.UTC())
	}
	if s, ok := v.Interface().(evidence.Signature); ok {
		s.Predicate = evidence.ShownPredicate(s.Predicate)
		v = reflect.ValueOf(s)
	}
	out := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			out.Field(i).Set(normal(v.Field(i)))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(normal(v.Index(i)))
		}
	case reflect.Map:
		out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		for it := v.MapRange(); it.Next(); {
			out.SetMapIndex(it.Key(), normal(it.Value()))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(normal(v.Elem()))
		}
	default:
		out.Set(v)
	}
	return out
}

// visible writes unsafe characters of a JSON document, which can only stand in
// its strings, as \u escapes.
func visible(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case r == '\n' || !escape.Unsafe(r):
			out = append(out, b[i:i+size]...)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += size
	}
	// "##" stands in strings only; see package escape for what these two do to a log.
	out = bytes.ReplaceAll(out, []byte("##["), []byte(`##\u005b`))
	return bytes.ReplaceAll(out, []byte("##vso["), []byte(`##vso\u005b`))
}
