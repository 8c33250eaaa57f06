// SPDX-License-Identifier: Apache-2.0

// Package gate is the one orchestration of ocigate: it opens an image, has it
// scanned while the vulnerability database is made ready, and lets package
// verdict decide.
//
// Fill a Gate with what opens images, scans them and provides the database, and
// call Check. Check returns a verdict whatever happens; what could not be examined
// is in it as a problem. The error is for two things only: a *UsageError, where nothing was examined because the request
// contradicts the policy, and the context's own error, where the caller gave up.
package gate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/feed"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// Opener opens the images that a reference names, every platform of an index.
type Opener interface {
	Open(ctx context.Context, reference string) (*image.Set, error)
}

// Scanner examines images.
type Scanner interface {
	// Scan analyses img, waits for db, and matches. Subject and Image of the result
	// are filled as far as the scanner knows them. The error is for a scan that
	// failed as a whole.
	Scan(ctx context.Context, img *image.Image, db *Database, ask ScanRequest) (*evidence.Evidence, error)
}

// ScanRequest is what a Scanner is to look for.
type ScanRequest struct {
	EffectiveTime time.Time
	// Paths are the globs of the files that the policy asks for, HiddenPaths of those
	// that it asks for if a later layer deletes or replaces them.
	Paths, HiddenPaths []string
	// SkipSecrets leaves files unsearched for secrets: nothing asks for it.
	SkipSecrets bool
	// BaseSecrets demands that the layers of a base image are searched for secrets.
	BaseSecrets bool
}

// Gate checks images. Images is required, and Scanner and OpenDatabase but for requests
// of a Scope.
type Gate struct {
	Images  Opener
	Scanner Scanner
	// Bases find base images. Nil: no image is known to have one.
	Bases Bases
	// NewerBases find what could stand in place of a base where that would clear
	// violations. Nil: nothing is looked up.
	NewerBases NewerBases
	// Signatures verify what is signed. Nil: no rule about signatures can be decided.
	Signatures Signatures
	// Custom evaluates the policy's Rego rules. Nil: none of them can be decided.
	Custom CustomRules
	// OpenDatabase makes the vulnerability database ready. It runs while images are
	// opened and analysed.
	OpenDatabase func(context.Context) (*OpenedDatabase, error)
	// Progress receives one line per phase; may be nil.
	Progress func(string)
	// Grace is how long Check waits for a parser that ignores the end of its time
	// before it decides without it; default 3 s.
	Grace time.Duration
}

// Request is what is to be checked.
type Request struct {
	Reference string
	Policy    *policy.Policy
	// Platforms narrows an index. Naming fewer than the policy requires is a *UsageError.
	Platforms []evidence.Platform
	// EffectiveTime is the "now" of the decision.
	EffectiveTime      time.Time
	EffectiveTimeGiven bool
	ReportOnly         bool
	// Scope narrows the check to a part of the policy: nothing is examined that only other
	// rules ask for. A policy without rules of that part is a *UsageError.
	Scope verdict.Scope
	// FailFast ends the run before a layer is read if rules about signatures,
	// attestations or the base image have failed.
	FailFast bool
	// Bundles are detached signatures and attestations of the image.
	Bundles []Bundle
	// Forecast is how far the verdict looks ahead: see verdict.Forecast. 0 is not at all.
	Forecast time.Duration
	// Destination is the name that the image is about to be pushed to; empty where
	// nobody said.
	Destination string
	// Baseline is the reference of the image whose size is compared with; empty for none.
	Baseline string
	// FirstSeen are the days on which findings were first seen, of FirstSeenFile; nil
	// for none.
	FirstSeen     *feed.FirstSeen
	FirstSeenFile *feed.File
	// Base is what the caller says that the image is built on: an image in a registry, a
	// reference with a transport, or "scratch". Empty: the image's own claims count.
	Base string
	// Dockerfile is what the image was built by; nil if that is not known.
	Dockerfile *evidence.Dockerfile
}

