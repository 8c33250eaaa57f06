// SPDX-License-Identifier: Apache-2.0

package policyoci_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/policyoci"
)

func options() policyoci.Options { return policyoci.Options{Transport: http.DefaultTransport} }

func artifact() *policyoci.Artifact {
	return &policyoci.Artifact{
		Policy: policyoci.File{Path: "policy.yaml", Data: []byte("version: 1\n")},
		Files: []policyoci.File{
			{Path: "feeds/kev.json", Data: []byte("{}")},
			{Path: "rego/house.rego", Data: []byte("package ocigate\n")},
			{Path: "rego/empty.rego", Data: []byte{}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	reg := imagetest.NewRegistry(t)
	ref, err := policyoci.Push(t.Context(), reg.Host+"/policies/base:1", artifact(), options())
	if err != nil {
		t.Fatal(err)
	}
	if want := "oci://" + reg.Host + "/policies/base@sha256:"; !strings.HasPrefix(ref, want) {
		t.Errorf("%s, want %s…", ref, want)
	}
	// The same input gives the same digest, in whatever order the files are listed.
	other := artifact()
	slices.Reverse(other.Files)
	if again, err := policyoci.Push(t.Context(), reg.Host+"/policies/base:2", other, options()); err != nil || again != ref {
		t.Errorf("%s, then %s: %v", ref, again, err)
	}
	for _, reference := range []string{ref, strings.TrimPrefix(ref, "oci://"), "oci://" + reg.Host + "/policies/base:2"} {
		got, pinned, err := policyoci.Pull(t.Context(), reference, options())
		if err != nil || pinned != ref {
			t.Fatalf("%s: %s, %v", reference, pinned, err)
		}
		want := artifact()
		slices.SortFunc(want.Files, func(a, b policyoci.File) int { return strings.Compare(a.Path, b.Path) })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", reference, d)
		}
	}
	got, _, err := policyoci.PullPinned(t.Context(), ref, options())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := got.Open("./rego/../rego/house.rego"); err != nil || string(b) != "package ocigate\n" {
		t.Errorf("%s, %v", b, err)
	}
	for _, p := range []string{"../policy.yaml", "/policy.yaml", "rego", "", "none"} {
		if _, err := got.Open(p); err == nil {
			t.Errorf("opened %q", p)
		}
	}
}

func TestReferences(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for reference, want := range map[string]string{
		"oci://registry.example.com/p" + digest:         "",
		"oci://registry.example.com/p:1" + digest:       "",
		"oci://registry.example.com/p:1":                "is a tag",
		"oci://registry.example.com/p":                  "is a tag",
		"oci://user:password@registry.example.com/p":    "holds no credentials",
		"oci://registry.example.com/a/../p" + digest:    "with . or ..",
		"oci://registry.example.com/p@sha256:abc":       "not the reference",
		"oci://registry.example.com/P" + digest:         "not the reference",
		"oci://":                                        "not the reference",
		"oci://oci://registry.example.com/p" + digest:   "not the reference",
		"oci://https://registry.example.com/p" + digest: "not the reference",
	} {
		err := policyoci.CheckPinned(reference)
		var bad *policyoci.ReferenceError
		if want == "" && err != nil || want != "" && (!errors.As(err, &bad) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", reference, err, want)
		}
		if strings.Contains(fmt.Sprint(err), "password") {
			t.Errorf("shows a password: %v", err)
		}
	}
	reg := imagetest.NewRegistry(t)
	if _, err := policyoci.Push(t.Context(), reg.Host+"/p"+digest, artifact(), options()); err == nil {
		t.Error("pushed to a digest")
	}
	if n := len(reg.Requests()); n > 0 {
		t.Errorf("%d requests for references that cannot be used", n)
	}
}

// Push refuses what Pull would.
func TestPushRefuses(t *testing.T) {
	reg := imagetest.NewRegistry(t)
	for _, p := range []string{"../x", "/x", "a/../../x", "a//b", "./a", "", ".", "a\\b", "C:a", "a\nb", "a\u202eb", strings.Repeat("a", 300), "policy.yaml", "policy.yaml/x"} {
		a := artifact()
		a.Files = append(a.Files, policyoci.File{Path: p})
		if _, err := policyoci.Push(t.Context(), reg.Host+"/p:1", a, options()); err == nil {
			t.Errorf("pushed %q", p)
		}
	}
	if n := len(reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
}

type object = map[string]any

// forged is a manifest that a hostile registry may hold.
func forged(change func(m object, layers []any) any) func(*imagetest.Registry) string {
	return func(reg *imagetest.Registry) string {
		layer := func(media, title string) object {
			return object{"mediaType": media, "digest": imagetest.Digest([]byte("x")).String(), "size": 1, "annotations": object{"org.opencontainers.image.title": title}}
		}
		layers := []any{layer(policyoci.ArtifactType, "policy.yaml"), layer(policyoci.FileType, "a/b.json")}
		m := object{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "artifactType": policyoci.ArtifactType,
			"config": object{"mediaType": "application/vnd.oci.empty.v1+json", "digest": imagetest.Digest([]byte("{}")).String(), "size": 2}, "layers": layers}
		out := change(m, layers)
		if s, ok := out.(string); ok {
			return s
		}
		b, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		return string(b)
	}
}

func TestHostileManifests(t *testing.T) {
	title := func(s string) func(object, []any) any {
		return func(_ object, l []any) any {
			l[1].(object)["annotations"] = object{"org.opencontainers.image.title": s}
			return nil
		}
	}
	set := func(key string, v any) func(object, []any) any {
		return func(_ object, l []any) any { l[1].(object)[key] = v; return nil }
	}
	for _, tt := range []struct {
		name   string
		change func(object, []any) any
		want   string
	}{
		{"climbs out", title("../../etc/passwd"), "no path beneath"},
		{"absolute", title("/etc/passwd"), "no path beneath"},
		{"not clean", title("a/./b"), "no path beneath"},
		{"backslashes", title(`..\x`), "no path beneath"},
		{"a drive", title("C:x"), "no path beneath"},
		{"an escape sequence", title("a\x1b[2J"), "no path beneath"},
		{"no title", set("annotations", nil), "no path beneath"},
		{"a title twice", title("policy.yaml"), "two files claim"},
		{"a file that is a directory", title("policy.yaml/x"), "is a file and a directory"},
		{"huge file", set("size", int64(65<<20)), "has at most"},
		{"negative size", set("size", -1), "has at most"},
		{"foreign URLs", set("urls", []string{"https://evil.example.com/x"}), "foreign URLs"},
		{"another digest", set("digest", "md5:abc"), "no sha256 digest"},
		{"digest that is a path", set("digest", "sha256:../../x"), "no sha256 digest"},
		{"another media type", set("mediaType", "application/vnd.oci.image.layer.v1.tar"), "media type"},
		{"no layers", func(m object, _ []any) any { m["layers"] = []any{}; return nil }, "no policy file"},
		{"the policy is not the first", func(_ object, l []any) any { l[0], l[1] = l[1], l[0]; return nil }, "no policy file"},
		{"an image", func(m object, _ []any) any { delete(m, "artifactType"); return nil }, "it is no policy"},
		{"an index", func(m object, _ []any) any { m["mediaType"] = "application/vnd.oci.image.index.v1+json"; return nil }, "it is no policy"},
		{"too many files", func(m object, l []any) any {
			for i := range 600 {
				m["layers"] = append(m["layers"].([]any), object{"mediaType": policyoci.FileType, "digest": l[0].(object)["digest"], "size": 1,
					"annotations": object{"org.opencontainers.image.title": fmt.Sprint(i)}})
			}
			return nil
		}, "at most 500"},
		{"too large together", func(m object, l []any) any {
			for i := range 5 {
				m["layers"] = append(m["layers"].([]any), object{"mediaType": policyoci.FileType, "digest": l[0].(object)["digest"], "size": 60 << 20,
					"annotations": object{"org.opencontainers.image.title": fmt.Sprint(i)}})
			}
			return nil
		}, "more than 268435456 bytes"},
		{"a key twice", func(object, []any) any { return `{"layers":[],"layers":[]}` }, "not the JSON"},
		{"no JSON", func(object, []any) any { return "<html>" }, "not the JSON"},
		{"huge manifest", func(object, []any) any { return strings.Repeat(" ", 2<<20) }, "more than 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := imagetest.NewRegistry(t)
			body := forged(tt.change)(reg)
			reg.Handle = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.Contains(r.URL.Path, "/manifests/") {
					return false
				}
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				fmt.Fprint(w, body)
				return true
			}
			_, _, err := policyoci.Pull(t.Context(), reg.Host+"/p:1", options())
			var bad *policyoci.RegistryError
			if !errors.As(err, &bad) || !bad.Unavailable() || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			if strings.ContainsAny(fmt.Sprint(err), "\x1b\n") {
				t.Errorf("not escaped: %q", err)
			}
			for _, r := range reg.Requests() {
				if strings.Contains(r, "/blobs/") {
					t.Errorf("a file was fetched: %s", r)
				}
			}
		})
	}
}

func TestHostileBytes(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"other bytes", "other bytes"},
		{"more bytes", "more than"},
		{"fewer bytes", "other bytes"},
		{"other manifest", "manifest of the digest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := imagetest.NewRegistry(t)
			ref, err := policyoci.Push(t.Context(), reg.Host+"/p:1", artifact(), options())
			if err != nil {
				t.Fatal(err)
			}
			reg.Handle = func(w http.ResponseWriter, r *http.Request) bool {
				switch {
				case tt.name == "other manifest" && strings.Contains(r.URL.Path, "/manifests/"):
					fmt.Fprint(w, "{}")
				case tt.name != "other manifest" && strings.Contains(r.URL.Path, "/blobs/"):
					fmt.Fprint(w, map[string]string{"other bytes": "version: 2\n", "more bytes": strings.Repeat("x", 1<<20), "fewer bytes": ""}[tt.name])
				default:
					return false
				}
				return true
			}
			if _, _, err := policyoci.PullPinned(t.Context(), ref, options()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

type keychain struct{}

func (keychain) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: "robot", Password: "hunter2"}, nil
}

// Credentials go to the registry that the reference names, and to no other host.
func TestRedirects(t *testing.T) {
	var seen []string
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
		fmt.Fprint(w, "version: 1\n")
	}))
	defer store.Close()
	reg := imagetest.NewRegistry(t)
	reg.User, reg.Password = "robot", "hunter2"
	o := options()
	if _, err := policyoci.Push(t.Context(), reg.Host+"/p:1", artifact(), o); err == nil {
		t.Error("pushed without credentials")
	}
	o.Keychain = keychain{}
	ref, err := policyoci.Push(t.Context(), reg.Host+"/p:1", &policyoci.Artifact{Policy: artifact().Policy}, o)
	if err != nil {
		t.Fatal(err)
	}
	reg.Handle = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/blobs/") {
			return false
		}
		http.Redirect(w, r, strings.Replace(store.URL, "127.0.0.1", "localhost", 1)+"/x?signature=hunter3", http.StatusTemporaryRedirect)
		return true
	}
	_, _, err = policyoci.PullPinned(t.Context(), ref, o)
	if err == nil || !strings.Contains(err.Error(), "redirect") || strings.Contains(err.Error(), "hunter") || len(seen) > 0 {
		t.Errorf("%v, %d requests", err, len(seen))
	}
	o.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
	if _, _, err = policyoci.PullPinned(t.Context(), ref, o); err != nil || len(seen) != 1 || seen[0] != "" {
		t.Errorf("%v, authorization %q", err, seen)
	}
}

