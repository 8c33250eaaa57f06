// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/policy"
)

// Plan is what to do about a subject that failed.
type Plan struct {
	// Actions are in the order in which to try them, the smallest first. They overlap: a
	// newer base clears what an upgrade would clear, too.
	Actions []Action `json:"actions"`
	// Failing counts what fails the subject, each finding once; Vulnerabilities are those
	// among it.
	Failing         int `json:"failing"`
	Vulnerabilities int `json:"vulnerabilities"`
	// LookupProblem says why no newer base was looked for, or not everything was seen.
	LookupProblem string `json:"lookupProblem,omitempty"`
}

// ActionKind says what is to be done.
type ActionKind string

// The kinds, in the order of a plan.
const (
	// ActionRebuild: build again on the same tag of the base, which has moved on.
	ActionRebuild ActionKind = "rebuild"
	// ActionBase: build on another tag of the base's repository.
	ActionBase ActionKind = "base"
	// ActionUpgrade: upgrade a package.
	ActionUpgrade ActionKind = "upgrade"
	// ActionChange: change something else of the image, or of its build.
	ActionChange ActionKind = "change"
	// ActionWaive: nothing fixes it yet.
	ActionWaive ActionKind = "waive"
)

// Step says how far another tag of a base is away.
type Step string

// The steps. Rebuild is the same tag as it is now.
const (
	StepRebuild Step = "rebuild"
	StepPatch   Step = "patch"
	StepMinor   Step = "minor"
	StepMajor   Step = "major"
)

// Action is one thing to do.
type Action struct {
	Kind ActionKind `json:"kind"`
	// Step is that of another base.
	Step Step `json:"step,omitempty"`
	// Target is the repository of the base, the package, the rule, or the finding.
	Target string `json:"target"`
	// From and To are tags of the base, or versions of the package. To lists several
	// where which one is needed cannot be told.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Digest is that of the base to build on.
	Digest string `json:"digest,omitempty"`
	// Command is what to type; empty where no command is known, or a name in it is not fit
	// for a shell.
	Command string `json:"command,omitempty"`
	// Edit is the line that the Dockerfile is to have.
	Edit string `json:"edit,omitempty"`
	// Layer is the one that the package is in.
	Layer *ActionLayer `json:"layer,omitempty"`
	// Origin is base for a package that comes with the base image.
	Origin Origin `json:"origin,omitempty"`
	// Until is the last day of the waiver that is proposed.
	Until string `json:"until,omitempty"`
	// Text is the action in one line.
	Text string `json:"text"`
	// Clears are the violations that the action removes.
	Clears []Cleared `json:"clears"`
	// Brings are vulnerabilities that fail only after it.
	Brings []Cleared `json:"brings,omitempty"`
	// Remains counts what fails if this action is the only one.
	Remains int `json:"remains"`
	// Problem says why it is not known what the action clears.
	Problem string `json:"problem,omitempty"`
}

// ActionLayer is a layer of the image, and the line of the Dockerfile that made it.
type ActionLayer struct {
	// Number counts the layers of the image from 1.
	Number    int    `json:"number,omitempty"`
	Digest    string `json:"digest,omitempty"`
	DiffID    string `json:"diffID,omitempty"`
	CreatedBy string `json:"createdBy,omitempty"`
	// Line is 0 where it is not known.
	Line int `json:"line,omitempty"`
}

// Cleared names a violation: by the id and package of its finding, or the fact.
type Cleared struct {
	Rules   []string `json:"rules"`
	ID      string   `json:"id,omitempty"`
	Package string   `json:"package,omitempty"`
	Version string   `json:"version,omitempty"`
	Path    string   `json:"path,omitempty"`
}

// planner makes the plan of one subject.
type planner struct {
	sv     SubjectVerdict
	time   time.Time
	limits policy.WaiverLimits
	// cleared are the vulnerabilities that a newer base clears, small those that do so
	// without a bigger step.
	cleared, small map[string]bool
	all            []*failure
	plan           Plan
}