// UsageError is a request that cannot be honoured; nothing was examined.
type UsageError struct{ Message, Hint string }

func (e *UsageError) Error() string { return e.Message }

// Check decides about req.Reference. When ctx reaches a deadline the verdict is
// ERROR; when it is cancelled, the error is ctx's.
func (g *Gate) Check(ctx context.Context, req Request) (verdict.Verdict, error) {
	type answer struct {
		v   verdict.Verdict
		err error
	}
	done := make(chan answer, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- answer{panicked(req, p), nil}
			}
		}()
		v, err := g.check(ctx, req)
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
	}
	// Most of the work stops by itself; a parser that does not is left behind.
	grace := g.Grace
	if grace == 0 {
		grace = 3 * time.Second
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.v, a.err
	case <-timer.C:
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return verdict.Verdict{}, ctx.Err()
	}
	return decide(req, nil, []evidence.Problem{timeout(req.Reference)}), nil
}

// panicked is written by hand: it may be Decide that panicked.
func panicked(req Request, p any) verdict.Verdict {
	return verdict.Verdict{
		Status: verdict.Errored, Reference: req.Reference, EffectiveTime: req.EffectiveTime.UTC(), EffectiveTimeGiven: req.EffectiveTimeGiven,
		ReportOnly: req.ReportOnly, Scope: req.Scope, Policy: verdict.PolicyRef{Name: req.Policy.Name, Source: req.Policy.Source, Digest: req.Policy.Digest},
		Problems: []evidence.Problem{{Area: evidence.AreaScan, What: req.Reference, Message: fmt.Sprintf("ocigate panicked: %v", p), Hint: "this is a bug: please report it"}},
	}
}

func (g *Gate) check(ctx context.Context, req Request) (verdict.Verdict, error) {
	if err := checkScope(req); err != nil {
		return verdict.Verdict{}, err
	}
	db := g.database(ctx, req)
	closeDatabase := func() { db.close(ctx) }
	defer func() { closeDatabase() }()
	g.progress("opening " + redact(req.Reference))
	set, err := g.Images.Open(ctx, req.Reference)
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return verdict.Verdict{}, ctx.Err()
		}
		var usage *image.Error
		if errors.As(err, &usage) && usage.Kind == image.KindUsage {
			return verdict.Verdict{}, &UsageError{Message: err.Error(), Hint: usage.Hint}
		}
		return decide(req, nil, []evidence.Problem{openProblem(ctx, req.Reference, err)}), nil
	}
	defer set.Close()
	g.progress(opened(set))
	images, problems, err := choose(set, req)
	if err != nil {
		return verdict.Verdict{}, err
	}
	// What is left behind when the time is over ends before the files are closed.
	around, stop := context.WithCancel(ctx)
	defer stop()
	x := examination{gate: g, req: req, images: images, problems: problems, leftOut: leftOut(set.Images, images), database: db}
	if err := x.inScope(); err != nil {
		return verdict.Verdict{}, err
	}
	x.lookAround(around)
	if req.Scope != "" {
		return x.outside(ctx)
	}
	if v, failed, err := x.failFast(ctx); failed || err != nil {
		closeDatabase = db.abandon
		return v, err
	}
	return x.scan(ctx)
}

var credentials = regexp.MustCompile(`[^/@]*:[^/@]+@`)

// redact hides what looks like user:password@ in a reference; a digest is kept.
func redact(reference string) string {
	return credentials.ReplaceAllStringFunc(reference, func(s string) string {
		if strings.HasPrefix(reference[strings.Index(reference, s)+len(s):], "sha256:") {
			return s
		}
		return "***@"
	})
}

func leftOut(all, chosen []*image.Image) []evidence.Platform {
	var out []evidence.Platform
	for _, img := range all {
		if !slices.Contains(chosen, img) {
			out = append(out, img.Subject.Platform)
		}
	}
	return out
}

