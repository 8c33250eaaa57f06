// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/cyberphone/json-canonicalization/go/src/webpki.org/jsoncanonicalizer"
	"github.com/go-openapi/runtime"
	"github.com/sigstore/rekor/pkg/generated/models"
	rekortypes "github.com/sigstore/rekor/pkg/types"
	_ "github.com/sigstore/rekor/pkg/types/dsse/v0.0.1"         // entries of this type can be logged
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1" // and this
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.1"       // and this
	_ "github.com/sigstore/rekor/pkg/types/intoto/v0.0.2"       // and this
	rekorutil "github.com/sigstore/rekor/pkg/util"
	"github.com/sigstore/sigstore/pkg/signature"
)

const (
	entriesPath = "/api/v1/log/entries"
	// shardStart is where the indices of the log's active shard begin: an index in the
	// log is not one in its tree.
	shardStart = 1000
)

// LogV1 adds a proposed entry (as clients POST it) to the Rekor v1.
func (s *Stack) LogV1(proposed []byte) models.LogEntryAnon {
	s.t.Helper()
	_, e, err := s.logEntryV1(proposed)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

func (s *Stack) logEntryV1(proposed []byte) (uuid string, e models.LogEntryAnon, err error) {
	body, err := canonicalize(proposed)
	if err != nil {
		return "", e, err
	}
	if s.LogInstead != nil {
		body = s.LogInstead(body)
	}
	in := s.logV1.add(body)
	id := keyID(s.logV1.key.Public())
	index, at, logID := shardStart+in.index, or(s.LogTime, time.Now()).Unix(), hex.EncodeToString(id[:])
	body64 := base64.StdEncoding.EncodeToString(body)
	set, err := s.promise(map[string]any{"body": body64, "integratedTime": at, "logIndex": index, "logID": logID})
	if err != nil {
		return "", e, err
	}
	signer, err := signature.LoadECDSASigner(s.logV1.key, crypto.SHA256)
	if err != nil {
		return "", e, err
	}
	checkpoint, err := rekorutil.CreateAndSignCheckpoint(context.Background(), "rekor.localhost", 1, uint64(in.size), in.root, signer)
	if err != nil {
		return "", e, err
	}
	root, signed, hashes := hex.EncodeToString(in.root), string(checkpoint), []string{}
	for _, h := range in.hashes {
		hashes = append(hashes, hex.EncodeToString(h))
	}
	proof := &models.InclusionProof{Hashes: hashes, LogIndex: &in.index, RootHash: &root, TreeSize: &in.size, Checkpoint: &signed}
	return hex.EncodeToString(leafHash(body)), models.LogEntryAnon{
		Body: body64, IntegratedTime: &at, LogIndex: &index, LogID: &logID,
		Verification: &models.LogEntryAnonVerification{SignedEntryTimestamp: set, InclusionProof: proof},
	}, nil
}

// promise is the signed entry timestamp.
func (s *Stack) promise(payload map[string]any) ([]byte, error) {
	raw, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	if raw, err = jsoncanonicalizer.Transform(raw); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	return ecdsa.SignASN1(rand.Reader, s.logV1.key, sum[:])
}

// canonicalize verifies a proposed entry's signature and gives it the form that is logged.
func canonicalize(proposed []byte) ([]byte, error) {
	p, err := models.UnmarshalProposedEntry(bytes.NewReader(proposed), runtime.JSONConsumer())
	if err != nil {
		return nil, err
	}
	e, err := rekortypes.CreateVersionedEntry(p)
	if err != nil {
		return nil, err
	}
	return rekortypes.CanonicalizeEntry(context.Background(), e)
}

func (s *Stack) serveRekor(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	switch {
	case err != nil:
		refuse(w, err)
	case r.Method == http.MethodPost && r.URL.Path == entriesPath:
		s.serveEntry(w, body)
	case r.Method == http.MethodPost && r.URL.Path == entriesPath+"/retrieve":
		s.serveRetrieve(w, body)
	case r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, entriesPath+"/"):
		if e, ok := s.entry(path.Base(r.URL.Path)); ok {
			answer(w, http.StatusOK, e)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet && r.URL.Path == "/api/v1/log/publicKey":
		w.Header().Set("Content-Type", "application/x-pem-file")
		_, _ = w.Write(s.RekorPEM())
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *Stack) serveEntry(w http.ResponseWriter, proposed []byte) {
	uuid, e, err := s.logEntryV1(proposed)
	if err != nil {
		refuse(w, err)
		return
	}
	s.mu.Lock()
	s.entries[uuid] = e
	s.mu.Unlock()
	w.Header().Set("Location", entriesPath+"/"+uuid)
	w.Header().Set("ETag", uuid)
	answer(w, http.StatusCreated, map[string]models.LogEntryAnon{uuid: e})
}

// entry finds an entry by its identifier, with or without the tree's in front.
func (s *Stack) entry(uuid string) (map[string]models.LogEntryAnon, bool) {
	uuid = uuid[max(0, len(uuid)-2*sha256.Size):]
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.entries[uuid]
	return map[string]models.LogEntryAnon{uuid: e}, ok
}

func (s *Stack) serveRetrieve(w http.ResponseWriter, body []byte) {
	var q struct {
		Entries    []json.RawMessage
		EntryUUIDs []string
	}
	if err := json.Unmarshal(body, &q); err != nil {
		refuse(w, err)
		return
	}
	for _, raw := range q.Entries {
		b, err := canonicalize(raw)
		if err != nil {
			refuse(w, err)
			return
		}
		q.EntryUUIDs = append(q.EntryUUIDs, hex.EncodeToString(leafHash(b)))
	}
	found := []map[string]models.LogEntryAnon{}
	for _, u := range q.EntryUUIDs {
		if e, ok := s.entry(u); ok {
			found = append(found, e)
		}
	}
	answer(w, http.StatusOK, found)
}

func refuse(w http.ResponseWriter, err error) {
	answer(w, http.StatusBadRequest, map[string]any{"code": http.StatusBadRequest, "message": fmt.Sprint(err)})
}
