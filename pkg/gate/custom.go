// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// CustomRules evaluate what a policy says in Rego: its own rules, and modules of rules
// about attestations.
type CustomRules interface {
	// Evaluate returns one result for each rule, in order. What goes wrong is a result's
	// Problem.
	Evaluate(ctx context.Context, rules []policy.Rule, ev evidence.Evidence, at time.Time) []evidence.CustomResult
	// EvaluateAttestations sets Rego of each verified attestation that the rules are about:
	// one result for each of them. own is the image under judgement.
	EvaluateAttestations(ctx context.Context, rules []policy.Rule, own evidence.Subject, s *evidence.Signatures, at time.Time)
}

// evaluateCustom adds to complete evidence what the custom rules of the subject's own
// policy say. Where nobody evaluates them, verdict finds no result and cannot decide.
func (g *Gate) evaluateCustom(ctx context.Context, all []evidence.Evidence, req Request) error {
	for i := range all {
		pol := req.Policy.For(verdict.Names(all[i].Subject, req.Reference))
		rules := customRules(pol)
		if len(rules) == 0 || g.Custom == nil {
			continue
		}
		g.progress("evaluating custom rules")
		var results []evidence.CustomResult
		for len(rules) > 0 {
			n := 1
			for n < len(rules) && rules[n].Level == rules[0].Level {
				n++
			}
			results = append(results, g.Custom.Evaluate(ctx, rules[:n], seenAt(pol, rules[0].Level, all[i]), req.EffectiveTime.UTC())...)
			rules = rules[n:]
		}
		all[i].Custom = results
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
	}
	return nil
}

// seenAt is the evidence as rules of a policy level see it. An enforced rule sees what
// the feeds of its own document say: with those of a repository it could be talked out
// of a finding.
func seenAt(pol *policy.Policy, level int, ev evidence.Evidence) evidence.Evidence {
	if !pol.EnforcedLevel(level) {
		return ev
	}
	own := func(f *policy.Feed) bool { return f != nil && f.File != nil && f.File.Level == level }
	kev, epss := own(pol.Feeds.KEV), own(pol.Feeds.EPSS)
	if !kev {
		ev.Feeds.KEV = nil
	}
	if !epss {
		ev.Feeds.EPSS = nil
	}
	// States name no level: those of other levels' documents are left out by name.
	ev.Feeds.VEX = slices.DeleteFunc(slices.Clone(ev.Feeds.VEX), func(f evidence.FeedState) bool {
		return !slices.ContainsFunc(pol.Feeds.VEX, func(x policy.VEX) bool {
			return x.File != nil && x.File.Level == level && x.File.Path == f.Source && x.File.Digest == f.Digest
		})
	})
	ev.Findings = slices.Clone(ev.Findings)
	for i := range ev.Findings {
		f := &ev.Findings[i]
		if !kev {
			f.KnownExploited = nil
		}
		if !epss {
			f.EPSS = nil
		}
		f.VEX = slices.DeleteFunc(slices.Clone(f.VEX), func(s evidence.VEXStatement) bool { return s.Level != level })
	}
	return ev
}

func customRules(p *policy.Policy) []policy.Rule {
	var rules []policy.Rule
	for _, r := range p.Rules {
		if r.Custom != nil {
			rules = append(rules, r)
		}
	}
	return rules
}