// planFor is nil for a subject that did not fail. The lookup may be nil.
func planFor(in Input, sv SubjectVerdict, lookup *BaseLookup) *Plan {
	if sv.Status != Failed {
		return nil
	}
	p := planner{sv: sv, time: in.EffectiveTime.UTC(), all: failures(sv), cleared: map[string]bool{}, small: map[string]bool{}}
	if in.Policy != nil {
		p.limits = in.Policy.For(Names(sv.Evidence.Subject, in.Reference)).WaiverLimits
	}
	changes := p.changes()
	p.plan = Plan{Actions: []Action{}, Vulnerabilities: len(p.all), Failing: len(p.all)}
	for _, a := range changes {
		p.plan.Failing += len(a.Clears)
	}
	if lookup != nil {
		p.plan.LookupProblem = lookup.Problem
		p.newerBases(in, lookup.Candidates)
	}
	p.upgrades()
	for _, a := range changes {
		p.act(a)
	}
	p.endOfLife()
	p.waivers()
	return &p.plan
}

// act adds an action.
func (p *planner) act(a Action) {
	a.Remains = max(0, p.plan.Failing-len(a.Clears)+len(a.Brings))
	if a.Clears == nil {
		a.Clears = []Cleared{}
	}
	p.plan.Actions = append(p.plan.Actions, a)
}

// upgrades are those of packages, layer by layer, the one with the largest effect first.
// What comes with the base is left to a newer base that clears it.
func (p *planner) upgrades() {
	rest := slices.DeleteFunc(slices.Clone(p.all), func(f *failure) bool { return p.small[effectKey(f.finding)] })
	groups := upgrades(rest, func(f *failure) string { l := findingLayer(f.finding); return l.DiffID + " " + l.Digest })
	type found struct {
		Action
		number int
	}
	var list []found
	for _, g := range groups {
		fix := g.fix(p.sv.Evidence)
		a := Action{Kind: ActionUpgrade, Target: fix.Package, From: fix.From, To: fix.To, Command: fix.Command, Clears: clearedOf(g.clears)}
		a.Layer = p.layer(g.clears[0])
		a.Text = "upgrade " + fix.Package + " " + fix.From + " → " + fix.To
		number := 0
		if a.Layer != nil {
			number = a.Layer.Number
		}
		if b := p.sv.Evidence.Base; p.inBase(findingLayer(g.clears[0].finding)) {
			a.Origin = OriginBase
			a.Text += ", which comes with the base " + cmp.Or(b.Reference, "image")
		}
		list = append(list, found{a, number})
	}
	slices.SortStableFunc(list, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(len(b.Clears), len(a.Clears)), cmp.Compare(a.Target, b.Target), cmp.Compare(a.From, b.From))
	})
	for _, a := range list {
		p.act(a.Action)
	}
}

// layer describes the layer of a finding; nil where it is not known.
func (p *planner) layer(f *failure) *ActionLayer {
	at := findingLayer(f.finding)
	if at.DiffID == "" && at.Digest == "" {
		return nil
	}
	l := &ActionLayer{Digest: at.Digest, DiffID: at.DiffID, Line: f.line}
	for i, facts := range p.sv.Evidence.Layers {
		if sameLayer(at, facts) {
			l.Number, l.CreatedBy = i+1, facts.CreatedBy
			l.Digest, l.DiffID = cmp.Or(l.Digest, facts.Digest), cmp.Or(l.DiffID, facts.DiffID)
		}
	}
	return l
}

func sameLayer(l evidence.Layer, facts evidence.LayerFacts) bool {
	return l.DiffID != "" && l.DiffID == facts.DiffID || l.DiffID == "" && l.Digest != "" && l.Digest == facts.Digest
}

