// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/sigstore/sigstore-go/pkg/root"
)

const (
	maxRootBytes   = 4 << 20
	maxRootEntries = 256
	publicGood     = "public good instance (TUF)"
)

// roots are the trusted roots that a Verifier has loaded, by what they are from:
// authorities share them.
type roots struct {
	mu     sync.Mutex
	loaded map[[sha256.Size]byte]*loadedRoot
}

// loadedRoot is a trusted root, or why there is none: that stays so for this run.
type loadedRoot struct {
	once     sync.Once
	material root.TrustedMaterial
	err      error
}

// trustedRoot loads what r names, and says what to call it. Nil is the public good instance.
func (v *Verifier) trustedRoot(ctx context.Context, r *TrustedRoot) (m root.TrustedMaterial, name string, err error) {
	name, load, err := v.rootSource(r)
	if err != nil {
		return nil, name, err
	}
	l := v.roots.of(r)
	l.once.Do(func() {
		// Should load panic, once counts as done.
		l.err = errors.New("loading the trusted root failed")
		l.material, l.err = load(ctx)
	})
	if l.err == nil && l.material == nil {
		return nil, name, errors.New("loading the trusted root failed")
	}
	return l.material, name, l.err
}

func (r *roots) of(t *TrustedRoot) *loadedRoot {
	k := t.key()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loaded == nil {
		r.loaded = map[[sha256.Size]byte]*loadedRoot{}
	}
	if r.loaded[k] == nil {
		r.loaded[k] = &loadedRoot{}
	}
	return r.loaded[k]
}

// key is the same for the same trust anchors. The name is in it, since errors say it.
func (r *TrustedRoot) key() (k [sha256.Size]byte) {
	if r == nil {
		return k
	}
	h := sha256.New()
	add := func(b []byte) { fmt.Fprintf(h, "%d:%s,", len(b), b) }
	add([]byte(r.Name))
	for _, b := range [][]byte{r.JSON, r.CA, r.TSA, r.Rekor, r.CTLog} {
		add(b)
	}
	if r.TUF != nil {
		add([]byte(r.TUF.Mirror))
		add(r.TUF.Root)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// rootSource says where trust anchors are from, and how they are loaded.
func (v *Verifier) rootSource(r *TrustedRoot) (name string, load func(context.Context) (root.TrustedMaterial, error), err error) {
	if r == nil {
		return publicGood, func(ctx context.Context) (root.TrustedMaterial, error) { return v.tufRoot(ctx, publicGoodRepository()) }, nil
	}
	name = r.Name
	if name == "" {
		name = "in the policy"
	}
	own := len(r.CA)+len(r.TSA)+len(r.Rekor)+len(r.CTLog) > 0
	switch {
	case len(r.JSON) > 0 && r.TUF == nil && !own:
		return name, func(context.Context) (root.TrustedMaterial, error) { return parseRoot(name, r.JSON) }, nil
	case r.TUF != nil && len(r.JSON) == 0 && !own:
		return "TUF " + shorten(r.TUF.Mirror, maxValue), func(ctx context.Context) (root.TrustedMaterial, error) {
			return v.tufRoot(ctx, tufRepository{r.TUF.Mirror, r.TUF.Root})
		}, nil
	case own && len(r.JSON) == 0 && r.TUF == nil:
		return name, func(context.Context) (root.TrustedMaterial, error) {
			m, err := ownRoot(r)
			if err != nil {
				return nil, problemf("give certificates and public keys in PEM form and nothing else", "the trusted root (%s) cannot be used: %v", name, err)
			}
			return m, nil
		}, nil
	}
	return name, nil, fmt.Errorf("the trusted root (%s) needs exactly one of a trusted_root.json, TUF, and certificates or keys in PEM form", name)
}

// parseRoot reads a trusted_root.json.
func parseRoot(name string, data []byte) (m root.TrustedMaterial, err error) {
	const hint = "name a trusted_root.json of sigstore's, for example by cosign trusted-root create"
	defer func() {
		if r := recover(); r != nil {
			m, err = nil, problemf(hint, "the trusted root (%s) cannot be read: %v", name, r)
		}
	}()
	if len(data) > maxRootBytes {
		return nil, problemf(hint, "the trusted root (%s) has more than %d bytes", name, maxRootBytes)
	}
	p, err := root.NewTrustedRootProtobuf(data)
	if err != nil {
		return nil, problemf(hint, "the trusted root (%s) cannot be read: %v", name, err)
	}
	for _, n := range []int{len(p.GetTlogs()), len(p.GetCtlogs()), len(p.GetCertificateAuthorities()), len(p.GetTimestampAuthorities())} {
		if n > maxRootEntries {
			return nil, problemf(hint, "the trusted root (%s) has more than %d entries of one kind", name, maxRootEntries)
		}
	}
	t, err := root.NewTrustedRootFromProtobuf(p)
	if err != nil {
		return nil, problemf(hint, "the trusted root (%s) cannot be read: %v", name, err)
	}
	return t, nil
}
