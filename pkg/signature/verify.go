// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// maxChecks is how many items are checked at a time: the library's form of a statement of
// maxStatement values takes some hundred megabytes.
const maxChecks = 2

// Verify finds the signatures and attestations of an artifact, and says what each of the
// authorities has to say about each of them. Everything that went wrong is in the result.
func (v *Verifier) Verify(ctx context.Context, t Target, as []Authority) *evidence.Signatures {
	out := &evidence.Signatures{
		Reference: t.Reference, Digests: append([]evidence.SignedDigest{}, t.Digests...),
		Authorities: []evidence.AuthorityState{}, Items: []evidence.Signature{}, Problems: []evidence.Problem{},
	}
	err := guard(func() error {
		return v.verify(ctx, t, as, out)
	})
	if err != nil {
		out.Problems = append(out.Problems, unseen(t.Reference, err))
	}
	slices.SortFunc(out.Problems, func(a, b evidence.Problem) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Area, b.Area), cmp.Compare(a.Message, b.Message))
	})
	out.Problems = slices.Compact(out.Problems)
	return out
}

// Prefetch fetches what is signed about a target, for a Verify of the same reference
// that comes later, or is under way.
func (v *Verifier) Prefetch(ctx context.Context, t Target) {
	_ = guard(func() error { // Verify says what is wrong
		v.collect(ctx, t)
		return nil
	})
}

func (v *Verifier) verify(ctx context.Context, t Target, as []Authority, out *evidence.Signatures) error {
	as = slices.Clone(as)
	slices.SortStableFunc(as, func(a, b Authority) int { return cmp.Compare(a.Name, b.Name) })
	var items []*item
	var problems []evidence.Problem
	signers := make([]*signer, len(as))
	states := make([]evidence.AuthorityState, len(as))
	var wg sync.WaitGroup
	wg.Go(func() {
		err := guard(func() error {
			items, problems = v.collect(ctx, t)
			return nil
		})
		if err != nil {
			problems = append(problems, unseen(t.Reference, err))
		}
	})
	for i, a := range as {
		wg.Go(func() { signers[i], states[i] = v.prepare(ctx, a) })
	}
	wg.Wait()
	out.Authorities, out.Problems = append(out.Authorities, states...), append(out.Problems, problems...)
	v.checkAll(ctx, items, signers)
	if err := ctx.Err(); err != nil {
		out.Problems = append(out.Problems, unseen(t.Reference, fmt.Errorf("verification ended early: %w", err)))
	}
	for _, i := range items {
		out.Items = append(out.Items, finish(i, t.KeepPredicate))
	}
	return nil
}

// checkAll has each ready authority check each item: items side by side, authorities in turn.
func (v *Verifier) checkAll(ctx context.Context, items []*item, signers []*signer) {
	now := v.now()
	next := make(chan *item)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), maxChecks, len(items)) {
		wg.Go(func() {
			for i := range next {
				for _, s := range signers {
					if s != nil && ctx.Err() == nil {
						i.found.Checks = append(i.found.Checks, checkItem(ctx, s, i, now))
						nameKey(i, s)
					}
				}
			}
		})
	}
	for _, i := range items {
		if i.format != nil {
			next <- i
		}
	}
	close(next)
	wg.Wait()
}

// nameKey names the key that verified a signature which itself names nobody.
func nameKey(i *item, s *signer) {
	if last := i.found.Checks[len(i.found.Checks)-1]; last.Result == evidence.CheckVerified && len(s.keys) > 0 && i.certificate == nil {
		i.found.Signer.Key = s.fingerprint
	}
}

// finish is the evidence of an item. A predicate that nobody verified is not in it.
func finish(i *item, keep func(string) bool) evidence.Signature {
	f := i.found
	if f.Checks == nil {
		f.Checks = []evidence.SignatureCheck{}
	}
	verified := slices.ContainsFunc(f.Checks, func(c evidence.SignatureCheck) bool { return c.Result == evidence.CheckVerified })
	if verified && f.Kind == evidence.KindAttestation && keep != nil && keep(f.PredicateType) {
		f.Predicate = i.predicate()
	}
	return f
}
