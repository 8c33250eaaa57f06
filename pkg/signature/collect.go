// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const (
	// maxManifest is the size of a manifest.
	maxManifest = 4 << 20
	// maxReferrers is the number of descriptors that are looked at, most of which may be
	// of something else.
	maxReferrers = 2000

	bundleType    = "application/vnd.dev.sigstore.bundle"
	cosignSigType = "application/vnd.dev.cosign.artifact.sig.v1+json"
	cosignAttType = "application/vnd.dev.cosign.artifact.att.v1+json"
)

// candidate is what should be an item, before its bytes are read.
type candidate struct {
	format evidence.SignatureFormat
	digest string
	place  string
	layer  v1.Descriptor
	// attestation is the form of tag format layers.
	attestation bool
	// unreadable says why it cannot be one.
	unreadable string
}

// collector gathers the items of one target.
type collector struct {
	place
	limits Limits
	target Target

	mu       sync.Mutex
	problems []evidence.Problem
}

// collect returns everything that hangs on the target, readable or not, in an order that
// depends on the bytes only.
func (v *Verifier) collect(ctx context.Context, t Target) ([]*item, []evidence.Problem) {
	c := &collector{place: place{v, t.Reference, t.Store}, limits: v.opts.Limits.orDefault(), target: t}
	items := c.read(ctx, c.candidates(ctx))
	return append(items, c.detached()...), c.problems
}

func (l Limits) orDefault() Limits {
	if l.MaxItems <= 0 {
		l.MaxItems = 200
	}
	if l.MaxBundle <= 0 {
		l.MaxBundle = 16 << 20
	}
	if l.MaxTotal <= 0 {
		l.MaxTotal = 128 << 20
	}
	return l
}

func (c *collector) problem(p evidence.Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, p)
}

// each runs f for 0 to n-1 at once; what panics becomes a problem. How many requests
// there are at a time is the Verifier's to say.
func (c *collector) each(n int, what func(int) string, f func(int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := guard(func() error {
				f(i)
				return nil
			})
			if err != nil {
				c.problem(unseen(what(i), err))
			}
		})
	}
	wg.Wait()
}

// candidates asks for all places of all digests at once.
func (c *collector) candidates(ctx context.Context) []candidate {
	if c.store == nil {
		return nil
	}
	var digests []v1.Hash
	for _, d := range c.target.Digests {
		h, err := v1.NewHash(d.Digest)
		switch {
		case d.Kind == evidence.SignedArchive:
		case err != nil || h.Algorithm != "sha256":
			c.problem(unseen(d.Digest, errors.New("only SHA-256 digests can be looked for")))
		default:
			digests = append(digests, h)
		}
	}
	const places = 3
	found := make([][]candidate, places*len(digests))
	what := func(i int) string { return c.placeName(digests[i/places], i%places) }
	c.each(len(found), what, func(i int) {
		if d := digests[i/places]; i%places == 2 {
			found[i] = c.referring(ctx, d)
		} else {
			found[i] = c.tagged(ctx, d, i%places == 1)
		}
	})
	var out []candidate
	for i := range digests {
		out = append(out, c.bounded(digests[i].String(), slices.Concat(found[places*i:places*(i+1)]...))...)
	}
	return out
}

func (c *collector) placeName(h v1.Hash, i int) string {
	if i == 2 {
		return "referrers of " + h.String()
	}
	return tagOf(h, i == 1)
}

func tagOf(h v1.Hash, attestation bool) string {
	if attestation {
		return h.Algorithm + "-" + h.Hex + ".att"
	}
	return h.Algorithm + "-" + h.Hex + ".sig"
}

// bounded leaves out what is more than the limit of one digest.
func (c *collector) bounded(digest string, found []candidate) []candidate {
	if len(found) <= c.limits.MaxItems {
		return found
	}
	c.problem(tooMuch(digest, "%d signatures and attestations hang on it; only %d were looked at", len(found), c.limits.MaxItems))
	return found[:c.limits.MaxItems]
}

// manifest is what is read of a manifest.
type manifest struct {
	MediaType    string          `json:"mediaType"`
	ArtifactType string          `json:"artifactType"`
	Config       v1.Descriptor   `json:"config"`
	Layers       []v1.Descriptor `json:"layers"`
	Manifests    []any           `json:"manifests"`
}

const (
	errTooLarge explained = "the manifest is too large"
	errIndex    explained = "it is an index, not a manifest with signatures"
)

func readManifest(raw []byte) (m manifest, err error) {
	if len(raw) > maxManifest {
		return m, errTooLarge
	}
	if err := wellFormed(raw, maxManifests); err != nil {
		return m, fmt.Errorf("the manifest %w", err)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("the manifest: %w", err)
	}
	if len(m.Manifests) > 0 || strings.Contains(m.MediaType, "index") || strings.Contains(m.MediaType, "manifest.list") {
		return m, errIndex
	}
	return m, nil
}