func TestPlainHTTPIsRefused(t *testing.T) {
	reg := imagetest.NewRegistry(t)
	if _, _, err := policyoci.Pull(t.Context(), reg.Host+"/p:1", policyoci.Options{}); err == nil || len(reg.Requests()) > 0 {
		t.Errorf("%v, %d requests", err, len(reg.Requests()))
	}
}

// TestNames compares package policy's reading of image names, which does without a
// registry client, with the registry client's.
func TestNames(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for _, s := range []string{
		"alpine", "alpine:3.20", "alpine" + digest, "alpine:3.20" + digest, "acme/app", "docker.io/alpine", "docker.io/acme/app", "index.docker.io/alpine:1",
		"registry.example.com/a", "registry.example.com/a/b/c:1", "registry.example.com:5000/a", "localhost/a", "localhost:5000/a:1", "127.0.0.1:5000/a",
		"[::1]:5000/a", "a.b/c", "a/b_c/d-e/f.g/h__i", "registry.example.com/a:V1", "registry.example.com/a:_1", "a_b/c", "1/2",
		// What is refused by one, or by both.
		"", "A", "a/B", "a:", "a/", "/a", "a//b", "a/../b", "a/./b", "a..b/c", "registry.example.com./a", "user@registry.example.com/a", "user:pw@registry.example.com/a",
		"https://registry.example.com/a", "registry.example.com:99999/a", "registry.example.com:port/a", "registry.exаmple.com/a", "a b", "a:b:c", "a@sha256:abc", "a@md5:" + strings.Repeat("a", 32),
		"registry.example.com/a:" + strings.Repeat("t", 129), strings.Repeat("a", 256), strings.Repeat("a", 64), "a\n", "a\x00", "-a/b", "a-/b", ".a/b", "registry_1.example.com/a",
	} {
		got, err := policy.ParseName(s)
		want, wantErr := name.ParseReference(s)
		if err != nil {
			continue // stricter is safe: what is no name is never a pass
		}
		if wantErr != nil {
			t.Errorf("%q is %s to us, and no name to the client: %v", s, got, wantErr)
			continue
		}
		registry := want.Context().RegistryStr()
		if registry == name.DefaultRegistry {
			registry = "docker.io"
		}
		if got.Registry != registry || got.Repository != want.Context().RepositoryStr() {
			t.Errorf("%q: %s/%s, the client says %s/%s", s, got.Registry, got.Repository, registry, want.Context().RepositoryStr())
		}
		if d, ok := want.(name.Digest); ok != (got.Digest != "") || ok && d.DigestStr() != got.Digest {
			t.Errorf("%q: digest %q", s, got.Digest)
		}
		if tag, ok := want.(name.Tag); ok && got.Tag != "" && tag.TagStr() != got.Tag {
			t.Errorf("%q: tag %q", s, got.Tag)
		}
	}
	// The first lines are names to both.
	for _, s := range []string{"alpine", "registry.example.com:5000/a", "localhost/a", "[::1]:5000/a", "registry.example.com/a:V1"} {
		if _, err := policy.ParseName(s); err != nil {
			t.Error(err)
		}
	}
}
