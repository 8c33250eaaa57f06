// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"errors"
	"fmt"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// catalogue holds when vulnerabilities were listed as known to be exploited.
type catalogue struct {
	// Updated is when it was released; nil where it does not say.
	Updated *time.Time
	added   map[string]time.Time
}

// parseKEV reads CISA's JSON, which may be packed with gzip.
func parseKEV(data []byte) (*catalogue, error) {
	data, err := plain(data)
	if err != nil {
		return nil, err
	}
	var doc struct {
		DateReleased    string `json:"dateReleased"`
		Count           *int   `json:"count"`
		Vulnerabilities []struct {
			CVE   string `json:"cveID"`
			Added string `json:"dateAdded"`
		} `json:"vulnerabilities"`
	}
	if err := decode(data, &doc, false); err != nil {
		return nil, err
	}
	if len(doc.Vulnerabilities) == 0 {
		return nil, errors.New("it lists no vulnerabilities")
	}
	if doc.Count != nil && *doc.Count != len(doc.Vulnerabilities) {
		return nil, fmt.Errorf("it says that it lists %d vulnerabilities and lists %d", *doc.Count, len(doc.Vulnerabilities))
	}
	k := &catalogue{added: make(map[string]time.Time, len(doc.Vulnerabilities))}
	if doc.DateReleased != "" {
		t, ok := moment(doc.DateReleased)
		if !ok {
			return nil, errors.New("its dateReleased is no time")
		}
		k.Updated = &t
	}
	for i, v := range doc.Vulnerabilities {
		if !isCVE(v.CVE) {
			return nil, fmt.Errorf("entry %d has no cveID of the form CVE-2024-1234", i+1)
		}
		t, ok := moment(v.Added)
		if !ok {
			return nil, fmt.Errorf("the dateAdded of %s is no date", v.CVE)
		}
		if first, ok := k.added[v.CVE]; !ok || t.Before(first) {
			k.added[v.CVE] = t
		}
	}
	return k, nil
}

// size is the number of vulnerabilities.
func (k *catalogue) size() int { return len(k.added) }

// day is the one on which a finding, or one of its aliases, was listed first.
func (k *catalogue) day(f evidence.Finding) *time.Time {
	var first *time.Time
	for _, id := range ids(f) {
		if t, ok := k.added[id]; ok && (first == nil || t.Before(*first)) {
			first = &t
		}
	}
	return first
}
