// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"crypto/x509"
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
	"github.com/sigstore/sigstore/pkg/signature"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const (
	payloadInToto = "application/vnd.in-toto+json"

	maxSubjects    = 1024
	maxSignatures  = 32
	maxCertificate = 64 << 10
	maxNames       = 100
	maxName        = 1000
)

// item is one signature or attestation that could be read.
type item struct {
	found evidence.Signature
	// about are the digests that the signed payload names.
	about []string
	// statement is the signed in-toto statement, nil for others.
	statement []byte
	// values is how many values the statement has.
	values int
	// certificate is that of the signature, nil for one by a key; summary is what it says.
	certificate *x509.Certificate
	summary     certificate.Summary
	format      format
}

// format verifies one item with the library for its format. It checks the digest, too.
type format interface {
	// madeWith says whether the key made the signature, whatever it is about.
	madeWith(key signature.Verifier) bool
	// verify verifies everything that is demanded.
	verify(ctx context.Context, s *signer, d demand, digest v1.Hash) (proof, error)
}

// demand is what a signature must have.
type demand struct {
	// key is whom it must be by; nil for certificates.
	key signature.Verifier
	// anyone leaves the identity of a certificate out. That verifies nobody; it only
	// tells signatures by others from invalid ones.
	anyone bool
	// anyIssuer leaves the OIDC issuer to recognises, for certificates that name none.
	anyIssuer bool
	// log and timestamp demand an entry of the log, and a timestamp authority's word.
	log, timestamp bool
	// now is the real clock, for certificates without a verified time.
	now time.Time
}

// proof is what was verified besides the signature.
type proof struct {
	logged bool
	times  []verifiedTime
}

type verifiedTime struct {
	at     time.Time
	source string
}

// The sources of verified times.
const (
	sourceTSA = "timestamp authority"
	sourceLog = "transparency log"
)

// statement is the part of an in-toto statement that is looked at.
type statement struct {
	Type    string `json:"_type"`
	Subject []struct {
		Name   string            `json:"name"`
		Digest map[string]string `json:"digest"`
	} `json:"subject"`
	PredicateType string `json:"predicateType"`
}

// exactly reads what is signed by its members' own names. The libraries' reader takes
// "Subject" for "subject" as well, so that a later one would speak in place of it.
func exactly(b []byte, into any) error { return jsonv2.Unmarshal(b, into) }

// readStatement reads a signed statement into the item.
func (i *item) readStatement(payload []byte) error {
	var err error
	if i.values, err = countValues(payload, maxStatement); err != nil {
		return fmt.Errorf("the signed statement %w", err)
	}
	var st statement
	if err := exactly(payload, &st); err != nil {
		return fmt.Errorf("the signed statement: %w", err)
	}
	switch {
	case !strings.HasPrefix(st.Type, "https://in-toto.io/Statement/"):
		return fmt.Errorf("the signed payload is no in-toto statement (_type is %s)", quoted(st.Type))
	case st.PredicateType == "":
		return errors.New("the signed statement has no predicate type")
	case len(st.PredicateType) > maxName:
		return errors.New("the signed statement's predicate type is too long")
	case len(st.Subject) > maxSubjects:
		return fmt.Errorf("the signed statement has more than %d subjects", maxSubjects)
	}
	i.statement, i.found.PredicateType = payload, st.PredicateType
	for _, s := range st.Subject {
		if h, ok := s.Digest["sha256"]; ok {
			i.about = append(i.about, "sha256:"+h)
		}
	}
	return nil
}

// nameRepositories keeps the names of those subjects that have the item's digest.
func (i *item) nameRepositories() {
	var st statement
	if i.statement == nil || exactly(i.statement, &st) != nil {
		return
	}
	for _, s := range st.Subject {
		if "sha256:"+s.Digest["sha256"] == i.found.Digest {
			i.addRepository(s.Name)
		}
	}
}

func (i *item) addRepository(name string) {
	if name != "" && len(name) <= maxName && len(i.found.Repositories) < maxNames && !slices.Contains(i.found.Repositories, name) {
		i.found.Repositories = append(i.found.Repositories, name)
	}
}

// readCertificate notes whom a certificate names. One that names nobody is kept: it
// verifies nothing.
func (i *item) readCertificate(c *x509.Certificate) error {
	if len(c.Raw) > maxCertificate {
		return fmt.Errorf("the certificate has more than %d bytes", maxCertificate)
	}
	i.certificate = c
	summary, err := certificate.SummarizeCertificate(c)
	if err != nil {
		return nil
	}
	i.summary = summary
	i.found.Signer.Issuer, i.found.Signer.Subject = shorten(issuerOf(summary), maxName), shorten(summary.SubjectAlternativeName, maxName)
	i.found.Signer.Extensions = extensionsOf(summary.Extensions)
	return nil
}

// extensionsOf are the certificate's extensions by Fulcio's names.
func extensionsOf(e certificate.Extensions) map[string]string {
	e.Issuer = ""
	raw, err := json.Marshal(e)
	out := map[string]string{}
	if err != nil || json.Unmarshal(raw, &out) != nil || len(out) == 0 {
		return nil
	}
	for name, value := range out {
		out[name] = shorten(value, maxName)
	}
	return out
}

// identitySeen names the signer that a certificate names.
func (i *item) identitySeen() string {
	if i.certificate == nil {
		return ""
	}
	if i.summary.SubjectAlternativeName == "" {
		return "a certificate that names nobody"
	}
	return shorten(i.summary.SubjectAlternativeName, maxValue) + " (" + shorten(issuerOf(i.summary), maxValue) + ")"
}

// isAbout is this package's own comparison of digests.
func (i *item) isAbout(digest string) bool { return digest != "" && slices.Contains(i.about, digest) }

// predicate is the statement's predicate as JSON values.
func (i *item) predicate() any {
	var st struct {
		Predicate any `json:"predicate"`
	}
	if i.statement == nil || exactly(i.statement, &st) != nil {
		return nil
	}
	return st.Predicate
}
