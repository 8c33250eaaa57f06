// SPDX-License-Identifier: Apache-2.0

package policies

import _ "embed"

//go:embed schema/ocigate-evidence-v1.json
var evidenceSchema string

// EvidenceSchema is the JSON Schema of the evidence document, draft-07.
func EvidenceSchema() []byte { return []byte(evidenceSchema) }
