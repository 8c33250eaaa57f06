// SPDX-License-Identifier: Apache-2.0

package verdict

import "github.com/ocigate/ocigate/pkg/policy"

func (s *subject) packages(_ policy.PackageRule) judgement {
	return judgement{undecided: "rules about packages are not understood by this version"}
}
