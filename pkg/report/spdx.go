// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type (
	spdxDocument struct {
		Version       string             `json:"spdxVersion"`
		DataLicence   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Comment       string             `json:"comment"`
		Creation      spdxCreation       `json:"creationInfo"`
		Describes     []string           `json:"documentDescribes"`
		Packages      []spdxPackage      `json:"packages"`
		Extracted     []spdxExtracted    `json:"hasExtractedLicensingInfos,omitempty"`
		Relationships []spdxRelationship `json:"relationships"`
		Annotations   []spdxAnnotation   `json:"annotations,omitempty"`
	}
	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID               string           `json:"SPDXID"`
		Name             string           `json:"name"`
		Version          string           `json:"versionInfo,omitempty"`
		Purpose          string           `json:"primaryPackagePurpose,omitempty"`
		DownloadLocation string           `json:"downloadLocation"`
		FilesAnalyzed    bool             `json:"filesAnalyzed"`
		SourceInfo       string           `json:"sourceInfo,omitempty"`
		Concluded        string           `json:"licenseConcluded"`
		Declared         string           `json:"licenseDeclared"`
		Copyright        string           `json:"copyrightText"`
		Checksums        []spdxChecksum   `json:"checksums,omitempty"`
		References       []spdxReference  `json:"externalRefs,omitempty"`
		Annotations      []spdxAnnotation `json:"annotations,omitempty"`
	}
	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	spdxReference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
		Comment  string `json:"comment,omitempty"`
	}
	spdxExtracted struct {
		ID      string `json:"licenseId"`
		Text    string `json:"extractedText"`
		Name    string `json:"name"`
		Comment string `json:"comment"`
	}
	spdxRelationship struct {
		Element string `json:"spdxElementId"`
		Type    string `json:"relationshipType"`
		Related string `json:"relatedSpdxElement"`
	}
	spdxAnnotation struct {
		Date      string `json:"annotationDate"`
		Type      string `json:"annotationType"`
		Annotator string `json:"annotator"`
		Comment   string `json:"comment"`
	}
)

const (
	spdxNone = "NOASSERTION"
	spdxRoot = "SPDXRef-DOCUMENT"
)

// SPDX writes what is in the image as SPDX 2.3. The document describes each platform.
// The verdict, waivers and what could not be examined are annotations of the document,
// vulnerabilities are annotations of the packages, with what rules make of them.
func SPDX(w io.Writer, v verdict.Verdict, o Options) error {
	b := &spdxBuilder{verdict: v, at: wording.Time(v.EffectiveTime), waivers: indexWaivers(v), licences: newLicences()}
	doc := &b.doc
	*doc = spdxDocument{
		Version: "SPDX-2.3", DataLicence: "CC0-1.0", ID: spdxRoot, Name: cmp.Or(clean(v.Reference), "no image"),
		Comment: headline(v), Creation: spdxCreation{Created: b.at}, Annotations: b.run(),
	}
	for _, t := range tools(o) {
		doc.Creation.Creators = append(doc.Creation.Creators, "Tool: "+t.name+"-"+t.value)
	}
	for i := range v.Subjects {
		b.subject(&v.Subjects[i], i)
	}
	if len(v.Subjects) == 0 {
		b.nothing()
	}
	for _, ref := range slices.Sorted(maps.Keys(b.licences.unknown)) {
		name := b.licences.unknown[ref]
		doc.Extracted = append(doc.Extracted, spdxExtracted{ref, name, name, "stated by a package; in no list of licences, and its text was not read"})
	}
	err := stamped(w, "spdx", func(id string) any {
		doc.Namespace = informationURI + "/spdx/" + cmp.Or(id, "0")
		return *doc
	})
	if err != nil {
		return fmt.Errorf("write verdict as SPDX: %w", err)
	}
	return nil
}

type spdxBuilder struct {
	doc      spdxDocument
	verdict  verdict.Verdict
	at       string
	waivers  waiverIndex
	licences *licences
}

func (b *spdxBuilder) annotation(text string) spdxAnnotation {
	return spdxAnnotation{b.at, "OTHER", "Tool: ocigate", text}
}

func (b *spdxBuilder) relate(from, kind, to string) {
	b.doc.Relationships = append(b.doc.Relationships, spdxRelationship{from, kind, to})
}

// run is what is to be known of the run.
func (b *spdxBuilder) run() []spdxAnnotation {
	prefix := map[string]string{"warn": "warning: ", "fatal": "undecided: "}
	var as []spdxAnnotation
	for i, m := range runMessages(b.verdict) {
		if i == 0 {
			as = append(as, b.annotation("verdict: "+m.Value))
			continue
		}
		as = append(as, b.annotation(prefix[m.Level]+m.Value))
	}
	for _, w := range b.verdict.Waivers {
		as = append(as, b.annotation("waiver "+waiverText(w)))
	}
	return as
}

