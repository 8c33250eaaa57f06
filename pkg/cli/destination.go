// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"github.com/ocigate/ocigate/pkg/policy"
)

// checkDestination reads --destination, which may be empty.
func checkDestination(s string) error {
	if s == "" {
		return nil
	}
	const hint = "write the name that the image is pushed to, such as registry.example.com/team/app:1.0"
	n, err := policy.ParseName(s)
	if err != nil {
		return &hinted{fmt.Errorf("--destination: %w", err), hint}
	}
	if n.Digest != "" {
		return &hinted{fmt.Errorf("--destination %s: an image is pushed to a tag, not to a digest", n), hint}
	}
	return nil
}
