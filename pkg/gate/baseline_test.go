// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

type realImages struct{ opts image.Options }

func (r realImages) Open(ctx context.Context, reference string) (*image.Set, error) {
	return image.Open(ctx, reference, r.opts)
}

func TestBaseline(t *testing.T) {
	layer := imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "a", Body: strings.Repeat("x", 5000)})
	amd64, arm64 := imagetest.NewImage(layer), imagetest.NewImage(layer, layer).For("linux", "arm64", "")
	layout := func(name string, entries ...imagetest.Entry) string {
		index, blobs := imagetest.Layout(entries...)
		return "oci-archive:" + imagetest.WriteTar(t, name, imagetest.LayoutFiles(index, blobs)...)
	}
	saved := imagetest.WriteTar(t, "saved.tar", imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(imagetest.NewLayer(imagetest.Plain, imagetest.File{Name: "a", Body: strings.Repeat("x", 5000)}))})...)
	single := layout("single.tar", imagetest.Named(amd64, "one"))
	index := layout("index.tar", imagetest.Named(imagetest.NewIndex(imagetest.PlatformOf(amd64), imagetest.PlatformOf(arm64)), "two"))
	damaged := *layer
	damaged.Blob = append(bytes.Clone(layer.Blob[:len(layer.Blob)-9]), make([]byte, 9)...)
	broken := layout("broken.tar", imagetest.Named(imagetest.NewImage(&damaged), "broken"))

	raw, stored := int64(len(layer.Tar)), int64(len(layer.Blob))
	cases := map[string]struct {
		baseline string
		subject  evidence.Source
		platform string
		want     evidence.Baseline
		problem  string
	}{
		"both with manifests":       {single, evidence.SourceRegistry, "linux/amd64", evidence.Baseline{CompressedSize: stored, Layers: 1}, ""},
		"the subject has none":      {single, evidence.SourceDockerDaemon, "linux/amd64", evidence.Baseline{Size: raw, Layers: 1}, ""},
		"the baseline has none":     {saved, evidence.SourceOCI, "linux/amd64", evidence.Baseline{Size: raw, Layers: 1}, ""},
		"of an index":               {index, evidence.SourceOCIArchive, "linux/arm64", evidence.Baseline{CompressedSize: 2 * stored, Layers: 2}, ""},
		"another platform":          {single, evidence.SourceRegistry, "linux/arm64", evidence.Baseline{}, "no image for the platform linux/arm64"},
		"nothing there":             {"oci-archive:" + t.TempDir() + "/gone.tar", evidence.SourceRegistry, "linux/amd64", evidence.Baseline{}, "no such file"},
		"damaged, and must be read": {broken, evidence.SourceDockerDaemon, "linux/amd64", evidence.Baseline{Layers: 1}, "sha256:"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			platform, err := evidence.ParsePlatform(c.platform)
			if err != nil {
				t.Fatal(err)
			}
			g := &Gate{Images: realImages{image.Options{TempDir: t.TempDir()}}}
			b := g.openBaseline(t.Context(), c.baseline)
			defer b.close()
			e := evidence.Evidence{Subject: evidence.Subject{Source: c.subject, Platform: platform}}
			b.measure(t.Context(), &e)
			got := *e.Baseline
			if got.Size != c.want.Size || got.CompressedSize != c.want.CompressedSize || got.Layers != c.want.Layers {
				t.Errorf("%+v", got)
			}
			if c.problem == "" != (got.Problem == "") || !strings.Contains(got.Problem, c.problem) {
				t.Errorf("problem %q", got.Problem)
			}
			if got.Reference != c.baseline || got.Problem == "" && !strings.HasPrefix(got.Digest, "sha256:") {
				t.Errorf("%q %q", got.Reference, got.Digest)
			}
		})
	}
	e := evidence.Evidence{}
	var none *baseline
	none.measure(t.Context(), &e)
	if e.Baseline != nil {
		t.Error("a baseline that nobody asked for")
	}
}
