// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// NewerBases finds images that could stand in place of a base.
type NewerBases interface {
	Opener
	// Tags lists the tags of a repository ("docker.io/library/alpine"). The error says
	// that there are none, or that these are not all.
	Tags(ctx context.Context, repository string) ([]string, error)
}

// newerTime is how long newer bases are looked for, all platforms together. It is spent
// after the verdict, and changes nothing of it.
const newerTime = 30 * time.Second

// advise adds to the plans of what failed what newer bases would clear.
func (x *examination) advise(ctx context.Context, in verdict.Input, v verdict.Verdict, annotate func(*evidence.Evidence)) verdict.Verdict {
	if x.gate.NewerBases == nil || v.Status != verdict.Failed || len(v.Subjects) != len(x.images) {
		return v
	}
	budget := newerTime
	if end, ok := ctx.Deadline(); ok {
		// A run that is out of time has no verdict: stay well within it.
		budget = min(budget, time.Until(end)/2)
	}
	looking, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	type found struct {
		i      int
		lookup *verdict.BaseLookup
	}
	wanted := x.wanted(v)
	results := make(chan found, len(wanted))
	go func() {
		s := &newerSearch{examination: x, annotate: annotate, tags: map[string]tagList{}}
		for _, i := range wanted {
			results <- found{i, s.lookUp(looking, v.Subjects[i].Evidence, x.images[i])}
		}
	}()
	lookups := make([]*verdict.BaseLookup, len(v.Subjects))
	for _, i := range wanted {
		lookups[i] = &verdict.BaseLookup{Problem: fmt.Sprintf("it took longer than %s", newerTime)}
	}
	// A scan that ignores the end of its time is left behind.
	late := time.NewTimer(budget + budget/4)
	defer late.Stop()
	for range wanted {
		select {
		case f := <-results:
			lookups[f.i] = f.lookup
			continue
		case <-late.C:
		case <-ctx.Done():
		}
		break
	}
	return verdict.WithBases(in, v, lookups)
}

// wanted are the subjects of which newer bases could clear something, and whose base may
// be asked about.
func (x *examination) wanted(v verdict.Verdict) []int {
	var list []int
	for i, s := range v.Subjects {
		b := s.Evidence.Base
		if b == nil || !verdict.WantsBase(s) || !mayLookUp(*b, policyFor(x.images[i], x.req)) {
			continue
		}
		list = append(list, i)
	}
	return list
}

// mayLookUp says whether the registry of a base may be asked for its tags. It holds the
// base, so it was asked already if the command line or the policy names it.
func mayLookUp(b evidence.Base, pol *policy.Policy) bool {
	if b.Lineage != evidence.LineageProven || image.IsLocalBase(b.Reference) {
		return false
	}
	_, tag := verdict.SplitTag(b.Reference)
	return tag != "" && (b.Source == evidence.ClaimFlag || pol.NamesBase(b.Reference) || pol.NamesBase(b.Reference+"@"+b.Digest))
}

// newerSearch looks for newer bases, one repository after the other.
type newerSearch struct {
	*examination
	annotate func(*evidence.Evidence)
	tags     map[string]tagList
}

type tagList struct {
	tags []string
	err  error
}

// lookUp never fails: what could not be looked up is in the result.
func (s *newerSearch) lookUp(ctx context.Context, e evidence.Evidence, img *image.Image) (lookup *verdict.BaseLookup) {
	defer func() {
		if p := recover(); p != nil {
			lookup = &verdict.BaseLookup{Problem: fmt.Sprintf("ocigate panicked: %v", p)}
		}
	}()
	repository, from := verdict.SplitTag(e.Base.Reference)
	lookup = &verdict.BaseLookup{}
	list := s.list(ctx, repository)
	if list.err != nil {
		lookup.Problem = s.why(ctx, list.err)
	}
	pol := policyFor(img, s.req)
	candidates := newerTags(from, list.tags)
	if b := e.Base; b.Current != nil && !*b.Current {
		candidates = append([]newerTag{{from, verdict.StepRebuild}}, candidates[:min(len(candidates), maxNewer-1)]...)
	}
	refused := 0
	for _, n := range candidates {
		c := verdict.Candidate{Reference: repository + ":" + n.tag, Step: n.step}
		if s.examine(ctx, &c, img, pol) {
			lookup.Candidates = append(lookup.Candidates, c)
		} else {
			refused++
		}
	}
	if refused > 0 && len(lookup.Candidates) == 0 && lookup.Problem == "" {
		lookup.Problem = "the policy approves none of " + repository
	}
	return lookup
}

func (s *newerSearch) list(ctx context.Context, repository string) tagList {
	known, ok := s.tags[repository]
	if !ok {
		s.gate.progress("looking for newer tags of " + repository)
		known.tags, known.err = s.gate.NewerBases.Tags(ctx, repository)
		s.tags[repository] = known
	}
	return known
}

func (s *newerSearch) why(ctx context.Context, err error) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Sprintf("it took longer than %s", newerTime)
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// examine scans a candidate as the image was scanned. False is for one that the policy
// would not approve as a base.
func (s *newerSearch) examine(ctx context.Context, c *verdict.Candidate, img *image.Image, pol *policy.Policy) bool {
	if !verdict.ApprovesBase(pol, c.Reference) {
		return false
	}
	set, err := s.gate.NewerBases.Open(ctx, "registry:"+c.Reference)
	if err != nil {
		c.Problem = s.why(ctx, err)
		return true
	}
	defer set.Close()
	c.Digest = set.Digest
	var same *image.Image
	for _, i := range set.Images {
		p := img.Subject.Platform
		if i.Subject.Platform.Matches(evidence.Platform{OS: p.OS, Architecture: p.Architecture}) {
			same = i
		}
		if i.Subject.Platform.Matches(p) {
			break
		}
	}
	if same == nil {
		c.Problem = "it has no image for the platform " + img.Subject.Platform.String()
		return true
	}
	s.gate.progress("scanning " + c.Reference)
	e, err := s.gate.Scanner.Scan(ctx, same, s.database, ScanRequest{EffectiveTime: s.req.EffectiveTime})
	switch {
	case err != nil:
		c.Problem = s.why(ctx, err)
	case e == nil:
		c.Problem = "nothing is known of it"
	case len(e.Problems) > 0:
		c.Problem = "it could not be examined: " + strings.Join(strings.Fields(e.Problems[0].Message), " ")
	default:
		// What is said of the image's own products holds on another base, too.
		e.Subject = subject(img, s.req)
		s.annotate(e)
		e.Subject = same.Subject
		c.Evidence = e
	}
	return true
}
