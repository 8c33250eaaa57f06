// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/internal/sharedtest"
)

const (
	nameKey   = "org.opencontainers.image.base.name"
	digestKey = "org.opencontainers.image.base.digest"
)

// bases is a registry of base images.
type bases struct {
	*imagetest.Registry
	alpine, other, shuffled, arm *imagetest.Image
	// digest is that of alpine, index of an index with alpine and arm.
	digest, index string
}

func newBases(t *testing.T) *bases {
	b := &bases{Registry: imagetest.NewRegistry(t)}
	b.alpine = imagetest.NewImage(layerNamed("os"), layerNamed("update"))
	b.alpine.Config.Created = v1.Time{Time: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}
	b.other = imagetest.NewImage(layerNamed("other"))
	b.shuffled = imagetest.NewImage(layerNamed("update"), layerNamed("os"))
	b.arm = imagetest.NewImage(layerNamed("arm")).For("linux", "arm64", "")
	both := imagetest.NewIndex(imagetest.PlatformOf(b.alpine), imagetest.PlatformOf(b.arm))
	b.digest, b.index = imagetest.DigestOf(b.alpine).String(), imagetest.DigestOf(both).String()
	b.Push("base/alpine", "3.20", b.alpine)
	b.Push("base/alpine", "index", both)
	b.Push("base/alpine", "moved", b.other)
	b.Push("base/alpine", "shuffled", b.shuffled)
	b.Push("base/alpine", "arm", b.arm)
	b.Push("base/empty", "1", imagetest.NewImage())
	return b
}

// app is an image on alpine.
func (b *bases) app() *imagetest.Image {
	return imagetest.NewImage(layerNamed("os"), layerNamed("update"), layerNamed("app"))
}

func annotated(i *imagetest.Image, annotations map[string]string) *imagetest.Image {
	doc, _ := i.Document()
	m := map[string]any{}
	if json.Unmarshal(doc, &m) != nil {
		panic("not a manifest")
	}
	m["annotations"] = annotations
	i.ManifestJSON, _ = json.Marshal(m)
	return i
}

func labelled(i *imagetest.Image, labels map[string]string) *imagetest.Image {
	i.Config.Config.Labels = labels
	return i
}

func dockerfileOf(base string) *evidence.Dockerfile {
	return &evidence.Dockerfile{Path: "Dockerfile", Stages: []evidence.Stage{
		{Name: "build", Base: "golang:1.22", Line: 1}, {Name: "runtime", Base: base, Line: 4}, {Base: "runtime", Line: 9},
	}}
}

func yes(string) bool { return true }

