// SPDX-License-Identifier: Apache-2.0

// Package policy is the policy file: its types, its strict parser and its
// diagnostics. A policy is a versioned document of rules; it knows nothing of
// scanners and decides nothing (package verdict does).
package policy

import (
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Action says what a violated rule does to the verdict.
type Action string

// The actions. The default is ActionFail.
const (
	ActionFail Action = "fail"
	ActionWarn Action = "warn"
)

// Policy is one policy document, checked and with its defaults filled in.
type Policy struct {
	Name string
	// Source is where it was read: a path, or "ocigate:baseline".
	Source string
	// Digest is "sha256:…" of the document's bytes.
	Digest string

	Platforms Platforms
	Database  Database
	Coverage  Coverage
	// UnknownSeverityAccepted (`unknown-severity: accept`) is the policy's consent to
	// failing rules that say nothing about vulnerabilities of unknown severity. It
	// changes no outcome; without it such a policy does not parse.
	UnknownSeverityAccepted bool

	// Rules are in the order of the file.
	Rules   []Rule
	Waivers []Waiver
}

// Position is a place in the policy file, counted from 1.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Platforms are the platforms that must be examined.
type Platforms struct {
	// All demands every platform of an index; it is the default.
	All bool
	// List names the platforms that must be present and examined, if All is false.
	List []evidence.Platform
}

// Database limits which vulnerability database may be used.
type Database struct {
	// MaxAge is the greatest age of the database at the effective time. The default
	// is DefaultDatabaseMaxAge.
	MaxAge time.Duration
}

// DefaultDatabaseMaxAge is the database.max-age of a policy that sets none.
const DefaultDatabaseMaxAge = 7 * 24 * time.Hour

// Coverage says what must have been looked at. Both default to required.
type Coverage struct {
	// OSOptional (`os: optional`) accepts an image whose operating system is unknown or unsupported.
	OSOptional bool
	// PackagesOptional (`packages: optional`) accepts an image in which no package was found.
	PackagesOptional bool
	// UnreadableAccept holds globs (doublestar) of language files that may be
	// unreadable; they stay listed.
	UnreadableAccept []string
}

// Group is the section of `rules:` that a rule stands in.
type Group string

// The groups.
const (
	GroupVulnerabilities Group = "vulnerabilities"
	GroupSecrets         Group = "secrets"
	GroupConfig          Group = "config"
	GroupReference       Group = "reference"
)

// Rule is one requirement. Exactly the field that Group names is set.
type Rule struct {
	ID          string
	Group       Group
	Title       string
	Action      Action
	Remediation string
	Position    Position

	Vulnerabilities *VulnerabilityRule
	Secrets         *SecretRule
	Config          *ConfigRule
	Reference       *ReferenceRule
}

// VulnerabilityRule selects vulnerabilities and says how many are tolerated. All
// selectors must match.
type VulnerabilityRule struct {
	// Severities that the rule selects; never empty.
	Severities []evidence.Severity
	// Fixed selects by whether a fixed version exists; nil selects both.
	Fixed *bool
	// PackageTypes selects by evidence.Package.Type or Class ("os", "language",
	// "alpine", "node-pkg"); empty selects all.
	PackageTypes []string
	// Max is the number of unwaived findings that is still a pass; default 0.
	Max int
}

// SecretRule selects secrets and says how many are tolerated.
type SecretRule struct {
	// Severities that the rule selects; empty selects all.
	Severities []evidence.Severity
	// Max is the number of unwaived findings that is still a pass; default 0.
	Max int
}

// ConfigRule is about the image configuration.
type ConfigRule struct {
	// UserNonRoot (`user: non-root`) demands that the container's user is not uid 0
	// and its group not gid 0.
	UserNonRoot bool
}

// ReferenceRule is about the reference under which the image is judged.
type ReferenceRule struct {
	// ForbiddenTags are globs; a reference without tag and digest counts as "latest".
	ForbiddenTags []string
}

// Waiver is a time-boxed acceptance. At least one of Rule and Finding is set;
// each selector that is set must match.
type Waiver struct {
	ID string
	// Rule is the id of the rule that is waived.
	Rule string
	// Finding is the id of the finding that is waived.
	Finding string
	// Package is a package name or a package URL without version; optional.
	Package string
	// Path is a glob on the finding's location; optional.
	Path string
	// Until is the last day, inclusive, in UTC.
	Until     time.Time
	Reason    string
	Owner     string
	Reference string
	Position  Position
}

// ExpiredAt says whether the waiver no longer holds at t.
func (w Waiver) ExpiredAt(t time.Time) bool {
	return !t.UTC().Before(w.Until.AddDate(0, 0, 1))
}
