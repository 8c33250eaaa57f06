// SPDX-License-Identifier: Apache-2.0

package signature_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
	"github.com/ocigate/ocigate/pkg/signature"
)

// verifiedOn are the digests of the items that the authority verified.
func verifiedOn(s *evidence.Signatures, authority string) map[string]int {
	out := map[string]int{}
	for _, i := range s.Items {
		if checks(i)[authority].Result == evidence.CheckVerified {
			out[i.Digest]++
		}
	}
	return out
}

// TestClientsIndexes: a signature of the index counts for its platforms, and the item
// says which of both was signed.
func TestClientsIndexes(t *testing.T) {
	key := sharedKey(t)
	for _, c := range []sigstoretest.Client{v2, v3} {
		for _, k := range []kind{
			{Index: true}, {Recursive: true}, {Index: true, Bundle: true}, {Recursive: true, Bundle: true},
			{Index: true, Bundle: true, Keyless: true, Log: sigstoretest.LogV1, Attest: "slsaprovenance1"},
		} {
			t.Run(fmt.Sprintf("%s recursive %v", named(c, k), k.Recursive), func(t *testing.T) {
				t.Parallel()
				g := signed(t, c, k, key)
				index := g.Image.DigestStr()
				for _, p := range g.Platforms {
					want := 1
					if k.Recursive {
						want = 2
					}
					got := verifiedOn(look(t, p, index, by(g, k)), "right")
					if len(got) != want || got[index] != 1 || k.Recursive && got[p.DigestStr()] != 1 {
						t.Errorf("%s: %v", p, got)
					}
					// By its own digest alone, the platform is signed only if it was signed itself.
					if got := verifiedOn(look(t, p, "", by(g, k)), "right"); len(got) != want-1 {
						t.Errorf("%s alone: %v", p, got)
					}
				}
			})
		}
	}
}

