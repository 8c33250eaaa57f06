// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"fmt"
)

// Loader fetches the bytes of a policy by reference: a path, "ocigate:baseline".
// Which references exist is the loader's business; this package does no I/O.
type Loader interface {
	Load(ctx context.Context, reference string) (data []byte, err error)
}

// Load fetches a policy and parses it. An error of the loader is wrapped; one of
// the policy is a *ParseError.
func Load(ctx context.Context, reference string, l Loader) (*Policy, error) {
	data, err := l.Load(ctx, reference)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", escape(reference), err)
	}
	return Parse(reference, data)
}
