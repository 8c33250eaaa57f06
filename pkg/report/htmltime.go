// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/internal/wording"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// htmlTimeline shows waivers by their end.
type htmlTimeline struct {
	From, To, Today string
	At              int // where today is, of barWidth
	Rows            []htmlWaiver
	More            int
}

type htmlWaiver struct {
	ID, Until, Left, Use, Scope, Owner, Reason, Place string
	URL, Reference                                    string
	Notes                                             []string
	Bar                                               htmlPart
}

// newHTMLTimeline has the waiver that ends next first. It is nil without waivers.
func newHTMLTimeline(v verdict.Verdict) *htmlTimeline {
	const shown, year = 300, 366 * 24 * time.Hour
	if len(v.Waivers) == 0 {
		return nil
	}
	day := 24 * time.Hour
	today := v.EffectiveTime.UTC().Truncate(day)
	from, to := today, today.Add(30*day)
	ends := func(w verdict.WaiverState) time.Time {
		t, err := time.Parse(time.DateOnly, w.Until)
		if err != nil {
			return today
		}
		return t
	}
	for _, w := range v.Waivers {
		if t := ends(w); t.Before(from) {
			from = t
		} else if t.After(to) {
			to = t
		}
	}
	// One waiver of long ago, or without end, does not press all others together.
	if today.Sub(from) > year/2 {
		from = today.Add(-year / 2)
	}
	if to.Sub(today) > 2*year {
		to = today.Add(2 * year)
	}
	at := func(t time.Time) int {
		return min(max(int(float64(t.Sub(from))/float64(to.Sub(from))*barWidth), 0), barWidth)
	}
	h := &htmlTimeline{From: wording.Date(from), To: wording.Date(to), Today: wording.Date(today), At: at(today)}
	list := slices.SortedStableFunc(slices.Values(v.Waivers), func(a, b verdict.WaiverState) int { return ends(a).Compare(ends(b)) })
	h.More = max(0, len(list)-shown)
	for _, w := range list[:len(list)-h.More] {
		row := newHTMLWaiver(v, w)
		a, b := h.At, at(ends(w))
		if a > b {
			a, b = b, a
		}
		row.Bar.X, row.Bar.Width = min(a, barWidth-4), max(4, b-a)
		h.Rows = append(h.Rows, row)
	}
	return h
}

func newHTMLWaiver(v verdict.Verdict, w verdict.WaiverState) htmlWaiver {
	row := htmlWaiver{
		ID: clean(w.ID), Until: clean(w.Until), Use: waiverUse(w), Scope: waiverScope(w), Owner: clean(w.Owner), Reason: clean(w.Reason),
		Place: place(v, verdict.Outcome{Source: w.Source, Position: w.Position}), URL: securelink(w.Reference), Reference: clean(w.Reference),
		Bar: htmlPart{Class: clean(string(w.Use))},
	}
	switch {
	case w.Use == verdict.WaiverExpired:
		row.Left = "over"
	case w.DaysLeft == 0:
		row.Left = "ends today"
	default:
		row.Left = wording.Count(w.DaysLeft, "day") + " left"
	}
	if w.Expiring && w.Use == verdict.WaiverUsed {
		row.Bar.Class = "expiring"
	}
	if w.Refused != "" {
		row.Notes = append(row.Notes, "refused: "+clean(w.Refused))
	}
	for _, d := range w.Drift {
		row.Notes = append(row.Notes, "since it was waived: "+clean(d))
	}
	return row
}

type htmlForecast struct {
	Until, Nothing string
	Changes        []htmlChange
	More           int
}

type htmlChange struct {
	Date, Rule, Turn, Platform string
	Red                        bool
	Why                        []string
}

// newHTMLForecast is nil where nobody asked.
func newHTMLForecast(v verdict.Verdict) *htmlForecast {
	const shown = 200
	if v.ForecastUntil == nil {
		return nil
	}
	h := &htmlForecast{Until: wording.Date(*v.ForecastUntil), More: max(0, len(v.Forecast)-shown)}
	switch {
	case len(v.Forecast) > 0:
	case statusOf(v) == verdict.Errored:
		h.Nothing = "Nothing is known: what could not be decided has no forecast."
	case partial(v):
		h.Nothing = "Nothing more than now, as far as was examined: other rules of the policy have no forecast."
	default:
		h.Nothing = "Nothing more than now, as far as the image, the policy and today's database tell."
	}
	for _, c := range v.Forecast[:len(v.Forecast)-h.More] {
		row := htmlChange{Date: clean(c.Date), Rule: clean(c.Rule), Turn: string(c.From) + " → " + string(c.To), Red: c.Red}
		if c.From == c.To {
			row.Turn = "more violations"
		}
		if len(v.Subjects) > 1 {
			row.Platform = clean(c.Platform.String())
		}
		row.Why = values(clean(c.Reason))
		for i, cause := range c.Causes {
			if i == capPending {
				row.Why = append(row.Why, fmt.Sprintf("… and %d more (see --output json=FILE)", len(c.Causes)-i))
				break
			}
			row.Why = append(row.Why, clean(cause.Message)+": "+clean(cause.Reason))
		}
		h.Changes = append(h.Changes, row)
	}
	return h
}

// examinedFields are the list of the text report, and what of it is about signatures and
// the base image.
func examinedFields(v verdict.Verdict, s verdict.SubjectVerdict) (examined, signed []htmlField) {
	const names, wide = 14, 1 << 20
	var b bytes.Buffer
	p := newPage(&b, Options{Width: wide})
	p.examined(v, s)
	if p.w.Flush() != nil {
		return nil, nil // a buffer takes everything
	}
	_, list, _ := strings.Cut(strings.TrimLeft(b.String(), "\n"), "\n") // without its heading
	at := &examined
	for line := range strings.Lines(list) {
		line = strings.TrimRight(line, "\n")
		name, value := strings.TrimSpace(line[:min(len(line), names)]), strings.TrimSpace(line[min(len(line), names):])
		switch name {
		case "base", "lineage", "base signed", "signatures":
			at = &signed
		case "":
		default:
			at = &examined
		}
		if name != "" || len(*at) == 0 {
			*at = append(*at, htmlField{Name: fieldName(name)})
		}
		last := &(*at)[len(*at)-1]
		last.Values = append(last.Values, strings.TrimPrefix(value, "- "))
	}
	return examined, signed
}

// fieldName is a name of the text report at the beginning of a line.
func fieldName(s string) string {
	switch s {
	case "os":
		return "OS"
	case "image id":
		return "Image ID"
	case "":
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
