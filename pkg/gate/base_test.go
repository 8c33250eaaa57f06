// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// registries opens images and finds bases as the command does.
type registries struct{ opts image.Options }

func (r registries) Open(ctx context.Context, reference string) (*image.Set, error) {
	return image.Open(ctx, reference, r.opts)
}

func (r registries) FindBase(img *image.Image, q image.BaseQuery) func(context.Context) *evidence.Base {
	return image.FindBase(img, q, r.opts)
}

// bases is a finder whose behaviour a test chooses: hanging, panicking.
type bases func(context.Context) *evidence.Base

func (b bases) FindBase(*image.Image, image.BaseQuery) func(context.Context) *evidence.Base { return b }

// readLayers scans as far as a rule about bases needs.
type readLayers struct{}

func (readLayers) Scan(_ context.Context, img *image.Image, _ *Database, _ ScanRequest) (*evidence.Evidence, error) {
	e, err := clean(context.Background())
	for _, l := range img.Layers {
		e.Layers = append(e.Layers, evidence.LayerFacts{DiffID: l.DiffID.String(), Verification: evidence.LayerVerified})
	}
	return e, err
}

func parsed(t *testing.T, rules string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("test.yaml", []byte("version: 1\nname: t\n"+rules))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestBaseOfEveryPlatform judges an index by a policy that approves a registry, and
// by policies that do not: those must not lead to a request.
func TestBaseOfEveryPlatform(t *testing.T) {
	store, apps := imagetest.NewRegistry(t), imagetest.NewRegistry(t)
	layer := func(name string) *imagetest.Layer {
		return imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: name, Body: name})
	}
	var bases, images []imagetest.Entry
	for _, arch := range []string{"amd64", "arm64"} {
		base := imagetest.NewImage(layer(arch)).For("linux", arch, "")
		app := imagetest.NewImage(layer(arch), layer("app")).For("linux", arch, "")
		app.Config.Config.Labels = map[string]string{"org.opencontainers.image.base.name": store.Host + "/base/os:1"}
		bases, images = append(bases, imagetest.PlatformOf(base)), append(images, imagetest.PlatformOf(app))
	}
	store.Push("base/os", "1", imagetest.NewIndex(bases...))
	ref := "registry:" + apps.Push("app", "1", imagetest.NewIndex(images...))
	r := registries{image.Options{}}
	for glob, want := range map[string]struct {
		status   verdict.Status
		requests bool
	}{
		store.Host + "/base/**":  {verdict.Passed, true},
		store.Host + "/base/os":  {verdict.Passed, true},
		store.Host + "/other/**": {verdict.Failed, false},
		"**":                     {verdict.Failed, false},
		"*/base/os":              {verdict.Failed, false},
	} {
		before := len(store.Requests())
		g := &Gate{Images: r, Bases: r, Scanner: readLayers{}, Grace: time.Millisecond,
			OpenDatabase: func(context.Context) (*OpenedDatabase, error) { return &OpenedDatabase{}, nil }}
		v, err := g.Check(t.Context(), Request{Reference: ref, EffectiveTime: at, Policy: parsed(t, `rules: {base: [{id: b, images: ["`+glob+`"]}]}`)})
		if err != nil || v.Status != want.status || len(v.Subjects) != 2 {
			t.Errorf("%s: %s, %v, %d subjects", glob, v.Status, err, len(v.Subjects))
		}
		for _, s := range v.Subjects {
			if s.Evidence.Base == nil || (s.Evidence.Base.Lineage == evidence.LineageProven) != want.requests {
				t.Errorf("%s: %+v", glob, s.Evidence.Base)
			}
		}
		if asked := store.Requests()[before:]; len(asked) > 0 != want.requests {
			t.Errorf("%s: %v", glob, asked)
		}
	}
}

// TestBaseThatCannotBeFound: nothing that goes wrong with the base is a pass, and
// nothing of it keeps the rest from being decided.
func TestBaseThatCannotBeFound(t *testing.T) {
	p := parsed(t, "rules:\n  base: [{id: b, latest: forbidden}]\n  config: [{id: u, user: non-root}]\n")
	for name, find := range map[string]bases{
		"panics":       func(context.Context) *evidence.Base { panic("boom") },
		"out of time":  func(ctx context.Context) *evidence.Base { <-ctx.Done(); return nil },
		"ignores time": func(context.Context) *evidence.Base { select {} },
	} {
		t.Run(name, func(t *testing.T) {
			g := gateOf(index{"linux/amd64"}, clean)
			g.Bases = find
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			g.Grace = time.Minute
			v, err := g.Check(ctx, Request{Reference: "oci:x", Policy: p, EffectiveTime: at})
			if err != nil || v.Status != verdict.Errored {
				t.Fatalf("%s, %v", v.Status, err)
			}
			for _, o := range v.Subjects[0].Outcomes {
				if o.Rule == "b" && (o.Result != verdict.Error || strings.Contains(o.Summary, "boom") != (name == "panics")) || o.Rule == "u" && o.Result != verdict.Pass {
					t.Errorf("%s: %s %s", o.Rule, o.Result, o.Summary)
				}
			}
		})
	}
}
