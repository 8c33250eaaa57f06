// SPDX-License-Identifier: Apache-2.0

package evidence

import "time"

// ClaimSource is where a base image is named.
type ClaimSource string

// The sources of a claim, strongest first.
const (
	ClaimFlag       ClaimSource = "--base"
	ClaimDockerfile ClaimSource = "dockerfile"
	ClaimProvenance ClaimSource = "provenance"
	ClaimAnnotation ClaimSource = "annotation"
	ClaimLabel      ClaimSource = "label"
)

// BaseClaim is one statement that the image is built on a base image.
type BaseClaim struct {
	Source ClaimSource `json:"source"`
	// Reference is the base's name as stated; Digest the digest stated with it or in it.
	Reference string `json:"reference,omitempty"`
	Digest    string `json:"digest,omitempty"`
	// Line is the line of a Dockerfile's FROM.
	Line int `json:"line,omitempty"`
}

// Lineage is the outcome of the attempt to prove that the subject is built on the base.
type Lineage string

// The lineages.
const (
	// LineageProven: the base's diff IDs are a prefix of the subject's.
	LineageProven Lineage = "proven"
	// LineageDisproven: the base was read, and its diff IDs are no prefix.
	LineageDisproven Lineage = "disproven"
	// LineageNotApproved: only the image names the base's registry, and no pattern of the
	// policy does, so it was not contacted.
	LineageNotApproved Lineage = "not approved"
	// LineageUnknown: the base could not be read. Problem says why.
	LineageUnknown Lineage = "unknown"
	// LineageScratch: the image is built on nothing; it has no base.
	LineageScratch Lineage = "scratch"
)

// Base is what is known of the base image.
type Base struct {
	// Claims are all statements, strongest first. They may contradict each other.
	Claims []BaseClaim `json:"claims"`
	// Source is where the claim that was followed stands.
	Source ClaimSource `json:"source,omitempty"`
	// Reference is the full name of the claim that was followed
	// ("docker.io/library/alpine:3.20"), Digest what it resolved to, for the
	// subject's platform or as index.
	Reference string `json:"reference,omitempty"`
	Digest    string `json:"digest,omitempty"`
	// ManifestDigest is the digest of the base's manifest for the subject's platform.
	ManifestDigest string `json:"manifestDigest,omitempty"`
	// Pinned is true where the claim itself names a digest.
	Pinned bool `json:"pinned"`
	// Current is false where the claim's tag now resolves to another digest than the
	// claim's; nil where that is not known.
	Current *bool `json:"current,omitempty"`
	// Created is the base's creation time; nil where it has none or was not read.
	Created *time.Time `json:"created,omitempty"`
	Lineage Lineage    `json:"lineage"`
	// Layers is the number of the subject's layers that are the base's, if proven.
	Layers int `json:"layers"`
	// Reason explains Lineage in one line.
	Reason string `json:"reason,omitempty"`
	// Hint says what to do about it.
	Hint string `json:"hint,omitempty"`
	// Signatures are those of the base image; nil where no rule asks for them, or it is
	// not known which image the base is.
	Signatures *Signatures `json:"signatures,omitempty"`
}

// Dockerfile is a build file as far as rules ask about it.
type Dockerfile struct {
	Path   string  `json:"path"`
	Stages []Stage `json:"stages"`
}

// Stage is one FROM and what follows it.
type Stage struct {
	Name string `json:"name,omitempty"`
	// Base is the FROM's image with build arguments' defaults resolved, or the name of
	// an earlier stage. Empty where an argument without a default leaves it open.
	Base         string        `json:"base,omitempty"`
	Line         int           `json:"line"`
	Instructions []Instruction `json:"instructions"`
}

// Instruction is one instruction of a Dockerfile, in upper case, with its
// arguments, masked, on one line.
type Instruction struct {
	Keyword   string   `json:"keyword"`
	Arguments string   `json:"arguments"`
	Flags     []string `json:"flags,omitempty"`
	Line      int      `json:"line"`
}

// Baseline is the image that growth is measured against.
type Baseline struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	// Size is the sum of the uncompressed sizes of the layers, CompressedSize of the
	// stored ones; 0 where unknown.
	Size           int64 `json:"size,omitempty"`
	CompressedSize int64 `json:"compressedSize,omitempty"`
	Layers         int   `json:"layers"`
	// Problem says why it could not be read.
	Problem string `json:"problem,omitempty"`
}
