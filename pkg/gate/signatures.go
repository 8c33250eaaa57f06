// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
)

// Signatures verify signatures and attestations.
type Signatures interface {
	// Verify looks for everything that is signed about the target, and has each of the
	// authorities look at it. What goes wrong is in the result, which is never nil.
	Verify(ctx context.Context, t SignedTarget, authorities []policy.Authority) *evidence.Signatures
}

// SignedTarget is what signatures are about.
type SignedTarget struct {
	// Reference is where the signatures are looked for: "registry.example.com/app" for a
	// repository; the path for a layout or archive.
	Reference string
	Digests   []evidence.SignedDigest
	// Image gives access to the layout or archive that holds it; nil for a repository.
	Image *image.Image
	// Bundles are files with detached bundles.
	Bundles []string
	// KeepPredicate says which types of predicates rules ask about.
	KeepPredicate func(predicateType string) bool
}
