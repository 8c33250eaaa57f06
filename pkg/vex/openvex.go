// SPDX-License-Identifier: Apache-2.0

package vex

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// openVEX is what is needed of an OpenVEX document, of v0.2.0 and of the versions
// before, which wrote strings where there are objects now.
type openVEX struct {
	Author      string    `json:"author"`
	Timestamp   time.Time `json:"timestamp"`
	LastUpdated time.Time `json:"last_updated"`
	Statements  []struct {
		Vulnerability   openVulnerability `json:"vulnerability"`
		Products        []openProduct     `json:"products"`
		Subcomponents   []openProduct     `json:"subcomponents"`
		Status          string            `json:"status"`
		Justification   string            `json:"justification"`
		ImpactStatement string            `json:"impact_statement"`
		Timestamp       time.Time         `json:"timestamp"`
		LastUpdated     time.Time         `json:"last_updated"`
	} `json:"statements"`
}

type openVulnerability struct {
	ID      string   `json:"@id"`
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

func (v *openVulnerability) UnmarshalJSON(data []byte) error {
	type plain openVulnerability
	return stringOr(data, &v.Name, (*plain)(v))
}

type openProduct struct {
	ID            string            `json:"@id"`
	Identifiers   map[string]string `json:"identifiers"`
	Subcomponents []openProduct     `json:"subcomponents"`
}

func (p *openProduct) UnmarshalJSON(data []byte) error {
	type plain openProduct
	return stringOr(data, &p.ID, (*plain)(p))
}

// stringOr reads a string, or an object.
func stringOr(data []byte, s *string, object any) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, s)
	}
	return json.Unmarshal(data, object)
}

func (p openProduct) purls() []packageurl.PackageURL { return purls(p.ID, p.Identifiers["purl"]) }

func readOpenVEX(data []byte) (*Document, error) {
	var in openVEX
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	d := &Document{Updated: latest(in.Timestamp, in.LastUpdated)}
	if in.Author != "" {
		d.Authors = []string{in.Author}
	}
	for i, s := range in.Statements {
		switch s.Status {
		case NotAffected, Affected, Fixed, UnderInvestigation:
		default:
			return nil, fmt.Errorf("statement %d has the status %q", i+1, wording.Clip(s.Status, maxText))
		}
		out := Statement{
			IDs:    append([]string{s.Vulnerability.Name, s.Vulnerability.ID}, s.Vulnerability.Aliases...),
			Status: s.Status, Justification: justify(s.Justification, s.ImpactStatement),
			// A statement without a time has that of the document as it was first made.
			Time: latest(s.Timestamp, s.LastUpdated),
		}
		if out.Time.IsZero() {
			out.Time = in.Timestamp
		}
		for _, p := range s.Products {
			t := Target{Product: p.purls()}
			for _, c := range slices.Concat(p.Subcomponents, s.Subcomponents) {
				t.Narrowed = true
				t.Subcomponents = append(t.Subcomponents, c.purls()...)
			}
			out.Targets = append(out.Targets, t)
		}
		d.Statements = append(d.Statements, out)
	}
	return d, nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
