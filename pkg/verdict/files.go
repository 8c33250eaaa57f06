// SPDX-License-Identifier: Apache-2.0

package verdict

import "github.com/ocigate/ocigate/pkg/policy"

func (s *subject) files(_ policy.FileRule) judgement {
	return judgement{undecided: "rules about files are not understood by this version"}
}
