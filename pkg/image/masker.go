// SPDX-License-Identifier: Apache-2.0

package image

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// KnownSecret is a value that is known to be a credential, and the rule that says so.
type KnownSecret struct{ Rule, Value string }

const (
	// maxSecrets bounds how many distinct credentials one configuration may hold.
	maxSecrets = 500
	// A value shorter than minShared is masked where it was found only; one shorter
	// than minPart is not masked in the middle of a word elsewhere.
	minShared = 3
	minPart   = 8
)

// hit is a part of a text that must not be shown.
type hit struct {
	from, to int
	rule     string
}

// entry is one text of the configuration.
type entry struct {
	place, name string
	text        *string
	hits        []hit
}

// masker collects the texts of one configuration, and then masks in all of them what
// it found in any.
type masker struct {
	salt    string
	entries []entry
	bytes   int
	// secrets are values by the rule that found them.
	secrets map[string]string
	found   []evidence.Credential
}

func newMasker(salt string, known []KnownSecret) *masker {
	m := &masker{salt: salt, secrets: map[string]string{}}
	for _, k := range known {
		// The whole of an environment variable is as good as its value.
		if _, value, ok := strings.Cut(k.Value, "="); ok && isVariable(k.Value) {
			m.share(value, k.Rule)
			continue
		}
		m.share(k.Value, k.Rule)
	}
	return m
}

func (m *masker) tooLarge() bool {
	return len(m.entries) > maxConfigTexts || m.bytes > maxConfigBytes || len(m.secrets) > maxSecrets
}

func (m *masker) add(place, name string, text *string, find func(string) []hit) {
	m.bytes += len(*text)
	e := entry{place: place, name: name, text: text}
	if !m.tooLarge() {
		e.hits = find(*text)
		for _, s := range e.hits {
			if m.tooLarge() {
				break
			}
			m.share((*text)[s.from:s.to], s.rule)
		}
	}
	m.entries = append(m.entries, e)
}

// share makes a value one that is masked everywhere, in the forms in which builders
// write it down.
func (m *masker) share(value, rule string) {
	value = strings.Trim(value, "\"'\\ \t\r\n")
	quoted := strconv.Quote(value)
	for _, form := range []string{value, quoted[1 : len(quoted)-1], strings.ReplaceAll(value, " ", `\ `), url.QueryEscape(value), url.PathEscape(value)} {
		if _, ok := m.secrets[form]; !ok && len(form) >= minShared && strings.Trim(form, "*") != "" {
			m.secrets[form] = rule
		}
	}
}

func (m *masker) text(place, name string, text *string) { m.add(place, name, text, credentialsIn) }

func (m *masker) instruction(place, name string, text *string) {
	m.add(place, name, text, credentialsInInstruction)
}

// named is for a variable or label, whose name may say that the value is a credential.
func (m *masker) named(place string, name, value *string) {
	display := mark(*name, knownForms(*name))
	m.add("", "", name, knownForms)
	m.add(place, display, value, func(s string) []hit {
		if credentialName(*name) && !harmless(*name, s) {
			return append(knownForms(s), hit{0, len(s), ruleName})
		}
		return credentialsIn(s)
	})
}

// mapping masks a copy, which the function returned makes when all is known.
func (m *masker) mapping(place string, in map[string]string) func() map[string]string {
	type pair struct{ name, value string }
	var pairs []*pair
	for k, v := range in {
		pairs = append(pairs, &pair{k, v})
	}
	slices.SortFunc(pairs, func(a, b *pair) int { return cmp.Compare(a.name, b.name) })
	for _, p := range pairs {
		m.named(place, &p.name, &p.value)
	}
	return func() map[string]string {
		if in == nil {
			return nil
		}
		out := make(map[string]string, len(pairs))
		for _, p := range pairs {
			out[p.name] = p.value
		}
		return out
	}
}

// arguments looks at words and at pairs of them: --password, then its value.
func (m *masker) arguments(place string, args []string) {
	for i := range args {
		previous := ""
		if i > 0 {
			previous = args[i-1]
		}
		m.add(place, "", &args[i], func(s string) []hit {
			if isFlag(previous) && credentialName(previous) && !strings.HasPrefix(s, "-") && !harmless(previous, s) {
				return []hit{{0, len(s), ruleName}}
			}
			return credentialsIn(s)
		})
	}
}

// mask replaces what was found, and lists the places.
func (m *masker) mask() []evidence.Credential {
	type secret struct{ value, rule string }
	var secrets []secret
	for v, r := range m.secrets {
		secrets = append(secrets, secret{v, r})
	}
	slices.SortFunc(secrets, func(a, b secret) int {
		return cmp.Or(cmp.Compare(len(b.value), len(a.value)), cmp.Compare(a.value, b.value))
	})
	for _, e := range m.entries {
		hits := e.hits
		for _, s := range secrets {
			hits = append(hits, occurrences(*e.text, s.value, s.rule)...)
		}
		if e.place != "" {
			m.list(e, hits)
		}
		*e.text = mark(*e.text, hits)
	}
	slices.SortFunc(m.found, func(a, b evidence.Credential) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), compareSteps(a.Name, b.Name), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Hash, b.Hash))
	})
	return slices.Compact(m.found)
}

// list notes the credentials of one text: parts of one another only once.
func (m *masker) list(e entry, hits []hit) {
	hits = slices.SortedStableFunc(slices.Values(hits), func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	end := 0
	for _, s := range hits {
		if s.to <= end {
			continue
		}
		end = s.to
		m.found = append(m.found, evidence.Credential{
			Place: e.place, Name: e.name, Rule: s.rule, Hash: saltedHash(m.salt, (*e.text)[s.from:s.to]),
		})
	}
}

// SecretHash is what is kept of a secret's value: equal hashes in one report are one
// secret, and no hash is worth anything for another image.
func SecretHash(s evidence.Subject, value string) string { return saltedHash(salt(s), value) }

func salt(s evidence.Subject) string { return cmp.Or(s.Digest, s.ImageID) }

func saltedHash(salt, value string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(salt+strings.Trim(value, `"'`))))
}

// compareSteps puts step 10 behind step 9.
func compareSteps(a, b string) int {
	return cmp.Or(cmp.Compare(number(a), number(b)), cmp.Compare(a, b))
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

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
