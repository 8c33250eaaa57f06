// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

const (
	baseDigest  = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	alpineGlob  = "docker.io/library/alpine:3.*"
	alpineBase  = "docker.io/library/alpine:3.20"
	baseLayer   = "sha256:b1"
	sharedLayer = "sha256:b2"
	appLayer    = "sha256:a1"
)

// based is evidence of an image of two base layers and two of its own, one of which
// repeats one of the base's.
func based(change func(*evidence.Base)) evidence.Evidence {
	ev := good()
	ev.Layers = nil
	for _, id := range []string{baseLayer, sharedLayer, appLayer, sharedLayer} {
		ev.Layers = append(ev.Layers, evidence.LayerFacts{DiffID: id, Verification: evidence.LayerVerified})
	}
	created := now.Add(-30 * 24 * time.Hour)
	ev.Base = &evidence.Base{
		Claims: []evidence.BaseClaim{{Source: evidence.ClaimDockerfile, Reference: "alpine:3.20", Digest: baseDigest, Line: 7}}, Source: evidence.ClaimDockerfile,
		Reference: alpineBase, Digest: baseDigest, ManifestDigest: "sha256:22", Pinned: true, Current: ptr(true), Created: &created,
		Lineage: evidence.LineageProven, Layers: 2, Reason: "the image's first 2 layers, of 4, are the base's",
	}
	if change != nil {
		change(ev.Base)
	}
	return ev
}

func baseRule(id string, r policy.BaseRule) policy.Rule {
	return policy.Rule{ID: id, Group: policy.GroupBase, Action: policy.ActionFail, Base: &r}
}

