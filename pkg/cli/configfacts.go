// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/scan"
)

// configFacts fills in what the configuration says. inv is nil before the layers
// were read; with it, what Trivy found in the configuration is masked too.
func configFacts(e *evidence.Evidence, img *image.Image, inv *scan.Inventory) []evidence.Problem {
	var known []image.KnownSecret
	if inv != nil {
		for _, s := range inv.ConfigSecrets() {
			known = append(known, image.KnownSecret{Rule: s.Rule, Value: s.Value})
		}
	}
	c, err := image.Facts(img, known)
	e.Image.Config = c
	if err != nil {
		area, what, hint := explain(err)
		return []evidence.Problem{{Area: area, What: what, Message: err.Error(), Hint: hint}}
	}
	for i, step := range image.LayerSteps(c, len(e.Layers)) {
		e.Layers[i].CreatedBy = step
	}
	return nil
}

// hashConfigSecrets gives the findings in the configuration the hashes that the
// credentials have.
func hashConfigSecrets(fs []evidence.Finding, img *image.Image, inv *scan.Inventory) {
	for i, f := range fs {
		if f.Kind != evidence.KindSecret || f.Path != scan.ConfigPath {
			continue
		}
		for _, s := range inv.ConfigSecrets() {
			if s.Rule == f.ID && s.Line == f.StartLine {
				fs[i].Hash = image.SecretHash(img.Subject, s.Value)
				break
			}
		}
	}
}
