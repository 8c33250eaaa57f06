// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// asked remembers what it was asked to verify, and says that it found one attestation.
type asked struct {
	mu      sync.Mutex
	targets []SignedTarget
	whose   [][]string
}

func (a *asked) Verify(_ context.Context, t SignedTarget, authorities []policy.Authority) *evidence.Signatures {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, x := range authorities {
		names = append(names, x.Name)
	}
	a.targets, a.whose = append(a.targets, t), append(a.whose, names)
	return &evidence.Signatures{Reference: t.Reference, Digests: t.Digests,
		Items: []evidence.Signature{{Kind: evidence.KindAttestation, PredicateType: "https://slsa.dev/provenance/v1"}}}
}

// places are what was asked about, each once.
func (a *asked) places() []string {
	var list []string
	for i, t := range a.targets {
		s := t.Reference + " " + strings.Join(a.whose[i], ",")
		for _, d := range t.Digests {
			s += " " + string(d.Kind)
		}
		list = append(list, s)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// verifies is a verifier whose behaviour a test chooses: hanging, panicking.
type verifies func(context.Context) *evidence.Signatures

func (v verifies) Verify(ctx context.Context, _ SignedTarget, _ []policy.Authority) *evidence.Signatures {
	return v(ctx)
}

const signers = `authorities:
  - {name: builder, key: {env: BUILDER}}
  - {name: base-team, key: {env: BASE_TEAM}}
`

// signedPair are an image of two platforms and its base, in one registry.
func signedPair(t *testing.T) (app, base string, reg *imagetest.Registry) {
	reg = imagetest.NewRegistry(t)
	layer := func(name string) *imagetest.Layer {
		return imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: name, Body: name})
	}
	var bases, images []imagetest.Entry
	for _, arch := range []string{"amd64", "arm64"} {
		bases = append(bases, imagetest.PlatformOf(imagetest.NewImage(layer(arch)).For("linux", arch, "")))
		images = append(images, imagetest.PlatformOf(imagetest.NewImage(layer(arch), layer("app")).For("linux", arch, "")))
	}
	return "registry:" + reg.Push("team/app", "1", imagetest.NewIndex(images...)), reg.Push("base/os", "1", imagetest.NewIndex(bases...)), reg
}

func signatureGate(r registries, s Signatures) *Gate {
	return &Gate{Images: r, Bases: r, Scanner: readLayers{}, Signatures: s, Custom: &speaker{}, Grace: time.Millisecond,
		OpenDatabase: func(context.Context) (*OpenedDatabase, error) { return &OpenedDatabase{}, nil }}
}

// TestWhatIsVerified: rules say of what signatures are looked for, by whom, and where.
func TestWhatIsVerified(t *testing.T) {
	app, base, reg := signedPair(t)
	local := imagetest.WriteTar(t, "base.tar", imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(
		imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "amd64", Body: "amd64"})).For("linux", "amd64", "")})...)
	image1, base1 := reg.Host+"/team/app builder index manifest", reg.Host+"/base/os base-team index manifest"
	for name, tt := range map[string]struct {
		rules, base string
		want        []string
	}{
		"nothing":                     {`config: [{id: u, user: non-root}]`, base, nil},
		"the image":                   {`signatures: [{id: s, authorities: [builder]}]`, base, []string{image1}},
		"attestations":                {`attestations: [{id: s, authorities: [builder], predicateType: vuln}]`, base, []string{image1}},
		"several":                     {`signatures: [{id: s, authorities: [base-team]}, {id: u, authorities: [builder]}]`, "", []string{reg.Host + "/team/app builder,base-team index manifest"}},
		"the base":                    {`signatures: [{id: s, of: base, authorities: [base-team]}]`, base, []string{base1}},
		"the base of a base rule":     {`base: [{id: b, signed-by: base-team}]`, base, []string{base1}},
		"both":                        {`signatures: [{id: i, authorities: [builder]}, {id: s, of: base, authorities: [base-team]}]`, base, []string{base1, image1}},
		"a base that nobody names":    {`base: [{id: b, signed-by: base-team}]`, "", nil},
		"a base that is not there":    {`base: [{id: b, signed-by: base-team}]`, reg.Host + "/base/os:2", nil},
		"a base that the image lacks": {`base: [{id: b, signed-by: base-team}]`, strings.Replace(app, "registry:", "", 1), []string{reg.Host + "/team/app base-team index manifest"}},
		"a base in an archive":        {`base: [{id: b, signed-by: base-team}]`, "docker-archive:" + local, []string{"docker-archive:" + local + " base-team"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := &asked{}
			req := Request{Reference: app, Base: tt.base, EffectiveTime: at, Policy: parsed(t, signers+"rules: {"+tt.rules+"}\n"), Bundles: []Bundle{{Name: "b"}}}
			v, err := signatureGate(registries{image.Options{}}, a).Check(t.Context(), req)
			if err != nil || len(v.Subjects) != 2 {
				t.Fatal(err)
			}
			if got := a.places(); strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("asked about\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			for _, s := range v.Subjects {
				e := s.Evidence
				ofImage := e.Signatures != nil
				ofBase := e.Base != nil && e.Base.Signatures != nil
				if ofImage != slices.ContainsFunc(tt.want, func(s string) bool { return strings.Contains(s, "/team/app builder") }) {
					t.Errorf("of the image: %+v", e.Signatures)
				}
				if strings.HasPrefix(tt.base, "docker-archive:") && e.Subject.Platform.Architecture == "arm64" {
					continue // the archive holds one platform
				}
				if ofBase != slices.ContainsFunc(tt.want, func(s string) bool { return strings.Contains(s, " base-team") }) {
					t.Errorf("of the base: %+v", e.Base)
				}
			}
			for i, target := range a.targets {
				detached := len(target.Bundles) > 0
				if detached != strings.Contains(strings.Join(a.whose[i], ","), "builder") {
					t.Errorf("bundles of %s: %v", target.Reference, target.Bundles)
				}
			}
		})
	}
}

