// SPDX-License-Identifier: Apache-2.0

package verdict

import "github.com/ocigate/ocigate/pkg/evidence"

// origin says who answers for a layer: the application, unless it is proven that the
// base image does.
func (s *subject) origin(evidence.Layer) Origin { return OriginApplication }
