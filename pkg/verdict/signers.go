// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// signer is by whom an authority verified an item: a key, or who is named in a certificate.
func (g *signedJudge) signer(authority string, it *evidence.Signature) string {
	for _, a := range g.signatures.Authorities {
		// What a signature by a key says about itself nobody verified.
		if a.Name == authority && strings.HasPrefix(a.Signer, "key ") {
			return a.Signer
		}
	}
	if who := whoIs(it.Signer); who != "" {
		return who
	}
	return "authority " + authority
}

// different is how many of the authorities have a signer of their own: where several
// recognise one signer, that is one who signed, not several.
func different(satisfied []standing) int {
	taken := map[string]int{}
	n := 0
	for i := range satisfied {
		if assign(satisfied, i, taken, map[string]bool{}) {
			n++
		}
	}
	return n
}

// assign finds a signer for an authority; others may have to take another one of theirs.
func assign(satisfied []standing, i int, taken map[string]int, tried map[string]bool) bool {
	for _, who := range satisfied[i].signers {
		if tried[who] {
			continue
		}
		tried[who] = true
		if other, ok := taken[who]; !ok || assign(satisfied, other, taken, tried) {
			taken[who] = i
			return true
		}
	}
	return false
}

// sameSigner is the violation that fewer have signed than authorities recognise.
func (g *signedJudge) sameSigner(satisfied []standing) Violation {
	var names []string
	for _, st := range satisfied {
		names = append(names, st.authority)
	}
	return Violation{ID: "min",
		Message: fmt.Sprintf("%d authorities must have %s %s, and those who did for %s are %s", g.Min, g.verb(), g.thing, few(names, shownItems), wording.Count(different(satisfied), "signer")),
		Fix:     "have somebody else sign, too: one signer counts for one authority"}
}
