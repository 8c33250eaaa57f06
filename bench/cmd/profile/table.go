// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/google/pprof/profile"
)

// writePlaces writes one column for each image: the share of CPU time of each place.
func writePlaces(w io.Writer, all []scanned, restLines int) {
	places := map[string][]time.Duration{}
	totals := make([]time.Duration, len(all))
	functions := map[string]time.Duration{}
	for i, s := range all {
		for _, p := range s.profiles {
			for _, sample := range p.Sample {
				st := functionsOf(sample)
				name := place(st)
				if places[name] == nil {
					places[name] = make([]time.Duration, len(all))
				}
				d := time.Duration(sample.Value[len(sample.Value)-1])
				places[name][i] += d
				totals[i] += d
				if name == rest && len(st) > 0 {
					functions[st[0]+" < "+st[len(st)-1]] += d
				}
			}
		}
	}
	writeColumns(w, all, places, totals)
	top := slices.SortedFunc(maps.Keys(functions), func(a, b string) int { return cmp.Compare(functions[b], functions[a]) })
	for _, f := range top[:min(restLines, len(top))] {
		fmt.Fprintln(os.Stderr, functions[f], f)
	}
}

func writeColumns(w io.Writer, all []scanned, places map[string][]time.Duration, totals []time.Duration) {
	fmt.Fprint(w, "| CPU of a cold scan, vulnerabilities and secrets |")
	for _, s := range all {
		fmt.Fprintf(w, " %s | share |", s.name)
	}
	fmt.Fprint(w, "\n|---|")
	for range all {
		fmt.Fprint(w, "--:|--:|")
	}
	line := func(name string, v []time.Duration) {
		fmt.Fprintf(w, "\n| %s |", name)
		for i, d := range v {
			share := 0.0
			if totals[i] > 0 {
				share = 100 * d.Seconds() / totals[i].Seconds()
			}
			fmt.Fprintf(w, " %.2f s | %.1f %% |", d.Seconds()/float64(len(all[i].profiles)), share)
		}
	}
	sum := func(v []time.Duration) (t time.Duration) {
		for _, d := range v {
			t += d
		}
		return t
	}
	for _, name := range slices.SortedFunc(maps.Keys(places), func(a, b string) int {
		return cmp.Or(cmp.Compare(sum(places[b]), sum(places[a])), cmp.Compare(a, b))
	}) {
		line(name, places[name])
	}
	line("**all**", totals)
	fmt.Fprintln(w)
}

// functionsOf are the functions of a sample, innermost first, those inlined included.
func functionsOf(s *profile.Sample) (out stack) {
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function != nil {
				out = append(out, line.Function.Name)
			}
		}
	}
	return out
}
