// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/verdict"
)

type (
	cdxDocument struct {
		Schema          string             `json:"$schema"`
		Format          string             `json:"bomFormat"`
		SpecVersion     string             `json:"specVersion"`
		SerialNumber    string             `json:"serialNumber,omitempty"`
		Version         int                `json:"version"`
		Metadata        cdxMetadata        `json:"metadata"`
		Components      []cdxComponent     `json:"components"`
		Dependencies    []cdxDependency    `json:"dependencies"`
		Compositions    []cdxComposition   `json:"compositions,omitempty"`
		Vulnerabilities []cdxVulnerability `json:"vulnerabilities"`
	}
	cdxMetadata struct {
		Timestamp  time.Time     `json:"timestamp"`
		Tools      cdxTools      `json:"tools"`
		Component  cdxComponent  `json:"component"`
		Properties []cdxProperty `json:"properties,omitempty"`
	}
	cdxTools struct {
		Components []cdxComponent `json:"components"`
	}
	cdxComponent struct {
		Ref        string         `json:"bom-ref,omitempty"`
		Type       string         `json:"type"`
		Name       string         `json:"name"`
		Version    string         `json:"version,omitempty"`
		Hashes     []cdxHash      `json:"hashes,omitempty"`
		Licences   []cdxLicence   `json:"licenses,omitempty"`
		PURL       string         `json:"purl,omitempty"`
		Evidence   *cdxEvidence   `json:"evidence,omitempty"`
		Components []cdxComponent `json:"components,omitempty"`
		Properties []cdxProperty  `json:"properties,omitempty"`
	}
	cdxHash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	cdxLicence struct {
		Licence         *cdxNamed `json:"license,omitempty"`
		Expression      string    `json:"expression,omitempty"`
		Acknowledgement string    `json:"acknowledgement,omitempty"`
	}
	cdxNamed struct {
		Name            string `json:"name"`
		Acknowledgement string `json:"acknowledgement"`
	}
	cdxEvidence struct {
		Occurrences []cdxOccurrence `json:"occurrences"`
	}
	cdxOccurrence struct {
		Location string `json:"location"`
	}
	cdxProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	cdxDependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
	cdxComposition struct {
		Aggregate  string   `json:"aggregate"`
		Assemblies []string `json:"assemblies"`
	}
	cdxVulnerability struct {
		Ref            string        `json:"bom-ref"`
		ID             string        `json:"id"`
		Source         *cdxSource    `json:"source,omitempty"`
		References     []cdxAlias    `json:"references,omitempty"`
		Ratings        []cdxRating   `json:"ratings"`
		Description    string        `json:"description,omitempty"`
		Recommendation string        `json:"recommendation,omitempty"`
		Published      *time.Time    `json:"published,omitempty"`
		Updated        *time.Time    `json:"updated,omitempty"`
		Analysis       *cdxAnalysis  `json:"analysis,omitempty"`
		Affects        []cdxAffected `json:"affects"`
		Properties     []cdxProperty `json:"properties,omitempty"`
	}
	cdxAlias struct {
		ID     string    `json:"id"`
		Source cdxSource `json:"source"`
	}
	cdxSource struct {
		Name string `json:"name,omitempty"`
		URL  string `json:"url,omitempty"`
	}
	cdxRating struct {
		Source   *cdxSource `json:"source,omitempty"`
		Score    float64    `json:"score,omitempty"`
		Severity string     `json:"severity"`
		Method   string     `json:"method,omitempty"`
	}
	cdxAnalysis struct {
		State         string `json:"state"`
		Justification string `json:"justification,omitempty"`
		Detail        string `json:"detail,omitempty"`
	}
	cdxAffected struct {
		Ref string `json:"ref"`
	}
)

