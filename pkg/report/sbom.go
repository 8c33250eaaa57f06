// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/spdx"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// stamped writes a document that carries an identifier made of its own content: it is
// rendered once without, so that two documents share an identifier only if they are equal.
func stamped(w io.Writer, kind string, stamp func(id string) any) error {
	var b bytes.Buffer
	if err := WriteJSON(&b, stamp("")); err != nil {
		return err
	}
	return WriteJSON(w, stamp(uuid(kind, b.String())))
}

// runMessages are what every format says of the run, as texts with their weight: the
// verdict, what could not be examined, and violations that are no vulnerabilities.
func runMessages(v verdict.Verdict) []gitlabMessage { return gitlabMessages(v) }

// imagePURL is the image as a package URL; empty where nothing but a path names it.
func imagePURL(s evidence.Subject) string {
	name := cmp.Or(s.Destination, s.Name)
	if name == "" {
		return ""
	}
	repo := repository(evidence.Subject{Name: name}, "")
	q := map[string]string{}
	if strings.Contains(repo, "/") {
		q["repository_url"] = repo
	}
	if s.Platform.Architecture != "" {
		q["arch"] = clean(s.Platform.Architecture)
	}
	bare, _, _ := strings.Cut(name, "@")
	if i := strings.LastIndexByte(bare, ':'); i > strings.LastIndexByte(bare, '/') {
		q["tag"] = clean(bare[i+1:])
	}
	url := packageurl.NewPackageURL(packageurl.TypeOCI, "", strings.ToLower(path.Base(repo)), clean(s.Digest), packageurl.QualifiersFromMap(q), "").ToString()
	return goodPURL(url)
}

// goodPURL is a package URL, or empty where it is none that can stand in a document.
func goodPURL(s string) string {
	const most = 2000
	if len(s) > most || s == "" || clean(s) != wording.Clip(s, maxText) || strings.ContainsAny(s, " \"<>\\^`{|}") {
		return ""
	}
	for _, c := range []byte(s) {
		if c >= 0x7f {
			return ""
		}
	}
	if _, err := packageurl.FromString(s); err != nil {
		return ""
	}
	return s
}

// sha256Hex is the number of a sha256 digest, or empty.
func sha256Hex(digest string) string {
	h, ok := strings.CutPrefix(digest, "sha256:")
	if !ok || len(h) != 64 || strings.Trim(h, "0123456789abcdef") != "" {
		return ""
	}
	return h
}

// licences reads what packages state.
type licences struct {
	table *spdx.Table
	// unknown are those that are in no list, by the reference that stands for them.
	unknown map[string]string
}

func newLicences() *licences {
	return &licences{table: spdx.NewTable(), unknown: map[string]string{}}
}

// expression is all that is stated as one SPDX expression; all apply. known is false
// where a licence of it is in no list; its reference stands in its place.
func (l *licences) expression(stated []string) (text string, known bool) {
	const most = 50
	known = true
	var parts []string
	for _, s := range stated[:min(len(stated), most)] {
		if strings.TrimSpace(s) == "" {
			continue
		}
		t, ok := l.text(l.table.Parse(s), len(stated) > 1)
		known = known && ok
		if !slices.Contains(parts, t) {
			parts = append(parts, t)
		}
	}
	return strings.Join(parts, " AND "), known && len(stated) <= most
}

func (l *licences) text(e spdx.Expression, inner bool) (string, bool) {
	if len(e.Operands) == 0 {
		if e.Licence.Known {
			return e.Licence.Name(), true
		}
		name := cmp.Or(clean(e.Licence.ID), "unnamed")
		ref := "LicenseRef-" + fingerprint(name)[:16]
		l.unknown[ref] = name
		return ref, false
	}
	word, known := " AND ", true
	if e.Or {
		word = " OR "
	}
	var parts []string
	for _, o := range e.Operands {
		t, ok := l.text(o, true)
		known = known && ok
		parts = append(parts, t)
	}
	text := strings.Join(parts, word)
	if inner {
		text = "(" + text + ")"
	}
	return text, known
}

