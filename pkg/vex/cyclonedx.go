// SPDX-License-Identifier: Apache-2.0

package vex

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"
)

// cycloneDX is what is needed of a CycloneDX document.
type cycloneDX struct {
	SerialNumber string `json:"serialNumber"`
	Metadata     struct {
		Timestamp    time.Time     `json:"timestamp"`
		Component    *component    `json:"component"`
		Authors      []cycloneName `json:"authors"`
		Supplier     cycloneName   `json:"supplier"`
		Manufacturer cycloneName   `json:"manufacturer"`
		Manufacture  cycloneName   `json:"manufacture"`
	} `json:"metadata"`
	Components      []component `json:"components"`
	Vulnerabilities []struct {
		ID         string `json:"id"`
		References []struct {
			ID string `json:"id"`
		} `json:"references"`
		Analysis struct {
			State         string    `json:"state"`
			Justification string    `json:"justification"`
			Detail        string    `json:"detail"`
			FirstIssued   time.Time `json:"firstIssued"`
			LastUpdated   time.Time `json:"lastUpdated"`
		} `json:"analysis"`
		Affects []struct {
			Ref      string `json:"ref"`
			Versions []struct {
				Version string `json:"version"`
				Range   string `json:"range"`
				Status  string `json:"status"`
			} `json:"versions"`
		} `json:"affects"`
	} `json:"vulnerabilities"`
}

type cycloneName struct {
	Name string `json:"name"`
}

type component struct {
	Ref        string      `json:"bom-ref"`
	PURL       string      `json:"purl"`
	Components []component `json:"components"`
}

func readCycloneDX(data []byte) (*Document, error) {
	var in cycloneDX
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	d := &Document{Updated: in.Metadata.Timestamp}
	for _, n := range append(in.Metadata.Authors, in.Metadata.Supplier, in.Metadata.Manufacturer, in.Metadata.Manufacture) {
		if n.Name != "" {
			d.Authors = append(d.Authors, n.Name)
		}
	}
	known := map[string]string{}
	collect(known, in.Components)
	for _, v := range in.Vulnerabilities {
		status, ok := cycloneStatus(v.Analysis.State)
		if !ok {
			continue // a vulnerability without an analysis is a finding, not a statement
		}
		s := Statement{IDs: []string{v.ID}, Status: status, Justification: justify(v.Analysis.Justification, v.Analysis.Detail),
			Time: latest(v.Analysis.FirstIssued, v.Analysis.LastUpdated)}
		for _, r := range v.References {
			s.IDs = append(s.IDs, r.ID)
		}
		for _, a := range v.Affects {
			t := in.target(known, a.Ref)
			for _, version := range a.Versions {
				// A range matches nothing: comparing versions is the scanner's business. Nor does
				// a version that is said to be affected by what is resolved in others.
				if s.removes() && version.Status != "" && version.Status != "unaffected" {
					version.Version = ""
				}
				t.Versions = append(t.Versions, version.Version)
			}
			s.Targets = append(s.Targets, t)
		}
		d.Statements = append(d.Statements, s)
	}
	return d, nil
}

func cycloneStatus(state string) (string, bool) {
	switch state {
	case "resolved", "resolved_with_pedigree":
		return Fixed, true
	case "exploitable":
		return Affected, true
	case "in_triage":
		return UnderInvestigation, true
	case "false_positive", "not_affected":
		return NotAffected, true
	default:
		return "", false
	}
}

func collect(known map[string]string, cs []component) {
	for _, c := range cs {
		if c.Ref != "" && c.PURL != "" {
			known[c.Ref] = c.PURL
		}
		collect(known, c.Components)
	}
}

// target resolves a reference: to a component of the document, or to a package URL
// written in its place. In a document about a product it is a part of that. Links
// into other documents are not followed.
func (in *cycloneDX) target(known map[string]string, ref string) Target {
	if link, ok := strings.CutPrefix(ref, "urn:cdx:"); ok {
		serial, fragment, _ := strings.Cut(link, "#")
		serial, _, _ = strings.Cut(serial, "/")
		name, err := url.PathUnescape(fragment)
		if err != nil || serial == "" || "urn:uuid:"+serial != in.SerialNumber {
			return Target{}
		}
		ref = fragment
		if _, ok := known[fragment]; !ok {
			ref = name
		}
	}
	var whole []packageurl.PackageURL
	if c := in.Metadata.Component; c != nil {
		whole = purls(c.PURL)
		if c.Ref != "" && c.Ref == ref || c.PURL != "" && c.PURL == ref {
			return Target{Product: whole}
		}
	}
	part := purls(ref)
	if purl, ok := known[ref]; ok {
		part = purls(purl)
	}
	if in.Metadata.Component == nil {
		return Target{Product: part}
	}
	return Target{Product: whole, Subcomponents: part, Narrowed: true}
}
