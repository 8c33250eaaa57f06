// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/vex"
)

// vexDocument is one of the documents that the policy names.
type vexDocument struct {
	state evidence.FeedState
	level int
	// document is nil where state says why it cannot be used. Then it removes nothing,
	// and the verdict says so.
	document *vex.Document
}

func readVEX(p *policy.Policy, at time.Time) []vexDocument {
	var docs []vexDocument
	for _, named := range p.Feeds.VEX {
		f := named.File
		if f == nil {
			continue
		}
		d := vexDocument{state: evidence.FeedState{Source: f.Path, Digest: f.Digest}, level: f.Level}
		doc, err := verifiedVEX(named)
		if err != nil {
			d.state.Problem = err.Error()
			docs = append(docs, d)
			continue
		}
		d.state.Entries = len(doc.Statements)
		if !doc.Updated.IsZero() {
			d.state.Updated = &doc.Updated
		}
		if d.state.Problem = distrust(named, doc, at); d.state.Problem == "" {
			d.document = doc
		}
		docs = append(docs, d)
	}
	return docs
}

// verifiedVEX reads a document. One whose signature the policy wants is not even
// parsed before that is verified.
func verifiedVEX(named policy.VEX) (*vex.Document, error) {
	switch {
	case named.Signature == nil && named.Key == nil:
	case named.Signature == nil || named.Key == nil:
		return nil, errors.New("a signature and the key that it must be by belong together")
	default:
		if err := vex.VerifySignature(named.File.Data, named.Signature.Data, named.Key.Data); err != nil {
			return nil, fmt.Errorf("its signature %s: %w", named.Signature.Path, err)
		}
	}
	return vex.Parse(named.File.Data, named.Format)
}

// clockSkew is by how much the clocks of author and gate may differ.
const clockSkew = time.Hour

// distrust says why the policy does not believe a document; empty if it does.
func distrust(named policy.VEX, doc *vex.Document, at time.Time) string {
	if len(named.Authors) > 0 && !slices.ContainsFunc(doc.Authors, func(a string) bool { return slices.Contains(named.Authors, a) }) {
		if len(doc.Authors) == 0 {
			return "it names no author, and the policy wants " + strings.Join(named.Authors, " or ")
		}
		return fmt.Sprintf("it is by %s, and the policy wants %s", strings.Join(doc.Authors, ", "), strings.Join(named.Authors, " or "))
	}
	switch {
	case named.MaxAge == 0:
		return ""
	case doc.Updated.IsZero():
		return "it does not say when it was written, and the policy limits its age"
	case doc.Updated.After(at.Add(clockSkew)):
		return fmt.Sprintf("it is of %s, which is yet to come, and the policy limits its age", doc.Updated.UTC().Format(time.DateOnly))
	case at.Sub(doc.Updated) > named.MaxAge:
		return fmt.Sprintf("it is of %s, older than the policy allows", doc.Updated.UTC().Format(time.DateOnly))
	}
	return ""
}

// annotateVEX adds the statements to the findings that they are about.
func annotateVEX(e *evidence.Evidence, docs []vexDocument) {
	for _, d := range docs {
		e.Feeds.VEX = append(e.Feeds.VEX, d.state)
		if d.document == nil {
			continue
		}
		for i := range e.Findings {
			f := &e.Findings[i]
			if f.Kind != evidence.KindVulnerability {
				continue
			}
			if s, ok := d.document.About(*f, e.Subject); ok {
				f.VEX = append(f.VEX, evidence.VEXStatement{
					Status: s.Status, Justification: s.Justification, Source: d.state.Source,
					Author: strings.Join(d.document.Authors, ", "), Level: d.level,
				})
			}
		}
	}
}
