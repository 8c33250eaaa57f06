// SPDX-License-Identifier: Apache-2.0

package policyoci

import (
	"path"
	"strings"
	"testing"
)

// FuzzManifest: no path of a manifest that is accepted leads out of the artifact.
func FuzzManifest(f *testing.F) {
	for _, title := range []string{"policy.yaml", "../x", "/etc/passwd", "a/../../b", "a\\b", "a//b", "."} {
		f.Add([]byte(`{"schemaVersion":2,"artifactType":"` + ArtifactType + `","config":{},"layers":[{"mediaType":"` + ArtifactType +
			`","digest":"sha256:` + strings.Repeat("0", 64) + `","size":1,"annotations":{"` + titleAnnotation + `":"` + title + `"}}]}`))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := decode(raw)
		if err != nil {
			return
		}
		for _, l := range m.Layers {
			p := l.Annotations[titleAnnotation]
			if p == "" || path.IsAbs(p) || !strings.HasPrefix(path.Clean("/r/"+p), "/r/") || path.Clean(p) != p || l.Size < 0 || l.Size > maxFile {
				t.Errorf("%+v", l)
			}
		}
	})
}
