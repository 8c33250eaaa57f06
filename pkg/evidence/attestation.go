// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"reflect"
	"time"
)

// AttestationInput is the input of the Rego modules of rules about attestations: one
// verified attestation, and by whom it is. As in a Document, its fields are all there.
type AttestationInput struct {
	// Subject is the image under judgement, also where the attestation is its base's.
	Subject       Subject `json:"subject"`
	PredicateType string  `json:"predicateType"`
	// Predicate is whatever the signer wrote.
	Predicate any    `json:"predicate"`
	Signer    Signer `json:"signer"`
	// Authority is the first of the rule's that verified it.
	Authority string `json:"authority"`
	// Time is when it was signed, if the log or a timestamp authority vouches for that.
	Time *time.Time `json:"time,omitempty"`
	// Digest is the digest that it is about.
	Digest string `json:"digest"`
}

// Input is the attestation as rules see it.
func (a AttestationInput) Input() ([]byte, error) { return complete(reflect.ValueOf(a)) }
