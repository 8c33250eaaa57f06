// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
)

// BaseLookup is what was found of images that could stand in place of a base.
type BaseLookup struct {
	// Candidates are in the order in which to propose them.
	Candidates []Candidate
	// Problem says why nothing was looked for, or not everything was seen.
	Problem string
}

// Candidate is an image that could stand in place of a base.
type Candidate struct {
	// Reference is its full name by tag, Digest that of its index or manifest.
	Reference, Digest string
	Step              Step
	// Evidence is what a scan found of it; nil where Problem says why there is none.
	Evidence *evidence.Evidence
	Problem  string
}

// WithBases plans anew with what was found of newer bases, one lookup per subject or nil for
// those of which nothing was looked up. Nothing but the plans is changed by it.
func WithBases(in Input, v Verdict, lookups []*BaseLookup) Verdict {
	v.Subjects = slices.Clone(v.Subjects)
	for i := range v.Subjects {
		if i < len(lookups) && lookups[i] != nil {
			v.Subjects[i].Plan = planFor(in, v.Subjects[i], lookups[i])
		}
	}
	return v
}

// WantsBase says whether a newer base could clear something of a subject.
func WantsBase(sv SubjectVerdict) bool {
	p := planner{sv: sv}
	return sv.Status == Failed && slices.ContainsFunc(failures(sv), func(f *failure) bool { return p.inBase(findingLayer(f.finding)) })
}

// inBase says whether a layer is one of the base's and not the image's own, too. Who
// answers for it is another question: see Origin.
func (p *planner) inBase(l evidence.Layer) bool { return fromBase(p.sv.Evidence, l) }

func fromBase(ev evidence.Evidence, l evidence.Layer) bool {
	b := ev.Base
	if b == nil || b.Lineage != evidence.LineageProven || b.Layers < 1 || b.Layers > len(ev.Layers) {
		return false
	}
	is := func(facts evidence.LayerFacts) bool { return sameLayer(l, facts) }
	return slices.ContainsFunc(ev.Layers[:b.Layers], is) && !slices.ContainsFunc(ev.Layers[b.Layers:], is)
}

// effectKey is what a vulnerability is called before and after a change of the base: the
// version of its package may be another then.
func effectKey(f *evidence.Finding) string {
	place := f.Location()
	if f.Package != nil && f.Package.Class == evidence.ClassOS {
		place = ""
	}
	return strings.Join([]string{f.ID, f.PackageName(), place}, "\x00")
}

// newerBases adds what newer bases do.
func (p *planner) newerBases(in Input, candidates []Candidate) {
	base := p.sv.Evidence.Base
	if base == nil {
		return
	}
	for _, c := range candidates {
		a := p.baseAction(*base, c)
		if c.Evidence == nil {
			a.Problem = cmp.Or(c.Problem, "it could not be examined")
			a.Text += ": not known what it clears: " + a.Problem
			p.act(a)
			continue
		}
		gone := p.effect(in, c, &a)
		if len(gone) == 0 {
			continue // a step that helps nobody
		}
		for _, f := range gone {
			k := effectKey(f.finding)
			p.cleared[k] = true
			p.small[k] = p.small[k] || c.Step == StepRebuild || c.Step == StepPatch
		}
		p.act(a)
	}
}

// baseAction is the step to a candidate, as far as its name says it.
func (p *planner) baseAction(base evidence.Base, c Candidate) Action {
	repository, from := SplitTag(base.Reference)
	_, to := SplitTag(c.Reference)
	a := Action{Kind: ActionBase, Step: c.Step, Target: repository, From: from, To: to, Digest: c.Digest, Edit: "FROM " + c.Reference}
	if base.Pinned && c.Digest != "" {
		a.Edit += "@" + c.Digest
	}
	if line := fromLine(base); line > 0 {
		a.Layer = &ActionLayer{Line: line}
	}
	switch c.Step {
	case StepRebuild:
		a.Kind = ActionRebuild
		a.Text = fmt.Sprintf("rebuild: %s %s is a newer image now", shortName(repository), to)
		if !base.Pinned {
			a.Edit, a.Command = "", "docker build --pull ."
		}
	case StepPatch:
		a.Text = fmt.Sprintf("%s %s → %s", shortName(repository), from, to)
	default:
		a.Text = fmt.Sprintf("%s %s → %s (a bigger step: %s)", shortName(repository), from, to, c.Step)
	}
	return a
}

