// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"slices"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// Policies are the policies that hold for the subjects: per-image sections may make
// it more than one. There is at least one.
func Policies(pol *policy.Policy, subjects []evidence.Subject, reference string) []*policy.Policy {
	var list []*policy.Policy
	for _, s := range subjects {
		if p := pol.For(Names(s, reference)); !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		list = append(list, pol)
	}
	return list
}

// policies are the Policies of an Input.
func policies(pol *policy.Policy, in Input) []*policy.Policy {
	var subjects []evidence.Subject
	for _, ev := range in.Evidence {
		subjects = append(subjects, ev.Subject)
	}
	return Policies(pol, subjects, in.Reference)
}

// unnamed is the problem of an image of which nobody but itself says what it is
// called, where an enforced policy goes by names: an archive that named itself after
// the images with the loosest section would be judged by that.
func unnamed(pol *policy.Policy, sub evidence.Subject, reference string) []evidence.Problem {
	if !pol.EnforcesByName() || sub.Destination != "" || !archive(sub.Source) && len(Names(sub, reference)) > 0 {
		return nil
	}
	what := "the image has no name"
	if archive(sub.Source) {
		what = "only the archive itself says what the image is called"
	}
	return []evidence.Problem{{
		Area: evidence.AreaImage, What: reference,
		Message: "the enforced policy holds other rules for some images, and " + what,
		Hint:    "give --destination REF, the name that the image is pushed to",
	}}
}
