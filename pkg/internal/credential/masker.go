// SPDX-License-Identifier: Apache-2.0

// Package credential finds what looks like a credential in the texts of an image's
// configuration or of the Dockerfile that made it, and masks it in all of them.
package credential

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

// Known is a value that is known to be a credential, and the rule that says so.
type Known struct{ Rule, Value string }

// What has more texts, bytes or distinct credentials is not searched: real
// configurations have some dozens of texts and some kilobytes, and each text is
// searched for each credential.
const (
	MaxTexts   = 20_000
	MaxBytes   = 2 << 20
	MaxSecrets = 500
)

const (
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

// entry is one of the texts.
type entry struct {
	place, name string
	text        *string
	hits        []hit
}

// Masker collects texts, and then masks in all of them what it found in any. The place
// of a text is where it stands; what is found in a text without one is not listed.
type Masker struct {
	salt    string
	entries []entry
	bytes   int
	// secrets are values by the rule that found them.
	secrets map[string]string
	found   []evidence.Credential
}

// New makes a Masker whose hashes are salted, and which masks also what is known.
func New(salt string, known []Known) *Masker {
	m := &Masker{salt: salt, secrets: map[string]string{}}
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

// TooLarge says that there is more than can be searched, so that nothing of it may be kept.
func (m *Masker) TooLarge() bool {
	return len(m.entries) > MaxTexts || m.bytes > MaxBytes || len(m.secrets) > MaxSecrets
}

func (m *Masker) add(place, name string, text *string, find func(string) []hit) {
	m.bytes += len(*text)
	e := entry{place: place, name: name, text: text}
	if !m.TooLarge() {
		e.hits = find(*text)
		for _, s := range e.hits {
			if m.TooLarge() {
				break
			}
			m.share((*text)[s.from:s.to], s.rule)
		}
	}
	m.entries = append(m.entries, e)
}

// share makes a value one that is masked everywhere, in the forms in which builders
// write it down.
func (m *Masker) share(value, rule string) {
	value = strings.Trim(value, "\"'\\ \t\r\n")
	quoted := strconv.Quote(value)
	for _, form := range []string{value, quoted[1 : len(quoted)-1], strings.ReplaceAll(value, " ", `\ `), url.QueryEscape(value), url.PathEscape(value)} {
		if _, ok := m.secrets[form]; !ok && len(form) >= minShared && strings.Trim(form, "*") != "" {
			m.secrets[form] = rule
		}
	}
}

// Text adds a text of any kind.
func (m *Masker) Text(place, name string, text *string) { m.add(place, name, text, credentialsIn) }

// Instruction adds a step as a history writes it down.
func (m *Masker) Instruction(place, name string, text *string) {
	m.add(place, name, text, credentialsInInstruction)
}

// ArgumentsOf adds what follows the keyword of an instruction.
func (m *Masker) ArgumentsOf(keyword string, text *string) {
	m.add("", "", text, func(s string) []hit {
		before := len(keyword) + 1
		hits := credentialsInInstruction(keyword + " " + s)
		for i := range hits {
			hits[i].from, hits[i].to = max(0, hits[i].from-before), max(0, hits[i].to-before)
		}
		return hits
	})
}

// Named is for a variable or label, whose name may say that the value is a credential.
func (m *Masker) Named(place string, name, value *string) {
	display := mark(*name, knownForms(*name))
	m.add("", "", name, knownForms)
	m.add(place, display, value, func(s string) []hit {
		if credentialName(*name) && !harmless(*name, s) {
			return append(knownForms(s), hit{0, len(s), ruleName})
		}
		return credentialsIn(s)
	})
}

// Mapping masks a copy, which the function returned makes when all is known.
func (m *Masker) Mapping(place string, in map[string]string) func() map[string]string {
	type pair struct{ name, value string }
	var pairs []*pair
	for k, v := range in {
		pairs = append(pairs, &pair{k, v})
	}
	slices.SortFunc(pairs, func(a, b *pair) int { return cmp.Compare(a.name, b.name) })
	for _, p := range pairs {
		m.Named(place, &p.name, &p.value)
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

// Words looks at words and at pairs of them: --password, then its value.
func (m *Masker) Words(place string, args []string) {
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

// Mask replaces what was found, and lists the places.
func (m *Masker) Mask() []evidence.Credential {
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
func (m *Masker) list(e entry, hits []hit) {
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
			Place: e.place, Name: e.name, Rule: s.rule, Hash: Hash(m.salt, (*e.text)[s.from:s.to]),
		})
	}
}

// Hash is what is kept of a credential: equal hashes under one salt are one
// credential, and none is worth anything under another salt.
func Hash(salt, value string) string {
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
