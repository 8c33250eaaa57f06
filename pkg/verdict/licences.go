// SPDX-License-Identifier: Apache-2.0

package verdict

import "github.com/ocigate/ocigate/pkg/policy"

func (s *subject) licences(_ policy.LicenceRule) judgement {
	return judgement{undecided: "rules about licences are not understood by this version"}
}