// nothing stands for an image that was not opened: a document must describe something.
func (b *spdxBuilder) nothing() {
	p := b.pkg("SPDXRef-image", b.doc.Name, "", "CONTAINER")
	p.Annotations = []spdxAnnotation{b.annotation("nothing was examined")}
	b.doc.Packages = append(b.doc.Packages, p)
	b.doc.Describes = []string{p.ID}
	b.relate(spdxRoot, "DESCRIBES", p.ID)
}

func (b *spdxBuilder) pkg(id, name, version, purpose string) spdxPackage {
	return spdxPackage{ID: id, Name: cmp.Or(name, "unnamed"), Version: version, Purpose: purpose, DownloadLocation: spdxNone, Concluded: spdxNone, Declared: spdxNone, Copyright: spdxNone}
}

func (p *spdxPackage) purl(url string) {
	if url != "" {
		p.References = append(p.References, spdxReference{Category: "PACKAGE-MANAGER", Type: "purl", Locator: url})
	}
}

func (b *spdxBuilder) subject(s *verdict.SubjectVerdict, i int) {
	sub := s.Evidence.Subject
	key := fmt.Sprintf("%d/%s", i, target(sub, b.verdict.Reference))
	image := b.pkg("SPDXRef-image-"+fingerprint(key)[:16], subjectName(b.verdict, sub), subjectDigest(sub), "CONTAINER")
	image.purl(imagePURL(sub))
	if h := sha256Hex(sub.Digest); h != "" {
		image.Checksums = []spdxChecksum{{"SHA256", h}}
	}
	image.Annotations = append(image.Annotations, b.annotation(subjectLine(b.verdict, s)))
	if incomplete(b.verdict, s) {
		image.Annotations = append(image.Annotations, b.annotation("incomplete: not all of the image was examined, as annotations of the document say"))
	}
	b.doc.Describes = append(b.doc.Describes, image.ID)
	b.relate(spdxRoot, "DESCRIBES", image.ID)
	at := len(b.doc.Packages)
	b.doc.Packages = append(b.doc.Packages, image)
	if os := s.Evidence.Coverage.OS; os.Family != "" {
		p := b.pkg("SPDXRef-os-"+fingerprint(key)[:16], clean(os.Family), clean(os.Release), "OPERATING_SYSTEM")
		b.doc.Packages = append(b.doc.Packages, p)
		b.relate(image.ID, "CONTAINS", p.ID)
	}
	parts, ids := components(s, key)
	found := map[string][]matched{}
	for _, m := range vulnerabilities(s) {
		if m.Package == nil {
			b.doc.Packages[at].Annotations = append(b.doc.Packages[at].Annotations, b.annotation(b.found(m)))
			continue
		}
		found[ids[packageKey(m.Package)]] = append(found[ids[packageKey(m.Package)]], m)
	}
	for _, c := range parts {
		p := b.part(c, found[c.id])
		b.doc.Packages = append(b.doc.Packages, p)
		b.relate(image.ID, "CONTAINS", p.ID)
	}
}

func (b *spdxBuilder) part(c component, found []matched) spdxPackage {
	p := b.pkg("SPDXRef-package-"+c.id, clean(c.Name), clean(c.Version), "LIBRARY")
	p.purl(goodPURL(c.PURL))
	if text, _ := b.licences.expression(c.Licenses); text != "" {
		p.Declared = text
	}
	p.SourceInfo = strings.Join(values(clean(c.Type), clean(c.Path), layerNote(c.Layer), prefixed("built from ", clean(c.SourceName))), "; ")
	for _, m := range found {
		p.Annotations = append(p.Annotations, b.annotation(b.found(m)))
		if u := weblink(m.URL); u != "" {
			p.References = append(p.References, spdxReference{"SECURITY", "advisory", u, cmp.Or(ident(m.ID), "unknown")})
		}
	}
	return p
}

// found is one vulnerability in one line.
func (b *spdxBuilder) found(m matched) string {
	text := "vulnerability " + cmp.Or(ident(m.ID), "unknown") + " (" + m.Severity.String() + ")"
	if m.FixedVersion != "" {
		text += ", fixed in " + clean(m.FixedVersion)
	}
	text += "; " + m.gate(b.waivers)
	if s, ok := stanceOf(m, b.waivers); ok {
		text += "; " + s.status
	}
	return text
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