// TestBase is the table of claims, honest and not.
func TestBase(t *testing.T) {
	b := newBases(t)
	alpine := b.Host + "/base/alpine"
	note := func(reference, digest string) map[string]string {
		return map[string]string{nameKey: reference, digestKey: digest}
	}
	cases := map[string]struct {
		image    *imagetest.Image
		query    image.BaseQuery
		source   evidence.ClaimSource
		lineage  evidence.Lineage
		layers   int
		pinned   bool
		current  string // "true", "false", "nil"
		reason   string
		contacts bool
	}{
		"annotation by tag":     {image: annotated(b.app(), note(alpine+":3.20", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimAnnotation, lineage: evidence.LineageProven, layers: 2, current: "true", contacts: true},
		"annotation by digest":  {image: annotated(b.app(), note(alpine+":3.20", b.digest)), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimAnnotation, lineage: evidence.LineageProven, layers: 2, pinned: true, current: "true", contacts: true},
		"digest of the index":   {image: annotated(b.app(), note(alpine+":index", b.index)), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimAnnotation, lineage: evidence.LineageProven, layers: 2, pinned: true, current: "true", contacts: true},
		"manifest of the index": {image: annotated(b.app(), note(alpine+":index", b.digest)), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimAnnotation, lineage: evidence.LineageProven, layers: 2, pinned: true, current: "true", contacts: true},
		"label":                 {image: labelled(b.app(), note(alpine+":3.20@"+b.digest, "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageProven, layers: 2, pinned: true, current: "true", contacts: true},
		"the tag moved on":      {image: labelled(b.app(), note(alpine+":moved", b.digest)), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageProven, layers: 2, pinned: true, current: "false", contacts: true},
		"the tag is gone":       {image: labelled(b.app(), note(alpine+":gone", b.digest)), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageProven, layers: 2, pinned: true, current: "false", contacts: true},
		"no tag":                {image: labelled(b.app(), note(alpine+"@"+b.digest, "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageProven, layers: 2, pinned: true, contacts: true},
		"moved, not pinned":     {image: labelled(b.app(), note(alpine+":moved", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageDisproven, reason: "layer 1 of the base image", contacts: true},
		"flag":                  {image: b.app(), query: image.BaseQuery{Reference: alpine + ":3.20"}, source: evidence.ClaimFlag, lineage: evidence.LineageProven, layers: 2, current: "true", contacts: true},
		"flag with transport":   {image: b.app(), query: image.BaseQuery{Reference: "registry:" + alpine + ":3.20"}, source: evidence.ClaimFlag, lineage: evidence.LineageProven, layers: 2, current: "true", contacts: true},
		"flag beats a lying label": {image: labelled(b.app(), note(alpine+":moved", "")), query: image.BaseQuery{Reference: alpine + ":3.20", Approved: yes},
			source: evidence.ClaimFlag, lineage: evidence.LineageProven, layers: 2, current: "true", reason: "the label names " + alpine + ":moved", contacts: true},
		"no way around a wrong flag": {image: labelled(b.app(), note(alpine+":3.20", "")), query: image.BaseQuery{Reference: alpine + ":moved", Approved: yes},
			source: evidence.ClaimFlag, lineage: evidence.LineageDisproven, reason: "layer 1 of the base image", contacts: true},
		"Dockerfile":               {image: b.app(), query: image.BaseQuery{Dockerfile: dockerfileOf(alpine + ":3.20"), Approved: yes}, source: evidence.ClaimDockerfile, lineage: evidence.LineageProven, layers: 2, current: "true", contacts: true},
		"Dockerfile, not approved": {image: b.app(), query: image.BaseQuery{Dockerfile: dockerfileOf(alpine + ":3.20")}, source: evidence.ClaimDockerfile, lineage: evidence.LineageNotApproved, reason: "only the Dockerfile names"},
		"Dockerfile by tag, label by digest": {image: labelled(b.app(), note(alpine+":moved", b.digest)), query: image.BaseQuery{Dockerfile: dockerfileOf(alpine + ":moved"), Approved: yes},
			source: evidence.ClaimDockerfile, lineage: evidence.LineageProven, layers: 2, current: "false", contacts: true},
		"open Dockerfile": {image: b.app(), query: image.BaseQuery{Dockerfile: dockerfileOf("")}, source: evidence.ClaimDockerfile, lineage: evidence.LineageUnknown, reason: "line 4"},
		"open Dockerfile, label": {image: labelled(b.app(), note(alpine+":3.20", "")), query: image.BaseQuery{Dockerfile: dockerfileOf(""), Approved: yes},
			source: evidence.ClaimLabel, lineage: evidence.LineageProven, layers: 2, current: "true", contacts: true},
		"scratch by Dockerfile":         {image: b.app(), query: image.BaseQuery{Dockerfile: dockerfileOf("scratch")}, source: evidence.ClaimDockerfile, lineage: evidence.LineageScratch},
		"scratch by flag":               {image: b.app(), query: image.BaseQuery{Reference: "scratch"}, source: evidence.ClaimFlag, lineage: evidence.LineageScratch},
		"scratch by the image's word":   {image: labelled(b.app(), note("scratch", "")), source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved},
		"names itself":                  {image: b.alpine, query: image.BaseQuery{Reference: alpine + ":3.20"}, source: evidence.ClaimFlag, lineage: evidence.LineageDisproven, reason: "names itself", current: "nil", contacts: true},
		"names its own repository":      {image: labelled(b.app(), note(b.Host+"/apps/app:old", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageDisproven, reason: "where the image itself is kept"},
		"another image's digest":        {image: labelled(b.app(), note(alpine+":3.20", imagetest.DigestOf(b.other).String())), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageDisproven, pinned: true, reason: "layer 1", contacts: true},
		"a digest that is nowhere":      {image: labelled(b.app(), note(alpine+":3.20", "sha256:"+strings.Repeat("0", 64))), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageUnknown, pinned: true, contacts: true},
		"another platform":              {image: labelled(b.app(), note(alpine+":arm", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageDisproven, reason: "another platform", contacts: true},
		"layers in another order":       {image: labelled(b.app(), note(alpine+":shuffled", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageDisproven, reason: "layer 1", contacts: true},
		"a base without layers":         {image: labelled(b.app(), note(b.Host+"/base/empty:1", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageDisproven, reason: "proves nothing", contacts: true},
		"a base with more layers":       {image: labelled(imagetest.NewImage(layerNamed("os")), note(alpine+":3.20", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageDisproven, reason: "only 1", contacts: true},
		"only the configuration is new": {image: labelled(imagetest.NewImage(b.alpine.Layers...), note(alpine+":3.20", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageProven, layers: 2, current: "true", contacts: true},
		"not approved":                  {image: labelled(b.app(), note(alpine+":3.20", "")), source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved, reason: "was not asked"},
		"credentials in the name":       {image: labelled(b.app(), note("me:hunter2@"+alpine+":3.20", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved, reason: "no image reference"},
		"credentials in a URL":          {image: labelled(b.app(), note("https://me:hunter2@"+alpine+"?token=hunter2", "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved, reason: "no image reference"},
		"credentials and a digest":      {image: labelled(b.app(), note("me:hunter2@"+alpine+"@"+b.digest, "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved},
		"a digest that is none":         {image: labelled(b.app(), note(alpine+":3.20", "sha256:../../x")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved, pinned: true},
		"a digest alone":                {image: labelled(b.app(), note("", b.digest)), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved},
		"a transport in a label":        {image: labelled(b.app(), note("oci-archive:/etc/passwd", "")), query: image.BaseQuery{}, source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved},
		"megabytes":                     {image: labelled(b.app(), note(strings.Repeat("a/", 1<<19), "")), query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageNotApproved},
		"buildpacks": {image: labelled(b.app(), map[string]string{"io.buildpacks.lifecycle.metadata": fmt.Sprintf(`{"runImage":{"topLayer":"sha256:x","reference":"%s@%s"},"stack":{"runImage":{"image":"%s:3.20"}}}`, alpine, b.digest, alpine)}),
			query: image.BaseQuery{Approved: yes}, source: evidence.ClaimLabel, lineage: evidence.LineageProven, layers: 2, pinned: true, current: "true", contacts: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ref := b.Push("apps/app", "1", c.image)
			opts := options(t)
			set := open(t, "registry:"+ref, opts)
			before := len(b.Requests())
			got := image.FindBase(set.Images[0], c.query, opts)(t.Context())
			if got == nil {
				t.Fatal("no base")
			}
			if got.Source != c.source || got.Lineage != c.lineage || got.Layers != c.layers || got.Pinned != c.pinned {
				t.Errorf("got %+v", got)
			}
			current := map[bool]string{}[true]
			if got.Current != nil {
				current = fmt.Sprint(*got.Current)
			}
			if want := strings.TrimPrefix(c.current, "nil"); current != want {
				t.Errorf("current %q, want %q", current, want)
			}
			if !strings.Contains(got.Reason, c.reason) {
				t.Errorf("reason %q lacks %q", got.Reason, c.reason)
			}
			if got.Lineage == evidence.LineageProven && (got.ManifestDigest != b.digest || got.Reference == "") {
				t.Errorf("proven by another image: %+v", got)
			}
			if contacted := len(b.Requests()) > before; contacted != c.contacts {
				t.Errorf("requests: %v", b.Requests()[before:])
			}
			text, err := json.Marshal(got)
			if err != nil || strings.Contains(string(text), "hunter2") || len(text) > 8000 {
				t.Errorf("%d bytes, %v: %.300s", len(text), err, text)
			}
		})
	}
}

// TestNobodyIsAsked: whatever an image says, no host learns of it unless approved.
func TestNobodyIsAsked(t *testing.T) {
	b := newBases(t)
	b.Handle = func(_ http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/v2/apps/") && r.URL.Path != "/v2/" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		return false
	}
	apps := imagetest.NewRegistry(t)
	for _, claim := range []string{b.Host + "/base/alpine:3.20", "localhost:" + strings.TrimPrefix(b.Host, "127.0.0.1:") + "/base/alpine", "169.254.169.254/latest/meta-data", "[::1]:5000/x", b.Host + "/x@" + b.digest} {
		var asked []string
		q := image.BaseQuery{Provenance: true, Approved: func(reference string) bool {
			asked = append(asked, reference)
			return false
		}}
		ref := apps.Push("app", "1", annotated(labelled(b.app(), map[string]string{nameKey: claim}), map[string]string{nameKey: claim}))
		set := open(t, "registry:"+ref, options(t))
		before := len(b.Requests())
		// A refused connection is no proof, either: a dial would show as another lineage.
		got := image.FindBase(set.Images[0], q, options(t))(t.Context())
		if got.Lineage != evidence.LineageNotApproved || got.Hint == "" {
			t.Errorf("%s: %+v", claim, got)
		}
		if after := b.Requests()[before:]; len(after) > 0 {
			t.Errorf("%s: %v", claim, after)
		}
		if len(asked) == 0 && !strings.HasPrefix(claim, "[") {
			t.Errorf("%s: nobody asked the policy", claim)
		}
	}
}

func TestBaseCannotBeChecked(t *testing.T) {
	b := newBases(t)
	alpine := b.Host + "/base/alpine"
	down := imagetest.NewRegistry(t)
	down.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v2/denied/"):
			http.Error(w, `{}`, http.StatusForbidden)
		case strings.HasPrefix(r.URL.Path, "/v2/slow/"):
			<-r.Context().Done()
		default:
			return false
		}
		return true
	}
	for reference, want := range map[string]string{
		down.Host + "/denied/base:1": "403|FORBIDDEN|denied",
		down.Host + "/none/base:1":   "NAME_UNKNOWN|404|not found",
		down.Host + "/slow/base:1":   "too long",
		"127.0.0.1:1/base:1":         "refused",
		"oci-archive:nowhere.tar":    "nowhere.tar",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		set := open(t, "registry:"+b.Push("apps/app", "1", labelled(b.app(), map[string]string{nameKey: alpine + ":3.20"})), options(t))
		got := image.FindBase(set.Images[0], image.BaseQuery{Reference: reference, Approved: yes}, options(t))(ctx)
		cancel()
		ok := false
		for _, w := range strings.Split(want, "|") {
			ok = ok || strings.Contains(got.Reason, w)
		}
		if got.Lineage != evidence.LineageUnknown || !ok {
			t.Errorf("%s: %+v", reference, got)
		}
	}
}

// TestBaseOfEverySource: lineage needs no manifest.
func TestBaseOfEverySource(t *testing.T) {
	b := newBases(t)
	app := labelled(b.app(), map[string]string{nameKey: b.Host + "/base/alpine:3.20"})
	daemon := imagetest.NewDaemon(t, "app:1", app)
	archive := imagetest.WriteTar(t, "app.tar", imagetest.DockerFiles(imagetest.Saved{Image: app, Tags: []string{"app:1"}})...)
	base := imagetest.WriteTar(t, "base.tar", imagetest.DockerFiles(imagetest.Saved{Image: b.alpine, Tags: []string{"docker.io/library/alpine:3.20"}})...)
	opts := options(t, "DOCKER_HOST", daemon.Host)
	for _, ref := range []string{"docker-daemon:app:1", "docker-archive:" + archive} {
		set := open(t, ref, opts)
		if got := image.FindBase(set.Images[0], image.BaseQuery{Approved: yes}, opts)(t.Context()); got.Lineage != evidence.LineageProven || got.Layers != 2 {
			t.Errorf("%s: %+v", ref, got)
		}
		got := image.FindBase(set.Images[0], image.BaseQuery{Reference: "docker-archive:" + base}, opts)(t.Context())
		if got.Lineage != evidence.LineageProven || got.Reference != "docker-archive:"+base {
			t.Errorf("%s on an archive: %+v", ref, got)
		}
	}
	// Of the daemon's own image, too, nothing but its ID is known.
	itself := imagetest.NewDaemon(t, "app:1", labelled(imagetest.NewImage(b.alpine.Layers...), map[string]string{nameKey: b.Host + "/base/self:1"}))
	b.Push("base/self", "1", itself.Image)
	opts = options(t, "DOCKER_HOST", itself.Host)
	got := image.FindBase(open(t, "docker-daemon:app:1", opts).Images[0], image.BaseQuery{Approved: yes}, opts)(t.Context())
	if got.Lineage != evidence.LineageDisproven || !strings.Contains(got.Reason, "itself") {
		t.Errorf("itself: %+v", got)
	}
}

func shared(t *testing.T, name string) string { return sharedtest.File(t, "images", name) }

// TestRealBase derives an image from a real one, and takes a real one's word.
func TestRealBase(t *testing.T) {
	alpine, err := tarball.ImageFromPath(shared(t, "alpine-3.20.3.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	app, err := mutate.AppendLayers(alpine, static.NewLayer(imagetest.Tar(imagetest.File{Name: "app", Body: "x"}), types.OCIUncompressedLayer))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	if err := path.AppendImage(app); err != nil {
		t.Fatal(err)
	}
	opts := options(t)
	derived := open(t, "oci:"+dir, opts).Images[0]
	base := "docker-archive:" + shared(t, "alpine-3.20.3.tar")
	if got := image.FindBase(derived, image.BaseQuery{Reference: base}, opts)(t.Context()); got.Lineage != evidence.LineageProven || got.Layers != len(derived.Layers)-1 {
		t.Errorf("derived: %+v", got)
	}
	old := "docker-archive:" + shared(t, "alpine-3.10.3.tar")
	if got := image.FindBase(derived, image.BaseQuery{Reference: old}, opts)(t.Context()); got.Lineage != evidence.LineageDisproven {
		t.Errorf("another release: %+v", got)
	}
	planted := open(t, "oci-archive:"+shared(t, "planted.oci.tar"), opts).Images[0]
	got := image.FindBase(planted, image.BaseQuery{}, opts)(t.Context())
	if got.Reference != "docker.io/library/alpine:latest" || got.Lineage != evidence.LineageNotApproved || got.Pinned {
		t.Errorf("planted: %+v", got)
	}
	if got := image.FindBase(planted, image.BaseQuery{Reference: old}, opts)(t.Context()); got.Lineage != evidence.LineageProven || got.Layers != 1 {
		t.Errorf("planted on 3.10.3: %+v", got)
	}
}

func TestCheckBase(t *testing.T) {
	for reference, ok := range map[string]bool{
		"alpine": true, "alpine:3.20": true, "registry:localhost:5000/x": true, "oci-archive:x.tar": true, "./x.tar": true, "scratch": true,
		"docker-daemon:alpine:3": true, "UPPER/x": false, "https://example.com/x": false, "me:hunter2@example.com/x": false, "a b": false, "alpine@sha256:1": false,
	} {
		err := image.CheckBase(reference)
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", reference, err)
		}
	}
}
