// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"context"
	"crypto"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	protorekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	tiles "github.com/sigstore/rekor-tiles/v2/pkg/generated/protobuf"
	rekornote "github.com/sigstore/rekor-tiles/v2/pkg/note"
	"github.com/sigstore/rekor-tiles/v2/pkg/types/hashedrekord"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/encoding/protojson"
)

// LogV2 adds an entry to the Rekor v2.
func (s *Stack) LogV2(r *tiles.HashedRekordRequestV002) *protorekor.TransparencyLogEntry {
	s.t.Helper()
	e, err := s.logEntryV2(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

func (s *Stack) logEntryV2(r *tiles.HashedRekordRequestV002) (*protorekor.TransparencyLogEntry, error) {
	body, err := bodyV2(r)
	if err != nil {
		return nil, err
	}
	if s.LogInstead != nil {
		body = s.LogInstead(body)
	}
	in := s.logV2.add(body)
	checkpoint, err := s.checkpointV2(in)
	if err != nil {
		return nil, err
	}
	id := keyID(s.logV2.key.Public())
	return &protorekor.TransparencyLogEntry{
		LogIndex: in.index, LogId: &protocommon.LogId{KeyId: id[:]},
		KindVersion: &protorekor.KindVersion{Kind: "hashedrekord", Version: "0.0.2"},
		InclusionProof: &protorekor.InclusionProof{
			LogIndex: in.index, RootHash: in.root, TreeSize: in.size, Hashes: in.hashes,
			Checkpoint: &protorekor.Checkpoint{Envelope: string(checkpoint)},
		},
		CanonicalizedBody: body,
	}, nil
}

// bodyV2 verifies the request's signature, as the real server does with its own code.
func bodyV2(r *tiles.HashedRekordRequestV002) ([]byte, error) {
	algorithms, err := signature.NewAlgorithmRegistryConfig([]protocommon.PublicKeyDetails{
		protocommon.PublicKeyDetails_PKIX_ECDSA_P256_SHA_256, protocommon.PublicKeyDetails_PKIX_ECDSA_P384_SHA_384,
		protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_2048_SHA256, protocommon.PublicKeyDetails_PKIX_RSA_PKCS1V15_3072_SHA256,
		protocommon.PublicKeyDetails_PKIX_ED25519_PH,
	})
	if err != nil {
		return nil, err
	}
	entry, err := hashedrekord.ToLogEntry(r, algorithms)
	if err != nil {
		return nil, err
	}
	raw, err := protojson.Marshal(entry)
	if err != nil {
		return nil, err
	}
	return jsoncanonicalizer.Transform(raw)
}

func (s *Stack) checkpointV2(in inclusion) ([]byte, error) {
	signer, err := signature.LoadECDSASigner(s.logV2.key, crypto.SHA256)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(s.RekorV2URL)
	if err != nil {
		return nil, err
	}
	noteSigner, err := rekornote.NewNoteSigner(context.Background(), u.Hostname(), signer)
	if err != nil {
		return nil, err
	}
	text := log.Checkpoint{Origin: u.Hostname(), Size: uint64(in.size), Hash: in.root}.Marshal()
	return note.Sign(&note.Note{Text: string(text)}, noteSigner)
}

// serveRekorV2 answers POST /api/v2/log/entries.
func (s *Stack) serveRekorV2(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/api/v2/log/entries" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	var q tiles.CreateEntryRequest
	if err == nil {
		err = protojson.Unmarshal(body, &q)
	}
	if err == nil && q.GetHashedRekordRequestV002() == nil {
		err = errors.New("only entries of the kind hashedrekord are taken")
	}
	var e *protorekor.TransparencyLogEntry
	if err == nil {
		e, err = s.logEntryV2(q.GetHashedRekordRequestV002())
	}
	var out []byte
	if err == nil {
		out, err = protojson.Marshal(e)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(out)
}
