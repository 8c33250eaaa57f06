// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	ct "github.com/google/certificate-transparency-go"
	cttls "github.com/google/certificate-transparency-go/tls"
	ctx509 "github.com/google/certificate-transparency-go/x509"
	"github.com/google/certificate-transparency-go/x509util"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
)

const maxBody = 64 << 20

// Issue makes the certificate that Fulcio gives to whoever has the claims.
func (s *Stack) Issue(pub crypto.PublicKey, claims Claims) *x509.Certificate {
	s.t.Helper()
	c, err := s.issue(pub, claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// OwnLeaf makes the certificate that a company's own authority (this Stack's
// intermediate) gives to an address: no extensions of Fulcio, no log, long validity.
func (s *Stack) OwnLeaf(pub crypto.PublicKey, email string, from, until time.Time) *x509.Certificate {
	s.t.Helper()
	c, err := certify(&x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "test signer"}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, EmailAddresses: []string{email},
	}, s.Intermediate, pub, s.interKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *Stack) issue(pub crypto.PublicKey, claims Claims) (*x509.Certificate, error) {
	from := or(s.IssueTime, time.Now().Add(-5*time.Second))
	validity := s.LeafValidity
	if validity == 0 {
		validity = 10 * time.Minute
	}
	leaf := &x509.Certificate{
		SerialNumber: serial(), NotBefore: from, NotAfter: from.Add(validity),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	san, email := claims.subject()
	if email {
		leaf.EmailAddresses = []string{san}
	} else {
		u, err := url.Parse(san)
		if err != nil {
			return nil, err
		}
		leaf.URIs = []*url.URL{u}
	}
	var err error
	if leaf.ExtraExtensions, err = extensions(claims); err != nil {
		return nil, err
	}
	if !s.NoSCT {
		sct, err := s.sct(*leaf, pub)
		if err != nil {
			return nil, err
		}
		leaf.ExtraExtensions = append(leaf.ExtraExtensions, sct)
	}
	return certify(leaf, s.Intermediate, pub, s.interKey)
}

// extensions are those that Fulcio derives from the claims, by the last number of its
// object identifiers: 1 to 6 are plain strings, the others DER.
func extensions(c Claims) ([]pkix.Extension, error) {
	values := map[int]string{1: c.str("iss"), 8: c.str("iss")}
	san, _ := c.subject()
	switch c.str("iss") {
	case GitHubIssuer:
		const host = "https://github.com/"
		values[2], values[20] = c.str("event_name"), c.str("event_name")
		values[3], values[13] = c.str("sha"), c.str("sha")
		values[4] = c.str("workflow")
		values[5], values[12] = c.str("repository"), host+c.str("repository")
		values[6], values[14] = c.str("ref"), c.str("ref")
		values[9], values[10] = san, c.str("job_workflow_sha")
		values[11] = c.str("runner_environment")
		values[15] = c.str("repository_id")
		values[16], values[17] = host+c.str("repository_owner"), c.str("repository_owner_id")
		values[18], values[19] = host+c.str("workflow_ref"), c.str("workflow_sha")
		values[21] = host + c.str("repository") + "/actions/runs/" + c.str("run_id") + "/attempts/" + c.str("run_attempt")
		values[22] = c.str("repository_visibility")
	case GitLabIssuer:
		const host = "https://gitlab.com/"
		values[9], values[10] = san, c.str("ci_config_sha")
		values[11] = c.str("runner_environment")
		values[12], values[13], values[14] = host+c.str("project_path"), c.str("sha"), "refs/heads/"+c.str("ref")
		values[15] = c.str("project_id")
		values[16], values[17] = host+c.str("namespace_path"), c.str("namespace_id")
		values[18], values[19] = san, c.str("ci_config_sha")
		values[20] = c.str("pipeline_source")
		values[21] = host + c.str("project_path") + "/-/jobs/" + c.str("job_id")
		values[22] = c.str("project_visibility")
	}
	var out []pkix.Extension
	for n := 1; n <= 22; n++ {
		if values[n] == "" {
			continue
		}
		value := []byte(values[n])
		if n > 6 {
			var err error
			if value, err = asn1.MarshalWithParams(values[n], "utf8"); err != nil {
				return nil, err
			}
		}
		out = append(out, pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 1, n}, Value: value})
	}
	return out, nil
}