func TestBaseRule(t *testing.T) {
	full := policy.BaseRule{Images: []string{alpineGlob}, Pinned: true, LatestForbidden: true, MaxAge: 90 * 24 * time.Hour, CurrentRequired: true}
	scratch := func(b *evidence.Base) {
		*b = evidence.Base{Claims: b.Claims, Source: evidence.ClaimDockerfile, Lineage: evidence.LineageScratch}
	}
	lineage := func(l evidence.Lineage) func(*evidence.Base) {
		return func(b *evidence.Base) { b.Lineage, b.Layers, b.Reason, b.Hint = l, 0, "because", "do this" }
	}
	cases := map[string]struct {
		rule   policy.BaseRule
		change func(*evidence.Base)
		result verdict.Result
		ids    string // of the violations
	}{
		"all is well":             {full, nil, verdict.Pass, ""},
		"zero rule":               {policy.BaseRule{}, nil, verdict.Pass, ""},
		"zero rule, disproven":    {policy.BaseRule{}, lineage(evidence.LineageDisproven), verdict.Fail, "lineage"},
		"disproven":               {full, lineage(evidence.LineageDisproven), verdict.Fail, "lineage"},
		"not approved":            {full, lineage(evidence.LineageNotApproved), verdict.Fail, "lineage"},
		"could not check":         {full, lineage(evidence.LineageUnknown), verdict.Error, ""},
		"zero lineage":            {full, lineage(""), verdict.Error, ""},
		"a lineage of the future": {full, lineage("blessed"), verdict.Error, ""},
		"zero base":               {full, func(b *evidence.Base) { *b = evidence.Base{} }, verdict.Fail, "lineage"},
		"proven by no layer":      {full, func(b *evidence.Base) { b.Layers = 0 }, verdict.Error, ""},
		"proven by too many":      {full, func(b *evidence.Base) { b.Layers = 5 }, verdict.Error, ""},
		"another name":            {full, func(b *evidence.Base) { b.Reference = "docker.io/library/debian:12" }, verdict.Fail, "images"},
		"unchecked, another name": {full, func(b *evidence.Base) {
			b.Lineage, b.Reference = evidence.LineageUnknown, "docker.io/library/debian:12"
		}, verdict.Fail, "images"},
		"no name":                  {full, func(b *evidence.Base) { b.Reference = "" }, verdict.Error, ""},
		"the tag is another image": {policy.BaseRule{Images: []string{alpineGlob}}, func(b *evidence.Base) { b.Current = ptr(false) }, verdict.Fail, "images"},
		"the tag is not known":     {policy.BaseRule{Images: []string{alpineGlob}}, func(b *evidence.Base) { b.Current = nil }, verdict.Error, ""},
		"a glob without tag":       {policy.BaseRule{Images: []string{"alpine"}}, func(b *evidence.Base) { b.Current = ptr(false) }, verdict.Pass, ""},
		"by digest":                {policy.BaseRule{Images: []string{"alpine@" + baseDigest}}, func(b *evidence.Base) { b.Current = nil }, verdict.Pass, ""},
		"by digest, disproven":     {policy.BaseRule{Images: []string{"alpine@" + baseDigest}}, lineage(evidence.LineageDisproven), verdict.Fail, "lineage images"},
		"by another digest":        {policy.BaseRule{Images: []string{"alpine@" + baseDigest}}, func(b *evidence.Base) { b.Digest = "sha256:33" }, verdict.Fail, "images"},
		"not pinned":               {full, func(b *evidence.Base) { b.Pinned = false }, verdict.Fail, "pinned"},
		"latest":                   {full, func(b *evidence.Base) { b.Reference = "docker.io/library/alpine:latest" }, verdict.Fail, "images latest"},
		"neither tag nor digest":   {policy.BaseRule{LatestForbidden: true}, func(b *evidence.Base) { b.Reference, b.Pinned = "docker.io/library/alpine", false }, verdict.Fail, "latest"},
		"latest at hand":           {policy.BaseRule{LatestForbidden: true}, func(b *evidence.Base) { b.Reference, b.Pinned = "docker-archive:x/base.tar", false }, verdict.Pass, ""},
		"local, by name":           {policy.BaseRule{Images: []string{alpineGlob, "*/x/**"}}, func(b *evidence.Base) { b.Reference = "docker-archive:x/base.tar" }, verdict.Fail, "images"},
		"local, by digest":         {policy.BaseRule{Images: []string{"alpine@" + baseDigest}}, func(b *evidence.Base) { b.Reference = "docker-archive:x/base.tar" }, verdict.Pass, ""},
		"a digest alone":           {policy.BaseRule{LatestForbidden: true}, func(b *evidence.Base) { b.Reference = "docker.io/library/alpine" }, verdict.Pass, ""},
		"too old":                  {full, func(b *evidence.Base) { b.Created = ptr(now.Add(-91 * 24 * time.Hour)) }, verdict.Fail, "max-age"},
		"undated":                  {full, func(b *evidence.Base) { b.Created = nil }, verdict.Fail, "max-age"},
		"of year zero":             {full, func(b *evidence.Base) { b.Created = &time.Time{} }, verdict.Fail, "max-age"},
		"of the future":            {full, func(b *evidence.Base) { b.Created = ptr(now.Add(48 * time.Hour)) }, verdict.Fail, "max-age"},
		"of a clock that is ahead": {full, func(b *evidence.Base) { b.Created = ptr(now.Add(time.Minute)) }, verdict.Pass, ""},
		"not current":              {policy.BaseRule{CurrentRequired: true}, func(b *evidence.Base) { b.Current = ptr(false) }, verdict.Fail, "current"},
		"current is not known":     {policy.BaseRule{CurrentRequired: true}, func(b *evidence.Base) { b.Current = nil }, verdict.Error, ""},
		"no tag to be current":     {policy.BaseRule{CurrentRequired: true}, func(b *evidence.Base) { b.Current, b.Reference = nil, "docker.io/library/alpine" }, verdict.Fail, "current"},
		"current, local":           {policy.BaseRule{CurrentRequired: true}, func(b *evidence.Base) { b.Current, b.Reference = nil, "oci-archive:base.tar" }, verdict.Fail, "current"},
		"local, old and unpinned": {full, func(b *evidence.Base) {
			b.Reference, b.Pinned, b.Created = "oci-archive:base.tar", false, ptr(now.Add(-91*24*time.Hour))
		}, verdict.Fail, "images pinned max-age"},
		"scratch": {full, scratch, verdict.Fail, "scratch"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := outcome(decide(rules(baseRule("b", c.rule)), based(c.change)), "b")
			var ids []string
			for _, v := range o.Violations {
				ids = append(ids, v.ID)
				if v.Message == "" || v.Fix == "" || strings.Contains(v.Fix, "archive:") || c.change != nil && v.Line != 7 && name != "zero base" {
					t.Errorf("violation %+v", v)
				}
			}
			if o.Result != c.result || strings.Join(ids, " ") != c.ids || o.Summary == "" {
				t.Errorf("%s %q: %s, want %s %q", o.Result, ids, o.Summary, c.result, c.ids)
			}
		})
	}
}

