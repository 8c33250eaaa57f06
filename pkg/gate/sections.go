// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// subject is the image with what the request says about it.
func subject(img *image.Image, req Request) evidence.Subject {
	s := img.Subject
	s.Destination = req.Destination
	return s
}

// requiredPlatforms are those of all policies that hold for the images: a per-image
// section may demand others than the rest. All may be true besides a List.
func requiredPlatforms(set *image.Set, req Request) policy.Platforms {
	var subjects []evidence.Subject
	for _, img := range set.Images {
		subjects = append(subjects, subject(img, req))
	}
	var required policy.Platforms
	for _, p := range verdict.Policies(req.Policy, subjects, req.Reference) {
		required.All = required.All || p.Platforms.All
		required.List = append(required.List, p.Platforms.List...)
	}
	return required
}
