// SPDX-License-Identifier: Apache-2.0

package evidence

import "time"

// Config is what the image configuration says about how the image runs (OCI image
// specification, config.md). Values that look like credentials are masked: see
// Credential.
type Config struct {
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	WorkingDir string   `json:"workingDir,omitempty"`
	StopSignal string   `json:"stopSignal,omitempty"`
	// Env is in the order of the configuration.
	Env []EnvVar `json:"env,omitempty"`
	// Ports are sorted by number, then protocol.
	Ports []Port `json:"ports,omitempty"`
	// Volumes are the declared mount points, sorted, absolute.
	Volumes []string          `json:"volumes,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Annotations are those of the image manifest; nil where the source has no manifest.
	Annotations map[string]string `json:"annotations,omitempty"`
	Healthcheck *Healthcheck      `json:"healthcheck,omitempty"`
	OnBuild     []string          `json:"onBuild,omitempty"`
	// History is base first, empty layers included.
	History []HistoryEntry `json:"history,omitempty"`
	// Credentials are the places that hold what looks like a credential, sorted.
	Credentials []Credential `json:"credentials,omitempty"`
}

// EnvVar is one environment variable. Value is Masked where it looks like a credential.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Masked stands in place of a value that looks like a credential.
const Masked = "********"

// Port is an exposed port. First and Last are equal but for a range; both 0 where
// the configuration's text is no port, which Raw keeps.
type Port struct {
	First    int    `json:"first"`
	Last     int    `json:"last"`
	Protocol string `json:"protocol"` // tcp, udp, sctp
	Raw      string `json:"raw"`
}

// Healthcheck is Docker's HEALTHCHECK. Test ["NONE"] disables an inherited one.
type Healthcheck struct {
	Test []string `json:"test"`
}

// HistoryEntry is one step of the build.
type HistoryEntry struct {
	Created *time.Time `json:"created,omitempty"`
	// CreatedBy is the instruction as the builder recorded it, masked.
	CreatedBy  string `json:"createdBy,omitempty"`
	Comment    string `json:"comment,omitempty"`
	EmptyLayer bool   `json:"emptyLayer,omitempty"`
}

// Credential is a place in the configuration that holds what looks like a credential.
type Credential struct {
	// Place is "env", "label", "annotation", "history", "entrypoint", "cmd",
	// "healthcheck" or "onbuild".
	Place string `json:"place"`
	// Name is the variable's, label's or annotation's name, or the step of the history
	// or ONBUILD ("3", counted from 1).
	Name string `json:"name,omitempty"`
	// Rule says why: the secret rule's id, or "name" where the variable's name says so.
	Rule string `json:"rule"`
	// Hash is of the value, salted with the subject's digest.
	Hash string `json:"hash,omitempty"`
}
