// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/signature"
)

// TestFetchSurvives: what breaks while signatures are fetched ahead does not end the
// process, whose exit code would be that of a usage error.
func TestFetchSurvives(t *testing.T) {
	asked := false
	v := &signatureAdapter{verifier: signature.New(signature.Options{}), images: image.Options{Getenv: func(string) string {
		asked = true
		panic("a reader that breaks")
	}}}
	v.fetch(t.Context(), "127.0.0.1:1/app", "sha256:"+strings.Repeat("0", 64))
	if !asked {
		t.Error("nothing broke")
	}
}