// component is one package of a subject, with an id that no other has.
type component struct {
	*evidence.Package
	id string
}

// components are the packages of the evidence in its order, and those that only findings
// name.
func components(s *verdict.SubjectVerdict, key string) ([]component, map[string]string) {
	var list []component
	ids := map[string]string{}
	add := func(p *evidence.Package) {
		k := packageKey(p)
		if ids[k] == "" {
			ids[k] = fingerprint(key, k)
			list = append(list, component{p, ids[k]})
		}
	}
	for i := range s.Evidence.Packages {
		add(&s.Evidence.Packages[i])
	}
	for i := range s.Evidence.Findings {
		if p := s.Evidence.Findings[i].Package; p != nil {
			add(p)
		}
	}
	for _, e := range entries(s) {
		if f := e.violation.Finding; f != nil && f.Package != nil {
			add(f.Package)
		}
	}
	return list, ids
}

func packageKey(p *evidence.Package) string {
	return fingerprint(p.Type, string(p.Class), p.Name, p.Version, p.Path)
}

// matched are the vulnerabilities of a subject, each once, with what the rules make of them.
type matched struct {
	*evidence.Finding
	judged []entry
}

func vulnerabilities(s *verdict.SubjectVerdict) []matched {
	judged := map[vulnerabilityKey][]entry{}
	var found []*evidence.Finding
	known := map[vulnerabilityKey]bool{}
	add := func(f *evidence.Finding) {
		if f != nil && f.Kind == evidence.KindVulnerability && !known[keyOf(f)] {
			known[keyOf(f)] = true
			found = append(found, f)
		}
	}
	for i := range s.Evidence.Findings {
		add(&s.Evidence.Findings[i])
	}
	for _, e := range entries(s) {
		if f := e.violation.Finding; f != nil && f.Kind == evidence.KindVulnerability {
			add(f)
			judged[keyOf(f)] = append(judged[keyOf(f)], e)
		}
	}
	list := make([]matched, 0, len(found))
	for _, f := range found {
		list = append(list, matched{f, judged[keyOf(f)]})
	}
	return list
}

// gate is what the rules make of it, in one line.
func (m matched) gate(ws waiverIndex) string {
	const most = 2000
	var parts []string
	for _, e := range m.judged {
		parts = append(parts, clean(e.outcome.Rule)+": "+cmp.Or(e.state(ws), "fails the image"))
	}
	return wording.Clip(cmp.Or(strings.Join(parts, "; "), "no rule of the policy is about it"), most)
}

// subjectName names the image of a document.
func subjectName(v verdict.Verdict, s evidence.Subject) string {
	return cmp.Or(clean(cmp.Or(s.Destination, s.Name, s.Reference, v.Reference)), "no image")
}

func subjectDigest(s evidence.Subject) string { return clean(cmp.Or(s.Digest, s.ImageID)) }

// tools are the programs that made the document.
func tools(o Options) []fact {
	return []fact{{"ocigate", cmp.Or(clean(o.Versions.Ocigate), "unknown")}, {"trivy", cmp.Or(clean(o.Versions.Trivy), "unknown")}}
}

// incomplete says whether the document may lack packages of the image.
func incomplete(v verdict.Verdict, s *verdict.SubjectVerdict) bool {
	if partial(v) || len(s.Evidence.Coverage.Unreadable) > 0 || len(s.Evidence.Problems) > 0 {
		return true
	}
	return slices.ContainsFunc(subjectGaps(v, s), func(g gap) bool { return g.gravity == gapError })
}

func layerNote(l evidence.Layer) string {
	if id := clean(cmp.Or(l.DiffID, l.Digest)); id != "" {
		return fmt.Sprintf("layer %s", id)
	}
	return ""
}
