// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/verify"
)

func (k Kind) String() string {
	s := map[bool]string{true: "bundle", false: "tag"}[k.Bundle]
	switch {
	case k.Keyless:
		s += " keyless"
	case k.OwnCA:
		s += " own CA"
	default:
		s += " key"
	}
	s += fmt.Sprintf(" log %d", k.Log)
	if k.TSA {
		s += " timestamp"
	}
	return s + " " + k.Attest
}

// impossible says that a client cannot make this.
func impossible(c Client, k Kind) bool {
	switch {
	case k.Log == LogV2 && (!k.Bundle || c == CosignV2),
		k.Log == LogV2 && !k.TSA && (k.Keyless || k.OwnCA),
		k.OwnCA && k.Bundle && c == CosignV2:
		return true
	case c == CosignV3 && !k.Bundle && k.TSA && k.Attest != "":
		return true // it asks for a timestamp of other bytes than it verifies
	}
	return false
}

// combinations are all that a client can make of signatures and attestations.
func combinations(c Client) []Kind {
	var all []Kind
	for _, k := range []Kind{{}, {Keyless: true}, {OwnCA: true}} {
		for _, k.Bundle = range []bool{false, true} {
			for _, o := range allOptions {
				for _, k.Attest = range []string{"", "slsaprovenance1"} {
					k.Log, k.TSA = o.Log, o.TSA
					if !impossible(c, k) {
						all = append(all, k)
					}
				}
			}
		}
	}
	return all
}

// wanted is what our own verification asks of the signing.
func (g *Signing) wanted(k Kind) want {
	w := want{stack: g.Stack, log: k.Log, tsa: k.TSA}
	switch {
	case k.Keyless:
		w.subject, _ = g.Claims.subject()
		w.issuer = g.Claims.str("iss")
	case k.OwnCA:
		w.subject = OwnEmail
	default:
		w.key = g.Key
	}
	return w
}

// found verifies everything that was signed of an image with the libraries.
func (g *Signing) found(t *testing.T, k Kind) error {
	t.Helper()
	w, n, err := g.wanted(k), 0, error(nil)
	switch {
	case k.Bundle:
		var types []string
		types, err = w.bundles(t, g.Image)
		n = len(types)
		if k.Attest == "" && err == nil && !slices.Contains(types, SignaturePredicate) {
			err = fmt.Errorf("predicate types %q", types)
		}
	case k.Attest != "":
		n, err = w.tag(t, g.Image, "att")
	default:
		n, err = w.tag(t, g.Image, "sig")
	}
	if err == nil && n != 1 {
		err = fmt.Errorf("there are %d items", n)
	}
	return err
}