// TestClientsUnite: two clients sign one image in two formats, and a third attests it.
func TestClientsUnite(t *testing.T) {
	key := sharedKey(t)
	for _, registry := range []sigstoretest.RegistryKind{sigstoretest.WithReferrers, sigstoretest.WithoutReferrers, sigstoretest.Debian} {
		t.Run(string(registry), func(t *testing.T) {
			t.Parallel()
			tag, bundle := kind{Registry: registry}, kind{Bundle: true, Keyless: true, Log: sigstoretest.LogV1}
			g := signed(t, v2, tag, key)
			if err := g.Sign(t, v3, bundle); err != nil {
				t.Fatal(err)
			}
			if err := g.Sign(t, v2, kind{Attest: "spdxjson"}); err != nil {
				t.Fatal(err)
			}
			keyed, keyless := by(g, tag), by(g, bundle)
			keyed.Name, keyless.Name = "keyed", "keyless"
			got := map[string]string{}
			for _, i := range look(t, g.Image, "", keyed, keyless).Items {
				said := checks(i)
				got[string(i.Format)+" "+string(i.Kind)] = fmt.Sprint(said["keyed"].Result, ", ", said["keyless"].Result)
			}
			want := map[string]string{"tag signature": "verified, other signer", "tag attestation": "verified, other signer", "bundle signature": "other signer, verified"}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestClientsLayouts: `cosign save` keeps signatures beside the image; version 2 leaves
// bundles out, which is unsigned and nothing else.
func TestClientsLayouts(t *testing.T) {
	key := sharedKey(t)
	for _, c := range []sigstoretest.Client{v2, v3} {
		for _, k := range []kind{{}, {Keyless: true, Log: sigstoretest.LogV1}, {Attest: "vuln"}, {Index: true}, {Bundle: true}, {Bundle: true, Keyless: true, Log: sigstoretest.LogV1}} {
			t.Run(fmt.Sprintf("%s index %v", named(c, k), k.Index), func(t *testing.T) {
				t.Parallel()
				g := signed(t, c, k, key)
				dir, err := g.Save(t, c)
				if err != nil {
					t.Fatal(err)
				}
				want := 1
				if k.Bundle && c == v2 {
					want = 0
				}
				for _, s := range lookBeside(t, g, "oci:"+dir, nil, by(g, k)) {
					if got := verifiedOn(s, "right"); len(s.Items) != want || got[g.Image.DigestStr()] != want {
						t.Errorf("verified %v of %+v, want %d", got, s.Items, want)
					}
				}
			})
		}
	}
}

// lookBeside verifies what lies beside the images of a layout or archive, and detached bundles.
func lookBeside(t *testing.T, g *sigstoretest.Signing, reference string, bundles []signature.DetachedBundle, as ...signature.Authority) []*evidence.Signatures {
	t.Helper()
	set, err := image.Open(t.Context(), reference, image.Options{TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	var out []*evidence.Signatures
	for _, img := range set.Images {
		target := signature.Target{Reference: reference, Bundles: bundles}
		if beside := img.Attachments(); beside != nil {
			target.Store = beside
		}
		if d := img.Subject.IndexDigest; d != "" && d != img.Subject.Digest {
			target.Digests = append(target.Digests, evidence.SignedDigest{Digest: d, Kind: evidence.SignedIndex})
		}
		if d := img.Subject.Digest; d != "" {
			target.Digests = append(target.Digests, evidence.SignedDigest{Digest: d, Kind: evidence.SignedManifest})
		}
		archive, err := img.ArchiveDigest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if archive != "" {
			target.Digests = append(target.Digests, evidence.SignedDigest{Digest: archive, Kind: evidence.SignedArchive})
		}
		out = append(out, verify(t, target, as...))
	}
	return out
}

// TestClientsFiles: a docker archive is signed as a file.
func TestClientsFiles(t *testing.T) {
	key := sharedKey(t)
	for _, c := range []sigstoretest.Client{v2, v3} {
		for _, k := range []kind{
			{}, {Log: sigstoretest.LogV1}, {Keyless: true, Log: sigstoretest.LogV1}, {Keyless: true, TSA: true}, {Keyless: true, Log: sigstoretest.LogV2, TSA: true},
		} {
			t.Run(named(c, k), func(t *testing.T) {
				t.Parallel()
				g := sigstoretest.NewSigning(t, k)
				g.Key = key
				tar := imagetest.WriteTar(t, "image.tar", imagetest.DockerFiles(imagetest.Saved{Image: sigstoretest.SmallImage("app"), Tags: []string{"app:1"}})...)
				file, err := os.ReadFile(tar)
				if err != nil {
					t.Fatal(err)
				}
				raw, err := g.SignBlob(t, c, k, file)
				if err != nil {
					t.Fatal(err)
				}
				bundles := []signature.DetachedBundle{{Name: "image.json", Data: raw}}
				wantDetached(t, g, k, lookBeside(t, g, "docker-archive:"+tar, bundles, authorities(expectations(t, g, k))...))
				other := imagetest.WriteTar(t, "other.tar", imagetest.DockerFiles(imagetest.Saved{Image: sigstoretest.SmallImage("other"), Tags: []string{"app:1"}})...)
				for _, s := range lookBeside(t, g, "docker-archive:"+other, bundles, by(g, k)) {
					if c := s.Items[0].Checks[0]; c.Result != evidence.CheckInvalid {
						t.Errorf("of another archive: %+v", c)
					}
				}
			})
		}
	}
}

func wantDetached(t *testing.T, g *sigstoretest.Signing, k kind, all []*evidence.Signatures) {
	t.Helper()
	if len(all) != 1 || len(all[0].Items) != 1 {
		t.Fatalf("%+v", all)
	}
	item := all[0].Items[0]
	if item.Kind != evidence.KindSignature || item.Format != evidence.FormatDetached || item.Place != "image.json" {
		t.Errorf("item %+v", item)
	}
	wantChecks(t, item, expectations(t, g, k))
}

// TestClientsNoSCT: an authority that issues certificates which no log of certificates has seen.
func TestClientsNoSCT(t *testing.T) {
	key := sharedKey(t)
	k := kind{Bundle: true, Keyless: true, Log: sigstoretest.LogV1}
	g := sigstoretest.NewSigning(t, k)
	g.Key, g.Stack.NoSCT = key, true
	if err := g.Sign(t, v3, k); err != nil {
		t.Fatal(err)
	}
	right, optional := by(g, k), by(g, k)
	optional.Name, optional.Keyless.SCTOptional = "optional", true
	wantChecks(t, look(t, g.Image, "", right, optional).Items[0], []expectation{
		{right, evidence.CheckInvalid, "certificate transparency"}, {optional, evidence.CheckVerified, ""},
	})
}

// TestClientsOthers: what is signed of one image hangs on another; with the same signer.
func TestClientsOthers(t *testing.T) {
	key := sharedKey(t)
	for _, c := range []sigstoretest.Client{v2, v3} {
		k := kind{Bundle: c == v3}
		g := signed(t, c, k, key)
		other := sigstoretest.PushNode(t, g.Image.Repository, sigstoretest.SmallImage("other"))
		sigstoretest.Replay(t, g.Image, other)
		items := look(t, other, "", by(g, k)).Items
		if len(items) != 1 {
			t.Errorf("%d items", len(items))
		}
		for _, i := range items {
			wantChecks(t, i, []expectation{{by(g, k), evidence.CheckInvalid, "not about " + other.DigestStr()}})
		}
	}
}

// TestClientsCopies: `cosign copy` takes the tag format along into another repository, of
// which it says nothing, and leaves bundles behind.
func TestClientsCopies(t *testing.T) {
	key := sharedKey(t)
	for _, m := range []struct {
		client sigstoretest.Client
		kind   kind
		found  int
	}{{v2, kind{}, 1}, {v2, kind{Attest: "vuln"}, 1}, {v3, kind{}, 1}, {v2, kind{Bundle: true}, 0}, {v3, kind{Bundle: true}, 0}} {
		t.Run(named(m.client, m.kind), func(t *testing.T) {
			t.Parallel()
			g := signed(t, m.client, m.kind, key)
			to := sigstoretest.Repo(t, g.Host, "promoted/app")
			if _, err := m.client.Run(t, "copy", g.Image.String(), to.Tag("1").String()); err != nil {
				t.Fatal(err)
			}
			items := look(t, to.Digest(g.Image.DigestStr()), "", by(g, m.kind)).Items
			if len(items) != m.found {
				t.Fatalf("%d items, want %d", len(items), m.found)
			}
			for _, i := range items {
				wantChecks(t, i, []expectation{{by(g, m.kind), evidence.CheckVerified, ""}})
				if len(i.Repositories) != 1 || i.Repositories[0] != g.Image.Repository.Name() {
					t.Errorf("repositories %q", i.Repositories)
				}
			}
		})
	}
}

// TestClientsArchives: every form of an archive is signed as the file that it is.
func TestClientsArchives(t *testing.T) {
	key := sharedKey(t)
	g := sigstoretest.NewSigning(t, kind{})
	g.Key = key
	img := sigstoretest.SmallImage("app")
	index, blobs := imagetest.Layout(imagetest.Entry{Node: img})
	plain := imagetest.Tar(imagetest.DockerFiles(imagetest.Saved{Image: img, Tags: []string{"app:1"}})...)
	for transport, path := range map[string]string{
		"docker-archive": imagetest.WriteFile(t, "image.tar.gz", imagetest.Compress(imagetest.Gzip, plain)),
		"oci-archive":    imagetest.WriteTar(t, "layout.tar", imagetest.LayoutFiles(index, blobs)...),
	} {
		reference := transport + ":" + path
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := g.SignBlob(t, v3, kind{}, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range lookBeside(t, g, reference, []signature.DetachedBundle{{Name: "image.json", Data: raw}}, by(g, kind{})) {
			if len(s.Items) != 1 {
				t.Fatalf("%s: %+v", reference, s.Items)
			}
			wantChecks(t, s.Items[0], []expectation{{by(g, kind{}), evidence.CheckVerified, ""}})
		}
	}
}