// TestPredicates: only what rules look into is kept, and Rego modules see it.
func TestPredicates(t *testing.T) {
	app, base, _ := signedPair(t)
	l := files{"p": "version: 1\nname: p\n" + signers + `rules:
  attestations:
    - {id: provenance, predicateType: slsaprovenance1, authorities: [builder], rego: a.rego}
    - {id: scanned, predicateType: vuln, authorities: [builder]}
    - {id: theirs, of: base, predicateType: spdx, authorities: [base-team], rego: a.rego}
`, "a.rego": ""}
	p, err := policy.Load(t.Context(), policy.Request{Policy: "p"}, l)
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{}
	v, err := signatureGate(registries{image.Options{}}, a).Check(t.Context(), Request{Reference: app, Base: base, EffectiveTime: at, Policy: p, Platforms: []evidence.Platform{{OS: "linux", Architecture: "amd64"}}})
	var usage *UsageError
	if !errors.As(err, &usage) { // one platform of two
		t.Fatalf("%v %v", v.Status, err)
	}
	if v, err = signatureGate(registries{image.Options{}}, a).Check(t.Context(), Request{Reference: app, Base: base, EffectiveTime: at, Policy: p}); err != nil {
		t.Fatal(err)
	}
	for _, target := range a.targets {
		ofImage := strings.HasSuffix(target.Reference, "/team/app")
		for uri, want := range map[string]bool{"https://slsa.dev/provenance/v1": ofImage, "https://cosign.sigstore.dev/attestation/vuln/v1": false, "https://spdx.dev/Document": !ofImage} {
			if target.KeepPredicate(uri) != want {
				t.Errorf("%s: keeps %s: %v", target.Reference, uri, !want)
			}
		}
	}
	for _, s := range v.Subjects {
		for _, of := range []struct {
			s    *evidence.Signatures
			rule string
		}{{s.Evidence.Signatures, "provenance"}, {s.Evidence.Base.Signatures, "theirs"}} {
			if r := of.s.Items[0].Rego; len(r) != 1 || r[0].Rule != of.rule {
				t.Errorf("%s: %+v", of.rule, r)
			}
		}
	}
}