// effect decides about the image as if it were built on the candidate, and returns what
// no longer fails.
func (p *planner) effect(in Input, c Candidate, a *Action) []*failure {
	in.Evidence = []evidence.Evidence{onBase(p.sv.Evidence, c)}
	in.Problems, in.NotExamined = nil, nil
	then := decideAll(in)
	after := map[string]*failure{}
	var later []*failure
	if len(then.Subjects) == 1 {
		later = failures(then.Subjects[0])
	}
	for _, f := range later {
		after[effectKey(f.finding)] = f
	}
	before := map[string]bool{}
	var gone, come []*failure
	for _, f := range p.all {
		before[effectKey(f.finding)] = true
		if after[effectKey(f.finding)] == nil {
			gone = append(gone, f)
		}
	}
	for _, f := range later {
		if !before[effectKey(f.finding)] {
			come = append(come, f)
		}
	}
	a.Clears, a.Brings = clearedOf(gone), clearedOf(come)
	a.Text += fmt.Sprintf(" clears %d of %d", len(gone), len(p.all))
	if len(come) > 0 {
		a.Text += fmt.Sprintf(", brings %d", len(come))
	}
	return gone
}

// onBase is the evidence of the image if it were built on the candidate. What layers
// above the base install is as it is now.
func onBase(ev evidence.Evidence, c Candidate) evidence.Evidence {
	own := map[string]bool{}
	packages := slices.DeleteFunc(slices.Clone(ev.Packages), func(p evidence.Package) bool { return fromBase(ev, p.Layer) })
	for _, p := range packages {
		above := func(facts evidence.LayerFacts) bool { return sameLayer(p.Layer, facts) }
		if p.Class == evidence.ClassOS && slices.ContainsFunc(ev.Layers[ev.Base.Layers:], above) {
			own[p.Name] = true
		}
	}
	replaced := func(p *evidence.Package) bool { return p != nil && p.Class == evidence.ClassOS && own[p.Name] }
	findings := slices.DeleteFunc(slices.Clone(ev.Findings), func(f evidence.Finding) bool { return fromBase(ev, findingLayer(&f)) })
	for _, f := range c.Evidence.Findings {
		if f.Kind == evidence.KindVulnerability && !replaced(f.Package) {
			findings = append(findings, f)
		}
	}
	for _, p := range c.Evidence.Packages {
		if !replaced(&p) {
			packages = append(packages, p)
		}
	}
	base := *ev.Base
	base.Reference, base.Digest, base.Layers = c.Reference, c.Digest, len(c.Evidence.Layers)
	base.ManifestDigest, base.Created = c.Evidence.Subject.Digest, c.Evidence.Image.Created
	current := true
	base.Current = &current
	ev.Layers = slices.Concat(c.Evidence.Layers, ev.Layers[ev.Base.Layers:])
	ev.Base, ev.Packages, ev.Findings = &base, packages, findings
	ev.Coverage.OS = c.Evidence.Coverage.OS
	return ev
}

// SplitTag takes a full name apart; the tag is empty where there is none.
func SplitTag(reference string) (repository, tag string) {
	reference, _, _ = strings.Cut(reference, "@")
	if !hasTag(reference) {
		return reference, ""
	}
	i := strings.LastIndexByte(reference, ':')
	return reference[:i], reference[i+1:]
}

// shortName is what people call an image of Docker Hub.
func shortName(repository string) string {
	if s, ok := strings.CutPrefix(repository, "docker.io/library/"); ok {
		return s
	}
	return strings.TrimPrefix(repository, "docker.io/")
}

// ApprovesBase says whether a base by this name, whose tag is shown to lead to it, would
// be approved by every base rule that names images.
func ApprovesBase(pol *policy.Policy, reference string) bool {
	for _, r := range pol.Rules {
		if r.Base == nil || len(r.Base.Images) == 0 {
			continue
		}
		if ok, _ := r.Base.Approves(reference, nil, true); !ok {
			return false
		}
	}
	return true
}