// CycloneDX writes what is in the image as CycloneDX 1.6: packages, vulnerabilities, and
// what the policy's waivers and VEX documents say about each. One image is the
// component that the document is about; several platforms are parts of it. The verdict
// and what could not be examined are properties of the document, and an image that may
// lack packages is an "incomplete" composition.
func CycloneDX(w io.Writer, v verdict.Verdict, o Options) error {
	doc := cdxDocument{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		Metadata: cdxMetadata{Timestamp: v.EffectiveTime, Properties: cdxRun(v)},
	}
	for _, t := range tools(o) {
		doc.Metadata.Tools.Components = append(doc.Metadata.Tools.Components, cdxComponent{Type: "application", Name: t.name, Version: t.value})
	}
	ls, ws := newLicences(), indexWaivers(v)
	var images []cdxComponent
	for i := range v.Subjects {
		s := &v.Subjects[i]
		key := fmt.Sprintf("%d/%s", i, target(s.Evidence.Subject, v.Reference))
		image := cdxImage(v, s, key)
		parts, ids := components(s, key)
		for _, p := range parts {
			image.Components = append(image.Components, cdxPackage(p, ls))
		}
		image.Components = append(cdxOS(s, key), image.Components...)
		dep := cdxDependency{Ref: image.Ref}
		for _, c := range image.Components {
			dep.DependsOn = append(dep.DependsOn, c.Ref)
		}
		doc.Dependencies = append(doc.Dependencies, dep)
		doc.Compositions = append(doc.Compositions, cdxComposition{cdxAggregate(v, s), []string{image.Ref}})
		for _, m := range vulnerabilities(s) {
			doc.Vulnerabilities = append(doc.Vulnerabilities, cdxVulnerabilityOf(m, ws, key, image.Ref, ids))
		}
		images = append(images, image)
	}
	doc.subjects(v, images)
	err := stamped(w, "cyclonedx", func(id string) any {
		if id != "" {
			doc.SerialNumber = "urn:uuid:" + id
		}
		return doc
	})
	if err != nil {
		return fmt.Errorf("write verdict as CycloneDX: %w", err)
	}
	return nil
}

// subjects puts the images in their places: one is what the document is about, of
// several the document is about what they are platforms of.
func (d *cdxDocument) subjects(v verdict.Verdict, images []cdxComponent) {
	if len(images) == 1 {
		d.Metadata.Component, d.Components = images[0], images[0].Components
		d.Metadata.Component.Components = nil
		return
	}
	d.Metadata.Component = cdxComponent{Ref: "image", Type: "container", Name: cmp.Or(clean(v.Reference), "no image")}
	dep := cdxDependency{Ref: "image"}
	for _, c := range images {
		dep.DependsOn = append(dep.DependsOn, c.Ref)
	}
	if len(v.Subjects) > 0 {
		d.Metadata.Component.Version = clean(v.Subjects[0].Evidence.Subject.IndexDigest)
	}
	d.Components, d.Dependencies = images, append([]cdxDependency{dep}, d.Dependencies...)
	if len(images) == 0 {
		d.Compositions = []cdxComposition{{"unknown", []string{"image"}}}
	}
}

// cdxRun is what is to be known of the run.
func cdxRun(v verdict.Verdict) []cdxProperty {
	name := map[string]string{"info": "ocigate:run", "warn": "ocigate:warning", "fatal": "ocigate:undecided"}
	var ps []cdxProperty
	for i, m := range runMessages(v) {
		if i == 0 {
			ps = append(ps, cdxProperty{"ocigate:verdict", m.Value})
			continue
		}
		ps = append(ps, cdxProperty{name[m.Level], m.Value})
	}
	for _, w := range v.Waivers {
		ps = append(ps, cdxProperty{"ocigate:waiver", waiverText(w)})
	}
	return ps
}

// cdxAggregate never says complete: nobody can know that of a scan.
func cdxAggregate(v verdict.Verdict, s *verdict.SubjectVerdict) string {
	if incomplete(v, s) {
		return "incomplete"
	}
	return "unknown"
}

func cdxImage(v verdict.Verdict, s *verdict.SubjectVerdict, key string) cdxComponent {
	sub := s.Evidence.Subject
	c := cdxComponent{Ref: "image-" + fingerprint(key)[:16], Type: "container", Name: subjectName(v, sub), Version: subjectDigest(sub), PURL: imagePURL(sub)}
	if h := sha256Hex(sub.Digest); h != "" {
		c.Hashes = []cdxHash{{"SHA-256", h}}
	}
	c.Properties = cdxProperties(
		fact{"ocigate:platform", clean(sub.Platform.String())}, fact{"ocigate:imageID", clean(sub.ImageID)},
		fact{"ocigate:verdict", statusWord(v, s.Status)}, fact{"ocigate:databaseDigest", clean(s.Evidence.Database.Digest)},
	)
	for _, l := range s.Evidence.Layers {
		c.Properties = append(c.Properties, cdxProperties(fact{"ocigate:layer", clean(cmp.Or(l.DiffID, l.Digest))})...)
	}
	return c
}

func cdxOS(s *verdict.SubjectVerdict, key string) []cdxComponent {
	os := s.Evidence.Coverage.OS
	if os.Family == "" {
		return nil
	}
	return []cdxComponent{{Ref: "os-" + fingerprint(key)[:16], Type: "operating-system", Name: clean(os.Family), Version: clean(os.Release)}}
}

