// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/ocigate/ocigate/pkg/verdict"
)

// Outputs writes what a later step of a pipeline needs as lines name=value, such as GitHub
// reads from $GITHUB_OUTPUT. A value is a status, a number or a digest, so that no line can
// be a second one; what is not known is empty.
func Outputs(w io.Writer, v verdict.Verdict, _ Options) error {
	var violations, warnings, waived int
	database, imageID := "", ""
	for i := range v.Subjects {
		s := &v.Subjects[i]
		for _, e := range entries(s) {
			switch e.standing {
			case standsFailed:
				violations++
			case standsWarned:
				warnings++
			case standsWaived:
				waived++
			}
		}
		database = digest(s.Evidence.Database.Digest) // one for the whole run
	}
	if len(v.Subjects) == 1 {
		imageID = digest(v.Subjects[0].Evidence.Subject.ImageID)
	}
	_, err := fmt.Fprintf(w, "verdict=%s\ndigest=%s\nimage-id=%s\nviolations=%d\nwarnings=%d\nwaived=%d\npolicy-digest=%s\ndatabase-digest=%s\n",
		statusOf(v), judgedDigest(v), imageID, violations, warnings, waived, digest(v.Policy.Digest), database)
	if err != nil {
		return fmt.Errorf("write verdict as outputs: %w", err)
	}
	return nil
}

// judgedDigest is the digest of what was judged and can be pushed as a whole: the index where
// every platform of it was examined, else the one manifest that was. It is empty where there
// is none: an image that has no manifest yet, or some of several platforms.
func judgedDigest(v verdict.Verdict) string {
	if len(v.Subjects) == 0 {
		return ""
	}
	first := v.Subjects[0].Evidence.Subject
	whole := len(v.NotExamined) == 0 && first.IndexDigest != ""
	for i := range v.Subjects {
		whole = whole && v.Subjects[i].Evidence.Subject.IndexDigest == first.IndexDigest
	}
	switch {
	case whole:
		return digest(first.IndexDigest)
	case len(v.Subjects) == 1:
		return digest(first.Digest)
	default:
		return ""
	}
}

// digest is s if it is a SHA-256 digest, else nothing.
func digest(s string) string {
	const size = 64
	hex, ok := strings.CutPrefix(s, "sha256:")
	if !ok || len(hex) != size || strings.Trim(hex, "0123456789abcdef") != "" {
		return ""
	}
	return s
}
