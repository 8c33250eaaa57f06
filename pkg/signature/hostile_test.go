// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

// TestRegistryTrouble: what could not be asked is a problem, what is not there is none, and
// everything else is examined.
func TestRegistryTrouble(t *testing.T) {
	status := func(code int) *sigstoretest.Fault {
		return &sigstoretest.Fault{Status: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"errors":[{"code":"X","message":"no"}]}`)}
	}
	for name, c := range map[string]struct {
		path  string
		fault *sigstoretest.Fault
		what  string // of the problem; empty: none
		hint  string
		items int
	}{
		"all well":                {items: 3},
		"404 at the tag":          {path: ".sig", fault: status(404), items: 2},
		"401 at the tag":          {path: ".sig", fault: status(401), what: ".sig", hint: "log in", items: 2},
		"403 at the tag":          {path: ".att", fault: status(403), what: ".att", hint: "log in", items: 2},
		"403 at the referrers":    {path: "/referrers/", fault: status(403), what: "referrers of", items: 2},
		"400 at a bundle":         {path: "BUNDLE", fault: status(400), what: "BUNDLE", items: 2},
		"404 at a listed bundle":  {path: "BUNDLE", fault: status(404), what: "BUNDLE", items: 2},
		"404 at a blob":           {path: "BLOB", fault: status(404), what: ".sig, layer 1", items: 2},
		"another blob":            {path: "BLOB", fault: &sigstoretest.Fault{Body: []byte("other bytes")}, what: ".sig, layer 1", items: 2},
		"another manifest":        {path: "BUNDLE", fault: &sigstoretest.Fault{Header: http.Header{"Content-Type": {"application/vnd.oci.image.manifest.v1+json"}}, Body: []byte(`{"schemaVersion":2}`)}, what: "BUNDLE", items: 2},
		"a manifest that is none": {path: ".sig", fault: &sigstoretest.Fault{Header: http.Header{"Content-Type": {"application/vnd.oci.image.manifest.v1+json"}}, Body: []byte(`{"layers":7}`)}, items: 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, true)
			key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
			sig := w.TagSignature(w.image, key.Signer(), signOptions{})
			w.tag("sig", sig)
			w.tag("att", w.TagAttestation(sigstoretest.Statement(w.image, "https://spdx.dev/Document", 1), key.Signer(), signOptions{}))
			bundle := sigstoretest.PushBundle(t, w.image, w.JSON(w.Bundle(sigstoretest.SignatureStatement(w.image), key.Signer(), signOptions{})))
			named := strings.NewReplacer("BUNDLE", bundle.String(), "BLOB", digestOf(sig.Payload)).Replace
			w.registry.Fault = func(r *http.Request, _ int) *sigstoretest.Fault {
				if c.fault != nil && strings.Contains(r.URL.Path, named(c.path)) {
					return c.fault
				}
				return nil
			}
			s := w.verify(w.keyed(key, false))
			if len(s.Items) != c.items {
				t.Errorf("items %+v", s.Items)
			}
			if c.what == "" {
				if len(s.Problems) != 0 {
					t.Errorf("problems %+v", s.Problems)
				}
				return
			}
			if len(s.Problems) != 1 {
				t.Fatalf("problems %+v", s.Problems)
			}
			p := s.Problems[0]
			if !strings.Contains(p.What, named(c.what)) || p.Message == "" || p.Area != evidence.AreaImage || !strings.Contains(p.Hint, c.hint) {
				t.Errorf("%+v", p)
			}
		})
	}
}

func TestRegistryThatNeverAnswers(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	w.tag("sig", w.TagSignature(w.image, key.Signer(), signOptions{}))
	asked := make(chan struct{})
	var once sync.Once
	w.registry.Fault = func(r *http.Request, _ int) *sigstoretest.Fault {
		if strings.Contains(r.URL.Path, "/referrers/") {
			once.Do(func() { close(asked) })
			return &sigstoretest.Fault{Hang: true}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	v := New(Options{})
	s := v.Verify(ctx, w.target(w.image), []Authority{w.keyed(key, false)})
	if len(s.Problems) == 0 {
		t.Fatalf("%+v", s)
	}
	// Another caller with the same Verifier is not given what that one gave up.
	w.registry.Fault = nil
	_, check := only(t, v.Verify(t.Context(), w.target(w.image), []Authority{w.keyed(key, false)}))
	wantCheck(t, check, valid, "")
}

// storeFunc is a Store that does what it likes.
type storeFunc struct {
	manifest  func(id string) ([]byte, bool, error)
	blob      func(v1.Hash, int64) ([]byte, error)
	referrers func() ([]v1.Descriptor, error)
}

func (s storeFunc) Manifest(_ context.Context, id string) ([]byte, bool, error) {
	if s.manifest == nil {
		return nil, false, nil
	}
	return s.manifest(id)
}

func (s storeFunc) Blob(_ context.Context, h v1.Hash, limit int64) ([]byte, error) {
	if s.blob == nil {
		return nil, errors.New("no blob")
	}
	return s.blob(h, limit)
}

func (s storeFunc) Referrers(context.Context, v1.Hash) ([]v1.Descriptor, error) {
	if s.referrers == nil {
		return nil, nil
	}
	return s.referrers()
}

// atSig is a store with one manifest, at the tag for signatures.
func atSig(raw []byte) storeFunc {
	return storeFunc{manifest: func(id string) ([]byte, bool, error) { return raw, strings.HasSuffix(id, ".sig"), nil }}
}

func descriptor(b []byte, mediaType string) map[string]any {
	return map[string]any{"mediaType": mediaType, "size": len(b), "digest": digestOf(b)}
}

func manifestOf(t testing.TB, layers ...any) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"schemaVersion": 2, "layers": layers})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestLimits: nothing is read before its size is known to be bearable.
func TestLimits(t *testing.T) {
	k := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	w := newWorld(t, true)
	deep := []byte(strings.Repeat(`{"layers":[`, 1000) + strings.Repeat("]}", 1000))
	many := make([]any, 10_000)
	for i := range many {
		many[i] = map[string]any{"digest": digestOf([]byte(fmt.Sprint(i))), "size": 5}
	}
	refs := make([]v1.Descriptor, 100_000)
	for i := range refs {
		h, _, _ := v1.SHA256(strings.NewReader(fmt.Sprint(i)))
		refs[i] = v1.Descriptor{Digest: h, Size: 10}
	}
	bomb := gzipBomb(t)
	var blobs atomic.Int64
	counted := func(s storeFunc) storeFunc {
		old := s.blob
		s.blob = func(h v1.Hash, limit int64) ([]byte, error) {
			blobs.Add(1)
			if limit > 16<<20 {
				t.Errorf("a blob of %d bytes was asked for", limit)
			}
			if old == nil {
				return nil, errors.New("no such blob")
			}
			return old(h, limit)
		}
		return s
	}
	for name, c := range map[string]struct {
		store    storeFunc
		limits   Limits
		items    int
		problems int
		area     evidence.Area
		most     int64 // blobs asked for
		says     string
	}{
		"2 GB":          {store: atSig(manifestOf(t, map[string]any{"digest": digestOf(nil), "size": 2 << 30})), problems: 1, area: evidence.AreaLimit, says: "more than 16777216"},
		"negative size": {store: atSig(manifestOf(t, map[string]any{"digest": digestOf(nil), "size": -1})), items: 1},
		"no digest":     {store: atSig(manifestOf(t, map[string]any{"size": 1})), items: 1},
		"SHA-512":       {store: atSig(manifestOf(t, map[string]any{"digest": "sha512:" + strings.Repeat("0", 128), "size": 1})), items: 1},
		"10,000 layers": {store: atSig(manifestOf(t, many...)), problems: 201, most: 200, says: "10000 layers"},
		"the sum": {store: atSig(manifestOf(t, map[string]any{"digest": digestOf([]byte("a")), "size": 60}, map[string]any{"digest": digestOf([]byte("b")), "size": 60})),
			limits: Limits{MaxTotal: 100}, problems: 2, most: 1, says: "more than 100 bytes"},
		"items of all places": {store: storeFunc{manifest: func(id string) ([]byte, bool, error) {
			return manifestOf(t, many[:3]...), strings.HasSuffix(id, ".sig") || strings.HasSuffix(id, ".att"), nil
		}}, limits: Limits{MaxItems: 4}, problems: 5, most: 4, says: "6 signatures and attestations"},
		"manifest that nests":    {store: atSig(deep), items: 1},
		"manifest of 5 MB":       {store: atSig(bytes.Repeat([]byte(" "), 5<<20)), problems: 1, area: evidence.AreaLimit, says: "bytes"},
		"manifest without bytes": {store: atSig(nil), problems: 1},
		"index at the tag":       {store: atSig([]byte(`{"schemaVersion":2,"manifests":[{}]}`)), items: 1},
		"no layers":              {store: atSig(manifestOf(t)), items: 0},
		"100,000 referrers":      {store: storeFunc{referrers: func() ([]v1.Descriptor, error) { return refs, nil }}, problems: 202, says: "100000 referrers"},
		"gzip bomb": {store: storeFunc{
			referrers: func() ([]v1.Descriptor, error) {
				h, _, _ := v1.SHA256(bytes.NewReader(manifestOf(t, descriptor(bomb, bundleType+".v0.3+json"))))
				return []v1.Descriptor{{Digest: h, Size: 10}}, nil
			},
			manifest: func(id string) ([]byte, bool, error) {
				return manifestOf(t, descriptor(bomb, bundleType+".v0.3+json")), strings.Contains(id, ":"), nil
			},
			blob: func(v1.Hash, int64) ([]byte, error) { return bomb, nil },
		}, items: 1, most: 1},
		"panic":                           {store: storeFunc{referrers: func() ([]v1.Descriptor, error) { panic("boom") }}, problems: 1, says: "boom"},
		"a blob that is larger":           {store: storeFunc{manifest: atSig(manifestOf(t, descriptor([]byte("x"), ""))).manifest, blob: func(v1.Hash, int64) ([]byte, error) { return []byte("xx"), nil }}, problems: 1, most: 1},
		"a blob that is another":          {store: storeFunc{manifest: atSig(manifestOf(t, descriptor([]byte("x"), ""))).manifest, blob: func(v1.Hash, int64) ([]byte, error) { return []byte("y"), nil }}, problems: 1, most: 1, says: "its bytes have the digest"},
		"referrers found before an error": {store: storeFunc{referrers: func() ([]v1.Descriptor, error) { return refs[:1], errors.New("page 2 is missing") }}, problems: 2, says: "page 2"},
	} {
		t.Run(name, func(t *testing.T) {
			blobs.Store(0)
			target := w.target(w.image)
			target.Store = counted(c.store)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s := New(Options{Limits: c.limits}).Verify(t.Context(), target, []Authority{w.keyed(k, false)})
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 100<<20 {
				t.Errorf("%d MB were allocated", n>>20)
			}
			if len(s.Items) != c.items || len(s.Problems) != c.problems || blobs.Load() > c.most {
				t.Errorf("%d items, %d problems, %d blobs: %+v", len(s.Items), len(s.Problems), blobs.Load(), s.Problems)
			}
			for _, i := range s.Items {
				if i.Kind != evidence.KindUnreadable || i.Problem == "" {
					t.Errorf("%+v", i)
				}
			}
			said := ""
			for _, p := range s.Problems {
				said += p.Message + "\n"
				if c.area != "" && p.Area != c.area {
					t.Errorf("%+v", p)
				}
			}
			if !strings.Contains(said, c.says) {
				t.Errorf("want %q in %s", c.says, shorten(said, 1000))
			}
		})
	}
}

// TestStatementsWithoutEnd: many statements of many values are a limit that was reached.
func TestStatementsWithoutEnd(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	statement := sigstoretest.Statement(w.image, "x", map[string]any{"a": make([]int, 900_000)})
	item := w.TagAttestation(statement, key.Signer(), signOptions{})
	items := make([]*sigstoretest.TagItem, 7)
	for i := range items {
		items[i] = item
	}
	w.tag("att", items...)
	s := w.verify(w.keyed(sigstoretest.NewKey(t, sigstoretest.ECDSA), false))
	if len(s.Items) != 5 || len(s.Problems) != 2 || s.Problems[0].Area != evidence.AreaLimit {
		t.Errorf("%d items, %+v", len(s.Items), s.Problems)
	}
}

func gzipBomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRegistryThatChangesItsMind: a tag is read once, whatever it holds the next time, and
// the bytes of a digest are those that are verified.
func TestRegistryThatChangesItsMind(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	item := w.TagSignature(w.image, key.Signer(), signOptions{})
	good := manifestOf(t, map[string]any{"mediaType": item.MediaType, "size": len(item.Payload), "digest": digestOf(item.Payload), "annotations": item.Annotations})
	var reads atomic.Int64
	target := w.target(w.image)
	target.Store = storeFunc{
		manifest: func(id string) ([]byte, bool, error) {
			if !strings.HasSuffix(id, ".sig") {
				return nil, false, nil
			}
			if reads.Add(1) > 1 {
				return manifestOf(t), true, nil
			}
			return good, true, nil
		},
		blob: func(v1.Hash, int64) ([]byte, error) { return item.Payload, nil },
	}
	v := New(Options{})
	for range 2 {
		_, check := only(t, v.Verify(t.Context(), target, []Authority{w.keyed(key, false)}))
		wantCheck(t, check, valid, "")
	}
	if n := reads.Load(); n != 1 {
		t.Errorf("the tag was read %d times", n)
	}
}

// TestRequestsAtATime: a registry is not asked for everything at once.
func TestRequestsAtATime(t *testing.T) {
	w := newWorld(t, true)
	refs := make([]v1.Descriptor, 60)
	for i := range refs {
		refs[i].Digest, _, _ = v1.SHA256(strings.NewReader(fmt.Sprint(i)))
	}
	var now, most atomic.Int64
	target := w.target(w.image)
	target.Store = storeFunc{
		referrers: func() ([]v1.Descriptor, error) { return refs, nil },
		manifest: func(string) ([]byte, bool, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			runtime.Gosched()
			return nil, false, nil
		},
	}
	New(Options{}).Verify(t.Context(), target, nil)
	if n := most.Load(); n > maxRequests {
		t.Errorf("%d requests at a time", n)
	}
}
