// SPDX-License-Identifier: Apache-2.0

package analysers

import (
	"slices"
	"testing"

	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
)

// FuzzAnalysers has both sides read anything, by any analyser, at any of its places.
func FuzzAnalysers(f *testing.F) {
	p := newPair(f)
	single, post := p.types()
	types := slices.Concat(single, post)
	for i, typ := range types {
		for k, in := range inputsFor(p.theirs, typ, p.files) {
			if k%97 == i%97 && len(in.data) < 16<<10 {
				f.Add(uint8(i), uint8(k), in.data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which, where uint8, data []byte) {
		typ := types[int(which)%len(types)]
		a, _ := p.theirs.analyser(typ)
		at := places(a, typ, "base")
		in := input{path: at[int(where)%len(at)], mode: 0o755, data: data}
		if err := p.compare(typ, in, in.path); err != nil {
			t.Errorf("%s: %s: %s", typ, in.path, clip(err))
		}
	})
}

// compare compares the analysers of a type, of either sort, on one file.
func (p *pair) compare(typ analyzer.Type, in input, what string) error {
	if p.theirs.post[typ] != nil {
		return p.layer(typ, []input{in}, what)
	}
	return p.one(typ, in, what)
}
