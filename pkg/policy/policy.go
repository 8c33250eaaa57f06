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
	// Digest is "sha256:…" of the file, or, where the policy is resolved from several
	// documents or names files, of the list that Manifest returns.
	Digest string

	Platforms Platforms
	Database  Database
	Coverage  Coverage
	// UnknownSeverityAccepted (`unknown-severity: accept`) is the policy's consent to
	// failing rules that say nothing about vulnerabilities of unknown severity. It
	// changes no outcome; without it such a policy does not parse.
	UnknownSeverityAccepted bool

	// Feeds are the files that findings are annotated from.
	Feeds Feeds `json:",omitzero"`

	// Authorities are whose signatures count; rules name them.
	Authorities []Authority `json:",omitempty"`

	// Rules are in the order of the file, those of enforced policies first.
	Rules   []Rule
	Waivers []Waiver
	// WaiverLimits bound the waivers.
	WaiverLimits WaiverLimits `json:",omitzero"`

	// Documents are the policies that this one is resolved from, the enforced ones
	// first and the one that was asked for last. What they extend is not listed.
	Documents []DocumentRef `json:"-"`
	// sections are the per-image sections, by document.
	sections [][]Section
	// variants are the policies for images in sections, by the numbers of the sections.
	variants map[string]*Policy
	// tree is what the policy was read from, for Explain.
	tree *resolved
	// named are the files that it names.
	named []*File
	// parts are what the digest covers.
	parts []Part
}

// DocumentRef names one of the documents that a policy is resolved from.
type DocumentRef struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	// Digest is "sha256:…" of its bytes.
	Digest string `json:"digest"`
	// Enforced is true for one that nothing in the repository under judgement can
	// loosen; SetBy says who set it: "--enforce", "OCIGATE_ENFORCE".
	Enforced bool   `json:"enforced,omitempty"`
	SetBy    string `json:"setBy,omitempty"`
}

// EnforcedLevel says whether the document at the index is an enforced one.
func (p *Policy) EnforcedLevel(i int) bool {
	return i >= 0 && i < len(p.Documents) && p.Documents[i].Enforced
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

// Rule is one requirement. Exactly the field that Group names is set.
type Rule struct {
	ID     string
	Group  Group
	Title  string
	Action Action
	// From is the day from which Action holds; before it the rule only warns. Zero: always.
	From        time.Time `json:",omitzero"`
	Remediation string
	// Source and Position are where the rule stands.
	Source   string
	Position Position
	// Level is the index in Policy.Documents of the document that demands the rule
	// first. Waivers and VEX documents of other levels do not count against an
	// enforced rule.
	Level int `json:",omitempty"`

	Vulnerabilities *VulnerabilityRule `json:",omitempty"`
	Secrets         *SecretRule        `json:",omitempty"`
	Base            *BaseRule          `json:",omitempty"`
	Config          *ConfigRule        `json:",omitempty"`
	Files           *FileRule          `json:",omitempty"`
	Layers          *LayerRule         `json:",omitempty"`
	Packages        *PackageRule       `json:",omitempty"`
	Licences        *LicenceRule       `json:",omitempty"`
	Reference       *ReferenceRule     `json:",omitempty"`
	Runtime         *RuntimeRule       `json:",omitempty"`
	Signatures      *SignatureRule     `json:",omitempty"`
	Attestations    *AttestationRule   `json:",omitempty"`
	Custom          *CustomRule        `json:",omitempty"`
}

// File is a file that a document names, beneath the document's own directory.
type File struct {
	// Path as the document writes it, Source the document.
	Path   string
	Source string
	// Level is the index in Policy.Documents of the document that names it.
	Level  int    `json:",omitempty"`
	Digest string `json:"-"`
	Data   []byte `json:"-"`

	position place
	document *Document
}

// Waiver is a time-boxed acceptance. At least one of Rule and Finding is set;
// each selector that is set must match.
type Waiver struct {
	ID string
	// Rule is the id of the rule that is waived.
	Rule string
	// Finding is the id of the finding, or of the fact, that is waived.
	Finding string
	// Package is a package name or a package URL without version; optional.
	Package string
	// Path is a glob on the finding's location; optional.
	Path string
	// Images are globs of image names (MatchReference): each name of the image must
	// match one of them.
	Images []string `json:",omitempty"`
	// Platforms are those on which the waiver holds; empty is all.
	Platforms []evidence.Platform `json:",omitempty"`
	// Origin is "base" or "application", or empty for both.
	Origin string `json:",omitempty"`
	// Until is the last day, inclusive, in UTC.
	Until     time.Time
	Reason    string
	Owner     string
	Reference string
	// Recorded are the facts when it was waived; nil where they were not recorded.
	Recorded *Recorded `json:",omitempty"`
	// Source and Position are where the waiver stands, Level the index in
	// Policy.Documents of the document that holds it or names its file.
	Source   string
	Position Position
	Level    int `json:",omitempty"`
}

// ExpiredAt says whether the waiver no longer holds at t.
func (w Waiver) ExpiredAt(t time.Time) bool {
	return !t.UTC().Before(w.Until.AddDate(0, 0, 1))
}

// TooFarAt says whether the waiver ends later than the limit allows at t; then it
// does not count.
func (w Waiver) TooFarAt(t time.Time, l WaiverLimits) bool {
	return l.MaxHorizon > 0 && w.Until.After(t.Add(l.MaxHorizon))
}
