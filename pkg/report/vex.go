// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type (
	openVEX struct {
		Context    string             `json:"@context"`
		ID         string             `json:"@id"`
		Author     string             `json:"author"`
		Role       string             `json:"role"`
		Timestamp  time.Time          `json:"timestamp"`
		Version    int                `json:"version"`
		Tooling    string             `json:"tooling"`
		Statements []openVEXStatement `json:"statements"`
	}
	openVEXStatement struct {
		Vulnerability openVEXVulnerability `json:"vulnerability"`
		Products      []openVEXProduct     `json:"products"`
		Status        string               `json:"status"`
		StatusNotes   string               `json:"status_notes,omitempty"`
		Justification string               `json:"justification,omitempty"`
		Impact        string               `json:"impact_statement,omitempty"`
		Action        string               `json:"action_statement,omitempty"`
	}
	openVEXVulnerability struct {
		ID      string   `json:"@id,omitempty"`
		Name    string   `json:"name"`
		Aliases []string `json:"aliases,omitempty"`
	}
	openVEXProduct struct {
		ID            string             `json:"@id"`
		Identifiers   map[string]string  `json:"identifiers,omitempty"`
		Hashes        map[string]string  `json:"hashes,omitempty"`
		Subcomponents []openVEXComponent `json:"subcomponents,omitempty"`
	}
	openVEXComponent struct {
		ID          string            `json:"@id"`
		Identifiers map[string]string `json:"identifiers,omitempty"`
	}
)

// VEX writes what the policy's waivers and VEX documents say about the vulnerabilities of
// the image, as OpenVEX: see stanceOf for which status each gets. What they say nothing
// about is not in it, so a document without statements is one of a policy that has
// none: it says nothing about what was found. (OpenVEX's schema asks for one statement at
// least. An invented one would be worse than none, and readers take the empty list.) The format has no place for the verdict
// and for what could not be examined; they stand in "tooling".
func VEX(w io.Writer, v verdict.Verdict, o Options) error {
	doc := openVEX{
		Context: "https://openvex.dev/ns/v0.2.0", Version: 1, Timestamp: v.EffectiveTime,
		Author:  strings.TrimSpace("policy " + cmp.Or(policyName(v.Policy.Name, v.Policy.Source), "unknown") + " " + clean(v.Policy.Digest)),
		Role:    "policy of an image gate",
		Tooling: vexTooling(v, o), Statements: vexStatements(v),
	}
	err := stamped(w, "openvex", func(id string) any {
		doc.ID = informationURI + "/vex/" + id
		return doc
	})
	if err != nil {
		return fmt.Errorf("write verdict as OpenVEX: %w", err)
	}
	return nil
}

func vexTooling(v verdict.Verdict, o Options) string {
	const most = 8000
	parts := []string{"ocigate " + tools(o)[0].value, headline(v)}
	for _, g := range runGaps(v) {
		parts = append(parts, g.text)
	}
	for i := range v.Subjects {
		for _, g := range subjectGaps(v, &v.Subjects[i]) {
			parts = append(parts, onPlatform(v.Subjects[i].Evidence.Subject, g.text))
		}
	}
	return wording.Clip(strings.Join(parts, "; "), most)
}

// vexStatements are one for each vulnerability and stance, in the order of the findings.
func vexStatements(v verdict.Verdict) []openVEXStatement {
	type same struct {
		id string
		stance
	}
	ws := indexWaivers(v)
	at := map[same]int{}
	var list []openVEXStatement
	for i := range v.Subjects {
		s := &v.Subjects[i]
		for _, m := range vulnerabilities(s) {
			st, ok := stanceOf(m, ws)
			if !ok || m.Package == nil {
				continue // a statement about no package would be one about the whole image
			}
			k := same{m.ID, st}
			n, ok := at[k]
			if !ok {
				n = len(list)
				at[k] = n
				list = append(list, openVEXStatement{
					Vulnerability: vexVulnerability(m.Finding), Status: st.status, StatusNotes: st.notes,
					Justification: st.justification, Impact: st.impact, Action: st.action,
				})
			}
			list[n].Products = withProduct(list[n].Products, vexProduct(v, s.Evidence.Subject), vexComponent(m.Package))
		}
	}
	return list
}

func vexVulnerability(f *evidence.Finding) openVEXVulnerability {
	const most = 20
	out := openVEXVulnerability{ID: weblink(f.URL), Name: cmp.Or(ident(f.ID), "unknown")}
	seen := map[string]bool{out.Name: true}
	for _, a := range f.Aliases[:min(len(f.Aliases), most)] {
		if a = ident(a); a != "" && !seen[a] {
			seen[a] = true
			out.Aliases = append(out.Aliases, a)
		}
	}
	return out
}

// vexProduct is the image by its digest: what is said of a tag would be said of every image
// that comes to bear it.
func vexProduct(v verdict.Verdict, s evidence.Subject) openVEXProduct {
	var p openVEXProduct
	if u := imagePURL(s); u != "" && sha256Hex(s.Digest) != "" {
		p.ID, p.Identifiers = u, map[string]string{"purl": u}
	} else {
		p.ID = "urn:ocigate:image:" + url.PathEscape(cmp.Or(subjectDigest(s), target(s, v.Reference)))
	}
	if h := sha256Hex(s.Digest); h != "" {
		p.Hashes = map[string]string{"sha-256": h}
	}
	return p
}

func vexComponent(p *evidence.Package) openVEXComponent {
	if u := goodPURL(p.PURL); u != "" {
		return openVEXComponent{ID: u, Identifiers: map[string]string{"purl": u}}
	}
	id := url.PathEscape(ident(p.Type)) + ":" + url.PathEscape(ident(p.Name)) + ":" + url.PathEscape(ident(p.Version))
	return openVEXComponent{ID: "urn:ocigate:package:" + id}
}

// withProduct adds a part of a product, each once.
func withProduct(list []openVEXProduct, p openVEXProduct, part openVEXComponent) []openVEXProduct {
	i := 0
	for i < len(list) && list[i].ID != p.ID {
		i++
	}
	if i == len(list) {
		list = append(list, p)
	}
	for _, c := range list[i].Subcomponents {
		if c.ID == part.ID {
			return list
		}
	}
	list[i].Subcomponents = append(list[i].Subcomponents, part)
	return list
}