// TestScratch: nothing proves that an image has no base, but a distribution in it
// proves that it has one.
func TestScratch(t *testing.T) {
	ev := based(func(b *evidence.Base) { b.Lineage, b.Layers, b.Reference = evidence.LineageScratch, 0, "" })
	p := rules(baseRule("b", policy.BaseRule{Images: []string{alpineGlob}, ScratchAllowed: true}))
	p.Coverage.OSOptional = true
	if o := outcome(decide(p, ev), "b"); o.Result != verdict.Fail || !strings.Contains(o.Summary, "holds alpine 3.19.1") {
		t.Errorf("with a distribution: %s %s", o.Result, o.Summary)
	}
	ev.Coverage.OS = evidence.OSFacts{}
	if o := outcome(decide(p, ev), "b"); o.Result != verdict.Pass {
		t.Errorf("without: %s %s", o.Result, o.Summary)
	}
	ev.Problems = []evidence.Problem{{Area: evidence.AreaScan, Message: "crashed"}}
	if o := outcome(decide(p, ev), "b"); o.Result != verdict.Error {
		t.Errorf("not scanned: %s %s", o.Result, o.Summary)
	}
}

func TestNoBase(t *testing.T) {
	p := rules(baseRule("b", policy.BaseRule{Images: []string{alpineGlob}}))
	if o := outcome(decide(p, good()), "b"); o.Result != verdict.Fail || o.Violations[0].ID != verdict.FactLineage {
		t.Errorf("%s %s", o.Result, o.Summary)
	}
	broken := problem(evidence.Problem{Area: evidence.AreaImage, Message: "could not be opened"})
	if o := outcome(decide(p, broken), "b"); o.Result != verdict.Error {
		t.Errorf("an image that was not opened: %s %s", o.Result, o.Summary)
	}
}

// TestLineageCannotBeWaived: the rest of a base rule can.
func TestLineageCannotBeWaived(t *testing.T) {
	p := rules(baseRule("b", policy.BaseRule{Pinned: true}))
	p.Waivers = []policy.Waiver{{ID: "w", Rule: "b", Until: now.AddDate(0, 1, 0)}, {ID: "x", Finding: "lineage", Until: now.AddDate(0, 1, 0)}}
	if o := outcome(decide(p, based(func(b *evidence.Base) { b.Pinned = false })), "b"); o.Result != verdict.Pass || len(o.Waived) != 1 {
		t.Errorf("pinned: %s %+v", o.Result, o)
	}
	for name, ev := range map[string]evidence.Evidence{
		"disproven":    based(func(b *evidence.Base) { b.Lineage = evidence.LineageDisproven }),
		"not approved": based(func(b *evidence.Base) { b.Lineage = evidence.LineageNotApproved }),
		"no claim":     good(),
	} {
		if o := outcome(decide(p, ev), "b"); o.Result != verdict.Fail || len(o.Waived) != 0 {
			t.Errorf("%s: %s %+v", name, o.Result, o.Waived)
		}
	}
}

// origins are the origins of three findings: in the base, above it, in both.
func origins(t *testing.T, p *policy.Policy, ev evidence.Evidence) string {
	t.Helper()
	p.Rules = append(p.Rules, critical)
	for i, layer := range []string{baseLayer, appLayer, sharedLayer} {
		f := vuln("CVE-"+layer, evidence.SeverityCritical, i%2, "")
		f.Layer.DiffID = layer
		ev.Findings = append(ev.Findings, f)
	}
	var got []string
	for _, v := range outcome(decide(p, ev), "no-critical").Violations {
		got = append(got, strings.TrimPrefix(v.Finding.ID, "CVE-sha256:")+" "+string(v.Origin))
	}
	return strings.Join(got, ", ")
}

