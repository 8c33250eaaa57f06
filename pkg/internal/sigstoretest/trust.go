// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"time"

	prototrustroot "github.com/sigstore/protobuf-specs/gen/pb-go/trustroot/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// Part is a part of a trusted root.
type Part string

// The parts.
const (
	PartCA      Part = "certificate authority"
	PartCTLog   Part = "certificate transparency log"
	PartRekor   Part = "rekor v1"
	PartRekorV2 Part = "rekor v2"
	PartTSA     Part = "timestamp authority"
)

// TrustedRoot is a trusted_root.json of this Stack, all of it or without some parts.
func (s *Stack) TrustedRoot(without ...Part) []byte {
	s.t.Helper()
	with := func(p Part) bool { return !slices.Contains(without, p) }
	from, until := or(s.TrustFrom, time.Now().Add(-2*day)), or(s.TrustUntil, time.Now().Add(300*day))
	logs, ctLogs := map[string]*root.TransparencyLog{}, map[string]*root.TransparencyLog{}
	add := func(to map[string]*root.TransparencyLog, url string, key *ecdsa.PrivateKey) {
		id := keyID(key.Public())
		to[hex.EncodeToString(id[:])] = &root.TransparencyLog{
			BaseURL: url, ID: id[:], ValidityPeriodStart: from, ValidityPeriodEnd: until,
			HashFunc: crypto.SHA256, PublicKey: key.Public(), SignatureHashFunc: crypto.SHA256,
		}
	}
	if with(PartRekor) {
		add(logs, s.RekorURL, s.logV1.key)
	}
	if with(PartRekorV2) {
		add(logs, s.RekorV2URL, s.logV2.key)
	}
	if with(PartCTLog) {
		add(ctLogs, "https://ct.localhost", s.ctKey)
	}
	var cas []root.CertificateAuthority
	if with(PartCA) {
		cas = append(cas, &root.FulcioCertificateAuthority{
			Root: s.Root, Intermediates: []*x509.Certificate{s.Intermediate}, ValidityPeriodStart: from, ValidityPeriodEnd: until, URI: s.FulcioURL,
		})
	}
	var tsas []root.TimestampingAuthority
	if with(PartTSA) {
		tsas = append(tsas, &root.SigstoreTimestampingAuthority{
			Root: s.TSARoot, Leaf: s.TSALeaf, ValidityPeriodStart: from, ValidityPeriodEnd: until, URI: s.TSAURL,
		})
	}
	tr, err := root.NewTrustedRoot(root.TrustedRootMediaType01, cas, ctLogs, tsas, logs)
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := tr.MarshalJSON()
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// SigningConfig tells clients which services they use.
func (s *Stack) SigningConfig(log Log, tsa bool) []byte {
	s.t.Helper()
	service := func(url string, version uint32) root.Service {
		return root.Service{URL: url, MajorAPIVersion: version, ValidityPeriodStart: time.Now().Add(-time.Hour), Operator: "test"}
	}
	var logs, tsas []root.Service
	switch log {
	case LogV1:
		logs = append(logs, service(s.RekorURL, 1))
	case LogV2:
		logs = append(logs, service(s.RekorV2URL, 2))
	}
	if tsa {
		tsas = append(tsas, service(s.TSAURL, 1))
	}
	choice := func(services []root.Service) root.ServiceConfiguration {
		if len(services) == 0 {
			return root.ServiceConfiguration{}
		}
		return root.ServiceConfiguration{Selector: prototrustroot.ServiceSelector_ANY}
	}
	c, err := root.NewSigningConfig(root.SigningConfigMediaType02, []root.Service{service(s.FulcioURL, 1)},
		[]root.Service{service("https://oidc.localhost", 1)}, logs, choice(logs), tsas, choice(tsas))
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := c.MarshalJSON()
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}