// changes are the fixes of what is no vulnerability, each once.
func (p *planner) changes() []Action {
	type key struct{ rule, fix string }
	at := map[key]int{}
	var list []Action
	for _, o := range p.sv.Outcomes {
		if o.Result != Fail {
			continue
		}
		for _, v := range o.Violations {
			if v.Finding != nil && v.Finding.Kind == evidence.KindVulnerability {
				continue
			}
			k := key{o.Rule, v.Fix}
			i, ok := at[k]
			if !ok {
				i = len(list)
				at[k] = i
				list = append(list, Action{Kind: ActionChange, Target: o.Rule, Text: cmp.Or(v.Fix, o.Remediation, o.Title, "meet the rule")})
			}
			list[i].Clears = append(list[i].Clears, clearedFact(o.Rule, v))
		}
	}
	return list
}

// endOfLife is no violation by itself, but says why there may be no fixes.
func (p *planner) endOfLife() {
	if os := p.sv.Evidence.Coverage.OS; os.EndOfLife {
		name := strings.TrimSpace(os.Family + " " + os.Release)
		p.act(Action{Kind: ActionChange, Target: name, Text: name + " is no longer maintained by its vendor: move to a maintained base image"})
	}
}

// waiverTime is for how long a waiver is proposed.
const waiverTime = 30 * day

// waivers are proposed only for vulnerabilities that nothing fixes.
func (p *planner) waivers() {
	until := p.time.Add(waiverTime).Truncate(day)
	if most := p.limits.MaxHorizon; most > 0 && until.After(p.time.Add(most)) {
		until = p.time.Add(most).Truncate(day)
	}
	byID := map[string][]*failure{}
	var order []string
	for _, f := range p.all {
		if f.fixable() || p.cleared[effectKey(f.finding)] {
			continue
		}
		if byID[f.finding.ID] == nil {
			order = append(order, f.finding.ID)
		}
		byID[f.finding.ID] = append(byID[f.finding.ID], f)
	}
	for _, id := range order {
		p.act(p.waiver(id, byID[id], until))
	}
}

func (p *planner) waiver(id string, fs []*failure, until time.Time) Action {
	var names []string
	enforced := false
	for _, f := range fs {
		if n := f.finding.PackageName(); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
		enforced = enforced || f.enforced
	}
	slices.Sort(names)
	a := Action{Kind: ActionWaive, Target: id, Clears: clearedOf(fs)}
	a.Text = "no fix exists yet for " + id
	if len(names) > 0 {
		a.Text += " in " + strings.Join(names, ", ")
	}
	if enforced {
		// A waiver of the image's own policy does not count there.
		a.Text += fmt.Sprintf(": remove the package, or ask who enforces %s for a waiver", strings.Join(fs[0].rules, ", "))
		return a
	}
	a.Until = wording.Date(until)
	a.Text += ": waive until " + a.Until + ", or remove the package"
	if !pasteable(id) || slices.ContainsFunc(names, func(n string) bool { return !pasteable(n) }) {
		return a
	}
	a.Command = "ocigate waiver add --verdict verdict.json --finding " + id
	if len(names) == 1 {
		a.Command += " --package " + names[0]
	}
	a.Command += " --until " + a.Until + " --reason no-fix-exists-yet --owner OWNER"
	if p.limits.ReferenceRequired {
		a.Command += " --reference TICKET"
	}
	a.Command += " --file waivers.yaml"
	return a
}

func clearedOf(fs []*failure) []Cleared {
	list := make([]Cleared, 0, len(fs))
	for _, f := range fs {
		list = append(list, Cleared{Rules: f.rules, ID: f.finding.ID, Package: f.finding.PackageName(), Version: f.finding.PackageVersion(), Path: f.finding.Location()})
	}
	return list
}

func clearedFact(rule string, v Violation) Cleared {
	c := Cleared{Rules: []string{rule}, ID: v.ID, Path: v.Path}
	if v.Finding != nil {
		c.ID, c.Path = v.Finding.ID, v.Finding.Location()
	}
	if v.Package != nil {
		c.Package, c.Version = v.Package.Name, v.Package.Version
	}
	return c
}
