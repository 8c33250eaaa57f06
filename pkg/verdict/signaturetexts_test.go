// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// TestDigestsOfSignaturesAreShort: the report tells them in full, once.
func TestDigestsOfSignaturesAreShort(t *testing.T) {
	long := "sha256:" + strings.Repeat("1d", 32)
	for _, items := range [][]evidence.Signature{nil, {changed(item("release"), func(it *evidence.Signature) {
		it.Digest, it.Signer = long, evidence.Signer{Key: "sha256:" + strings.Repeat("2e", 32)}
	})}} {
		ev := signedBy(items...)
		ev.Subject.IndexDigest, ev.Signatures.Digests[0].Digest = long, long
		if s := outcome(decide(trusting(signatureRule(signers("release"))), ev), "s").Summary; strings.Contains(s, "1d1d1d1d1d1d1d") || strings.Contains(s, "2e2e2e2e2e2e2e") || !strings.Contains(s, "sha256:1d1d1d1d1d1d…") {
			t.Error(s)
		}
	}
}

// TestUnreadableHints: what is to be done about it goes by where it is.
func TestUnreadableHints(t *testing.T) {
	for format, want := range map[evidence.SignatureFormat]string{evidence.FormatBundle: "remove what is broken", evidence.FormatDetached: "leave out --bundle"} {
		torn := changed(item(), func(it *evidence.Signature) { it.Kind, it.Format, it.Problem = evidence.KindUnreadable, format, "torn" })
		o := outcome(decide(trusting(signatureRule(signers("release"))), signedBy(torn)), "s")
		if len(o.Problems) != 1 || !strings.Contains(o.Problems[0].Hint, want) {
			t.Errorf("%s: %+v", format, o.Problems)
		}
	}
}
