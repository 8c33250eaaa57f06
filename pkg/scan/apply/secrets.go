// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"slices"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

// secrets are those of all layers: one that a later layer deletes can still be read.
// Where a later layer has the file too, what a rule finds there replaces what it found
// below, and of what other rules found below the first of each rule stays.
func secrets(blobs []ftypes.BlobInfo) ftypes.Secrets {
	var out ftypes.Secrets
	at := map[string]int{}
	for i := range blobs {
		b := &blobs[i]
		for _, s := range b.Secrets {
			findings := slices.Clone(s.Findings)
			rules := map[string]bool{}
			for k := range findings {
				findings[k].Layer = ftypes.Layer{Digest: b.Digest, DiffID: b.DiffID, CreatedBy: b.CreatedBy}
				rules[findings[k].RuleID] = true
			}
			j, ok := at[s.FilePath]
			if !ok {
				at[s.FilePath] = len(out)
				out = append(out, ftypes.Secret{FilePath: s.FilePath, Findings: findings})
				continue
			}
			for _, f := range out[j].Findings {
				if !rules[f.RuleID] {
					findings, rules[f.RuleID] = append(findings, f), true
				}
			}
			out[j].Findings = findings
		}
	}
	return out
}
