// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// unknownSeverity collects what a policy says about vulnerabilities of unknown
// severity. Trivy rates what nobody has rated as unknown, fresh and grave
// vulnerabilities included: a policy must not forget them by accident. Who lists
// severities forgets unknown by not listing it; a rule without a list forgets none,
// but one about a few vulnerabilities does not speak for all of unknown severity.
type unknownSeverity struct {
	// said is set once anything in the policy decides about unknown.
	said bool
	// unclear is set if a severity list is faulty, so that nothing can be concluded.
	unclear bool
	// failing is the first failing rule that lists severities without unknown.
	failing *value
}

func (u *unknownSeverity) add(v value, r *Rule) {
	own := r.Vulnerabilities
	switch {
	case len(own.Severities) == 0:
	case !slices.Contains(own.Severities, evidence.SeverityUnknown):
		if u.failing == nil && r.Action == ActionFail {
			u.failing = &v
		}
	case !own.KnownExploited && own.EPSS == nil && own.CVSS == nil && len(own.Packages)+len(own.Paths) == 0:
		u.said = true
	}
}

func (p *parser) checkUnknownSeverity() {
	if u := p.unknown; u.failing != nil && !u.said && !u.unclear {
		p.report(u.failing.at, u.failing.path,
			"add unknown to the severity list of a rule, or accept them by unknown-severity: accept at the top",
			"no vulnerabilities rule says what becomes of findings of unknown severity")
	}
}