func TestOrigin(t *testing.T) {
	const nothing = "a1 application, b1 application, b2 application"
	const honest = "a1 application, b1 base, b2 application"
	approved := baseRule("b", policy.BaseRule{Images: []string{alpineGlob}})
	pinned := baseRule("p", policy.BaseRule{Pinned: true})
	later := approved
	later.From = now.AddDate(0, 0, 1)
	unpinned := func(b *evidence.Base) { b.Pinned = false }
	waived := func(level int, rs ...policy.Rule) *policy.Policy {
		for i := range rs {
			rs[i].Level = level
		}
		p := rules(rs...)
		p.Documents = []policy.DocumentRef{{Enforced: true}, {}}
		p.Waivers = []policy.Waiver{{ID: "w", Rule: "p", Level: level, Until: now.AddDate(0, 1, 0)}}
		return p
	}
	cases := map[string]struct {
		policy *policy.Policy
		change func(*evidence.Base)
		want   string
	}{
		"approved and proven":         {rules(approved), nil, honest},
		"no base rule":                {rules(), nil, nothing},
		"a rule that names no images": {rules(pinned), nil, nothing},
		"a rule that only warns":      {rules(asWarning(approved)), nil, nothing},
		"a rule that warns for now":   {rules(later), nil, nothing},
		"one rule is not met":         {rules(approved, pinned), unpinned, nothing},
		"a warning is not met":        {rules(approved, asWarning(pinned)), unpinned, honest},
		"disproven":                   {rules(approved), func(b *evidence.Base) { b.Lineage = evidence.LineageDisproven }, nothing},
		"unknown":                     {rules(approved), func(b *evidence.Base) { b.Lineage = evidence.LineageUnknown }, nothing},
		"names itself":                {rules(approved), func(b *evidence.Base) { b.Reference = "registry.example.com/app:1.2" }, nothing},
		"all layers and more":         {rules(approved), func(b *evidence.Base) { b.Layers = 9 }, nothing},
		"negative":                    {rules(approved), func(b *evidence.Base) { b.Layers = -1 }, nothing},
		"the violation is waived":     {waived(1, approved, pinned), unpinned, honest},
		"waived below enforcement":    {waived(0, approved, pinned), unpinned, nothing},
	}
	for name, c := range cases {
		if got := origins(t, c.policy, based(c.change)); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestOriginBase decides a rule about the base's vulnerabilities.
func TestOriginBase(t *testing.T) {
	rule := vulnRule("base-critical", policy.VulnerabilityRule{Severities: []evidence.Severity{evidence.SeverityCritical, evidence.SeverityUnknown}, Origin: "base"})
	ev := based(nil)
	f := vuln("CVE-1", evidence.SeverityCritical, 0, "")
	f.Layer.DiffID = baseLayer
	ev.Findings = []evidence.Finding{f}
	o := outcome(decide(rules(rule, baseRule("b", policy.BaseRule{Images: []string{"alpine"}})), ev), "base-critical")
	if o.Result != verdict.Fail || o.Violations[0].Origin != verdict.OriginBase {
		t.Errorf("%s %s", o.Result, o.Summary)
	}
}

func TestLines(t *testing.T) {
	ev := based(nil)
	ev.Dockerfile = &evidence.Dockerfile{Path: "Dockerfile", Stages: []evidence.Stage{
		{Name: "tools", Base: "golang", Line: 1, Instructions: []evidence.Instruction{{Keyword: "RUN", Arguments: "make", Line: 2}}},
		{Name: "runtime", Base: "alpine:3.20", Line: 7, Instructions: []evidence.Instruction{
			{Keyword: "ENV", Arguments: "A=1", Line: 8},
			{Keyword: "RUN", Arguments: "apk add curl", Line: 9},
		}},
		{Base: "runtime", Line: 12, Instructions: []evidence.Instruction{
			{Keyword: "COPY", Arguments: "$SRC /app", Line: 13}, {Keyword: "USER", Arguments: "app", Line: 14},
		}},
	}}
	history := func(run string) *evidence.Config {
		return &evidence.Config{History: []evidence.HistoryEntry{
			{CreatedBy: "/bin/sh -c #(nop) ADD file:x in / "}, {CreatedBy: "RUN /bin/sh -c update # buildkit"},
			{CreatedBy: "ENV A=1", EmptyLayer: true}, {CreatedBy: run}, {CreatedBy: "COPY src /app # buildkit"},
			{CreatedBy: "/bin/sh -c #(nop)  USER app", EmptyLayer: true},
		}}
	}
	line := func(ev evidence.Evidence, layer string) int {
		f := vuln("CVE-1", evidence.SeverityCritical, 0, "")
		f.Layer.DiffID = layer
		ev.Findings = []evidence.Finding{f}
		return outcome(decide(rules(critical), ev), "no-critical").Violations[0].Line
	}
	ev.Layers[3].DiffID = "sha256:a2"
	for run, want := range map[string]int{
		"RUN /bin/sh -c apk add curl # buildkit":        9,
		"/bin/sh -c apk add   curl":                     9,
		"RUN |1 V=1 /bin/sh -c apk add curl # buildkit": 9,
		"|1 V=1 /bin/sh -c apk add curl":                9,
		"RUN /bin/sh -c apk add wget # buildkit":        0,
		"COPY a b":                                      0,
		"":                                              0,
	} {
		ev.Image.Config = history(run)
		if got := line(ev, appLayer); got != want {
			t.Errorf("%q: line %d, want %d", run, got, want)
		}
		if got := line(ev, "sha256:a2"); got != 13 {
			t.Errorf("%q: COPY in line %d", run, got)
		}
		if got := line(ev, baseLayer); got != 0 {
			t.Errorf("%q: the base in line %d", run, got)
		}
	}
	ev.Image.Config.History = ev.Image.Config.History[1:]
	if got := line(ev, "sha256:a2"); got != 0 {
		t.Errorf("a history of other layers: line %d", got)
	}
}