// TestSignaturesThatCannotBeVerified: whatever goes wrong there is a problem of the
// signatures, is never "unsigned", and keeps nothing else from being decided.
func TestSignaturesThatCannotBeVerified(t *testing.T) {
	app, base, _ := signedPair(t)
	p := parsed(t, signers+`rules: {config: [{id: u, user: non-root}], signatures: [{id: i, authorities: [builder]}, {id: b, of: base, authorities: [base-team]}]}`)
	for name, v := range map[string]verifies{
		"panics":       func(context.Context) *evidence.Signatures { panic("boom") },
		"says nothing": func(context.Context) *evidence.Signatures { return nil },
		"out of time":  func(ctx context.Context) *evidence.Signatures { <-ctx.Done(); return nil },
		"ignores time": func(context.Context) *evidence.Signatures { select {} },
	} {
		t.Run(name, func(t *testing.T) {
			g := signatureGate(registries{image.Options{}}, v)
			g.Grace = time.Minute
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			got, err := g.Check(ctx, Request{Reference: app, Base: base, Policy: p, EffectiveTime: at})
			if err != nil || got.Status != verdict.Errored || len(got.Subjects) != 2 {
				t.Fatalf("%s, %v", got.Status, err)
			}
			for _, s := range got.Subjects {
				if sig := s.Evidence.Signatures; sig == nil || len(sig.Problems) != 1 || len(sig.Digests) != 2 {
					t.Errorf("of the image: %+v", sig)
				}
				// A base whose verification takes the whole time is not known either.
				b := s.Evidence.Base
				if b == nil || b.Lineage != evidence.LineageUnknown && (b.Signatures == nil || len(b.Signatures.Problems) != 1) {
					t.Errorf("of the base: %+v", b)
				}
				for _, o := range s.Outcomes {
					if o.Rule == "u" && o.Result != verdict.Pass || (o.Rule == "i" || o.Rule == "b") && o.Result != verdict.Error {
						t.Errorf("%s: %s %s", o.Rule, o.Result, o.Summary)
					}
				}
			}
		})
	}
	// Nobody is there to verify.
	got, err := signatureGate(registries{image.Options{}}, nil).Check(t.Context(), Request{Reference: app, Base: base, Policy: p, EffectiveTime: at})
	if err != nil || got.Status != verdict.Errored {
		t.Errorf("no verifier: %s, %v", got.Status, err)
	}
}

// TestScope: what is asked of a part of the policy touches neither layers nor database.
func TestScope(t *testing.T) {
	app, base, reg := signedPair(t)
	saved := imagetest.WriteTar(t, "app.tar", imagetest.DockerFiles(imagetest.Saved{Image: imagetest.NewImage(
		imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "amd64", Body: "amd64"}))})...)
	sections := "images: [{match: [\"*/other/**\"], rules: {base: [{id: b, latest: forbidden}]}}]\n"
	for name, tt := range map[string]struct {
		reference, policy string
		want              verdict.Status // empty: a usage error
	}{
		"a base that is proven":    {app, "rules: {base: [{id: b, latest: forbidden}]}", verdict.Passed},
		"beside other rules":       {app, "rules: {base: [{id: b, latest: forbidden}], secrets: [{id: s}], config: [{id: u, user: non-root}]}", verdict.Passed},
		"no such rule":             {app, "rules: {config: [{id: u, user: non-root}]}", ""},
		"not for this image":       {app, "rules: {config: [{id: u, user: non-root}]}\n" + sections, ""},
		"for this image":           {strings.Replace(app, "/team/", "/other/", 1), "rules: {config: [{id: u, user: non-root}]}\n" + sections, verdict.Passed},
		"an archive without layer": {"docker-archive:" + saved, "rules: {base: [{id: b, latest: forbidden}]}", verdict.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(tt.reference, "/other/") {
				reg.Push("other/app", "1", imagetest.NewImage(imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "amd64", Body: "amd64"}),
					imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "x", Body: "x"})))
			}
			r := registries{image.Options{TempDir: t.TempDir()}}
			g := &Gate{Images: r, Bases: r, Grace: time.Millisecond}
			before := len(reg.Requests())
			v, err := g.Check(t.Context(), Request{Reference: tt.reference, Base: base, EffectiveTime: at, Scope: verdict.ScopeSignatures, Policy: parsed(t, tt.policy+"\n")})
			var usage *UsageError
			if errors.As(err, &usage) != (tt.want == "") || err != nil && usage == nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				return
			}
			if v.Status != tt.want || v.Scope != verdict.ScopeSignatures {
				t.Errorf("%s of %q: %+v", v.Status, v.Scope, v.Subjects[0].Outcomes)
			}
			for _, l := range v.Subjects[0].Evidence.Layers {
				if l.Verification != evidence.LayerNotVerified {
					t.Errorf("%+v", l)
				}
				for _, request := range reg.Requests()[before:] {
					if l.Digest != "" && strings.Contains(request, l.Digest) {
						t.Errorf("a layer was asked for: %s", request)
					}
				}
			}
		})
	}
}

