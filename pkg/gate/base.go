// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
)

// Bases find what images are built on. FindBase reads what it needs of img before it
// returns: what it returns runs while img is scanned.
type Bases interface {
	FindBase(img *image.Image, q image.BaseQuery) func(context.Context) *evidence.Base
}

// findBase begins to look for the base of an image, and for its signatures. The result
// waits for both.
func (l *lookout) findBase(img *image.Image) func() *evidence.Base {
	g, req := l.gate, l.req
	if g.Bases == nil {
		return func() *evidence.Base { return nil }
	}
	pol, own := policyFor(img, req), subject(img, req)
	find := g.Bases.FindBase(img, image.BaseQuery{
		Reference: req.Base, Dockerfile: req.Dockerfile, Destination: req.Destination, Approved: pol.NamesBase,
		// To read it may mean to fetch it.
		Provenance: slices.ContainsFunc(pol.Rules, func(r policy.Rule) bool { return r.Base != nil || asksBase(r) }),
	})
	return later(l, func(ctx context.Context) *evidence.Base {
		b := attempt(ctx, find, unknownBase)
		if b != nil {
			b.Signatures = g.verifyBase(ctx, *b, own, pol, req)
		}
		return b
	}, unknownBase)
}

// asksBase says whether a rule is about what is signed of the base image.
func asksBase(r policy.Rule) bool {
	return r.Signatures != nil && r.Signatures.Of == policy.SignedBase || r.Attestations != nil && r.Attestations.Of == policy.SignedBase
}

func unknownBase(reason string) *evidence.Base {
	return &evidence.Base{Claims: []evidence.BaseClaim{}, Lineage: evidence.LineageUnknown, Reason: reason}
}
