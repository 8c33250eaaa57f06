// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"fmt"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// examination is one request on its way, from when its images are open.
type examination struct {
	gate     *Gate
	req      Request
	images   []*image.Image
	problems []evidence.Problem
	leftOut  []evidence.Platform
	database *Database
	// around is what is known of each image besides its content.
	around []surroundings
}

// scan examines all images, and decides.
func (x *examination) scan(ctx context.Context) (verdict.Verdict, error) {
	g, req := x.gate, x.req
	feeds := readFeeds(req)
	statements := readVEX(req.Policy, req.EffectiveTime)
	base := g.openBaseline(ctx, req.Baseline)
	defer base.close()
	all := make([]evidence.Evidence, 0, len(x.images))
	for i, img := range x.images {
		e, err := g.scan(ctx, img, x.database, req)
		if err != nil {
			return verdict.Verdict{}, err
		}
		x.around[i].fill(e)
		base.measure(ctx, e)
		annotateVEX(e, statements)
		feeds().Annotate(e, req.EffectiveTime)
		all = append(all, *e)
	}
	if err := g.evaluateCustom(ctx, all, req); err != nil {
		return verdict.Verdict{}, err
	}
	in := input(req, all, x.problems, x.leftOut)
	return x.advise(ctx, in, foretell(req.Forecast, in), func(e *evidence.Evidence) {
		annotateVEX(e, statements)
		feeds().Annotate(e, req.EffectiveTime)
	}), nil
}

// scan examines one platform. A scan that failed is a problem of its evidence.
func (g *Gate) scan(ctx context.Context, img *image.Image, db *Database, req Request) (*evidence.Evidence, error) {
	g.progress(fmt.Sprintf("scanning %s, %d layers", img.Subject.Platform, len(img.Layers)))
	e, err := g.Scanner.Scan(ctx, img, db, scanRequest(img, req))
	if e == nil {
		e = &evidence.Evidence{}
	}
	e.Subject, e.Dockerfile = subject(img, req), req.Dockerfile
	if err == nil {
		return e, nil
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, ctx.Err()
	case ctx.Err() != nil:
		e.Problems = append(e.Problems, timeout(req.Reference))
	default:
		e.Problems = append(e.Problems, evidence.Problem{Area: evidence.AreaScan, What: img.Subject.Platform.String(), Message: err.Error()})
	}
	return e, nil
}

func scanRequest(img *image.Image, req Request) ScanRequest {
	pol := policyFor(img, req)
	coverage, _ := pol.Coverage.On(img.Subject.Platform)
	return ScanRequest{
		EffectiveTime: req.EffectiveTime, Paths: req.Policy.FileGlobs(), HiddenPaths: req.Policy.HiddenFileGlobs(),
		SkipSecrets: !req.Policy.SearchesSecrets(), BaseSecrets: coverage.BaseSecretsRequired,
	}
}

// fromOutside is what is known of all images without a look into their layers.
func (x *examination) fromOutside(ctx context.Context) ([]evidence.Evidence, error) {
	var all []evidence.Evidence
	for i, img := range x.images {
		e := evidence.Evidence{Subject: subject(img, x.req), Dockerfile: x.req.Dockerfile, Layers: claimedLayers(img)}
		x.around[i].fill(&e)
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err()
		}
		all = append(all, e)
	}
	return all, nil
}

// claimedLayers are the layers as the configuration names them.
func claimedLayers(img *image.Image) []evidence.LayerFacts {
	var layers []evidence.LayerFacts
	for _, l := range img.Layers {
		f := evidence.LayerFacts{DiffID: l.DiffID.String(), MediaType: l.MediaType, CompressedSize: max(l.CompressedSize, 0), Verification: evidence.LayerNotVerified}
		if l.Digest.Hex != "" {
			f.Digest = l.Digest.String()
		}
		if img.OnDaemonsWord {
			f.Verification = evidence.LayerOnDaemonsWord
		}
		layers = append(layers, f)
	}
	return layers
}

// outside decides about the part of the policy that asks for nothing else.
func (x *examination) outside(ctx context.Context) (verdict.Verdict, error) {
	all, err := x.fromOutside(ctx)
	if err != nil {
		return verdict.Verdict{}, err
	}
	for i := range all {
		if b := all[i].Base; x.images[i].OnDaemonsWord && b != nil && b.Lineage == evidence.LineageProven {
			b.Reason += ", on the daemon's word"
		}
	}
	return decide(x.req, all, x.problems, x.leftOut...), nil
}

// failFast says whether the run ends here: rules that need no scan have failed.
func (x *examination) failFast(ctx context.Context) (v verdict.Verdict, failed bool, err error) {
	if !x.req.FailFast || len(x.req.Policy.RulesOf(verdict.ScopeGroups()...)) == 0 {
		return v, false, nil
	}
	all, err := x.fromOutside(ctx)
	if err != nil {
		return v, false, err
	}
	in := input(x.req, all, x.problems, x.leftOut)
	in.FailFast = true
	v = foretell(x.req.Forecast, in)
	if v.Status != verdict.Failed {
		return v, false, nil
	}
	x.gate.progress("failed before the image was scanned")
	return v, true, nil
}
