// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"errors"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// CustomRules evaluate the policy's own rules, which are in Rego.
type CustomRules interface {
	// Evaluate returns one result for each rule, in order. What goes wrong is a result's
	// Problem.
	Evaluate(ctx context.Context, rules []policy.Rule, ev evidence.Evidence, at time.Time) []evidence.CustomResult
}

// evaluateCustom adds to complete evidence what the custom rules of the subject's own
// policy say. Where nobody evaluates them, verdict finds no result and cannot decide.
func (g *Gate) evaluateCustom(ctx context.Context, all []evidence.Evidence, req Request) error {
	for i := range all {
		rules := customRules(req.Policy.For(verdict.Names(all[i].Subject, req.Reference)))
		if len(rules) == 0 || g.Custom == nil {
			continue
		}
		g.progress("evaluating custom rules")
		all[i].Custom = g.Custom.Evaluate(ctx, rules, all[i], req.EffectiveTime.UTC())
		if errors.Is(ctx.Err(), context.Canceled) {
			return ctx.Err()
		}
	}
	return nil
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
