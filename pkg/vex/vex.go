// SPDX-License-Identifier: Apache-2.0

// Package vex reads VEX documents (OpenVEX, CycloneDX, CSAF) and says which of their
// statements are about a finding in an image. It believes nobody: whether a
// statement counts is the policy's business. Only a precise match counts: a
// statement names the image, or the package, by package URL. Other identifiers
// (CPE, names, links into other documents) match nothing.
package vex

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// The formats.
const (
	OpenVEX   = "openvex"
	CycloneDX = "cyclonedx"
	CSAF      = "csaf"
)

// The statuses of a statement, as OpenVEX spells them.
const (
	NotAffected        = "not_affected"
	Affected           = "affected"
	Fixed              = "fixed"
	UnderInvestigation = "under_investigation"
)

const (
	// maxStatements bounds a document: statements times what they are about.
	maxStatements = 500_000
	// maxText is the greatest length of a justification or a name that is kept.
	maxText = 1000
)

// Document is one VEX document.
type Document struct {
	Format string
	// Authors are those whom the document names as its own.
	Authors []string
	// Updated is when the document was changed last; zero where it does not say.
	Updated time.Time
	// Statements are all of them, in the order of the document.
	Statements []Statement

	byID map[string][]int
}

// Statement says how vulnerabilities touch products.
type Statement struct {
	// IDs are the vulnerability's id and its aliases.
	IDs    []string
	Status string
	// Justification is why it is not affected: a word, a sentence, or both.
	Justification string
	Time          time.Time
	Targets       []Target
}

// Target is what a statement is about.
type Target struct {
	// Product are package URLs of one product.
	Product []packageurl.PackageURL
	// Subcomponents narrow the statement to parts of the product; empty is all of it.
	Subcomponents []packageurl.PackageURL
	// Narrowed is set where the document names subcomponents, of which perhaps none has a package URL.
	Narrowed bool
	// Versions are those of the package that the statement is about; empty is any.
	Versions []string
}

// Parse reads a document. format is what it must be, or empty.
func Parse(data []byte, format string) (*Document, error) {
	var probe struct {
		Context   json.RawMessage `json:"@context"`
		BOMFormat string          `json:"bomFormat"`
		Document  json.RawMessage `json:"document"`
	}
	if err := json.Unmarshal(data, &probe); err != nil {
		return nil, fmt.Errorf("it is not a JSON document: %w", err)
	}
	var is string
	var read func([]byte) (*Document, error)
	switch {
	case strings.EqualFold(probe.BOMFormat, "CycloneDX"):
		is, read = CycloneDX, readCycloneDX
	case strings.Contains(string(probe.Context), "openvex.dev/"):
		is, read = OpenVEX, readOpenVEX
	case len(probe.Document) > 0:
		is, read = CSAF, readCSAF
	default:
		return nil, errors.New("it is none of OpenVEX, CycloneDX and CSAF")
	}
	if format != "" && format != is {
		return nil, fmt.Errorf("it is %s, not %s", is, format)
	}
	d, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("read as %s: %w", is, err)
	}
	d.Format = is
	if n := d.size(); n > maxStatements {
		return nil, fmt.Errorf("it holds %d statements, more than %d", n, maxStatements)
	}
	d.index()
	return d, nil
}

func (d *Document) size() int {
	n := 0
	for _, s := range d.Statements {
		n += 1 + len(s.IDs)
		for _, t := range s.Targets {
			n += len(t.Product) + len(t.Subcomponents)
		}
	}
	return n
}

func (d *Document) index() {
	d.byID = map[string][]int{}
	for i := range d.Statements {
		s := &d.Statements[i]
		s.Justification = wording.Clip(s.Justification, maxText)
		if s.Time.IsZero() {
			s.Time = d.Updated
		}
		for _, id := range s.IDs {
			if id != "" {
				d.byID[id] = append(d.byID[id], i)
			}
		}
	}
	for i := range d.Authors {
		d.Authors[i] = wording.Clip(d.Authors[i], maxText)
	}
}

// About returns the statement that is about a finding in an image: the latest one,
// and of equally late ones rather one that removes nothing.
func (d *Document) About(f evidence.Finding, sub evidence.Subject) (Statement, bool) {
	var best *Statement
	for _, id := range append([]string{f.ID}, f.Aliases...) {
		for _, i := range d.byID[id] {
			s := &d.Statements[i]
			if s.concerns(f, sub) && (best == nil || later(s, best)) {
				best = s
			}
		}
	}
	if best == nil {
		return Statement{}, false
	}
	return *best, true
}

func later(a, b *Statement) bool {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c > 0
	}
	return !a.removes() && b.removes()
}

func (s *Statement) removes() bool { return s.Status == NotAffected || s.Status == Fixed }

func (s *Statement) concerns(f evidence.Finding, sub evidence.Subject) bool {
	purl, version := packageurl.PackageURL{}, ""
	if f.Package != nil {
		version = f.Package.Version
		if p, err := packageurl.FromString(f.Package.PURL); err == nil {
			purl = p
		}
	}
	return slices.ContainsFunc(s.Targets, func(t Target) bool {
		// A version that is not known is none of them, not even of those that cannot be compared.
		known := func(v string) bool { return v != "" && (v == version || v == purl.Version) }
		if len(t.Versions) > 0 && !slices.ContainsFunc(t.Versions, known) {
			return false
		}
		ok, exact := t.matches(purl, sub)
		// That every version is fixed is no statement about the one that was found.
		return ok && (exact || len(t.Versions) > 0 || s.Status != Fixed)
	})
}

// justify joins a word and a sentence.
func justify(word, sentence string) string {
	word, sentence = strings.TrimSpace(word), strings.TrimSpace(sentence)
	if word != "" && sentence != "" {
		return word + ": " + sentence
	}
	return cmp.Or(word, sentence)
}

// purls parses what is a package URL among the strings.
func purls(list ...string) []packageurl.PackageURL {
	var out []packageurl.PackageURL
	for _, s := range list {
		if len(s) > maxText || !strings.HasPrefix(s, "pkg:") {
			continue
		}
		if p, err := packageurl.FromString(s); err == nil {
			out = append(out, p)
		}
	}
	return out
}
