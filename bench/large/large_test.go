// SPDX-License-Identifier: Apache-2.0

package large

import (
	"errors"
	"path/filepath"
	"testing"
)

// TestRecipe keeps what is generated as it is: whoever changes it raises recipe, and this
// digest with it. What takes long or depends on Go's compressor is left out.
func TestRecipe(t *testing.T) {
	r := random(1)
	mixed := &layer{step: "mixed"}
	mixed.add("log", 0o644, logFile(&r, 100))
	mixed.add("json", 0o644, jsonFile(&r, 100))
	mixed.add("js", 0o755, minified(&r, 100))
	mixed.add("class", 0o644, class(&r))
	layers := []*layer{python([]byte("licence\n")), mixed, planted()}
	for _, l := range layers {
		if err := l.write(filepath.Join(t.TempDir(), "layer.tar")); err != nil {
			t.Fatal(err)
		}
	}
	config, err := configuration(layers)
	if err != nil {
		t.Fatal(err)
	}
	const want = "fca5176fc6b3c35d7d8a7f357154744c76e2ebb08ce99bc22a9532974f247628"
	if got := digest(config); recipe != 1 || got != want {
		t.Errorf("recipe %d is %s, want %s of recipe 1", recipe, got, want)
	}
}

// TestWithoutSharedImages: generated content stands in, and is not called real.
func TestWithoutSharedImages(t *testing.T) {
	alpine, realBase, err1 := base(t.Context(), t.TempDir())
	node, realNode, err2 := npm(t.Context(), t.TempDir())
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if realBase || realNode {
		t.Error("generated content is called real")
	}
	for _, l := range []*layer{alpine, node} {
		if err := l.write(filepath.Join(t.TempDir(), "layer.tar")); err != nil {
			t.Error(err)
		}
	}
}
