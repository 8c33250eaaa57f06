// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"crypto"
	"encoding/asn1"
	"io"
	"net/http"
	"time"

	"github.com/digitorus/timestamp"
)

// Timestamp is the authority's DER response about content: the bytes of a signature.
func (s *Stack) Timestamp(content []byte) []byte {
	s.t.Helper()
	sum := crypto.SHA256.New()
	sum.Write(content)
	b, err := s.timestamp(&timestamp.Request{HashAlgorithm: crypto.SHA256, HashedMessage: sum.Sum(nil), Certificates: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *Stack) timestamp(r *timestamp.Request) ([]byte, error) {
	return (&timestamp.Timestamp{
		HashAlgorithm: r.HashAlgorithm, HashedMessage: r.HashedMessage, Time: or(s.TSATime, time.Now()), Nonce: r.Nonce,
		SerialNumber: serial(), Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, AddTSACertificate: r.Certificates,
	}).CreateResponseWithOpts(s.TSALeaf, s.tsaKey, crypto.SHA256)
}

func (s *Stack) serveTSA(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	var q *timestamp.Request
	if err == nil {
		q, err = timestamp.ParseRequest(body)
	}
	var out []byte
	if err == nil {
		out, err = s.timestamp(q)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/timestamp-reply")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(out)
}