func cdxPackage(p component, ls *licences) cdxComponent {
	c := cdxComponent{
		Ref: p.id, Type: "library", Name: cmp.Or(clean(p.Name), "unnamed"), Version: clean(p.Version), PURL: goodPURL(p.PURL),
		Properties: cdxProperties(
			fact{"ocigate:packageType", clean(p.Type)}, fact{"ocigate:sourcePackage", clean(p.SourceName)},
			fact{"ocigate:layerDiffID", clean(p.Layer.DiffID)}, fact{"ocigate:layerDigest", clean(p.Layer.Digest)},
		),
	}
	if at := clean(p.Path); at != "" {
		c.Evidence = &cdxEvidence{[]cdxOccurrence{{at}}}
	}
	// Names go by expression, as the schema's own list of ids is older than ours.
	text, known := ls.expression(p.Licenses)
	switch {
	case text == "":
	case known:
		c.Licences = []cdxLicence{{Expression: text, Acknowledgement: "declared"}}
	default:
		const most = 50
		for _, l := range p.Licenses[:min(len(p.Licenses), most)] {
			if l = clean(l); l != "" {
				c.Licences = append(c.Licences, cdxLicence{Licence: &cdxNamed{l, "declared"}})
			}
		}
	}
	return c
}

// cdxProperties are those that have a value.
func cdxProperties(fs ...fact) []cdxProperty {
	var ps []cdxProperty
	for _, f := range fs {
		if f.value != "" {
			ps = append(ps, cdxProperty{f.name, f.value})
		}
	}
	return ps
}

func cdxVulnerabilityOf(m matched, ws waiverIndex, key, image string, ids map[string]string) cdxVulnerability {
	out := cdxVulnerability{
		Ref: "vulnerability-" + fingerprint(key, m.ID, m.PackageName(), m.Location()), ID: cmp.Or(ident(m.ID), "unknown"),
		Description: longText(cmp.Or(m.Description, m.Title)), Published: m.Published, Updated: m.Modified,
		Affects: []cdxAffected{{image}}, Ratings: []cdxRating{{Severity: m.Severity.String()}},
		Properties: cdxProperties(fact{"ocigate:gate", m.gate(ws)}, fact{"ocigate:vendorStatus", clean(m.Status)}),
	}
	if p := m.Package; p != nil {
		out.Affects[0].Ref = cmp.Or(ids[packageKey(p)], image)
	}
	if src := (cdxSource{clean(m.DataSource), weblink(m.URL)}); src != (cdxSource{}) {
		out.Source = &src
	}
	if r := &out.Ratings[0]; m.CVSS > 0 && m.CVSS <= 10 {
		r.Score, r.Method = m.CVSS, "other"
	}
	if src := clean(m.SeveritySource); src != "" {
		out.Ratings[0].Source = &cdxSource{Name: src}
	}
	const most = 20
	for _, a := range m.Aliases[:min(len(m.Aliases), most)] {
		if a = ident(a); a != "" {
			out.References = append(out.References, cdxAlias{ID: a, Source: cdxSource{Name: "alias"}})
		}
	}
	if m.FixedVersion != "" {
		out.Recommendation = "upgrade " + clean(m.PackageName()) + " to " + clean(m.FixedVersion)
	}
	if s, ok := stanceOf(m, ws); ok {
		out.Analysis = cdxAnalysisOf(s)
	}
	if m.KnownExploited != nil {
		out.Properties = append(out.Properties, cdxProperty{"ocigate:knownExploited", m.KnownExploited.UTC().Format(time.DateOnly)})
	}
	return out
}

// cdxAnalysisOf says it in CycloneDX's words.
func cdxAnalysisOf(s stance) *cdxAnalysis {
	a := &cdxAnalysis{State: "in_triage"}
	switch s.status {
	case stanceNotAffected:
		a.State = "not_affected"
		a.Justification = map[string]string{
			"component_not_present": "code_not_present", "vulnerable_code_not_present": "code_not_present",
			"vulnerable_code_not_in_execute_path": "code_not_reachable", "inline_mitigations_already_exist": "protected_by_mitigating_control",
		}[s.justification]
	case stanceFixed:
		a.State = "resolved"
	case stanceAffected:
		a.State = "exploitable" // CycloneDX's word for affected
	}
	a.Detail = strings.Join(values(s.action, s.justification, s.impact, s.notes), "; ")
	return a
}
