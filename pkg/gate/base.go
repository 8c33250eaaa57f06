// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// baseTime is how long a base image may take to be looked up. A registry that hangs
// costs the rules about the base, not the verdict.
const baseTime = 2 * time.Minute

// Bases find what images are built on. FindBase reads what it needs of img before it
// returns: what it returns runs while img is scanned.
type Bases interface {
	FindBase(img *image.Image, q image.BaseQuery) func(context.Context) *evidence.Base
}

// findBase begins to look for the base of an image. The result waits for it.
func (g *Gate) findBase(ctx context.Context, img *image.Image, req Request) func() *evidence.Base {
	if g.Bases == nil {
		return func() *evidence.Base { return nil }
	}
	pol := req.Policy.For(verdict.Names(subject(img, req), req.Reference))
	find := g.Bases.FindBase(img, image.BaseQuery{
		Reference: req.Base, Dockerfile: req.Dockerfile, Destination: req.Destination, Approved: pol.NamesBase,
		// To read it may mean to fetch it.
		Provenance: slices.ContainsFunc(pol.Rules, func(r policy.Rule) bool { return r.Base != nil }),
	})
	done := make(chan *evidence.Base, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- unknownBase(fmt.Sprintf("ocigate panicked: %v", p))
			}
		}()
		ctx, cancel := context.WithTimeout(ctx, baseTime)
		defer cancel()
		done <- find(ctx)
	}()
	return func() *evidence.Base {
		select {
		case b := <-done:
			if b != nil || ctx.Err() == nil {
				return b
			}
		case <-ctx.Done():
		}
		return unknownBase("the time for this run is over")
	}
}

func unknownBase(reason string) *evidence.Base {
	return &evidence.Base{Claims: []evidence.BaseClaim{}, Lineage: evidence.LineageUnknown, Reason: reason}
}
