// SPDX-License-Identifier: Apache-2.0

package evidence

import "time"

// Feeds are the states of the files that findings were annotated from.
type Feeds struct {
	KEV       *FeedState  `json:"kev,omitempty"`
	EPSS      *FeedState  `json:"epss,omitempty"`
	FirstSeen *FeedState  `json:"firstSeen,omitempty"`
	EOL       *FeedState  `json:"eol,omitempty"`
	VEX       []FeedState `json:"vex,omitempty"`
}

// FeedState is one file and what became of it.
type FeedState struct {
	// Source is the file as the policy or the command line names it.
	Source string `json:"source"`
	Digest string `json:"digest,omitempty"`
	// Updated is the date that the content itself gives; nil where it gives none.
	Updated *time.Time `json:"updated,omitempty"`
	Entries int        `json:"entries"`
	// Problem says why it could not be used.
	Problem string `json:"problem,omitempty"`
}

// VEXStatement is what a VEX document says about a finding.
type VEXStatement struct {
	// Status is not_affected, affected, fixed or under_investigation.
	Status        string `json:"status"`
	Justification string `json:"justification,omitempty"`
	// Source is the document; Author who it says wrote it.
	Source string `json:"source"`
	Author string `json:"author,omitempty"`
	// Level is the policy level that names the document: see policy.Rule.Level.
	Level int `json:"level"`
}

// CustomResult is what the Rego rules of one policy rule said about the subject.
type CustomResult struct {
	// Rule is the id of the policy's rule.
	Rule string          `json:"rule"`
	Deny []CustomMessage `json:"deny"`
	Warn []CustomMessage `json:"warn"`
	// Problem is set where the rules could not be evaluated: then nothing else counts.
	Problem string `json:"problem,omitempty"`
}

// CustomMessage is one element of `deny` or `warn`: a string, or an object with msg and the rest optional.
type CustomMessage struct {
	Message string `json:"message"`
	// Finding, Package and Path let waivers name what is meant.
	Finding string `json:"finding,omitempty"`
	Package string `json:"package,omitempty"`
	Path    string `json:"path,omitempty"`
	Fix     string `json:"fix,omitempty"`
}
