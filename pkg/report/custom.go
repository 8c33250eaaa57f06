// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// ruleViolations lists the violations of a rule, and what only warns. Of a custom
// rule the messages count, whatever they are about.
func (p *page) ruleViolations(o verdict.Outcome, limit int) {
	if o.Group != string(policy.GroupCustom) {
		p.violations(o.Violations, limit)
		return
	}
	if len(o.Violations) > 1 || len(o.Violations) == 1 && o.Violations[0].Finding != nil {
		p.messages(o.Violations, limit)
	}
	if len(o.Warnings) == 0 || o.Result == verdict.Warn && len(o.Violations) == 0 && len(o.Warnings) == 1 && o.Warnings[0].Finding == nil {
		return // the only one is the summary already
	}
	if len(o.Violations) > 0 {
		p.line("    warnings:")
	}
	p.messages(o.Warnings, limit)
}

// messages lists what is about no finding first, then the most severe.
func (p *page) messages(vs []verdict.Violation, limit int) {
	vs = slices.SortedStableFunc(slices.Values(vs), func(a, b verdict.Violation) int { return cmp.Compare(rank(a), rank(b)) })
	for i, v := range vs {
		if i == limit {
			p.line(fmt.Sprintf("    … and %d more (see --output json=FILE)", len(vs)-i))
			return
		}
		p.wrap(6, "    - ", clean(v.Message))
	}
}
