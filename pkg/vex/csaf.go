// SPDX-License-Identifier: Apache-2.0

package vex

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/package-url/packageurl-go"
)

// csaf is what is needed of a CSAF document, 2.0 or 2.1.
type csaf struct {
	Document struct {
		Publisher struct {
			Name string `json:"name"`
		} `json:"publisher"`
		Tracking struct {
			Released time.Time `json:"current_release_date"`
		} `json:"tracking"`
	} `json:"document"`
	Tree struct {
		Branches []csafBranch  `json:"branches"`
		Names    []csafProduct `json:"full_product_names"`
		Groups   []struct {
			ID       string   `json:"group_id"`
			Products []string `json:"product_ids"`
		} `json:"product_groups"`
		Relationships []struct {
			Product csafProduct `json:"full_product_name"`
			Part    string      `json:"product_reference"`
			Whole   string      `json:"relates_to_product_reference"`
		} `json:"relationships"`
	} `json:"product_tree"`
	Vulnerabilities []csafVulnerability `json:"vulnerabilities"`
}

type csafBranch struct {
	Product  *csafProduct `json:"product"`
	Branches []csafBranch `json:"branches"`
}

type csafProduct struct {
	ID     string `json:"product_id"`
	Helper struct {
		PURL  string   `json:"purl"`
		PURLs []string `json:"purls"`
	} `json:"product_identification_helper"`
}

type csafVulnerability struct {
	CVE string `json:"cve"`
	IDs []struct {
		Text string `json:"text"`
	} `json:"ids"`
	Status struct {
		KnownNotAffected   []string `json:"known_not_affected"`
		KnownAffected      []string `json:"known_affected"`
		FirstAffected      []string `json:"first_affected"`
		LastAffected       []string `json:"last_affected"`
		Fixed              []string `json:"fixed"`
		FirstFixed         []string `json:"first_fixed"`
		UnderInvestigation []string `json:"under_investigation"`
	} `json:"product_status"`
	Flags []struct {
		csafScope
		Label string `json:"label"`
	} `json:"flags"`
	Threats []struct {
		csafScope
		Category string `json:"category"`
		Details  string `json:"details"`
	} `json:"threats"`
}

// csafScope names products; where it names none, all of the vulnerability's are meant.
type csafScope struct {
	Products []string `json:"product_ids"`
	Groups   []string `json:"group_ids"`
}

func readCSAF(data []byte) (*Document, error) {
	var in csaf
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	if len(in.Vulnerabilities) == 0 && len(in.Tree.Branches)+len(in.Tree.Names) == 0 {
		return nil, errors.New("it has neither products nor vulnerabilities")
	}
	d := &Document{Updated: in.Document.Tracking.Released}
	if n := in.Document.Publisher.Name; n != "" {
		d.Authors = []string{n}
	}
	targets := in.targets()
	groups := map[string][]string{}
	for _, g := range in.Tree.Groups {
		groups[g.ID] = g.Products
	}
	for _, v := range in.Vulnerabilities {
		ids := []string{v.CVE}
		for _, id := range v.IDs {
			ids = append(ids, id.Text)
		}
		why := v.reasons(groups)
		for _, st := range []struct {
			status   string
			products []string
		}{
			{Affected, slices.Concat(v.Status.KnownAffected, v.Status.FirstAffected, v.Status.LastAffected)},
			{UnderInvestigation, v.Status.UnderInvestigation},
			{Fixed, slices.Concat(v.Status.Fixed, v.Status.FirstFixed)},
			{NotAffected, v.Status.KnownNotAffected},
		} {
			for _, id := range st.products {
				d.Statements = append(d.Statements, Statement{IDs: ids, Status: st.status, Targets: targets[id],
					Justification: justify(why.of(why.flags, id), why.of(why.impacts, id))})
			}
		}
		if len(d.Statements) > maxStatements {
			return nil, errors.New("it holds too many statements")
		}
	}
	return d, nil
}

// reasons are the justifications by product; "" is every product.
type reasons struct{ flags, impacts map[string]string }

func (v csafVulnerability) reasons(groups map[string][]string) reasons {
	r := reasons{map[string]string{}, map[string]string{}}
	put := func(into map[string]string, scope csafScope, text string) {
		products := slices.Clone(scope.Products)
		for _, g := range scope.Groups {
			products = append(products, groups[g]...)
		}
		if len(scope.Products)+len(scope.Groups) == 0 {
			products = []string{""}
		}
		for _, p := range products {
			if into[p] == "" {
				into[p] = text
			}
		}
	}
	for _, f := range v.Flags {
		put(r.flags, f.csafScope, f.Label)
	}
	for _, t := range v.Threats {
		if t.Category == "impact" {
			put(r.impacts, t.csafScope, t.Details)
		}
	}
	return r
}

func (reasons) of(m map[string]string, product string) string {
	if s := m[product]; s != "" {
		return s
	}
	return m[""]
}

// targets are the products by id. One that is part of another is its subcomponent.
func (in *csaf) targets() map[string][]Target {
	purlsOf := map[string][]packageurl.PackageURL{}
	add := func(p csafProduct) {
		purlsOf[p.ID] = append(purlsOf[p.ID], purls(append(p.Helper.PURLs, p.Helper.PURL)...)...)
	}
	var walk func([]csafBranch)
	walk = func(bs []csafBranch) {
		for _, b := range bs {
			if b.Product != nil {
				add(*b.Product)
			}
			walk(b.Branches)
		}
	}
	walk(in.Tree.Branches)
	for _, p := range in.Tree.Names {
		add(p)
	}
	out := map[string][]Target{}
	for id, ps := range purlsOf {
		out[id] = []Target{{Product: ps}}
	}
	for _, r := range in.Tree.Relationships {
		out[r.Product.ID] = append(out[r.Product.ID], Target{Product: purlsOf[r.Whole], Subcomponents: purlsOf[r.Part], Narrowed: true})
	}
	return out
}
