// SPDX-License-Identifier: Apache-2.0

// Package verdict decides: a policy, evidence and an effective time in, a
// Verdict out. Decide is pure, total and deterministic; it does no I/O and reads
// no clock, so the same input gives the same bytes in every report.
package verdict

import (
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// Status is the whole decision.
type Status string

// The statuses. The zero value is none of them, so a Verdict that nobody decided is not a pass.
const (
	Passed Status = "PASSED"
	Failed Status = "FAILED"
	// Errored: could not decide.
	Errored Status = "ERROR"
)

// Scope is the part of a policy that was asked for.
type Scope string

// ScopeSignatures: only rules about signatures, attestations and the base image.
const ScopeSignatures Scope = "signatures"

// Result is the outcome of one rule on one subject.
type Result string

// The results.
const (
	Pass  Result = "pass"
	Fail  Result = "fail"
	Warn  Result = "warn"
	Skip  Result = "skip"
	Error Result = "error"
)

// Verdict is the whole decision on everything that was asked for.
type Verdict struct {
	Status Status `json:"status"`
	// EffectiveTime is the one "now" that the decision used, in UTC.
	EffectiveTime time.Time `json:"effectiveTime"`
	// EffectiveTimeGiven is true where the caller set the time instead of the clock.
	EffectiveTimeGiven bool `json:"effectiveTimeGiven"`
	// ReportOnly is true where the run was told to exit 0 on FAILED.
	ReportOnly bool      `json:"reportOnly"`
	Policy     PolicyRef `json:"policy"`
	// Scope says that only a part of the policy was asked for: such a PASSED is no
	// permission to push. Empty is everything.
	Scope Scope `json:"scope,omitempty"`
	// FailedFast is true where failed signatures ended the run before the image was
	// scanned; other rules are "not examined".
	FailedFast bool `json:"failedFast,omitempty"`
	// Reference is what the user asked to judge.
	Reference string           `json:"reference"`
	Subjects  []SubjectVerdict `json:"subjects"`
	// NotExamined are platforms of the image that neither the policy nor the caller
	// asked for. The verdict says nothing about them.
	NotExamined []evidence.Platform `json:"notExamined"`
	// Waivers are all waivers of the policy, with what became of them.
	Waivers []WaiverState `json:"waivers"`
	// Notes are what a reader should know besides: many waivers that end on one day, a
	// VEX document that was not used.
	Notes []string `json:"notes,omitempty"`
	// Problems are those that belong to no subject: an image that could not be
	// opened, a platform that is missing.
	Problems []evidence.Problem `json:"problems"`
	// Forecast is what turns worse up to ForecastUntil, which is nil where nobody asked.
	Forecast      []Change   `json:"forecast,omitempty"`
	ForecastUntil *time.Time `json:"forecastUntil,omitempty"`
}

// PolicyRef names the policy that decided.
type PolicyRef struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Digest string `json:"digest"`
	// Enforced are the policies that stand above it.
	Enforced []policy.DocumentRef `json:"enforced,omitempty"`
}

// SubjectVerdict is the decision on one platform.
type SubjectVerdict struct {
	Status   Status            `json:"status"`
	Evidence evidence.Evidence `json:"evidence"`
	// Outcomes are the built-in ones (coverage, database, integrity) first, then
	// the policy's rules in the order of the file.
	Outcomes []Outcome `json:"outcomes"`
	// Plan is what to do about it; nil where the subject did not fail.
	Plan *Plan `json:"plan,omitempty"`
}

// Outcome is what became of one rule on one subject.
type Outcome struct {
	// Rule is the id of the rule; built-in ones are "integrity", "limits",
	// "database", "coverage.os", "coverage.packages", "coverage.files", "image",
	// "platforms", "scan".
	Rule   string        `json:"rule"`
	Group  string        `json:"group"`
	Title  string        `json:"title"`
	Action policy.Action `json:"action"`
	Result Result        `json:"result"`
	// Source and Position are where the policy states the rule.
	Source   string          `json:"source,omitempty"`
	Position policy.Position `json:"position,omitzero"`
	// From is the day from which a violation fails, where that is to come.
	From *time.Time `json:"from,omitempty"`
	// Enforced is true for a rule of an enforced policy.
	Enforced bool `json:"enforced,omitempty"`
	// Summary is one line that says why, with the numbers.
	Summary     string `json:"summary"`
	Remediation string `json:"remediation,omitempty"`
	// Violations are not waived; Waived are. Both are complete.
	Violations []Violation `json:"violations"`
	Waived     []Waived    `json:"waived"`
	// Pending are violations in their grace period: they do not count yet.
	Pending []Violation `json:"pending,omitempty"`
	// Warnings are violations that only warn, whatever the action: what a custom rule
	// says in `warn`. By themselves they make a `warn` result.
	Warnings []Violation `json:"warnings,omitempty"`
	// Problems are the reasons of an error.
	Problems []evidence.Problem `json:"problems"`
	// Examined counts the findings or facts that the rule looked at.
	Examined int `json:"examined"`
	// Max is the number of violations that the rule tolerates.
	Max int `json:"max,omitempty"`
}

