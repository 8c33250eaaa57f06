// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"slices"
	"time"
)

// Kind is the kind of a finding.
type Kind string

// The kinds.
const (
	KindVulnerability Kind = "vulnerability"
	KindSecret        Kind = "secret"
)

// Class tells operating system packages from language packages.
type Class string

// The classes.
const (
	ClassOS       Class = "os"
	ClassLanguage Class = "language"
)

// Package is an installed package.
type Package struct {
	Name string `json:"name"`
	// Version is the full version as the package manager writes it, epoch and release included.
	Version string `json:"version"`
	// Type is the type of a package URL's kind of package manager, as Trivy names
	// it: "alpine", "debian", "node-pkg", "gobinary", …
	Type  string `json:"type"`
	Class Class  `json:"class"`
	PURL  string `json:"purl,omitempty"`
	// Path is the file that the package was found in; empty for OS packages.
	Path       string   `json:"path,omitempty"`
	SourceName string   `json:"sourceName,omitempty"`
	Licenses   []string `json:"licenses,omitempty"`
	Layer      Layer    `json:"layer"`
}

// Layer points at the layer that brought a package or file.
type Layer struct {
	Digest string `json:"digest,omitempty"`
	DiffID string `json:"diffID,omitempty"`
}

// Finding is a fact from a scan. Fields that do not apply to its kind are empty.
type Finding struct {
	Kind Kind `json:"kind"`
	// ID is the vulnerability's id (CVE-2024-1234) or the secret rule's (aws-access-key-id).
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	// SeveritySource is the data source that rated it ("nvd", "debian").
	SeveritySource string `json:"severitySource,omitempty"`
	Title          string `json:"title,omitempty"`
	Description    string `json:"description,omitempty"`
	URL            string `json:"url,omitempty"`

	// Package is set for vulnerabilities.
	Package *Package `json:"package,omitempty"`
	// FixedVersion is the version, or the comma-separated versions, that fix it;
	// empty where no fix is known.
	FixedVersion string `json:"fixedVersion,omitempty"`
	// Status is the vendor's statement: affected, fixed, will_not_fix, fix_deferred,
	// end_of_life, under_investigation, not_affected, unknown.
	Status    string     `json:"status,omitempty"`
	Published *time.Time `json:"published,omitempty"`
	Modified  *time.Time `json:"modified,omitempty"`
	// CVSS is the highest version 3 base score that any source gives, else version 4, else 2; 0 for none.
	CVSS float64 `json:"cvss,omitempty"`
	// DataSource is the id of the advisory's source ("alpine", "ghsa").
	DataSource string   `json:"dataSource,omitempty"`
	Aliases    []string `json:"aliases,omitempty"`

	// Path, StartLine and EndLine say where a secret is; Path is "image config" for
	// one in the image configuration.
	Path      string `json:"path,omitempty"`
	StartLine int    `json:"startLine,omitempty"`
	EndLine   int    `json:"endLine,omitempty"`
	Category  string `json:"category,omitempty"`
	// Hash is of a secret's value, salted with the subject's digest: equal hashes in one
	// report are one secret. The value itself is never kept.
	Hash string `json:"hash,omitempty"`

	// KnownExploited is the day on which the KEV feed lists the vulnerability; nil
	// where it does not, or where there is no such feed (see Feeds).
	KnownExploited *time.Time `json:"knownExploited,omitempty"`
	// EPSS is the probability of exploitation, 0 to 1; nil where the feed has none.
	EPSS *float64 `json:"epss,omitempty"`
	// FirstSeen is the day that the first-seen file holds for it; nil for none.
	FirstSeen *time.Time `json:"firstSeen,omitempty"`
	// VEX are the statements of VEX documents about it, whatever they are worth: a
	// rule honours those of its own policy level or above.
	VEX []VEXStatement `json:"vex,omitempty"`

	Layer Layer `json:"layer"`
}

// PackageName, PackageVersion and PackagePath are empty where there is no package.
func (f *Finding) PackageName() string {
	if f.Package == nil {
		return ""
	}
	return f.Package.Name
}

// PackageVersion is the installed version, or empty.
func (f *Finding) PackageVersion() string {
	if f.Package == nil {
		return ""
	}
	return f.Package.Version
}

// Location is the file that the finding is in, or empty for OS packages.
func (f *Finding) Location() string {
	if f.Package != nil {
		return f.Package.Path
	}
	return f.Path
}

// SortFindings sorts by kind, severity (most severe first), id, package name,
// version, path, line.
func SortFindings(fs []Finding) {
	slices.SortStableFunc(fs, func(a, b Finding) int { return CompareFindings(&a, &b) })
}

// CompareFindings is the order of SortFindings.
func CompareFindings(a, b *Finding) int {
	return cmp.Or(
		cmp.Compare(b.Kind, a.Kind), // vulnerabilities before secrets
		cmp.Compare(b.Severity, a.Severity),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(a.PackageName(), b.PackageName()),
		cmp.Compare(a.PackageVersion(), b.PackageVersion()),
		cmp.Compare(a.Location(), b.Location()),
		cmp.Compare(a.StartLine, b.StartLine),
		cmp.Compare(a.EndLine, b.EndLine),
		cmp.Compare(a.Layer.DiffID, b.Layer.DiffID),
	)
}
