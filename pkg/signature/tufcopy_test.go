// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func editCopy(t *testing.T, o Options, change func(*tufCopy)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(o.CacheDir, "tuf", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("cache %v %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var c tufCopy
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	change(&c)
	if data, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTUFTamperedCopy(t *testing.T) {
	evil := newMirror(t)
	for name, change := range map[string]func(*tufCopy){
		"target":              func(c *tufCopy) { c.Targets[tufTarget] = rootJSON(t) },
		"timestamp of others": func(c *tufCopy) { c.Metadata["timestamp.json"] = evil.files["timestamp.json"] },
		"everything of others": func(c *tufCopy) {
			c.Roots = [][]byte{evil.first()}
			c.Metadata = map[string][]byte{"root.json": evil.first(), "timestamp.json": evil.files["timestamp.json"],
				"snapshot.json": evil.files["1.snapshot.json"], "targets.json": evil.files["1.targets.json"]}
		},
		"garbage": func(c *tufCopy) {
			c.Metadata["snapshot.json"], c.Roots = []byte("{"), [][]byte{nil, []byte("null"), []byte("{}")}
		},
		"nulls": func(c *tufCopy) {
			c.Metadata["targets.json"], c.Roots = []byte("null"), [][]byte{[]byte(`{"signed":null}`)}
		},
		"missing":   func(c *tufCopy) { delete(c.Metadata, "snapshot.json") },
		"no target": func(c *tufCopy) { c.Targets = nil },
		"other names": func(c *tufCopy) {
			c.Targets = map[string][]byte{"../../../escape.json": []byte("x"), "/escape.json": []byte("x"), "..": []byte("x"), "": []byte("x"), "a\x00.json": []byte("x")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(t)
			o := m.options(t.TempDir())
			m.mustWork(o, m.authority())
			editCopy(t, o, change)
			m.take()
			m.mustFail(offline(o), m.authority(), "no valid copy")
			if got := m.take(); len(got) != 0 {
				t.Errorf("requests: %v", got)
			}
			m.mustWork(o, m.authority()) // fetched again
			m.mustWork(offline(o), m.authority())
		})
	}
}

func TestTUFUnreadableCopy(t *testing.T) {
	m := newMirror(t)
	o := m.options(t.TempDir())
	m.mustWork(o, m.authority())
	files, _ := filepath.Glob(filepath.Join(o.CacheDir, "tuf", "*"))
	for name, data := range map[string][]byte{"empty": {}, "half": []byte(`{"refreshed":"2026-`), "array": []byte("[]"), "nested": bytes.Repeat([]byte("["), 1<<20)} {
		if err := os.WriteFile(files[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		m.mustFail(offline(o), m.authority(), "no valid copy")
		m.mustWork(o, m.authority())
		if t.Failed() {
			t.Fatal(name)
		}
	}
	// A cache that cannot be written is no reason to fail.
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o.CacheDir = blocked
	var said []string
	o.Progress = func(s string) { said = append(said, s) }
	m.mustWork(o, m.authority())
	if len(said) != 2 || !strings.Contains(said[1], "could not be kept") {
		t.Errorf("said %q", said)
	}
}