// Violation is a rule not met: it names the finding or the fact.
type Violation struct {
	Message string            `json:"message"`
	Finding *evidence.Finding `json:"finding,omitempty"`
	// ID names the fact where there is no finding: the port, label, licence, class of
	// file. With the path it tells violations of one rule apart.
	ID string `json:"id,omitempty"`
	// Package, Path and Layer are what the violation is about, where it is about one.
	// Those of a finding are in the finding.
	Package *evidence.Package `json:"package,omitempty"`
	Path    string            `json:"path,omitempty"`
	Layer   evidence.Layer    `json:"layer,omitzero"`
	// Note is what Message says besides naming the finding: why a rule is about it, and
	// of its grace.
	Note string `json:"note,omitempty"`
	// Line is the line of the Dockerfile that is the cause; 0 where that is not known.
	Line int `json:"line,omitempty"`
	// Origin is "base" or "application", where the layer is known.
	Origin Origin `json:"origin,omitempty"`
	// Deadline is the first day on which it counts, for one that is in its grace period.
	Deadline *time.Time `json:"deadline,omitempty"`
	// Fix is the smallest action that removes it, or says that none is known.
	Fix string `json:"fix,omitempty"`
}

// Origin says who answers for a layer.
type Origin string

// The origins. Base holds only for the layers of a base image whose lineage is
// proven and which meets every failing base rule.
const (
	OriginBase        Origin = "base"
	OriginApplication Origin = "application"
)

// Waived is a violation that a waiver accepts, or that a VEX statement removes.
type Waived struct {
	Violation
	// Waiver is the id of the waiver, or "vex:" and the document's name.
	Waiver string `json:"waiver"`
	// Drift says in what the finding is graver than when it was waived.
	Drift []string `json:"drift,omitempty"`
	// VEX is the statement; nil for a waiver.
	VEX *evidence.VEXStatement `json:"vex,omitempty"`
}

// WaiverUse is what became of a waiver.
type WaiverUse string

// The uses.
const (
	// WaiverUsed: it waives violations.
	WaiverUsed WaiverUse = "used"
	// WaiverUnused: it matches no violation.
	WaiverUnused WaiverUse = "unused"
	// WaiverExpired: its last day is over.
	WaiverExpired WaiverUse = "expired"
	// WaiverRefused: it must not waive what it matches, or ends too late; Refused says why.
	WaiverRefused WaiverUse = "refused"
)

// WaiverState is a waiver of the policy and what became of it.
type WaiverState struct {
	ID        string   `json:"id"`
	Rule      string   `json:"rule,omitempty"`
	Finding   string   `json:"finding,omitempty"`
	Package   string   `json:"package,omitempty"`
	Path      string   `json:"path,omitempty"`
	Images    []string `json:"images,omitempty"`
	Platforms []string `json:"platforms,omitempty"`
	Origin    string   `json:"origin,omitempty"`
	Until     string   `json:"until"`
	Reason    string   `json:"reason"`
	Owner     string   `json:"owner"`
	Reference string   `json:"reference,omitempty"`
	// Source and Position are where the waiver stands.
	Source   string          `json:"source,omitempty"`
	Position policy.Position `json:"position,omitzero"`
	Use      WaiverUse       `json:"use"`
	// Refused says why it does not waive some or all of what it matches.
	Refused string `json:"refused,omitempty"`
	// Matches counts the violations that it waives, or would waive if it held.
	Matches int `json:"matches"`
	// DaysLeft counts the days from the effective day to the last one: 0 is today,
	// less is over. Expiring is true from 14 days before the end.
	DaysLeft int  `json:"daysLeft"`
	Expiring bool `json:"expiring,omitempty"`
	// Drift says in what findings are graver than when they were waived.
	Drift []string `json:"drift,omitempty"`
}

// Input is everything that Decide looks at.
type Input struct {
	Policy    *policy.Policy
	Reference string
	Evidence  []evidence.Evidence
	// Problems that belong to no subject.
	Problems []evidence.Problem
	// NotExamined are platforms of the image that nobody asked for.
	NotExamined []evidence.Platform
	// EffectiveTime is the "now" of the decision.
	EffectiveTime      time.Time
	EffectiveTimeGiven bool
	ReportOnly         bool
	// Scope narrows the decision to a part of the policy.
	Scope Scope
	// FailFast says that the image was not scanned because rules of ScopeSignatures had
	// failed. If they have not, the verdict is ERROR.
	FailFast bool
}
