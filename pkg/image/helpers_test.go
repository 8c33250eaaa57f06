// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// options is an environment in which nothing is configured.
func options(t testing.TB, env ...string) image.Options {
	vars := map[string]string{"HOME": t.TempDir()}
	for i := 0; i+1 < len(env); i += 2 {
		vars[env[i]] = env[i+1]
	}
	return image.Options{TempDir: t.TempDir(), Getenv: func(k string) string { return vars[k] }}
}

func open(t testing.TB, reference string, opts image.Options) *image.Set {
	t.Helper()
	set, err := image.Open(t.Context(), reference, opts)
	if err != nil {
		t.Fatalf("open %s: %v", reference, err)
	}
	t.Cleanup(func() {
		if err := set.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return set
}

// wantError opens and expects an *Error of a kind with all words in message and hint.
func wantError(t *testing.T, reference string, opts image.Options, kind image.ErrorKind, words ...string) *image.Error {
	t.Helper()
	set, err := image.Open(t.Context(), reference, opts)
	if err == nil {
		set.Close()
		t.Fatalf("open %s: no error, want %s", reference, kind)
	}
	e, ok := errors.AsType[*image.Error](err)
	if !ok {
		t.Fatalf("open %s: %T %v is no *Error", reference, err, err)
	}
	if e.Kind != kind {
		t.Errorf("open %s: kind %s, want %s: %v", reference, e.Kind, kind, err)
	}
	for _, w := range words {
		if !strings.Contains(e.Error()+" "+e.Hint, w) {
			t.Errorf("open %s: %q (hint %q) lacks %q", reference, e, e.Hint, w)
		}
	}
	return e
}

// readLayer reads a layer to its end.
func readLayer(ctx context.Context, l *image.Layer) ([]byte, error) {
	rc, err := l.Open(ctx)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(rc)
	return b, errors.Join(err, rc.Close())
}

func wantLayers(t testing.TB, i *image.Image, want ...*imagetest.Layer) {
	t.Helper()
	if len(i.Layers) != len(want) {
		t.Fatalf("%d layers, want %d", len(i.Layers), len(want))
	}
	for n, l := range i.Layers {
		b, err := readLayer(t.Context(), l)
		if err != nil {
			t.Fatalf("layer %d: %v", n, err)
		}
		if string(b) != string(want[n].Tar) {
			t.Errorf("layer %d: other content", n)
		}
		if !l.Verified() {
			t.Errorf("layer %d is not verified", n)
		}
		if l.DiffID != want[n].DiffID {
			t.Errorf("layer %d: diff ID %s, want %s", n, l.DiffID, want[n].DiffID)
		}
		if sum, err := l.StoredDigest(t.Context()); err != nil || sum != imagetest.Digest(want[n].Blob) {
			t.Errorf("layer %d: stored digest %s, %v", n, sum, err)
		}
	}
}

func wantIntegrity(t *testing.T, err error, words ...string) {
	t.Helper()
	ie, ok := errors.AsType[*image.IntegrityError](err)
	if !ok {
		t.Fatalf("%T %v is no *IntegrityError", err, err)
	}
	if ie.Blob == "" {
		t.Errorf("%v names no blob", err)
	}
	for _, w := range words {
		if !strings.Contains(ie.Error(), w) {
			t.Errorf("%q lacks %q", ie, w)
		}
	}
}

// sample has a layer of each compression.
func sample() *imagetest.Image {
	return imagetest.NewImage(
		imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "etc/"}, imagetest.File{Name: "etc/os-release", Body: "ID=test\n"}),
		imagetest.NewLayer(imagetest.Zstd, imagetest.File{Name: "usr/big", Body: strings.Repeat("0123456789", 200_000)}),
		imagetest.NewLayer(imagetest.Plain, imagetest.File{Name: "usr/.wh.big"}),
	)
}

// wantFailure expects an *Error of a kind with all words in message and hint.
func wantFailure(t *testing.T, do func() error, kind image.ErrorKind, words ...string) {
	t.Helper()
	err := do()
	e, ok := errors.AsType[*image.Error](err)
	if !ok {
		t.Errorf("%T %v is no *Error", err, err)
		return
	}
	if e.Kind != kind {
		t.Errorf("kind %s, want %s: %v", e.Kind, kind, err)
	}
	for _, w := range words {
		if !strings.Contains(e.Error()+" "+e.Hint, w) {
			t.Errorf("%q (hint %q) lacks %q", e, e.Hint, w)
		}
	}
}
