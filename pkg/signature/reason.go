// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

// maxReason bounds a reason.
const maxReason = 300

// What may be missing, in the words that reasons are given in.
const (
	errNoEntry     explained = "it has no entry in the transparency log"
	errNoTimestamp explained = "it has no timestamp that verifies, of a timestamp authority in the trusted root"
)

// explained is an error that is a reason already.
type explained string

func (e explained) Error() string { return string(e) }

// oneLine puts a text onto one line, without control characters.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "�"), func(r rune) bool {
		return r <= ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029
	}), " ")
}

// reasonOf is a text as a reason: one line of bounded length.
func reasonOf(s string) string { return shorten(oneLine(s), maxReason) }

// libraryReasons translate what cosign and sigstore-go say; the first that occurs counts.
func libraryReasons() [][2]string {
	return [][2]string{
		{"offline verification failed", string(errNoEntry)},
		{"without baseUrl", "its log entry is of a Rekor v2, which only a trusted_root.json can name: a key alone does not say which log it is of"},
		{"not enough verified log entries", "no entry of it verifies in a transparency log of the trusted root"},
		{"duplicate tlog entries", "it has one log entry twice"},
		{"transparency log signature does not match", "its log entry is of another signature"},
		{"transparency log certificate does not match", "its log entry is of another signer"},
		{"comparing public key PEMs", "its log entry is of another signer"},
		{"both public key and certificate were provided", "its log entry is of another signer"},
		{"does not match artifact", "its log entry is of another artifact"},
		{"does not match envelope payload hash", "its log entry is of another statement"},
		{"is not a hashedrekord", "its log entry is of another kind of signature"},
		{"is not a dsse_v001 or intoto_v002", "its log entry is of another kind of signature"},
		{"matching bundle to payload", "its log entry is of another artifact"},
		{"signature in bundle does not match", "its log entry is of another signature"},
		{"verifying log entry", "its log entry does not verify: it is altered, or of another artifact"},
		{"integrated time outside certificate validity", "it was entered in the log while its certificate was not valid"},
		{"certificate expired before signatures were entered", "its certificate had expired when it was signed"},
		{"certificate was issued after signatures were entered", "its certificate was not yet valid when it was signed"},
		{"expected a signed timestamp to verify an expired certificate", "its certificate has expired, and nothing proves that it was signed before"},
		{"leaf certificate verification failed", "its certificate was not valid when it was signed, or is not from an authority of the trusted root"},
		{"required embedded SCT", "its certificate has no proof of a certificate transparency log"},
		{"SCT entries", "its certificate has no proof of a certificate transparency log of the trusted root"},
		{"SCTs required but", "it is signed with a key, which no certificate transparency log has seen"},
		{"threshold not met for verified signed timestamps", string(errNoTimestamp)},
		{"threshold not met for verified signed & log entry", "nothing that verifies proves when it was signed"},
		{"no valid observer timestamps", "nothing that verifies proves when it was signed"},
		{"failed to summarize certificate", "its certificate names nobody"},
		{"none of the expected identities", "its certificate names nobody"},
		{"no certificate found on signature", "it has no certificate"},
		{"failed to verify log inclusion", "its log entry does not verify"},
		{"error verifying bundle", "its log entry does not verify, or is not of a log of the trusted root"},
		{"invalid or missing digest in claim", "it is about another digest"},
		{"no matching subject digest", "it is about another digest"},
		{"provided artifact digest", "it is about another digest"},
		{"artifact does not match digest", "it is about another digest"},
		{"unable to extract statement", "the signed statement is not of the form that in-toto prescribes"},
		{"unable to decode subject digest", "a digest in the signed statement is none"},
		{"failed to fetch envelope statement", "the signed statement is not of the form that in-toto prescribes"},
		{"could not verify envelope", "the signature is not of what is in the envelope: one of them was altered"},
		{"failed to verify signature", "the signature is not of what it comes with: one of them was altered"},
		{"invalid signature when validating", "the signature is not of what it comes with: one of them was altered"},
		{"accepted signatures do not match threshold", "the signature is not of what is in the envelope: one of them was altered"},
		{"crypto/rsa: verification error", "the signature is not of what it comes with: one of them was altered"},
	}
}

// why translates an error of the libraries.
func why(err error) string {
	if e, ok := errors.AsType[explained](err); ok {
		return reasonOf(string(e))
	}
	text := err.Error()
	for _, r := range libraryReasons() {
		if strings.Contains(text, r[0]) {
			return r[1]
		}
	}
	return reasonOf("it does not verify: " + text)
}

// chainAt verifies a certificate's chain, intermediates included, at a time; proven says
// that the time is one that was verified.
func chainAt(m root.TrustedMaterial, c *x509.Certificate, at time.Time, proven bool) error {
	leaf := *c
	// Fulcio's OtherName is a subject that Go does not know.
	leaf.UnhandledCriticalExtensions = nil
	for _, id := range c.UnhandledCriticalExtensions {
		if !id.Equal(cryptoutils.SANOID) {
			leaf.UnhandledCriticalExtensions = append(leaf.UnhandledCriticalExtensions, id)
		}
	}
	_, err := verify.VerifyLeafCertificate(at, &leaf, m)
	if err == nil {
		return nil
	}
	day := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case at.After(c.NotAfter) && proven:
		return explained(fmt.Sprintf("its certificate had expired on %s, before it was signed on %s", day(c.NotAfter), day(at)))
	case at.After(c.NotAfter):
		return explained(fmt.Sprintf("its certificate expired on %s, and nothing that verifies proves that it was signed before", day(c.NotAfter)))
	case at.Before(c.NotBefore):
		return explained(fmt.Sprintf("its certificate was not valid before %s, it was signed on %s", day(c.NotBefore), day(at)))
	}
	if _, err := verify.VerifyLeafCertificate(c.NotBefore, &leaf, m); err == nil {
		return explained(fmt.Sprintf("the certificate authority's own certificate was not valid on %s", day(at)))
	}
	return explained("its certificate is not from a certificate authority of the trusted root, or that had expired")
}