func opened(set *image.Set) string {
	var s []string
	for _, img := range set.Images {
		s = append(s, img.Subject.Platform.String())
	}
	text := fmt.Sprintf("opened %s: %s", set.Source, strings.Join(s, ", "))
	if set.Note != "" {
		text += " (" + set.Note + ")"
	}
	return text
}

func (g *Gate) progress(msg string) {
	if g.Progress != nil {
		g.Progress(msg)
	}
}

func decide(req Request, all []evidence.Evidence, problems []evidence.Problem, leftOut ...evidence.Platform) verdict.Verdict {
	return foretell(req.Forecast, input(req, all, problems, leftOut))
}

func input(req Request, all []evidence.Evidence, problems []evidence.Problem, leftOut []evidence.Platform) verdict.Input {
	return verdict.Input{
		Policy: req.Policy, Reference: req.Reference, Evidence: all, Problems: problems, NotExamined: leftOut,
		EffectiveTime: req.EffectiveTime.UTC(), EffectiveTimeGiven: req.EffectiveTimeGiven, ReportOnly: req.ReportOnly, Scope: req.Scope,
	}
}

func timeout(reference string) evidence.Problem {
	return evidence.Problem{Area: evidence.AreaLimit, What: reference, Message: "the time for this run is over",
		Hint: "allow more time with --timeout, or look into what took so long"}
}

func openProblem(ctx context.Context, reference string, err error) evidence.Problem {
	if ctx.Err() != nil {
		return timeout(reference)
	}
	p := evidence.Problem{Area: evidence.AreaImage, What: reference, Message: err.Error()}
	var open *image.Error
	if errors.As(err, &open) {
		p.Hint = open.Hint
		switch open.Kind {
		case image.KindPlatform:
			p.Area = evidence.AreaPlatform
		case image.KindLimit:
			p.Area = evidence.AreaLimit
		}
	}
	var integrity *image.IntegrityError
	if errors.As(err, &integrity) {
		p.Area, p.What = evidence.AreaIntegrity, integrity.Blob
	}
	return p
}

// choose narrows the images to the platforms that were asked for. Fewer than the
// policy requires is a usage error, one that is missing a problem.
func choose(set *image.Set, req Request) ([]*image.Image, []evidence.Problem, error) {
	required := requiredPlatforms(set, req)
	wanted := req.Platforms
	if len(wanted) == 0 && !required.All {
		wanted = required.List
	}
	if len(wanted) == 0 {
		return set.Images, nil, nil
	}
	var chosen []*image.Image
	var have []string
	for _, img := range set.Images {
		have = append(have, img.Subject.Platform.String())
		if slices.ContainsFunc(wanted, img.Subject.Platform.Matches) {
			chosen = append(chosen, img)
		}
	}
	var problems []evidence.Problem
	for _, w := range wanted {
		if !slices.ContainsFunc(chosen, func(i *image.Image) bool { return i.Subject.Platform.Matches(w) }) {
			problems = append(problems, evidence.Problem{Area: evidence.AreaPlatform, What: w.String(),
				Message: fmt.Sprintf("the image has no platform %s, only %s", w, strings.Join(have, ", ")),
				Hint:    "build the image for it, or name a platform that it has"})
		}
	}
	if required.All && len(problems) == 0 && len(chosen) < len(set.Images) {
		return nil, nil, &UsageError{
			Message: fmt.Sprintf("--platform leaves out platforms of the image (%s), but the policy requires all", strings.Join(have, ", ")),
			Hint:    "drop --platform, or let the policy say `platforms: [...]`",
		}
	}
	for _, r := range required.List {
		if !slices.ContainsFunc(wanted, r.Matches) {
			return nil, nil, &UsageError{Message: fmt.Sprintf("--platform leaves out %s, which the policy requires", r), Hint: "add --platform " + r.String()}
		}
	}
	return chosen, problems, nil
}