// sct is the extension by which the log promises to publish the certificate.
func (s *Stack) sct(leaf x509.Certificate, pub crypto.PublicKey) (pkix.Extension, error) {
	poison := pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3}, Critical: true, Value: asn1.NullBytes}
	leaf.ExtraExtensions = append(slices.Clip(leaf.ExtraExtensions), poison)
	der, err := x509.CreateCertificate(rand.Reader, &leaf, s.Intermediate, pub, s.interKey)
	if err != nil {
		return pkix.Extension{}, err
	}
	var chain []*ctx509.Certificate
	for _, raw := range [][]byte{der, s.Intermediate.Raw} {
		c, err := ctx509.ParseCertificate(raw)
		if ctx509.IsFatal(err) {
			return pkix.Extension{}, err
		}
		chain = append(chain, c)
	}
	at := uint64(time.Now().UnixMilli())
	merkle, err := ct.MerkleTreeLeafFromChain(chain, ct.PrecertLogEntryType, at)
	if err != nil {
		return pkix.Extension{}, err
	}
	sct := ct.SignedCertificateTimestamp{SCTVersion: ct.V1, LogID: ct.LogID{KeyID: keyID(s.ctKey.Public())}, Timestamp: at}
	input, err := ct.SerializeSCTSignatureInput(sct, ct.LogEntry{Leaf: *merkle})
	if err != nil {
		return pkix.Extension{}, err
	}
	sig, err := cttls.CreateSignature(*s.ctKey, cttls.SHA256, input)
	if err != nil {
		return pkix.Extension{}, err
	}
	sct.Signature = ct.DigitallySigned(sig)
	list, err := x509util.MarshalSCTsIntoSCTList([]*ct.SignedCertificateTimestamp{&sct})
	if err != nil {
		return pkix.Extension{}, err
	}
	raw, err := cttls.Marshal(*list)
	if err != nil {
		return pkix.Extension{}, err
	}
	value, err := asn1.Marshal(raw)
	return pkix.Extension{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 2}, Value: value}, err
}

// serveFulcio answers POST /api/v1/signingCert and /api/v2/signingCert.
func (s *Stack) serveFulcio(w http.ResponseWriter, r *http.Request) {
	claims, err := s.claims(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	var q struct {
		PublicKey        struct{ Content []byte }
		PublicKeyRequest struct{ PublicKey struct{ Content string } }
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &q)
	}
	v1 := r.URL.Path == "/api/v1/signingCert"
	var pub crypto.PublicKey
	if err == nil && v1 {
		pub, err = parsePublic(q.PublicKey.Content)
	} else if err == nil {
		pub, err = cryptoutils.UnmarshalPEMToPublicKey([]byte(q.PublicKeyRequest.PublicKey.Content))
	}
	var leaf *x509.Certificate
	if err == nil {
		leaf, err = s.issue(pub, claims)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if v1 {
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(CertificatesPEM(leaf, s.Intermediate, s.Root))
		return
	}
	chain := []string{string(CertificatesPEM(leaf)), string(CertificatesPEM(s.Intermediate)), string(CertificatesPEM(s.Root))}
	answer(w, http.StatusOK, map[string]any{"signedCertificateEmbeddedSct": map[string]any{"chain": map[string]any{"certificates": chain}}})
}

// parsePublic reads a key that version 1 of the API may give as PEM or DER.
func parsePublic(b []byte) (crypto.PublicKey, error) {
	if pub, err := x509.ParsePKIXPublicKey(b); err == nil {
		return pub, nil
	}
	return cryptoutils.UnmarshalPEMToPublicKey(b)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client sees what is missing
}
