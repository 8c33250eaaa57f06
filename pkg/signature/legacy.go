// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	cbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/cosign/v2/pkg/oci/static"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature/payload"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// maxAnnotation bounds one annotation of a layer: certificates, log entries.
const maxAnnotation = 1 << 20

// legacy is an item of the tag format: a layer with annotations.
type legacy struct {
	payload []byte
	// signature is that of a simple signing payload, in base64; empty for an attestation,
	// whose payload is an envelope.
	signature string
	envelope  *dsse.Envelope
	// certificate and chain are in PEM form.
	certificate, chain []byte
	parsed             *x509.Certificate
	entry              *cbundle.RekorBundle
	timestamp          *cbundle.RFC3161Timestamp
}

// readLegacy reads a layer of a .sig (or, with attestation, .att) manifest.
func readLegacy(raw []byte, annotations map[string]string, attestation bool) (*item, error) {
	i := &item{found: evidence.Signature{Kind: evidence.KindSignature}}
	l := &legacy{payload: raw}
	i.format = l
	var err error
	if attestation {
		i.found.Kind = evidence.KindAttestation
		err = l.readEnvelope(i)
	} else {
		err = l.readSimple(i, annotations[static.SignatureAnnotationKey])
	}
	if err != nil {
		return nil, err
	}
	if err := l.readAnnotations(i, annotations); err != nil {
		return nil, err
	}
	return i, nil
}

// readSimple reads a simple signing payload.
func (l *legacy) readSimple(i *item, sig string) error {
	if err := wellFormed(l.payload, maxSmall); err != nil {
		return fmt.Errorf("the signed payload %w", err)
	}
	var p payload.SimpleContainerImage
	if err := exactly(l.payload, &p); err != nil {
		return fmt.Errorf("the signed payload: %w", err)
	}
	if p.Critical.Image.DockerManifestDigest == "" {
		if isEnvelope(l.payload) {
			return errors.New("it is an attestation (a DSSE envelope) where signatures are kept")
		}
		return errors.New("the signed payload names no digest of an image")
	}
	b, err := base64.StdEncoding.DecodeString(sig)
	if err != nil || len(b) == 0 {
		return fmt.Errorf("the annotation %s holds no signature in base64", static.SignatureAnnotationKey)
	}
	l.signature = sig
	i.about = []string{p.Critical.Image.DockerManifestDigest}
	i.addRepository(p.Critical.Identity.DockerReference)
	return nil
}

func isEnvelope(b []byte) bool {
	var e dsse.Envelope
	return json.Unmarshal(b, &e) == nil && e.PayloadType != ""
}

// readEnvelope reads a DSSE envelope with the type that cosign decodes it with: two
// parsers may see two payloads in one envelope.
func (l *legacy) readEnvelope(i *item) error {
	if err := wellFormed(l.payload, maxSmall); err != nil {
		return fmt.Errorf("the envelope %w", err)
	}
	l.envelope = &dsse.Envelope{}
	if err := json.Unmarshal(l.payload, l.envelope); err != nil {
		return fmt.Errorf("the envelope: %w", err)
	}
	switch n := len(l.envelope.Signatures); {
	case l.envelope.PayloadType == "" && l.envelope.Payload == "":
		return errors.New("it is no DSSE envelope, which attestations are kept in")
	case l.envelope.PayloadType != payloadInToto:
		return fmt.Errorf("the envelope's payload is of the type %s, not %s", quoted(l.envelope.PayloadType), payloadInToto)
	case n == 0:
		return errors.New("the envelope has no signature")
	case n > maxSignatures:
		return fmt.Errorf("the envelope has more than %d signatures", maxSignatures)
	}
	st, err := base64.StdEncoding.DecodeString(l.envelope.Payload)
	if err != nil {
		return errors.New("the envelope's payload is not in base64")
	}
	return i.readStatement(st)
}

// readAnnotations reads what stands beside the payload. What is there but cannot be read
// is an error: cosign's readers of it panic.
func (l *legacy) readAnnotations(i *item, annotations map[string]string) error {
	for _, key := range []string{static.CertificateAnnotationKey, static.ChainAnnotationKey, static.BundleAnnotationKey, static.RFC3161TimestampAnnotationKey} {
		value := annotations[key]
		if value == "" {
			continue
		}
		if len(value) > maxAnnotation {
			return fmt.Errorf("the annotation %s has more than %d bytes", key, maxAnnotation)
		}
		if err := l.readAnnotation(i, key, []byte(value)); err != nil {
			return fmt.Errorf("the annotation %s %w", key, err)
		}
	}
	return nil
}

func (l *legacy) readAnnotation(i *item, key string, value []byte) error {
	switch key {
	case static.CertificateAnnotationKey:
		certs, err := certificatesIn(value, 1)
		if err != nil {
			return err
		}
		l.certificate, l.parsed = value, certs[0]
		return i.readCertificate(certs[0])
	case static.ChainAnnotationKey:
		if _, err := certificatesIn(value, 10); err != nil {
			return err
		}
		l.chain = value
		return nil
	case static.BundleAnnotationKey:
		return l.readEntry(value)
	default:
		l.timestamp = &cbundle.RFC3161Timestamp{}
		if err := readSmall(value, l.timestamp); err != nil {
			return err
		}
		if len(l.timestamp.SignedRFC3161Timestamp) == 0 {
			return errors.New("holds no timestamp")
		}
		return nil
	}
}

// certificatesIn are certificates in PEM form: at least one, and at most some.
func certificatesIn(value []byte, most int) ([]*x509.Certificate, error) {
	if n := bytes.Count(value, []byte("-----BEGIN")); n > most {
		return nil, fmt.Errorf("holds %d certificates, more than %d", n, most)
	}
	if b, _ := pem.Decode(value); b == nil {
		return nil, errors.New("holds no certificate in PEM form")
	}
	certs, err := cryptoutils.UnmarshalCertificatesFromPEM(value)
	if err != nil {
		return nil, err
	}
	if len(certs) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return certs, nil
}

// readEntry reads a log entry. Its body is a string, which cosign takes for granted.
func (l *legacy) readEntry(value []byte) error {
	l.entry = &cbundle.RekorBundle{}
	if err := readSmall(value, l.entry); err != nil {
		return err
	}
	body, ok := l.entry.Payload.Body.(string)
	if !ok {
		return errors.New("holds a log entry whose body is no string")
	}
	b, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return errors.New("holds a log entry whose body is not in base64")
	}
	if err := wellFormed(b, maxSmall); err != nil {
		return fmt.Errorf("holds a log entry whose body %w", err)
	}
	return nil
}

func readSmall(b []byte, into any) error {
	if err := wellFormed(b, maxSmall); err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}
