// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ocigate/ocigate/bench"
	"github.com/ocigate/ocigate/bench/usage"
)

// startRuns are the runs of what takes milliseconds.
const startRuns = 20

type options struct {
	ocigate, trivy, data, keep string
	runs                       int
	chosen                     func(name string) bool
}

// comparison is one run of this program.
type comparison struct {
	options
	dir, home, database, measure, floor string
	// policies are by whether secrets are searched.
	policies map[bool]string
	images   *images
	done     map[string]*measured
}

// measured is what the programs of a case took.
type measured struct {
	trivy, ocigate, floor usage.Usage
	found                 string
	different             []string
	searched              bool
}

func progress(s string) { fmt.Fprintln(os.Stderr, s) }

func (o options) compare(ctx context.Context) (err error) {
	b := &comparison{options: o, done: map[string]*measured{}}
	if b.dir, err = os.MkdirTemp("", "ocigate-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.prepare(); err != nil {
		return err
	}
	b.images = &images{options: b.options, dir: b.dir, ready: map[string]bench.Scan{}}
	defer b.images.close()
	table := &table{}
	var different []error
	for _, c := range cases() {
		if !o.chosen(c.name) {
			continue
		}
		m, err := b.measured(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		table.add(c, m, b.done[c.firstCase])
		for _, d := range m.different {
			different = append(different, fmt.Errorf("%s: %s", c.name, d))
		}
	}
	b.heading()
	table.write(os.Stdout)
	if err := b.sizes(); err != nil {
		return err
	}
	return errors.Join(different...)
}

// prepare builds and unpacks what all cases need.
func (b *comparison) prepare() (err error) {
	if _, err := os.Stat(b.data); err != nil {
		return fmt.Errorf("%w: name a directory with images/*.tar and db/full-cache.tar.zst with -data", err)
	}
	progress("building the Trivy CLI (minutes, the first time), floor and measure")
	var err1, err2, err3, err4 error
	if b.trivy == "" { // else it is that of an earlier run
		b.trivy, err1 = bench.BuildReleasedTrivy(b.dir)
	}
	b.floor, err2 = bench.BuildTool(b.dir, "floor")
	b.measure, err3 = bench.BuildTool(b.dir, "measure")
	b.database, err4 = bench.UnpackDatabase(filepath.Join(b.data, "db", "full-cache.tar.zst"), b.dir)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return err
	}
	b.home = filepath.Join(b.dir, "home")
	b.policies = map[bool]string{true: filepath.Join(b.dir, "both.yaml"), false: filepath.Join(b.dir, "vulnerabilities.yaml")}
	b.ocigate, err1 = filepath.Abs(b.ocigate)
	b.trivy, err2 = filepath.Abs(b.trivy)
	b.data, err3 = filepath.Abs(b.data)
	return errors.Join(err1, err2, err3, os.Mkdir(b.home, 0o755),
		os.WriteFile(b.policies[true], []byte(bench.Policy), 0o600), os.WriteFile(b.policies[false], []byte(bench.VulnerabilityPolicy), 0o600))
}

// measured measures a case, and before it the one that it is compared with.
func (b *comparison) measured(ctx context.Context, c aCase) (*measured, error) {
	if m := b.done[c.name]; m != nil {
		return m, nil
	}
	if c.firstCase != "" {
		i := slices.IndexFunc(cases(), func(o aCase) bool { return o.name == c.firstCase })
		if _, err := b.measured(ctx, cases()[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", c.firstCase, err)
		}
	}
	m, err := b.take(ctx, c)
	b.done[c.name] = m
	return m, err
}

// take runs the programs of a case in turn, in alternating order. The first round is not
// counted, unless it is the only one: its findings are compared, and it fills caches.
func (b *comparison) take(ctx context.Context, c aCase) (*measured, error) {
	var s bench.Scan
	var err error
	runs := b.runs
	if c.start {
		runs = startRuns
	} else if s, err = b.images.get(ctx, c.image); err != nil {
		return nil, err
	}
	programs, err := b.programs(c, s)
	if err != nil {
		return nil, err
	}
	progress(c.name)
	m := &measured{}
	all := make([][]usage.Usage, len(programs))
	order := make([]int, len(programs))
	for i := range order {
		order[i] = i
	}
	for i := range runs + 1 {
		for _, k := range order {
			u, err := b.run(ctx, programs[k])
			if err != nil {
				return nil, err
			}
			if i > 0 || runs == 0 {
				all[k] = append(all[k], u)
			}
		}
		slices.Reverse(order)
		if i == 0 && !c.start {
			if m.found, m.different, m.searched, err = compareFindings(c, programs[0], programs[1]); err != nil {
				return nil, err
			}
		}
	}
	m.trivy, m.ocigate = usage.Median(all[0]), usage.Median(all[1])
	if len(all) > 2 {
		m.floor = usage.Median(all[2])
	}
	progress(fmt.Sprintf("  trivy %s, ocigate %s, floor %s; %s", wall(m.trivy), wall(m.ocigate), wall(m.floor), m.found))
	return m, nil
}
