// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"io"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// FixesVersion is the version of the form that Fixes writes. It grows when a field
// changes its meaning or goes away, not when one is added.
const FixesVersion = 1

// FixesDocument is what to do about a verdict, for programs. Its schema is published.
type FixesDocument struct {
	SchemaVersion int            `json:"schemaVersion"`
	Tool          tool           `json:"tool"`
	Status        verdict.Status `json:"status"`
	Reference     string         `json:"reference"`
	EffectiveTime time.Time      `json:"effectiveTime"`
	// Subjects are all of the verdict; one that did not fail has nothing to do.
	Subjects []FixesSubject `json:"subjects"`
}

// FixesSubject is the plan of one platform.
type FixesSubject struct {
	Platform evidence.Platform `json:"platform"`
	Digest   string            `json:"digest,omitempty"`
	Base     string            `json:"base,omitempty"`
	Status   verdict.Status    `json:"status"`
	verdict.Plan
}

// Fixes writes the plans of all subjects as JSON. Bots put parts of it into pull requests
// and logs, so texts are made fit for that: what is no visible text is escaped.
func Fixes(w io.Writer, v verdict.Verdict, o Options) error {
	doc := FixesDocument{
		SchemaVersion: FixesVersion, Tool: tool{Name: "ocigate", Version: o.Versions.Ocigate, TrivyVersion: o.Versions.Trivy},
		Status: statusOf(v), Reference: clean(v.Reference), EffectiveTime: v.EffectiveTime,
	}
	for _, s := range v.Subjects {
		pl := s.Evidence.Subject.Platform
		f := FixesSubject{
			Platform: evidence.Platform{OS: clean(pl.OS), Architecture: clean(pl.Architecture), Variant: clean(pl.Variant)},
			Digest:   clean(s.Evidence.Subject.Digest), Status: known(s.Status),
		}
		if b := s.Evidence.Base; b != nil {
			f.Base = clean(b.Reference)
		}
		if s.Plan != nil {
			f.Plan = cleanPlan(*s.Plan)
		}
		doc.Subjects = append(doc.Subjects, f)
	}
	if err := WriteJSON(w, doc); err != nil {
		return fmt.Errorf("write the fixes: %w", err)
	}
	return nil
}

func cleanPlan(p verdict.Plan) verdict.Plan {
	p.LookupProblem = clean(p.LookupProblem)
	actions := make([]verdict.Action, len(p.Actions))
	for i, a := range p.Actions {
		a.Command, a.Edit = typed(a.Command), typed(a.Edit)
		for _, s := range []*string{&a.Target, &a.From, &a.To, &a.Digest, &a.Text, &a.Problem} {
			*s = clean(*s)
		}
		if a.Layer != nil {
			l := *a.Layer
			l.Digest, l.DiffID, l.CreatedBy = clean(l.Digest), clean(l.DiffID), clean(l.CreatedBy)
			a.Layer = &l
		}
		a.Clears, a.Brings = cleanCleared(a.Clears), cleanCleared(a.Brings)
		actions[i] = a
	}
	p.Actions = actions
	return p
}

func cleanCleared(list []verdict.Cleared) []verdict.Cleared {
	var out []verdict.Cleared
	for _, c := range list {
		rules := make([]string, len(c.Rules))
		for i, r := range c.Rules {
			rules[i] = clean(r)
		}
		out = append(out, verdict.Cleared{Rules: rules, ID: clean(c.ID), Package: clean(c.Package), Version: clean(c.Version), Path: clean(c.Path)})
	}
	return out
}
