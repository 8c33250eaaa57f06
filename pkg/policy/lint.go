// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/internal/yamldoc"
)

// IsWaiverFile says whether a document is a file of waivers and no policy: at its
// top there are waivers, and nothing that only a policy has.
func IsWaiverFile(data []byte) bool {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if checkText(data) != nil {
		return false
	}
	first, _, err := yamldoc.Decode(data)
	if err != nil || len(first.Content) == 0 || first.Content[0].Kind != yaml.MappingNode {
		return false
	}
	root := first.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if k := root.Content[i].Value; k != "version" && k != "waivers" {
			return false
		}
	}
	return child(root, "waivers") != nil
}
