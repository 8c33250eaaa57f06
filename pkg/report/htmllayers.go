// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// barWidth is the width of a bar in its own units; the page scales it.
const barWidth = 1000

// htmlLayers shows which layer carries the bytes and which the findings.
type htmlLayers struct {
	Rows []htmlLayer
	More int
	// Nowhere are findings of which no layer is known.
	Nowhere *htmlBar
	// Sizes says what kind of sizes are shown.
	Sizes string
	Waste string
}

type htmlLayer struct {
	Number           int
	By, Digest, Base string
	Size             string
	Bytes            htmlBar
	Found            htmlBar
}

// htmlBar is a bar and the same in words.
type htmlBar struct {
	Text  string
	Parts []htmlPart
}

// htmlPart is one colour of a bar.
type htmlPart struct {
	Class    string
	X, Width int
}

// severityCounts counts findings in the order of reports.
type severityCounts [5]int

func (c *severityCounts) add(s evidence.Severity) {
	if i := slices.Index(evidence.Severities(), s); i >= 0 {
		c[i]++
		return
	}
	c[len(c)-1]++
}

func (c severityCounts) total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// bar is the counts as a bar of which most is the full width.
func (c severityCounts) bar(most int) htmlBar {
	var b htmlBar
	var words []string
	x := 0
	for i, s := range evidence.Severities() {
		if c[i] == 0 {
			continue
		}
		words = append(words, strconv.Itoa(c[i])+" "+s.String())
		w := max(3, c[i]*barWidth/max(most, 1))
		b.Parts = append(b.Parts, htmlPart{s.String(), min(x, barWidth-3), max(2, w-3)})
		x += w
	}
	b.Text = cmp.Or(strings.Join(words, ", "), "nothing found")
	return b
}

// layerPlaces are the numbers of layers, from 1, by diff id and by digest.
func layerPlaces(s *verdict.SubjectVerdict) map[string]int {
	at := map[string]int{}
	for i, l := range s.Evidence.Layers {
		for _, id := range []string{l.DiffID, l.Digest} {
			if id != "" && at[id] == 0 {
				at[id] = i + 1
			}
		}
	}
	return at
}

func newHTMLLayers(s *verdict.SubjectVerdict) htmlLayers {
	const shown = 150
	ev := &s.Evidence
	found, nowhere := make([]severityCounts, len(ev.Layers)), severityCounts{}
	places := layerPlaces(s)
	for i := range ev.Findings {
		f := &ev.Findings[i]
		layer := f.Layer
		if f.Package != nil {
			layer = firstLayer(layer, f.Package.Layer)
		}
		if n := places[cmp.Or(layer.DiffID, layer.Digest)]; n > 0 {
			found[n-1].add(f.Severity)
		} else {
			nowhere.add(f.Severity)
		}
	}
	size, kind := layerSize(ev.Layers)
	most, biggest := nowhere.total(), int64(0)
	for i, l := range ev.Layers {
		most, biggest = max(most, found[i].total()), max(biggest, size(l))
	}
	h := htmlLayers{Sizes: kind, More: max(0, len(ev.Layers)-shown)}
	for i, l := range ev.Layers[:len(ev.Layers)-h.More] {
		row := htmlLayer{Number: i + 1, By: clean(l.CreatedBy), Digest: wording.ShortDigests(clean(cmp.Or(l.DiffID, l.Digest))), Found: found[i].bar(most)}
		if b := ev.Base; b != nil && b.Lineage == evidence.LineageProven && i < b.Layers {
			row.Base = "base image"
		}
		row.Size = "size not known"
		if n := size(l); n > 0 {
			row.Size = wording.Bytes(n)
			row.Bytes.Parts = []htmlPart{{"bytes", 0, max(2, int(float64(n)/float64(biggest)*barWidth))}}
		}
		h.Rows = append(h.Rows, row)
	}
	if nowhere.total() > 0 {
		b := nowhere.bar(most)
		h.Nowhere = &b
	}
	if w := ev.Waste; w != nil && w.Bytes > 0 {
		h.Waste = fmt.Sprintf("%s of %s are files that a later layer deletes or replaces: no container sees them.", wording.Bytes(w.Bytes), wording.Bytes(max(w.TotalBytes, w.Bytes)))
	}
	return h
}

// layerSize is the size that is known of layers, and its name.
func layerSize(ls []evidence.LayerFacts) (func(evidence.LayerFacts) int64, string) {
	for _, l := range ls {
		if l.Size > 0 {
			return func(l evidence.LayerFacts) int64 { return max(0, l.Size) }, "uncompressed"
		}
	}
	return func(l evidence.LayerFacts) int64 { return max(0, l.CompressedSize) }, "compressed"
}

// htmlPackages are the packages: those with the most findings as a picture, and all.
type htmlPackages struct {
	Types   string
	Total   int
	Worst   []htmlWorst
	Rows    []htmlPackage
	LeftOut int
}

type htmlWorst struct {
	Name, Version string
	Found         htmlBar
}

type htmlPackage struct{ Name, Version, Type, Licences, Where string }

func newHTMLPackages(s *verdict.SubjectVerdict, places map[string]int, b *htmlBudget) htmlPackages {
	const worst, most = 10, 2000
	ev := &s.Evidence
	h := htmlPackages{Total: len(ev.Packages)}
	var types []string
	counts := map[string]int{}
	for _, p := range ev.Packages {
		if counts[p.Type]++; counts[p.Type] == 1 {
			types = append(types, p.Type)
		}
	}
	slices.SortFunc(types, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	for i, t := range types {
		types[i] = strconv.Itoa(counts[t]) + " " + clean(t)
	}
	h.Types = joined(types)
	h.Worst = worstPackages(ev, worst)
	for i := range ev.Packages {
		p := &ev.Packages[i]
		row := htmlPackage{clean(p.Name), clean(p.Version), clean(p.Type), clean(strings.Join(p.Licenses, ", ")), clean(p.Path)}
		if n := places[cmp.Or(p.Layer.DiffID, p.Layer.Digest)]; n > 0 {
			row.Where = strings.TrimPrefix(row.Where+" · layer "+strconv.Itoa(n), " · ")
		}
		if len(h.Rows) == most || !b.take(row.Name, row.Version, row.Type, row.Licences, row.Where) {
			h.LeftOut++
			continue
		}
		h.Rows = append(h.Rows, row)
	}
	return h
}

// worstPackages are those with the most findings, the gravest first.
func worstPackages(ev *evidence.Evidence, shown int) []htmlWorst {
	type id struct{ kind, name, version string }
	found := map[id]*severityCounts{}
	var ids []id
	for i := range ev.Findings {
		p := ev.Findings[i].Package
		if p == nil {
			continue
		}
		k := id{p.Type, p.Name, p.Version}
		if found[k] == nil {
			found[k] = &severityCounts{}
			ids = append(ids, k)
		}
		found[k].add(ev.Findings[i].Severity)
	}
	slices.SortStableFunc(ids, func(a, b id) int {
		for i := range found[a] {
			if c := cmp.Compare(found[b][i], found[a][i]); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.name, b.name)
	})
	most := 0
	for _, k := range ids {
		most = max(most, found[k].total())
	}
	var list []htmlWorst
	for _, k := range ids[:min(len(ids), shown)] {
		list = append(list, htmlWorst{clean(k.name), clean(k.version), found[k].bar(most)})
	}
	return list
}