// matrix signs every kind in a registry; each must verify with the libraries and with
// the client's own command.
func matrix(t *testing.T, registry RegistryKind, key *Key, pick func(Client, Kind) bool) {
	t.Helper()
	for _, c := range []Client{CosignV2, CosignV3} {
		for _, k := range combinations(c) {
			if !pick(c, k) {
				continue
			}
			k.Registry = registry
			t.Run(fmt.Sprintf("%s %s in %s", c, k, registry), func(t *testing.T) {
				t.Parallel()
				g := NewSigning(t, k)
				g.Key = key
				if err := g.Sign(t, c, k); err != nil {
					t.Fatal(err)
				}
				if err := g.found(t, k); err != nil {
					t.Errorf("with the libraries: %v", err)
				}
				if err := g.Verify(t, c, k, g.Image); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// sharedKey is ready for parallel use: its encrypted form is made.
func sharedKey(t *testing.T) *Key {
	t.Helper()
	k := NewKey(t, ECDSA)
	k.CosignPEM(t)
	return k
}

func TestClientsSignEverything(t *testing.T) {
	Cosign2(t)
	Cosign3(t)
	// Version 3 is asked for the tag format by hidden options: two ways of it are enough.
	matrix(t, WithReferrers, sharedKey(t), func(c Client, k Kind) bool {
		return c == CosignV2 || k.Bundle || !k.OwnCA && k.Log == LogV1 && !k.TSA
	})
}

func TestClientsSignInEveryRegistry(t *testing.T) {
	Cosign2(t)
	Cosign3(t)
	key := sharedKey(t)
	// What differs by registry is how things are kept, not what they are.
	pick := func(_ Client, k Kind) bool { return !k.OwnCA && k.Log == LogV1 && !k.TSA }
	for _, registry := range []RegistryKind{WithoutReferrers, Debian} {
		t.Run(string(registry), func(t *testing.T) { matrix(t, registry, key, pick) })
	}
}

func TestClientsAttestEveryType(t *testing.T) {
	key := sharedKey(t)
	for name, predicate := range map[string]string{
		"slsaprovenance1": provenance, "spdxjson": "https://spdx.dev/Document", "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
	} {
		for c, k := range map[Client]Kind{CosignV2: {Bundle: true, Attest: name}, CosignV3: {Bundle: true, Attest: name}} {
			t.Run(name+" "+string(c), func(t *testing.T) {
				g := NewSigning(t, k)
				g.Key = key
				if err := g.Sign(t, c, k); err != nil {
					t.Fatal(err)
				}
				types, err := g.wanted(k).bundles(t, g.Image)
				if err != nil || !slices.Equal(types, []string{predicate}) {
					t.Errorf("%q, %v", types, err)
				}
				tag := k
				tag.Bundle = false
				if err := g.Sign(t, c, tag); err != nil {
					t.Fatal(err)
				}
				if err := g.found(t, tag); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestClientsSignIndexes(t *testing.T) {
	for _, c := range []Client{CosignV2, CosignV3} {
		for _, k := range []Kind{{Recursive: true}, {Recursive: true, Bundle: true}, {Index: true}, {Index: true, Bundle: true}} {
			t.Run(fmt.Sprintf("%s %s recursive %v", c, k, k.Recursive), func(t *testing.T) {
				g := Signed(t, c, k)
				if err := g.found(t, k); err != nil {
					t.Error(err)
				}
				for _, p := range g.Platforms {
					if err := g.Verify(t, c, k, p); (err == nil) != k.Recursive {
						t.Errorf("%s: %v", p, err)
					}
				}
			})
		}
	}
}

func TestClientsAreToldServicesByOptions(t *testing.T) {
	key := sharedKey(t)
	for _, c := range []Client{CosignV2, CosignV3} {
		for _, k := range []Kind{
			{}, {Log: LogV1}, {Log: LogV1, TSA: true}, {Keyless: true, Log: LogV1}, {Keyless: true, TSA: true},
			{Keyless: true, Log: LogV1, Attest: "vuln"}, {Keyless: true, TSA: true, Attest: "vuln"},
		} {
			k.Bundle, k.ServiceFlags = true, true
			t.Run(fmt.Sprintf("%s %s", c, k), func(t *testing.T) {
				g := NewSigning(t, k)
				g.Key = key
				if err := g.Sign(t, c, k); err != nil {
					t.Fatal(err)
				}
				if err := g.found(t, k); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestClientsTakeFurtherOptions(t *testing.T) {
	annotated := Kind{Args: []string{"-a", "commit=abc"}}
	g := Signed(t, CosignV2, annotated)
	if err := g.found(t, annotated); err != nil {
		t.Error(err)
	}
	// The entry keeps the whole envelope, and its type is older than DSSE's own.
	inToto := Kind{Log: LogV1, Attest: "vuln", Args: []string{"--rekor-entry-type", "intoto"}}
	g = Signed(t, CosignV2, inToto)
	if err := g.found(t, inToto); err != nil {
		t.Error(err)
	}
}

func TestClientsSignFiles(t *testing.T) {
	key, file := sharedKey(t), []byte("a file")
	for _, c := range []Client{CosignV2, CosignV3} {
		for _, k := range []Kind{{}, {Log: LogV1}, {Keyless: true, Log: LogV1}, {Keyless: true, TSA: true}, {Keyless: true, Log: LogV2, TSA: true}} {
			t.Run(fmt.Sprintf("%s %s", c, k), func(t *testing.T) {
				g := NewSigning(t, k)
				g.Key = key
				b, err := g.SignBlob(t, c, k, file)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := g.wanted(k).bundle(t, b, verify.WithArtifact(bytes.NewReader(file))); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestClientsSaveLayouts(t *testing.T) {
	key := sharedKey(t)
	for _, c := range []Client{CosignV2, CosignV3} {
		for _, k := range []Kind{{}, {Bundle: true}} {
			t.Run(fmt.Sprintf("%s %s", c, k), func(t *testing.T) {
				g := NewSigning(t, k)
				g.Key = key
				if err := g.Sign(t, c, k); err != nil {
					t.Fatal(err)
				}
				dir, err := g.Save(t, c)
				if err != nil {
					t.Fatal(err)
				}
				// Version 2 leaves bundles out; version 3 keeps them, but out of the index.
				if got, want := bundlesIn(t, dir), map[bool]int{true: 1}[k.Bundle && c == CosignV3]; got != want {
					t.Errorf("the layout has %d bundles, want %d", got, want)
				}
				if err := g.VerifyLayout(t, c, k, dir); (err == nil) != (!k.Bundle || c == CosignV3) {
					t.Error(err)
				}
			})
		}
	}
}

// bundlesIn counts the manifests of bundles among a layout's blobs.
func bundlesIn(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		var m struct{ ArtifactType string }
		if json.Unmarshal(b, &m) == nil && m.ArtifactType == BundleType {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestClientsSignReferrers(t *testing.T) {
	for _, c := range []Client{CosignV2, CosignV3} {
		g := Signed(t, c, Kind{Referrer: true})
		if n, err := g.wanted(Kind{}).tag(t, g.Image, "sig"); n != 0 {
			t.Errorf("%s: %d at the tag, %v", c, n, err)
		}
		if _, err := g.wanted(Kind{}).bundles(t, g.Image); err == nil {
			t.Errorf("%s: what refers to the image is a bundle", c)
		}
	}
}
