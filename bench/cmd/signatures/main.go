// SPDX-License-Identifier: Apache-2.0

// Signatures measures `ocigate verify` beside `cosign verify` of two versions: the same
// images, signed by the real clients, in one registry that takes its time, in turn,
// medians of whole processes. The library's own time is that of pkg/signature's benchmarks.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/ocigate/ocigate/bench"
)

// signatures and latency are those of the library's benchmarks as well.
const (
	signatures = 5
	latency    = 50 * time.Millisecond
)

type options struct {
	ocigate   string
	runs      int
	requests  bool
	cosign    map[string]string
	directory string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "signatures:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	o := options{cosign: map[string]string{}}
	flag.StringVar(&o.ocigate, "ocigate", "../bin/ocigate", "the binary to measure")
	flag.IntVar(&o.runs, "runs", 7, "runs of each program")
	flag.BoolVar(&o.requests, "requests", false, "list the requests of each program's last run")
	flag.Parse()
	if o.ocigate, err = filepath.Abs(o.ocigate); err != nil {
		return err
	}
	for _, v := range bench.CosignVersions {
		if o.cosign[v], err = bench.Cosign(v); err != nil {
			return err
		}
	}
	if o.directory, err = os.MkdirTemp("", "ocigate-signatures-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.directory)
	return o.measure()
}

// measured is one row: how each program verifies the same image.
type measured struct {
	name, benchmark string
	programs        [3][]string // the order of the columns
}

func (o options) measure() error {
	r := bench.NewSlowRegistry()
	defer r.Close()
	keys, err := bench.NewKeys(o.directory, o.cosign["v2.6.5"])
	if err != nil {
		return err
	}
	policy := filepath.Join(o.directory, "policy.yaml")
	tags, err1 := r.Push("tags")
	bundles, err2 := r.Push("bundles")
	err = errors.Join(err1, err2, os.WriteFile(policy, []byte(bench.SignaturePolicy), 0o600),
		keys.SignTags(o.cosign["v2.6.5"], tags, signatures), keys.SignBundles(o.cosign["v3.1.2"], bundles, signatures))
	if err != nil {
		return err
	}
	r.Slow(latency)
	verify := func(version, ref, format string, more ...string) []string {
		args := append([]string{o.cosign[version], "verify", "--key", keys.Public, "--insecure-ignore-tlog", "--new-bundle-format=" + format}, more...)
		return append(args, ref)
	}
	ours := func(ref string) []string {
		return []string{o.ocigate, "verify", "registry:" + ref, "--policy", policy, "--quiet"}
	}
	trust := []string{"--trusted-root", keys.TrustedRoot}
	rows := []measured{
		{fmt.Sprintf("%d signatures at a tag", signatures), "BenchmarkVerifyFiveTags", [3][]string{verify("v2.6.5", tags, "false"), verify("v3.1.2", tags, "false"), ours(tags)}},
		{fmt.Sprintf("%d bundles", signatures), "BenchmarkVerifyFiveBundles", [3][]string{verify("v2.6.5", bundles, "true", trust...), verify("v3.1.2", bundles, "true", trust...), ours(bundles)}},
		{"start of the process", "", [3][]string{{o.cosign["v2.6.5"], "version"}, {o.cosign["v3.1.2"], "version"}, {o.ocigate, "version"}}},
	}
	return o.table(r, rows)
}

func (o options) table(r *bench.SlowRegistry, rows []measured) error {
	library, err := libraryTimes()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "registry %s away\tcosign v2.6.5\tcosign v3.1.2\tocigate verify\tratio\tits library, keyless\t\n", latency)
	var said []string
	for _, row := range rows {
		times, requests, err := o.times(r, row)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.2f\t%s\t\n", row.name, ms(times[0]), ms(times[1]), ms(times[2]),
			times[2].Seconds()/min(times[0], times[1]).Seconds(), cmp.Or(library[row.benchmark], "-"))
		for i, program := range []string{"cosign v2.6.5", "cosign v3.1.2", "ocigate"} {
			said = append(said, fmt.Sprintf("\n%s, %s: %d requests", row.name, program, len(requests[i])))
			said = append(said, requests[i]...)
		}
	}
	if err := w.Flush(); err != nil || !o.requests {
		return err
	}
	for _, line := range said {
		fmt.Println(line)
	}
	return nil
}

// times are the medians of a row's programs, which run in turn after one run unmeasured.
func (o options) times(r *bench.SlowRegistry, row measured) (medians [3]time.Duration, requests [3][]string, err error) {
	var all [3][]time.Duration
	for i := range o.runs + 1 {
		for k, p := range row.programs {
			r.Requests()
			start := time.Now()
			if err := bench.Run(o.directory, p[0], p[1:]...); err != nil {
				return medians, requests, err
			}
			if i > 0 {
				all[k] = append(all[k], time.Since(start))
			}
			requests[k] = r.Requests()
		}
	}
	for k := range all {
		slices.Sort(all[k])
		medians[k] = all[k][len(all[k])/2]
	}
	return medians, requests, nil
}

var benchmarkLine = regexp.MustCompile(`(?m)^(Benchmark\w+?)(?:-\d+)?\s+\d+\s+(\d+) ns/op`)

// libraryTimes are those of the benchmarks of pkg/signature, whose registry is as far away.
func libraryTimes() (map[string]string, error) {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", "VerifyFive", "-benchtime", "20x", "./pkg/signature")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOEXPERIMENT=jsonv2")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("the library's benchmarks: %w\n%s", err, out)
	}
	times := map[string]string{}
	for _, m := range benchmarkLine.FindAllStringSubmatch(string(out), -1) {
		ns, err := strconv.ParseInt(m[2], 10, 64)
		if err != nil {
			return nil, err
		}
		times[m[1]] = ms(time.Duration(ns))
	}
	return times, nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }
