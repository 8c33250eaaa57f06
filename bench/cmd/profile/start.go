// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// shownInits are the packages that the table of the start names.
const shownInits = 15

// startRuns are the starts of which each package's fastest counts.
const startRuns = 10

type initialised struct {
	name   string
	clock  time.Duration
	bytes  int64
	allocs int64
}

// writeStart writes what the packages of the real binary initialise before main.
func (o options) writeStart(w io.Writer) error {
	bin, err := filepath.Abs(o.ocigate)
	if err != nil {
		return err
	}
	best := map[string]initialised{}
	for range startRuns {
		cmd := exec.Command(bin, "version")
		cmd.Env = []string{"GODEBUG=inittrace=1"}
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s version: %w\n%s", bin, err, said.Bytes())
		}
		for _, i := range parseInits(said.String()) {
			if b, ok := best[i.name]; !ok || i.clock < b.clock {
				best[i.name] = i
			}
		}
	}
	all := slices.Collect(maps.Values(best))
	slices.SortFunc(all, func(a, b initialised) int { return cmp.Or(cmp.Compare(b.clock, a.clock), cmp.Compare(a.name, b.name)) })
	var total initialised
	for _, i := range all {
		total.clock += i.clock
		total.bytes += i.bytes
		total.allocs += i.allocs
	}
	fmt.Fprintf(w, "\n| %d packages initialise themselves before main | clock, best of %d | allocated | allocations |\n|---|--:|--:|--:|\n", len(all), startRuns)
	row := func(i initialised) {
		fmt.Fprintf(w, "| %s | %.2f ms | %.1f KB | %d |\n", i.name, float64(i.clock.Microseconds())/1000, float64(i.bytes)/1000, i.allocs)
	}
	for _, i := range all[:min(shownInits, len(all))] {
		row(i)
	}
	total.name = "**all**"
	row(total)
	return nil
}

// parseInits reads lines like "init fmt @1.2 ms, 0.01 ms clock, 544 bytes, 4 allocs".
func parseInits(text string) (all []initialised) {
	for line := range strings.Lines(text) {
		var i initialised
		var at, clock float64
		if _, err := fmt.Sscanf(line, "init %s @%f ms, %f ms clock, %d bytes, %d allocs", &i.name, &at, &clock, &i.bytes, &i.allocs); err == nil {
			i.clock = time.Duration(clock * float64(time.Millisecond))
			all = append(all, i)
		}
	}
	return all
}