// tagged reads the manifest at a .sig or .att tag.
func (c *collector) tagged(ctx context.Context, h v1.Hash, attestation bool) []candidate {
	tag := tagOf(h, attestation)
	raw, err := c.manifest(ctx, tag)
	if err != nil {
		c.problem(unseen(tag, err))
		return nil
	}
	if raw == nil {
		return nil
	}
	base := candidate{format: evidence.FormatTag, digest: h.String(), place: tag, attestation: attestation}
	return c.layers(base, raw)
}

// layers makes a candidate of each layer of a manifest in the tag format.
func (c *collector) layers(base candidate, raw []byte) []candidate {
	m, err := readManifest(raw)
	switch {
	case errors.Is(err, errTooLarge):
		c.problem(tooMuch(base.place, "the manifest has %d bytes, more than %d", len(raw), maxManifest))
		return nil
	case err != nil:
		base.unreadable = err.Error()
		return []candidate{base}
	}
	if n := len(m.Layers); n > c.limits.MaxItems {
		c.problem(tooMuch(base.place, "it has %d layers; only %d were looked at", n, c.limits.MaxItems))
		m.Layers = m.Layers[:c.limits.MaxItems]
	}
	var out []candidate
	for i, l := range m.Layers {
		one := base
		one.place, one.layer = fmt.Sprintf("%s, layer %d", base.place, i+1), l
		out = append(out, one)
	}
	return out
}

// read fetches and parses the candidates. Who may be read within the limits is settled
// before, by what the manifests say.
func (c *collector) read(ctx context.Context, all []candidate) []*item {
	total, within := int64(0), make([]bool, len(all))
	for i, a := range all {
		size := a.layer.Size
		switch {
		case a.unreadable != "":
		case a.layer.Digest.Algorithm != "sha256" || size <= 0:
			all[i].unreadable = "its descriptor has no SHA-256 digest and size"
		case size > c.limits.MaxBundle:
			c.problem(tooMuch(a.place, "it has %d bytes, more than %d", size, c.limits.MaxBundle))
		case total+size > c.limits.MaxTotal:
			c.problem(tooMuch(a.place, "with it, signatures would have more than %d bytes", c.limits.MaxTotal))
		default:
			total += size
			within[i] = true
		}
	}
	out := make([]*item, len(all))
	c.each(len(all), func(i int) string { return all[i].place }, func(i int) {
		if all[i].unreadable != "" {
			out[i] = unreadable(all[i], errors.New(all[i].unreadable))
		} else if within[i] {
			out[i] = c.readOne(ctx, all[i])
		}
	})
	return c.bearable(slices.DeleteFunc(out, func(i *item) bool { return i == nil }))
}

// bearable leaves out statements that together would keep the verifier busy for minutes.
func (c *collector) bearable(items []*item) []*item {
	total := 0
	return slices.DeleteFunc(items, func(i *item) bool {
		if total+i.values > maxStatements {
			c.problem(tooMuch(i.found.Place, "with it, signed statements would have more than %d values", maxStatements))
			return true
		}
		total += i.values
		return false
	})
}

func (c *collector) readOne(ctx context.Context, a candidate) *item {
	raw, err := c.blob(ctx, a.layer)
	if err != nil {
		c.problem(unseen(a.place, err))
		return nil
	}
	var i *item
	err = guard(func() (err error) {
		if a.format == evidence.FormatBundle {
			i, err = readBundle(raw)
		} else {
			i, err = readLegacy(raw, a.layer.Annotations, a.attestation)
		}
		return err
	})
	return a.item(i, err)
}

// item is what was read of the candidate; an unreadable one where that failed.
func (a candidate) item(i *item, err error) *item {
	if err != nil {
		return unreadable(a, err)
	}
	i.found.Format, i.found.Digest, i.found.Place = a.format, a.digest, a.place
	i.nameRepositories()
	return i
}

func unreadable(a candidate, err error) *item {
	return &item{found: evidence.Signature{
		Kind: evidence.KindUnreadable, Format: a.format, Digest: a.digest, Place: a.place, Problem: reasonOf(err.Error()),
	}}
}

// detached reads the bundles that the caller has as files.
func (c *collector) detached() []*item {
	var out []*item
	for _, b := range c.target.Bundles {
		if size := int64(len(b.Data)); size > c.limits.MaxBundle {
			c.problem(tooMuch(b.Name, "it has %d bytes, more than %d", size, c.limits.MaxBundle))
			continue
		}
		a := candidate{format: evidence.FormatDetached, place: shorten(oneLine(b.Name), maxName)}
		if len(c.target.Digests) > 0 {
			a.digest = c.target.Digests[0].Digest
		}
		var i *item
		err := guard(func() (err error) {
			i, err = readBundle(b.Data)
			return err
		})
		for _, d := range slices.Backward(c.target.Digests) {
			if err == nil && i.isAbout(d.Digest) {
				a.digest = d.Digest
			}
		}
		out = append(out, a.item(i, err))
	}
	return out
}
