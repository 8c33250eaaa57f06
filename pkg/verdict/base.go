// SPDX-License-Identifier: Apache-2.0

package verdict

import "github.com/ocigate/ocigate/pkg/policy"

func (s *subject) base(_ policy.BaseRule) judgement {
	return judgement{undecided: "rules about base are not understood by this version"}
}
