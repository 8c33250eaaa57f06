// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

const (
	// lookTime is how long one look at a base image, or at what is signed, may take. A
	// registry that hangs costs the rules about that, not the verdict.
	lookTime = 2 * time.Minute
	// lookGrace is how long one that ignores the end of its time is waited for.
	lookGrace = time.Second
	// maxLooks is the number of images that are looked at at once.
	maxLooks = 8
)

// surroundings are what is known of an image besides its content. Both wait, and
// answer the same every time.
type surroundings struct {
	base       func() *evidence.Base
	signatures func() *evidence.Signatures
}

func (s surroundings) fill(e *evidence.Evidence) { e.Base, e.Signatures = s.base(), s.signatures() }

// lookout looks at what is around images while they are scanned.
type lookout struct {
	gate  *Gate
	req   Request
	ctx   context.Context
	slots chan struct{}
}

// lookAround begins to look at what is around all images. It reads what it needs of
// them before it returns.
func (x *examination) lookAround(ctx context.Context) {
	l := &lookout{gate: x.gate, req: x.req, ctx: ctx, slots: make(chan struct{}, maxLooks)}
	signed := false
	for _, img := range x.images {
		pol := policyFor(img, x.req)
		signed = signed || len(pol.AuthoritiesOf(policy.SignedImage))+len(pol.AuthoritiesOf(policy.SignedBase)) > 0
		x.around = append(x.around, surroundings{l.findBase(img), l.verifyImage(img)})
	}
	if signed && x.gate.Signatures != nil {
		x.gate.progress("verifying signatures")
	}
}

// policyFor is the policy that holds for an image.
func policyFor(img *image.Image, req Request) *policy.Policy {
	return req.Policy.For(verdict.Names(subject(img, req), req.Reference))
}

const timeOver = "the time for this run is over"

// later runs work beside the scan. What it returns waits for it.
func later[T any](l *lookout, work func(context.Context) *T, failed func(reason string) *T) func() *T {
	done := make(chan *T, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- failed(fmt.Sprintf("ocigate panicked: %v", p))
			}
		}()
		select {
		case l.slots <- struct{}{}:
			defer func() { <-l.slots }()
			done <- work(l.ctx)
		case <-l.ctx.Done():
			done <- failed(timeOver)
		}
	}()
	return sync.OnceValue(func() *T {
		select {
		case r := <-done:
			return r
		case <-l.ctx.Done():
			return failed(timeOver)
		}
	})
}

// attempt runs work for a limited time. Nil is its result only if there was time to say so.
func attempt[T any](run context.Context, work func(context.Context) *T, failed func(reason string) *T) *T {
	ctx, cancel := context.WithTimeout(run, lookTime)
	defer cancel()
	done := make(chan *T, 2) // nobody waits to say something
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- failed(fmt.Sprintf("ocigate panicked: %v", p))
			}
		}()
		done <- work(ctx)
	}()
	wait := ctx.Done()
	for {
		select {
		case r := <-done:
			if r == nil && run.Err() != nil {
				return failed(timeOver)
			}
			return r
		case <-run.Done():
			return failed(timeOver)
		case <-wait:
			// Work mostly ends by itself, and says more.
			timer := time.AfterFunc(lookGrace, func() { done <- failed(fmt.Sprintf("it took longer than %s", lookTime)) })
			defer timer.Stop()
			wait = nil
		}
	}
}
