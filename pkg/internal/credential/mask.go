// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"cmp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// occurrences finds a value; a short one as a word of its own only.
func occurrences(text, value, rule string) []hit {
	var out []hit
	for at := 0; ; {
		i := strings.Index(text[at:], value)
		if i < 0 {
			return out
		}
		from, to := at+i, at+i+len(value)
		at = to
		if len(value) >= minPart || !wordAt(text, from-1) && !wordAt(text, to) {
			out = append(out, hit{from, to, rule})
		}
	}
}

func wordAt(s string, i int) bool {
	return i >= 0 && i < len(s) && (s[i] == '_' || s[i] >= '0' && s[i] <= '9' || s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z')
}

// mark writes Masked over the hits, which may overlap.
func mark(text string, hits []hit) string {
	if len(hits) == 0 {
		return text
	}
	hits = slices.SortedFunc(slices.Values(hits), func(a, b hit) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	end := 0
	for _, s := range hits {
		if s.to <= end || s.from == s.to {
			continue
		}
		if s.from >= end {
			b.WriteString(text[end:s.from])
			b.WriteString(evidence.Masked)
		}
		end = s.to
	}
	b.WriteString(text[end:])
	return b.String()
}

// Text masks what is a credential by its own form or by what stands around it.
func Text(s string) string { return mark(s, credentialsIn(s)) }

// Reference masks what stands before an @ that begins no digest: in what should be an
// image reference, that may be a password.
func Reference(s string) string {
	last, first := strings.LastIndexByte(s, '@'), strings.IndexByte(s, '@')
	switch {
	case last < 0:
		return s
	case !isDigest(s[last+1:]):
		return evidence.Masked + s[last:]
	case first != last:
		return evidence.Masked + s[strings.LastIndexByte(s[:last], '@'):]
	default:
		return s
	}
}

func isDigest(s string) bool {
	_, err := v1.NewHash(s)
	return err == nil
}