// A daemon's diff IDs are what it says they are.
func TestScopeOfDaemon(t *testing.T) {
	layer := imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "amd64", Body: "amd64"})
	d := imagetest.NewDaemon(t, "app:1", imagetest.NewImage(layer, imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "x", Body: "x"})))
	_, base, _ := signedPair(t)
	r := registries{image.Options{Getenv: func(name string) string { return map[string]string{"DOCKER_HOST": d.Host}[name] }}}
	v, err := (&Gate{Images: r, Bases: r}).Check(t.Context(), Request{Reference: "docker-daemon:app:1", Base: base, EffectiveTime: at, Scope: verdict.ScopeSignatures,
		Policy: parsed(t, "rules: {base: [{id: b, latest: forbidden}]}\n")})
	if err != nil || v.Status != verdict.Passed {
		t.Fatalf("%s %v %+v", v.Status, err, v.Subjects)
	}
	e := v.Subjects[0].Evidence
	if len(e.Layers) != 2 || e.Layers[0].Verification != evidence.LayerOnDaemonsWord || !strings.Contains(e.Base.Reason, "on the daemon's word") {
		t.Errorf("%+v %+v", e.Layers, e.Base)
	}
}

// TestFailFast: a failed rule about the base ends the run before a layer is read, and
// the database is given up. Where nothing failed, everything is examined.
func TestFailFast(t *testing.T) {
	app, base, _ := signedPair(t)
	for name, tt := range map[string]struct {
		base     string
		scanned  bool
		failFast bool
		want     verdict.Status
	}{
		"failed":      {"", false, true, verdict.Failed},
		"not asked":   {"", true, false, verdict.Failed},
		"not failed":  {base, true, true, verdict.Passed},
		"not decided": {base + "2", true, true, verdict.Errored},
	} {
		t.Run(name, func(t *testing.T) {
			given := make(chan struct{})
			g := signatureGate(registries{image.Options{}}, &asked{})
			scanned := false
			g.Scanner = scanFunc(func(ctx context.Context) (*evidence.Evidence, error) {
				scanned = true
				e, err := clean(ctx)
				e.Layers = make([]evidence.LayerFacts, 2)
				for i := range e.Layers {
					e.Layers[i].Verification = evidence.LayerVerified
				}
				return e, err
			})
			if !tt.scanned {
				g.OpenDatabase = func(ctx context.Context) (*OpenedDatabase, error) {
					<-ctx.Done()
					close(given)
					return nil, ctx.Err()
				}
			}
			v, err := g.Check(t.Context(), Request{Reference: app, Base: tt.base, FailFast: tt.failFast, EffectiveTime: at,
				Policy: parsed(t, "rules: {base: [{id: b, latest: forbidden}], config: [{id: u, user: non-root}]}\n")})
			if err != nil || v.Status != tt.want || scanned != tt.scanned {
				t.Errorf("%s, %v, scanned: %v", v.Status, err, scanned)
			}
			if !tt.scanned {
				<-given
			}
		})
	}
}

// What is at hand may change between two looks at it.
func TestBaseThatChanges(t *testing.T) {
	app, _, _ := signedPair(t)
	layout := func(body string) string {
		i, b := imagetest.Layout(imagetest.Named(imagetest.NewImage(imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: body, Body: body})), "base:1"))
		return imagetest.WriteTar(t, "base.tar", imagetest.LayoutFiles(i, b)...)
	}
	first, second := layout("amd64"), layout("other")
	r := registries{image.Options{}}
	swapped := &swapping{registries: r, first: "oci-archive:" + first, second: "oci-archive:" + second}
	g := signatureGate(r, &asked{})
	g.Images = swapped
	v, err := g.Check(t.Context(), Request{Reference: app, Base: swapped.first, EffectiveTime: at,
		Policy: parsed(t, signers+"platforms: [linux/amd64]\nrules: {signatures: [{id: b, of: base, authorities: [base-team]}]}\n")})
	if err != nil {
		t.Fatal(err)
	}
	s := v.Subjects[0].Evidence.Base.Signatures
	if s == nil || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Message, "changed") {
		t.Errorf("%+v in %s", s, filepath.Base(first))
	}
}

// swapping opens another image than the one that is named.
type swapping struct {
	registries
	first, second string
}

func (s *swapping) Open(ctx context.Context, reference string) (*image.Set, error) {
	if reference == s.first {
		reference = s.second
	}
	return s.registries.Open(ctx, reference)
}
